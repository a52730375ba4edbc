//! The five dense operations of the image trunk, forwards and backwards, over NHWC `f32` slices.
//!
//! A map of `n` images is one slice of `n * height * width` rows of `channels` values. Everything here is
//! single-threaded and touches its operands in a fixed order, so a result depends on nothing but the
//! operands; callers split a batch into shards and run those side by side.
//!
//! `burn` computes the same functions: the tests compare values and gradients with it.
#![expect(
    clippy::indexing_slicing,
    reason = "every slice length is asserted at the entry of the operation, offsets follow from those"
)]
#![expect(
    clippy::inline_always,
    reason = "a loop must be inlined into `Arch::dispatch` to be compiled for the processor at hand"
)]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::Arch;

/// Height, width and channels of one image's map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

impl Extent {
    pub(crate) fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    pub(crate) fn area(self) -> usize {
        self.height * self.width
    }

    /// The extent after a 3x3 convolution with TensorFlow's SAME padding.
    pub(crate) fn after(self, stride: usize, channels: usize) -> Self {
        Self { height: self.height.div_ceil(stride), width: self.width.div_ceil(stride), channels }
    }
}

/// What bounds a layer's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing: the linear bottleneck.
    Linear,
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
}

impl Activation {
    fn upper(self) -> f32 {
        if self == Self::Relu6 { 6.0 } else { f32::INFINITY }
    }
}

/// Rows of zeros that SAME padding puts before the first row or column of a 3x3 window.
///
/// A stride-2 window on an even size pads at the bottom and right only.
fn padding_before(size: usize, stride: usize) -> usize {
    let out = size.div_ceil(stride);
    ((out - 1) * stride + 3).saturating_sub(size) / 2
}

/// `out (+)= factor · left · right`, `left` being `rows` long, on this thread alone.
pub(crate) fn product(left: &[f32], right: &[f32], beta: Accum, factor: f32, rows: usize, out: &mut [f32]) {
    if rows == 0 {
        return;
    }
    let (inner, columns) = (left.len() / rows, out.len() / rows);
    matmul(
        MatMut::from_row_major_slice_mut(out, rows, columns),
        beta,
        MatRef::from_row_major_slice(left, rows, inner),
        MatRef::from_row_major_slice(right, inner, columns),
        factor,
        Par::Seq,
    );
}

/// `out = activation(x · w + bias) + residual`, `x` being `rows x inputs`, `w` `inputs x outputs`.
pub(crate) fn pointwise(
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    activation: Activation,
    residual: Option<&[f32]>,
    out: &mut [f32],
) {
    let outputs = bias.len();
    product(x, w, Accum::Replace, 1.0, out.len() / outputs, out);
    Arch::new().dispatch(
        #[inline(always)]
        || match residual {
            None => finish(out, bias, activation),
            Some(residual) => {
                for (row, extra) in out.chunks_exact_mut(outputs).zip(residual.chunks_exact(outputs)) {
                    for ((value, bias), extra) in row.iter_mut().zip(bias).zip(extra) {
                        *value += bias + extra;
                    }
                }
            }
        },
    );
}

#[inline(always)]
fn finish(out: &mut [f32], bias: &[f32], activation: Activation) {
    if activation == Activation::Linear {
        for row in out.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    } else {
        let upper = activation.upper();
        for row in out.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value = (*value + bias).max(0.0).min(upper);
            }
        }
    }
}

/// Gradients of [`pointwise`]: adds to `w_grad` and `bias_grad`, and writes (or adds to) `x_grad`.
///
/// `out_grad` is already masked by the activation (see [`mask`]).
pub(crate) fn pointwise_back(
    x: &[f32],
    w: &[f32],
    out_grad: &[f32],
    w_grad: &mut [f32],
    bias_grad: &mut [f32],
    x_grad: Option<&mut [f32]>,
) {
    let outputs = bias_grad.len();
    let inputs = w.len() / outputs;
    let rows = out_grad.len() / outputs;
    let out_grad_matrix = MatRef::from_row_major_slice(out_grad, rows, outputs);
    matmul(
        MatMut::from_row_major_slice_mut(w_grad, inputs, outputs),
        Accum::Add,
        MatRef::from_row_major_slice(x, rows, inputs).transpose(),
        out_grad_matrix,
        1.0,
        Par::Seq,
    );
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in out_grad.chunks_exact(outputs) {
                for (sum, value) in bias_grad.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        },
    );
    if let Some(x_grad) = x_grad {
        matmul(
            MatMut::from_row_major_slice_mut(x_grad, rows, inputs),
            Accum::Replace,
            out_grad_matrix,
            MatRef::from_row_major_slice(w, inputs, outputs).transpose(),
            1.0,
            Par::Seq,
        );
    }
}

