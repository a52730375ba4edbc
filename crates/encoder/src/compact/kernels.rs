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
    reason = "a loop must be inlined into `vectorised` to be compiled for the processor at hand"
)]

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};

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

/// Runs a loop that is compiled for the processor at hand.
///
/// By `FnMut` and not by value: what calls a closure by value is a function of its own, and that one is compiled for
/// the oldest processor.
fn vectorised(work: impl FnMut()) {
    struct Loop<F>(F);

    impl<F: FnMut()> WithSimd for Loop<F> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) {
            (self.0)();
        }
    }

    Arch::new().dispatch(Loop(work));
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
    vectorised(
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
    vectorised(
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
    vectorised(
        #[inline(always)]
        || {
            for (gradient, value) in out_grad.iter_mut().zip(out) {
                *gradient = if *value > 0.0 && *value < upper { *gradient } else { 0.0 };
            }
        },
    );
}

/// Runs a block for every group of channels, with its length `N` as a constant and its first channel: as many groups
/// of 16 as there are, then of 8, then single channels.
macro_rules! in_groups {
    ($channels:expr, |$n:ident, $from:ident| $body:block) => {{
        let channels: usize = $channels;
        let mut $from = 0;
        while $from + 16 <= channels {
            const $n: usize = 16;
            $body
            $from += 16;
        }
        while $from + 8 <= channels {
            const $n: usize = 8;
            $body
            $from += 8;
        }
        while $from < channels {
            const $n: usize = 1;
            $body
            $from += 1;
        }
    }};
}
/// 3x3 depthwise convolution with SAME padding; `w` is `9 x channels`, row by row of the window.
///
/// Row by row of the output, so that what a window reads is in the nearest cache; a group of channels at a time, so
/// that the window's weights stay in registers.
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
    let bounds = match activation {
        Activation::Linear => (f32::NEG_INFINITY, f32::INFINITY),
        _ => (0.0, activation.upper()),
    };
    let mut band = Band::new(input);
    vectorised(
        #[inline(always)]
        || {
            for (x, out) in x.chunks_exact(input.len()).zip(out.chunks_exact_mut(output.len())) {
                let map = Map::padded(x, input, stride);
                band.rewind();
                for (row, out) in out.chunks_exact_mut(output.width * output.channels).enumerate() {
                    let lines = band.slide(row * stride, &map);
                    in_groups!(input.channels, |N, from| {
                        convolve::<N>(lines, stride, (w, Some(bias)), from, bounds, out, input.channels);
                    });
                }
            }
        },
    );
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
    // x_grad[y, x] = sum over taps of spread[y + 2 - tap, ...] * w[tap]: a convolution with the turned window.
    let turned: Vec<f32> = w.chunks_exact(channels).rev().flatten().copied().collect();
    let everything = (f32::NEG_INFINITY, f32::INFINITY);
    let mut band = Band::new(input);
    vectorised(
        #[inline(always)]
        || {
            let images = x.chunks_exact(input.len()).zip(x_grad.chunks_exact_mut(input.len()));
            for ((x, x_grad), out_grad) in images.zip(out_grad.chunks_exact(output.len())) {
                let map = Map::padded(x, input, stride);
                band.rewind();
                for (row, gradient) in out_grad.chunks_exact(output.width * channels).enumerate() {
                    let lines = band.slide(row * stride, &map);
                    in_groups!(channels, |N, from| {
                        correlate::<N>(lines, stride, gradient, from, w_grad, bias_grad);
                    });
                }
                let map = Map::spread(out_grad, output, input, stride);
                band.rewind();
                for (row, x_grad) in x_grad.chunks_exact_mut(input.width * channels).enumerate() {
                    let lines = band.slide(row, &map);
                    in_groups!(channels, |N, from| {
                        convolve::<N>(lines, 1, (&turned, None), from, everything, x_grad, channels);
                    });
                }
            }
        },
    );
}

/// One output row of `N` channels: `bounds.0.max(bias + window · w).min(bounds.1)`.
#[inline(always)]
fn convolve<const N: usize>(
    lines: [&[f32]; 3],
    stride: usize,
    (w, bias): (&[f32], Option<&[f32]>),
    from: usize,
    bounds: (f32, f32),
    out: &mut [f32],
    channels: usize,
) {
    let window: [[f32; N]; 9] = std::array::from_fn(
        #[inline(always)]
        |tap| group(w, tap * channels + from),
    );
    let bias: [f32; N] = bias.map_or([0.0; N], |bias| group(bias, from));
    for (column, out) in out.chunks_exact_mut(channels).enumerate() {
        let mut sum = bias;
        for (line, taps) in lines.into_iter().zip(window.chunks_exact(3)) {
            let places = &line[column * stride * channels + from..][..2 * channels + N];
            for (tap, w) in taps.iter().enumerate() {
                let x = &places[tap * channels..][..N];
                for lane in 0..N {
                    sum[lane] += x[lane] * w[lane];
                }
            }
        }
        let out = &mut out[from..][..N];
        for lane in 0..N {
            out[lane] = sum[lane].max(bounds.0).min(bounds.1);
        }
    }
}

