//! The convolutional trunk of the image tower: MobileNetV2's inverted residuals.
//!
//! ```text
//! pixels -> 3x3 stem /2 -> blocks (1x1 expand, 3x3 depthwise, 1x1 project, + input) -> 1x1 -> mean
//! ```
//!
//! Layer widths are data ([`Architecture`]), so a pruned network is the same code with other numbers.
#![expect(clippy::indexing_slicing, reason = "step indices are made by `Trunk::new` in one pass")]

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::kernels::{
    Activation, Extent, average, average_back, depthwise, depthwise_back, mask, pointwise, pointwise_back,
    unfold,
};
use super::parameters::Layout;

/// Widths and strides of the trunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Architecture {
    /// Channels after the stem.
    pub stem: usize,
    /// The inverted residual blocks, in order.
    pub blocks: Vec<Block>,
    /// Channels of the last 1x1 convolution: the length of the features.
    pub features: usize,
    /// Whether activations stop at 6. min(ReLU(x), 6) = ReLU(x) - ReLU(x - 6), so this still needs nothing but
    /// ReLU and addition, at two evaluations for each.
    #[serde(default)]
    pub bounded: bool,
}

/// One inverted residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Channels between expand and project; a block whose `expand` equals its input has no expand layer
    /// when `widens` is false.
    pub expand: usize,
    /// Whether the block begins with a 1x1 expand convolution.
    pub widens: bool,
    /// Channels that leave the block.
    pub out: usize,
    /// Stride of the depthwise convolution, 1 or 2.
    pub stride: usize,
}

impl Architecture {
    /// MobileNetV2 at width 1.0 (Sandler et al. 2018, table 2).
    pub fn mobilenet_v2() -> Self {
        let groups = [
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ];
        let mut blocks = Vec::new();
        let mut width = 32;
        for (factor, out, count, stride) in groups {
            for repeat in 0..count {
                let stride = if repeat == 0 { stride } else { 1 };
                blocks.push(Block { expand: width * factor, widens: factor > 1, out, stride });
                width = out;
            }
        }
        Self { stem: 32, blocks, features: 1280, bounded: true }
    }

    /// Multiply-adds and ReLU evaluations of one image of `size x size` pixels.
    pub fn cost(&self, size: usize) -> Cost {
        let mut extent = Extent { height: size, width: size, channels: 3 };
        let mut cost = Cost::default();
        for step in &Trunk::new(self).steps {
            let out = step.output(extent);
            cost.multiply_adds += out.area() * step.weight.len();
            if step.activation != Activation::Linear {
                cost.relus += out.len() * if self.bounded { 2 } else { 1 };
            }
            extent = out;
        }
        cost
    }
}

/// What one image costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Multiplications each with an addition.
    pub multiply_adds: usize,
    /// ReLU evaluations.
    pub relus: usize,
}

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stem,
    Pointwise,
    Depthwise { stride: usize },
}

/// One layer.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub kind: Kind,
    /// Channels that leave it.
    pub channels: usize,
    /// Places in the flat vector; the bias follows the weight.
    pub weight: Range<usize>,
    pub bias: Range<usize>,
    pub activation: Activation,
    /// The step whose output is added to this one's.
    pub residual: Option<usize>,
}

impl Step {
    pub(crate) fn output(&self, input: Extent) -> Extent {
        match self.kind {
            Kind::Stem => input.after(2, self.channels),
            Kind::Depthwise { stride } => input.after(stride, self.channels),
            Kind::Pointwise => Extent { channels: self.channels, ..input },
        }
    }
}

/// The layers in order, and where each finds its weights in the flat vector.
#[derive(Clone, Debug)]
pub struct Trunk {
    steps: Vec<Step>,
    layout: Layout,
    features: usize,
    activation: Activation,
}

