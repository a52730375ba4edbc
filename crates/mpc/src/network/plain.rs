//! The plaintext twin: the same layers over floating-point numbers.

#![expect(
    clippy::indexing_slicing,
    reason = "sizes were checked when the network was made, and are asserted here"
)]

use super::layer::{Extent, Layer, Network, Node, Windows};
use crate::error::{Error, shape};

impl Network {
    /// The result for one input, from each node's weights and biases.
    ///
    /// # Errors
    /// When an operand has another size than the layers say.
    pub fn evaluate_plain(&self, weights: &[Vec<f32>], input: &[f32]) -> Result<Vec<f32>, Error> {
        shape("the nodes with weights", self.nodes.len(), weights.len())?;
        shape("the values that enter a network", self.input().len(), input.len())?;
        let mut maps: Vec<Vec<f32>> = vec![input.to_vec()];
        for (index, (node, weights)) in self.nodes.iter().zip(weights).enumerate() {
            let [count, biases] = node.layer.weights();
            shape("the weights of a layer", count + biases, weights.len())?;
            let (weights, bias) = weights.split_at(count);
            let map = self.plain_layer(index, node, weights, bias, &maps);
            maps.push(map);
        }
        Ok(maps.pop().unwrap_or_default())
    }

    fn plain_layer(
        &self,
        index: usize,
        node: &Node,
        weights: &[f32],
        bias: &[f32],
        maps: &[Vec<f32>],
    ) -> Vec<f32> {
        let (from, to) = (self.extents[node.input], self.extents[index + 1]);
        let x = &maps[node.input];
        match node.layer {
            Layer::Convolution { window, stride, inputs, .. } => {
                let windows = Windows { input: from, output: to, window, stride };
                let rows = unfolded(windows, inputs, x);
                product(&rows, weights, bias, rows.len() / to.places(), to.channels)
            }
            Layer::Linear { inputs, outputs, .. } => product(x, weights, bias, inputs, outputs),
            Layer::Lookup { rows, width } => product(x, weights, bias, rows, width),
            Layer::Depthwise { window, stride, channels } => {
                let windows = Windows { input: from, output: to, window, stride };
                depthwise(windows, channels, x, weights, bias)
            }
            Layer::Relu => x.iter().map(|value| value.max(0.0)).collect(),
            Layer::BoundedRelu { most } => x.iter().map(|value| value.clamp(0.0, most as f32)).collect(),
            Layer::Mean => mean(from, x),
            Layer::Add { with } => x.iter().zip(&maps[with]).map(|(a, b)| a + b).collect(),
            Layer::Slice { from: first, channels } => x
                .chunks_exact(from.channels)
                .flat_map(|place| &place[first..first + channels])
                .copied()
                .collect(),
            Layer::Mask { by } => {
                let places = x.chunks_exact(from.channels).zip(&maps[by]);
                places.flat_map(|(place, by)| place.iter().map(move |value| value * by)).collect()
            }
            Layer::Pool { by } => {
                let mut sums = vec![0.0; from.channels];
                for (place, by) in x.chunks_exact(from.channels).zip(&maps[by]) {
                    sums.iter_mut().zip(place).for_each(|(sum, value)| *sum += value * by);
                }
                sums
            }
        }
    }
}

fn unfolded(windows: Windows, channels: usize, x: &[f32]) -> Vec<f32> {
    let mut rows = Vec::new();
    for place in 0..windows.output.places() {
        for tap in windows.taps(place) {
            match tap {
                Some(at) => rows.extend_from_slice(&x[at * channels..][..channels]),
                None => rows.extend(std::iter::repeat_n(0.0, channels)),
            }
        }
    }
    rows
}

fn product(x: &[f32], weights: &[f32], bias: &[f32], inputs: usize, outputs: usize) -> Vec<f32> {
    let row = |x: &[f32]| {
        let mut out = if bias.is_empty() { vec![0.0; outputs] } else { bias.to_vec() };
        for (x, weights) in x.iter().zip(weights.chunks_exact(outputs)) {
            out.iter_mut().zip(weights).for_each(|(slot, weight)| *slot += x * weight);
        }
        out
    };
    x.chunks_exact(inputs).flat_map(row).collect()
}

fn depthwise(windows: Windows, channels: usize, x: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let place = |place: usize| {
        let mut out = bias.to_vec();
        for (tap, weights) in windows.taps(place).zip(weights.chunks_exact(channels)) {
            let Some(at) = tap else { continue };
            let x = &x[at * channels..][..channels];
            out.iter_mut().zip(x.iter().zip(weights)).for_each(|(slot, (x, weight))| *slot += x * weight);
        }
        out
    };
    (0..windows.output.places()).flat_map(place).collect()
}

fn mean(extent: Extent, x: &[f32]) -> Vec<f32> {
    let mut sums = vec![0.0; extent.channels];
    for row in x.chunks_exact(extent.channels) {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().map(|sum| sum / extent.places() as f32).collect()
}