/// Zeroes the gradient where an activation's output lay on its bound.
pub(crate) fn mask(activation: Activation, out: &[f32], out_grad: &mut [f32]) {
    let upper = activation.upper();
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (gradient, value) in out_grad.iter_mut().zip(out) {
                *gradient = if *value > 0.0 && *value < upper { *gradient } else { 0.0 };
            }
        },
    );
}

/// Channels that go through a depthwise convolution together.
const LANES: usize = 16;
/// That many neighbouring channels of one place.
type Lane = [f32; LANES];
/// A 3x3 window's weights for one [`Lane`].
type Window = [Lane; 9];

/// 3x3 depthwise convolution with SAME padding; `w` is `9 x channels`, row by row of the window.
///
/// [`LANES`] channels at a time are copied into a padded map of their own, where every place has its nine
/// neighbours at fixed distances: no border is tested and the window's weights stay in registers.
pub(crate) fn depthwise(
    x: &[f32],
    input: Extent,
    stride: usize,
    w: &[f32],
    bias: &[f32],
    activation: Activation,
    out: &mut [f32],
) {
    let output = input.after(stride, input.channels);
    assert_eq!(x.len() / input.len(), out.len() / output.len(), "the same number of images");
    assert_eq!(w.len(), 9 * input.channels, "a 3x3 window per channel");
    let mut padded = Padded::new(input, stride);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (x, out) in x.chunks_exact(input.len()).zip(out.chunks_exact_mut(output.len())) {
                for from in (0..input.channels).step_by(LANES) {
                    padded.fill(x, input, from);
                    depthwise_lane(&padded, output, stride, (w, bias), from, activation, out);
                }
            }
        },
    );
}

#[inline(always)]
fn depthwise_lane(
    padded: &Padded,
    output: Extent,
    stride: usize,
    (w, bias): (&[f32], &[f32]),
    from: usize,
    activation: Activation,
    out: &mut [f32],
) {
    let channels = output.channels;
    let lanes = LANES.min(channels - from);
    let (window, bias) = (window_of(w, channels, from), lane_of(&bias[from..][..lanes]));
    let bounds = match activation {
        Activation::Linear => (f32::NEG_INFINITY, f32::INFINITY),
        _ => (0.0, activation.upper()),
    };
    for (row, out) in out.chunks_exact_mut(output.width * channels).enumerate() {
        let [above, middle, below] = padded.rows(row * stride);
        for (column, out) in out.chunks_exact_mut(channels).enumerate() {
            let mut sum = bias;
            for (line, taps) in [above, middle, below].into_iter().zip(window.chunks_exact(3)) {
                for (x, w) in line[column * stride..][..3].iter().zip(taps) {
                    for lane in 0..LANES {
                        sum[lane] += x[lane] * w[lane];
                    }
                }
            }
            for value in &mut sum {
                *value = value.max(bounds.0).min(bounds.1);
            }
            put(&mut out[from..][..lanes], &sum);
        }
    }
}

/// Gradients of [`depthwise`]; `x_grad` is overwritten, the others are added to.
#[expect(clippy::too_many_arguments, reason = "one layer's operands, all of them plain slices")]
pub(crate) fn depthwise_back(
    x: &[f32],
    input: Extent,
    stride: usize,
    w: &[f32],
    out_grad: &[f32],
    w_grad: &mut [f32],
    bias_grad: &mut [f32],
    x_grad: &mut [f32],
) {
    let channels = input.channels;
    let output = input.after(stride, channels);
    assert_eq!(x.len() / input.len(), out_grad.len() / output.len(), "the same number of images");
    let mut padded = Padded::new(input, stride);
    let mut spread = Padded::new(input, stride);
    let images = x.chunks_exact(input.len()).zip(x_grad.chunks_exact_mut(input.len()));
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((x, x_grad), out_grad) in images.zip(out_grad.chunks_exact(output.len())) {
                for from in (0..channels).step_by(LANES) {
                    padded.fill(x, input, from);
                    weights_back(&padded, output, stride, out_grad, from, w_grad, bias_grad);
                    spread.fill_spread(out_grad, output, stride, from);
                    input_back(&spread, input, w, from, x_grad);
                }
            }
        },
    );
}