impl Trunk {
    /// Lays out the layers of an architecture.
    pub fn new(architecture: &Architecture) -> Self {
        let mut plan = Planner::default();
        plan.push("trunk.stem", Kind::Stem, &[3, 3, 3, architecture.stem], true);
        let mut width = architecture.stem;
        for (number, block) in architecture.blocks.iter().enumerate() {
            let name = format!("trunk.block_{:02}", number + 1);
            let entry = plan.steps.len() - 1;
            if block.widens {
                plan.push(&format!("{name}.expand"), Kind::Pointwise, &[width, block.expand], true);
            }
            let kind = Kind::Depthwise { stride: block.stride };
            plan.push(&format!("{name}.depthwise"), kind, &[3, 3, block.expand], true);
            plan.push(&format!("{name}.project"), Kind::Pointwise, &[block.expand, block.out], false);
            if block.stride == 1
                && width == block.out
                && let Some(last) = plan.steps.last_mut()
            {
                last.residual = Some(entry);
            }
            width = block.out;
        }
        plan.push("trunk.last", Kind::Pointwise, &[width, architecture.features], true);
        let activation = if architecture.bounded { Activation::Relu6 } else { Activation::Relu };
        Self { steps: plan.steps, layout: plan.layout, features: architecture.features, activation }
    }

    /// Names, shapes and order of the weights.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Length of the feature vector.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Features of square RGB images, `images x size x size x 3`, values in [-1, 1].
    ///
    /// `shard` images go through the network together; shards run side by side.
    pub fn features_of(&self, weights: &[f32], pixels: &[f32], size: usize, shard: usize) -> Vec<f32> {
        let image = size * size * 3;
        let shard = shard.max(1);
        let mut out = vec![0.0; pixels.len() / image * self.features];
        pixels
            .par_chunks(shard * image)
            .zip(out.par_chunks_mut(shard * self.features))
            .for_each(|(pixels, out)| self.infer(weights, pixels, size, out));
        out
    }

    fn infer(&self, weights: &[f32], pixels: &[f32], size: usize, out: &mut [f32]) {
        let mut extent = Extent { height: size, width: size, channels: 3 };
        let images = pixels.len() / extent.len();
        let mut maps: Vec<Vec<f32>> = Vec::with_capacity(self.steps.len());
        let mut entry = 0;
        for (index, step) in self.steps.iter().enumerate() {
            let output = step.output(extent);
            let mut map = vec![0.0; images * output.len()];
            let input = maps.last().map_or(pixels, Vec::as_slice);
            let residual = step.residual.map(|at| maps[at].as_slice());
            run(step, weights, input, extent, images, self.activation, residual, &mut map);
            // Only the entry of the current block is still needed, for its residual.
            if step.activation == Activation::Linear {
                for old in &mut maps[entry..] {
                    *old = Vec::new();
                }
                entry = index;
            }
            maps.push(map);
            extent = output;
        }
        average(maps.last().map_or(&[], Vec::as_slice), extent, out);
    }

    /// Runs one shard of square images, whose pixels lie in `tape.maps[0]`, and keeps every layer's output for
    /// [`Trunk::backward`].
    pub(crate) fn forward(&self, weights: &[f32], size: usize, tape: &mut Tape) {
        let mut extent = Extent { height: size, width: size, channels: 3 };
        tape.images = tape.maps[0].len() / extent.len();
        tape.extents.clear();
        tape.extents.push(extent);
        tape.maps.resize_with(self.steps.len() + 1, Vec::new);
        for (at, step) in self.steps.iter().enumerate() {
            let output = step.output(extent);
            let (before, rest) = tape.maps.split_at_mut(at + 1);
            let residual = step.residual.map(|entry| before[entry + 1].as_slice());
            rest[0].resize(tape.images * output.len(), 0.0);
            run(step, weights, &before[at], extent, tape.images, self.activation, residual, &mut rest[0]);
            tape.extents.push(output);
            extent = output;
        }
        tape.features.resize(tape.images * self.features, 0.0);
        average(tape.maps.last().map_or(&[], Vec::as_slice), extent, &mut tape.features);
    }

    /// Adds to `gradient` what one shard's feature gradient says about each weight.
    ///
    /// `slopes` is room for the gradient of each map; what it held does not matter.
    pub(crate) fn backward(
        &self,
        weights: &[f32],
        tape: &Tape,
        feature_grad: &[f32],
        slopes: &mut Vec<Vec<f32>>,
        gradient: &mut [f32],
    ) {
        let last = self.steps.len();
        slopes.resize_with(last + 1, Vec::new);
        for (slope, map) in slopes.iter_mut().zip(&tape.maps) {
            slope.resize(map.len(), 0.0);
        }
        average_back(feature_grad, tape.extents[last], &mut slopes[last]);
        for index in (1..=last).rev() {
            let step = &self.steps[index - 1];
            let (before, after) = slopes.split_at_mut(index);
            if step.activation != Activation::Linear {
                mask(self.activation, &tape.maps[index], &mut after[0]);
            }
            step_back(step, weights, tape, index, &after[0], &mut before[index - 1], gradient);
            // What a later block added from this step's input comes back unchanged.
            let adds = |later: &Step| index >= 2 && later.residual == Some(index - 2);
            if let Some(at) = self.steps.iter().position(adds) {
                add(&mut before[index - 1], &after[at + 1 - index]);
            }
        }
    }
}