/// Adds one output row's part of `Σ gradient · input[tap]` to each tap of `N` channels, and `Σ gradient` to the bias.
#[inline(always)]
fn correlate<const N: usize>(
    lines: [&[f32]; 3],
    stride: usize,
    gradient: &[f32],
    from: usize,
    w_grad: &mut [f32],
    bias_grad: &mut [f32],
) {
    let channels = bias_grad.len();
    let mut sums = [[0.0; N]; 9];
    let mut bias = [0.0; N];
    for (column, gradient) in gradient.chunks_exact(channels).enumerate() {
        let gradient = &gradient[from..][..N];
        for lane in 0..N {
            bias[lane] += gradient[lane];
        }
        for (line, sums) in lines.into_iter().zip(sums.chunks_exact_mut(3)) {
            let places = &line[column * stride * channels + from..][..2 * channels + N];
            for (tap, sum) in sums.iter_mut().enumerate() {
                let x = &places[tap * channels..][..N];
                for lane in 0..N {
                    sum[lane] += x[lane] * gradient[lane];
                }
            }
        }
    }
    for (tap, sum) in sums.iter().enumerate() {
        add(&mut w_grad[tap * channels + from..][..N], sum);
    }
    add(&mut bias_grad[from..][..N], &bias);
}

/// `N` values from a place on.
#[inline(always)]
fn group<const N: usize>(values: &[f32], from: usize) -> [f32; N] {
    let mut group = [0.0; N];
    group.copy_from_slice(&values[from..][..N]);
    group
}

/// A map as a window meets it: zeros around it, and between its places.
struct Map<'a> {
    values: &'a [f32],
    extent: Extent,
    /// From one place to the next.
    step: usize,
    /// Rows and columns of zeros before the first place.
    before: (usize, usize),
}

impl<'a> Map<'a> {
    /// With the zeros that SAME padding puts around it.
    fn padded(values: &'a [f32], extent: Extent, stride: usize) -> Self {
        let before = (padding_before(extent.height, stride), padding_before(extent.width, stride));
        Self { values, extent, step: 1, before }
    }

    /// A gradient of extent `output` with its places `stride` apart, so that a window over it, turned round, meets
    /// every output that a place of `input` took part in.
    fn spread(values: &'a [f32], output: Extent, input: Extent, stride: usize) -> Self {
        let before = (2 - padding_before(input.height, stride), 2 - padding_before(input.width, stride));
        Self { values, extent: output, step: stride, before }
    }
}

/// Three neighbouring rows of a [`Map`], zeros included; they move on along the map.
struct Band {
    /// Row `r` lies at `r % 3`.
    rows: [Vec<f32>; 3],
    /// Rows that were filled.
    filled: usize,
}

impl Band {
    /// Room for rows of a map of `input`'s width, and for a window at its last column.
    fn new(input: Extent) -> Self {
        Self { rows: std::array::from_fn(|_| vec![0.0; (input.width + 2) * input.channels]), filled: 0 }
    }

    /// Begins another map.
    fn rewind(&mut self) {
        for row in &mut self.rows {
            row.fill(0.0);
        }
        self.filled = 0;
    }

    /// The rows from `first` on, which never goes back.
    #[inline(always)]
    fn slide(&mut self, first: usize, map: &Map<'_>) -> [&[f32]; 3] {
        while self.filled < first + 3 {
            self.fill(map);
        }
        let [zero, one, two] = &self.rows;
        match first % 3 {
            0 => [zero, one, two],
            1 => [one, two, zero],
            _ => [two, zero, one],
        }
    }

    #[inline(always)]
    fn fill(&mut self, map: &Map<'_>) {
        let target = &mut self.rows[self.filled % 3];
        let (above, left) = map.before;
        let channels = map.extent.channels;
        let from_top = self.filled.wrapping_sub(above);
        self.filled += 1;
        if from_top >= map.extent.height * map.step || !from_top.is_multiple_of(map.step) {
            target.fill(0.0);
            return;
        }
        let length = map.extent.width * channels;
        let line = &map.values[from_top / map.step * length..][..length];
        let target = &mut target[left * channels..];
        if map.step == 1 {
            target[..length].copy_from_slice(line);
        } else {
            for (place, target) in line.chunks_exact(channels).zip(target.chunks_mut(map.step * channels)) {
                target[..channels].copy_from_slice(place);
            }
        }
    }
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