/// Adds `Σ out_grad[y, x] · input[y·stride + tap]` to each tap, and `Σ out_grad` to the bias.
#[inline(always)]
fn weights_back(
    padded: &Padded,
    output: Extent,
    stride: usize,
    out_grad: &[f32],
    from: usize,
    w_grad: &mut [f32],
    bias_grad: &mut [f32],
) {
    let channels = output.channels;
    let lanes = LANES.min(channels - from);
    let mut sums: Window = [[0.0; LANES]; 9];
    let mut bias: Lane = [0.0; LANES];
    for (row, out_grad) in out_grad.chunks_exact(output.width * channels).enumerate() {
        let lines = padded.rows(row * stride);
        for (column, gradient) in out_grad.chunks_exact(channels).enumerate() {
            let gradient = lane_of(&gradient[from..][..lanes]);
            for lane in 0..LANES {
                bias[lane] += gradient[lane];
            }
            for (line, sums) in lines.iter().zip(sums.chunks_exact_mut(3)) {
                for (x, sum) in line[column * stride..][..3].iter().zip(sums) {
                    for lane in 0..LANES {
                        sum[lane] += x[lane] * gradient[lane];
                    }
                }
            }
        }
    }
    for (tap, sum) in sums.iter().enumerate() {
        add(&mut w_grad[tap * channels + from..][..lanes], &sum[..lanes]);
    }
    add(&mut bias_grad[from..][..lanes], &bias[..lanes]);
}

/// `x_grad[y, x] = Σ_tap spread[y + 2 - tap, ...] · w[tap]`: a convolution with the turned window.
#[inline(always)]
fn input_back(spread: &Padded, input: Extent, w: &[f32], from: usize, x_grad: &mut [f32]) {
    let channels = input.channels;
    let lanes = LANES.min(channels - from);
    let mut window = window_of(w, channels, from);
    window.reverse();
    for (row, x_grad) in x_grad.chunks_exact_mut(input.width * channels).enumerate() {
        let lines = spread.rows(row);
        for (column, x_grad) in x_grad.chunks_exact_mut(channels).enumerate() {
            let mut sum: Lane = [0.0; LANES];
            for (line, taps) in lines.iter().zip(window.chunks_exact(3)) {
                for (gradient, w) in line[column..][..3].iter().zip(taps) {
                    for lane in 0..LANES {
                        sum[lane] += gradient[lane] * w[lane];
                    }
                }
            }
            put(&mut x_grad[from..][..lanes], &sum);
        }
    }
}

/// One [`Lane`] of a map, zeros around it.
struct Padded {
    places: Vec<Lane>,
    width: usize,
    /// Rows and columns of zeros that SAME padding puts before.
    before: (usize, usize),
}

impl Padded {
    /// Zeros for a map of `input`'s height and width, and for a window at its last row and column.
    fn new(input: Extent, stride: usize) -> Self {
        let before = (padding_before(input.height, stride), padding_before(input.width, stride));
        let width = input.width + 2;
        Self { places: vec![[0.0; LANES]; (input.height + 2) * width], width, before }
    }

    /// Copies the lane that starts at channel `from`.
    #[inline(always)]
    fn fill(&mut self, map: &[f32], extent: Extent, from: usize) {
        let (above, left) = self.before;
        self.copy(map, extent, from, 1, (above, left));
    }

    /// Copies a gradient `stride` places apart, so that a window over the result, turned round, meets every
    /// output that an input place took part in.
    #[inline(always)]
    fn fill_spread(&mut self, gradient: &[f32], extent: Extent, stride: usize, from: usize) {
        let (above, left) = self.before;
        self.copy(gradient, extent, from, stride, (2 - above, 2 - left));
    }

    #[inline(always)]
    fn copy(&mut self, map: &[f32], extent: Extent, from: usize, step: usize, (top, left): (usize, usize)) {
        let lanes = LANES.min(extent.channels - from);
        for (row, line) in map.chunks_exact(extent.width * extent.channels).enumerate() {
            let target = &mut self.places[(row * step + top) * self.width + left..];
            for (place, target) in line.chunks_exact(extent.channels).zip(target.iter_mut().step_by(step)) {
                *target = lane_of(&place[from..][..lanes]);
            }
        }
    }

    /// Three neighbouring rows.
    #[inline(always)]
    fn rows(&self, first: usize) -> [&[Lane]; 3] {
        [0, 1, 2].map(
            #[inline(always)]
            |row| &self.places[(first + row) * self.width..][..self.width],
        )
    }
}

/// Up to [`LANES`] values, zeros after them.
#[inline(always)]
fn lane_of(values: &[f32]) -> Lane {
    match values.try_into() {
        Ok(lane) => lane,
        Err(_) => std::array::from_fn(
            #[inline(always)]
            |at| values.get(at).copied().unwrap_or(0.0),
        ),
    }
}