/// What one shard left behind on its way forward; kept from shard to shard, so that memory is asked for once.
#[derive(Default)]
pub(crate) struct Tape {
    images: usize,
    /// The input's extent, then every step's output's.
    extents: Vec<Extent>,
    /// The pixels, then every step's output.
    maps: Vec<Vec<f32>>,
    /// `images x features`.
    pub features: Vec<f32>,
}

impl Tape {
    /// Room for the next shard's pixels, empty.
    pub(crate) fn pixels(&mut self) -> &mut Vec<f32> {
        self.maps.resize_with(self.maps.len().max(1), Vec::new);
        self.maps[0].clear();
        &mut self.maps[0]
    }
}

#[derive(Default)]
struct Planner {
    steps: Vec<Step>,
    layout: Layout,
}

impl Planner {
    fn push(&mut self, name: &str, kind: Kind, shape: &[usize], relu: bool) {
        let channels = shape.last().copied().unwrap_or(0);
        let weight = self.layout.push(format!("{name}.weight"), shape);
        let bias = self.layout.push(format!("{name}.bias"), &[channels]);
        let activation = if relu { Activation::Relu } else { Activation::Linear };
        self.steps.push(Step { kind, channels, weight, bias, activation, residual: None });
    }
}

#[expect(clippy::too_many_arguments, reason = "one layer's operands, all of them plain slices")]
pub(crate) fn run(
    step: &Step,
    weights: &[f32],
    input: &[f32],
    extent: Extent,
    images: usize,
    relu: Activation,
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    let (weight, bias) = (&weights[step.weight.clone()], &weights[step.bias.clone()]);
    let activation = if step.activation == Activation::Linear { Activation::Linear } else { relu };
    match step.kind {
        Kind::Pointwise => pointwise(input, weight, bias, activation, residual, out),
        Kind::Depthwise { stride } => depthwise(input, extent, stride, weight, bias, activation, out),
        Kind::Stem => {
            let rows = unfolded(input, extent, images);
            pointwise(&rows, weight, bias, activation, None, out);
        }
    }
}

fn step_back(
    step: &Step,
    weights: &[f32],
    tape: &Tape,
    index: usize,
    out_grad: &[f32],
    input_grad: &mut [f32],
    gradient: &mut [f32],
) {
    let (input, extent) = (&tape.maps[index - 1], tape.extents[index - 1]);
    let weight = &weights[step.weight.clone()];
    // A layer's bias follows its weight in the layout.
    let (w_grad, bias_grad) = gradient[step.weight.start..step.bias.end].split_at_mut(step.weight.len());
    match step.kind {
        Kind::Pointwise => pointwise_back(input, weight, out_grad, w_grad, bias_grad, Some(input_grad)),
        Kind::Depthwise { stride } => {
            depthwise_back(input, extent, stride, weight, out_grad, w_grad, bias_grad, input_grad);
        }
        Kind::Stem => {
            let rows = unfolded(input, extent, tape.images);
            pointwise_back(&rows, weight, out_grad, w_grad, bias_grad, None);
        }
    }
}

fn unfolded(input: &[f32], extent: Extent, images: usize) -> Vec<f32> {
    let mut rows = vec![0.0; images * extent.after(2, 27).len()];
    unfold(input, extent, 2, &mut rows);
    rows
}

fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::flex::FlexDevice;
    use burn::backend::{Autodiff, Flex};
    use burn::tensor::activation::relu;
    use burn::tensor::module::conv2d;
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Tensor, TensorData};

    use super::*;

    type Engine = Autodiff<Flex>;

    fn tiny(bounded: bool) -> Architecture {
        let block = |expand, widens, out, stride| Block { expand, widens, out, stride };
        let blocks = vec![block(4, false, 6, 1), block(12, true, 5, 2), block(10, true, 5, 1)];
        Architecture { stem: 4, blocks, features: 7, bounded }
    }

    fn noise(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| 0.5 * next()).collect()
    }

    /// One layer by `burn`: explicit SAME padding, then a convolution without any.
    fn layer(
        step: &Step,
        weight: Tensor<Engine, 4>,
        bias: Tensor<Engine, 1>,
        x: Tensor<Engine, 4>,
    ) -> Tensor<Engine, 4> {
        let [_, channels, height, width] = x.dims();
        let (stride, window) = match step.kind {
            Kind::Stem => (2, 3),
            Kind::Depthwise { stride } => (stride, 3),
            Kind::Pointwise => (1, 1),
        };
        let pad = |size: usize| {
            let total = ((size.div_ceil(stride) - 1) * stride + window).saturating_sub(size);
            (total / 2, total - total / 2)
        };
        let ((top, bottom), (left, right)) = (pad(height), pad(width));
        let x = x.pad((left, right, top, bottom), 0.0);
        let groups = if matches!(step.kind, Kind::Depthwise { .. }) { channels } else { 1 };
        conv2d(x, weight, Some(bias), ConvOptions::new([stride; 2], [0; 2], [1; 2], groups))
    }

    /// Our `window x window x in x out` (or `3 x 3 x channels`) order to `burn`'s `out x in x h x w`.
    fn weight_of(step: &Step, values: &[f32]) -> Tensor<Engine, 4> {
        let values = values[step.weight.clone()].to_vec();
        let device = FlexDevice;
        match step.kind {
            Kind::Depthwise { .. } => {
                Tensor::<Engine, 4>::from_data(TensorData::new(values, [3, 3, 1, step.channels]), &device)
                    .permute([3, 2, 0, 1])
            }
            Kind::Stem => {
                Tensor::<Engine, 4>::from_data(TensorData::new(values, [3, 3, 3, step.channels]), &device)
                    .permute([3, 2, 0, 1])
            }
            Kind::Pointwise => {
                let inputs = values.len() / step.channels;
                Tensor::<Engine, 4>::from_data(
                    TensorData::new(values, [1, 1, inputs, step.channels]),
                    &device,
                )
                .permute([3, 2, 0, 1])
            }
        }
    }

    /// Features and the gradients of their sum weighted by `slope`, by `burn`.
    fn by_burn(
        trunk: &Trunk,
        values: &[f32],
        pixels: &[f32],
        size: usize,
        slope: &[f32],
    ) -> (Vec<f32>, Vec<f32>) {
        let device = FlexDevice;
        let images = pixels.len() / (size * size * 3);
        let input = TensorData::new(pixels.to_vec(), [images, size, size, 3]);
        let mut maps = vec![Tensor::<Engine, 4>::from_data(input, &device).permute([0, 3, 1, 2])];
        let mut leaves = Vec::new();
        for step in &trunk.steps {
            let weight = weight_of(step, values).detach().require_grad();
            let bias = TensorData::new(values[step.bias.clone()].to_vec(), [step.channels]);
            let bias = Tensor::<Engine, 1>::from_data(bias, &device).require_grad();
            let mut out = layer(step, weight.clone(), bias.clone(), maps.last().unwrap().clone());
            if step.activation != Activation::Linear {
                out = relu(out);
                if trunk.activation == Activation::Relu6 {
                    out = out.clamp_max(6.0);
                }
            }
            if let Some(entry) = step.residual {
                out = out + maps[entry + 1].clone();
            }
            maps.push(out);
            leaves.push((step, weight, bias));
        }
        let features = maps.last().unwrap().clone().mean_dim(2).mean_dim(3).reshape([images, trunk.features]);
        let slope = Tensor::<Engine, 2>::from_data(
            TensorData::new(slope.to_vec(), [images, trunk.features]),
            &device,
        );
        let gradients = (features.clone() * slope).sum().backward();
        let mut all = vec![0.0; trunk.layout.len()];
        for (step, weight, bias) in leaves {
            let weight = weight.grad(&gradients).unwrap().permute([2, 3, 1, 0]);
            all[step.weight.clone()].copy_from_slice(&weight.into_data().to_vec::<f32>().unwrap());
            let bias = bias.grad(&gradients).unwrap();
            all[step.bias.clone()].copy_from_slice(&bias.into_data().to_vec::<f32>().unwrap());
        }
        (features.into_data().to_vec().unwrap(), all)
    }

    fn close(ours: &[f32], theirs: &[f32]) {
        assert_eq!(ours.len(), theirs.len());
        for (at, (a, b)) in ours.iter().zip(theirs).enumerate() {
            assert!((a - b).abs() <= 1e-4 * (1.0 + b.abs()), "value {at}: {a} and {b}");
        }
    }

    #[test]
    fn values_and_gradients_are_those_of_burn() {
        // Even, odd and mixed sizes on the way down take both kinds of padding; bright pixels reach the bound.
        for (size, bounded, brightness) in
            [(8, false, 1.0), (9, false, 1.0), (10, false, 1.0), (9, true, 25.0)]
        {
            let trunk = Trunk::new(&tiny(bounded));
            let weights = noise(trunk.layout.len(), 7);
            let (images, seed) = (3, size as u32);
            let pixels: Vec<f32> =
                noise(images * size * size * 3, seed).into_iter().map(|value| value * brightness).collect();
            let slope = noise(images * trunk.features, seed + 1);
            let (features, gradient) = by_burn(&trunk, &weights, &pixels, size, &slope);
            let (mut tape, mut slopes) = (Tape::default(), Vec::new());
            // What an earlier, larger shard left behind does not matter.
            tape.pixels().resize((images + 1) * (size + 2) * (size + 2) * 3, 0.5);
            trunk.forward(&weights, size + 2, &mut tape);
            trunk.backward(
                &weights,
                &tape,
                &vec![1.0; slope.len() + trunk.features],
                &mut slopes,
                &mut vec![0.0; weights.len()],
            );
            tape.pixels().extend(&pixels);
            trunk.forward(&weights, size, &mut tape);
            close(&tape.features, &features);
            close(&trunk.features_of(&weights, &pixels, size, 2), &features);
            let mut ours = vec![0.0; weights.len()];
            trunk.backward(&weights, &tape, &slope, &mut slopes, &mut ours);
            close(&ours, &gradient);
        }
    }

    /// Forwards and backwards through MobileNetV2 beside `burn`, in turns on the same pictures; both use all cores.
    ///
    /// `cargo test --release -p pmirs-encoder --lib -- --ignored --nocapture speed_beside_burn`
    #[test]
    #[ignore = "a measurement; nothing that can fail"]
    fn speed_beside_burn() {
        let (size, images) = (192, 16);
        let trunk = Trunk::new(&Architecture::mobilenet_v2());
        let weights: Vec<f32> = noise(trunk.layout.len(), 7).into_iter().map(|value| value * 0.1).collect();
        let pixels = noise(images * size * size * 3, 3);
        let slope = noise(images * trunk.features, 5);
        let mut shards: Vec<(Tape, Vec<Vec<f32>>)> = (0..images / 4).map(|_| Default::default()).collect();
        let mut ours = || {
            shards.par_iter_mut().enumerate().for_each(|(shard, (tape, slopes))| {
                let area = 4 * size * size * 3;
                tape.pixels().extend(&pixels[shard * area..][..area]);
                trunk.forward(&weights, size, tape);
                let slope = &slope[shard * 4 * trunk.features..][..4 * trunk.features];
                trunk.backward(&weights, tape, slope, slopes, &mut vec![0.0; weights.len()]);
            });
        };
        let timed = |work: &mut dyn FnMut()| {
            let start = std::time::Instant::now();
            work();
            start.elapsed().as_secs_f64()
        };
        // Not the first time: memory is asked for then.
        let mut turns: Vec<(f64, f64)> = (0..4)
            .map(|_| {
                let theirs = timed(&mut || drop(by_burn(&trunk, &weights, &pixels, size, &slope)));
                (timed(&mut ours), theirs)
            })
            .skip(1)
            .collect();
        turns.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let (ours, theirs) = turns[turns.len() / 2];
        println!("{:.1} images/s, burn {:.1}: {:.1} times", 16.0 / ours, 16.0 / theirs, theirs / ours);
    }

    #[test]
    fn mobilenet_v2_costs_what_its_paper_says() {
        let architecture = Architecture::mobilenet_v2();
        // Sandler et al. 2018: 300 million multiply-adds and 3.4 million parameters with the classifier.
        let cost = architecture.cost(224);
        assert!((295_000_000..305_000_000).contains(&cost.multiply_adds), "{cost:?}");
        assert_eq!(Trunk::new(&architecture).layout().len() + 1280 * 1000 + 1000, 3_487_816);
    }
}