/// Writes as many values as fit: a whole lane in one store.
#[inline(always)]
fn put(target: &mut [f32], lane: &Lane) {
    if let Ok(target) = <&mut Lane>::try_from(&mut *target) {
        *target = *lane;
    } else {
        for (target, value) in target.iter_mut().zip(lane) {
            *target = *value;
        }
    }
}

#[inline(always)]
fn window_of(w: &[f32], channels: usize, from: usize) -> Window {
    let lanes = LANES.min(channels - from);
    std::array::from_fn(
        #[inline(always)]
        |tap| lane_of(&w[tap * channels + from..][..lanes]),
    )
}

#[inline(always)]
fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

/// The taps of the 3x3 window of output `place` that fall inside the map: (tap 0..9, input place).
#[inline(always)]
fn window(
    place: usize,
    input: Extent,
    output: Extent,
    stride: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let (row, column) = (place / output.width * stride, place % output.width * stride);
    let (above, left) = (padding_before(input.height, stride), padding_before(input.width, stride));
    (0..9).filter_map(
        #[inline(always)]
        move |tap| {
            let (y, x) = ((row + tap / 3).wrapping_sub(above), (column + tap % 3).wrapping_sub(left));
            (y < input.height && x < input.width).then(|| (tap, y * input.width + x))
        },
    )
}

/// Unfolds 3x3 windows of a 3-channel image into rows of 27 values, so that the stem is a [`pointwise`].
pub(crate) fn unfold(x: &[f32], input: Extent, stride: usize, out: &mut [f32]) {
    let channels = input.channels;
    let output = input.after(stride, 9 * channels);
    assert_eq!(x.len() / input.len(), out.len() / output.len(), "the same number of images");
    out.fill(0.0);
    for (x, out) in x.chunks_exact(input.len()).zip(out.chunks_exact_mut(output.len())) {
        for (place, row) in out.chunks_exact_mut(9 * channels).enumerate() {
            for (tap, at) in window(place, input, output, stride) {
                row[tap * channels..][..channels].copy_from_slice(&x[at * channels..][..channels]);
            }
        }
    }
}

/// The mean over all places of each image.
pub(crate) fn average(x: &[f32], input: Extent, out: &mut [f32]) {
    let scale = 1.0 / input.area() as f32;
    for (x, out) in x.chunks_exact(input.len()).zip(out.chunks_exact_mut(input.channels)) {
        out.fill(0.0);
        for row in x.chunks_exact(input.channels) {
            for (sum, value) in out.iter_mut().zip(row) {
                *sum += value;
            }
        }
        for value in out {
            *value *= scale;
        }
    }
}

/// Gradient of [`average`]: spreads each mean's gradient evenly.
pub(crate) fn average_back(out_grad: &[f32], input: Extent, x_grad: &mut [f32]) {
    let scale = 1.0 / input.area() as f32;
    for (x, out) in x_grad.chunks_exact_mut(input.len()).zip(out_grad.chunks_exact(input.channels)) {
        for row in x.chunks_exact_mut(input.channels) {
            for (value, gradient) in row.iter_mut().zip(out) {
                *value = gradient * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stride_two_on_an_even_size_pads_at_the_end_only() {
        assert_eq!((padding_before(8, 2), padding_before(7, 2)), (0, 1));
        assert_eq!((padding_before(8, 1), padding_before(7, 1)), (1, 1));
        // One bright pixel in the last row and column of a 4 x 4 map is the centre of no stride-2 window but
        // the middle of the last one's taps.
        let extent = Extent { height: 4, width: 4, channels: 1 };
        let mut x = vec![0.0; 16];
        x[15] = 1.0;
        let w: Vec<f32> = (0..9).map(|tap| tap as f32).collect();
        let mut out = vec![0.0; 4];
        depthwise(&x, extent, 2, &w, &[0.0], Activation::Linear, &mut out);
        let difference: f32 = out.iter().zip([0.0, 0.0, 0.0, 4.0]).map(|(a, b)| (a - b).abs()).sum();
        assert!(difference < 1e-6, "{out:?}");
    }

    #[test]
    fn relu6_saturates_and_relu_does_not() {
        for (activation, expected) in
            [(Activation::Relu6, 6.0), (Activation::Relu, 8.0), (Activation::Linear, 8.0)]
        {
            let mut out = [0.0];
            pointwise(&[2.0, 3.0], &[2.0, 1.0], &[1.0], activation, None, &mut out);
            assert!((out[0] - expected).abs() < 1e-6, "{out:?}");
        }
    }
}
