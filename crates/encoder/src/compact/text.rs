//! The text tower: order-aware, and small enough for a query per keystroke.
//!
//! ```text
//! token ids -> embedding (V x w) -> [ x + ReLU(width-3 convolution of x) ] x layers -> mean over tokens -> linear
//! ```
//!
//! Start and end tokens are left out: the zero padding at both ends of the convolution marks them. Queries run
//! here rather than in `burn`, whose fixed cost per operation would be most of a query's time; a test holds
//! both to the same numbers.
#![expect(clippy::indexing_slicing, reason = "token ids are checked against the table before use")]

use std::ops::Range;

use faer::Accum;
use serde::{Deserialize, Serialize};

use super::kernels::product;
use super::parameters::Layout;

/// Taps of the text convolutions.
pub const TAPS: usize = 3;

/// Sizes of the text tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextShape {
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Width of an embedding and of the convolutions.
    pub width: usize,
    /// Residual convolutions.
    pub layers: usize,
    /// Length of the raw vector.
    pub dim: usize,
}

/// The text tower's shape; weights are a flat vector of [`TextTower::layout`].
#[derive(Clone, Debug)]
pub struct TextTower {
    /// `vocabulary x width`.
    pub table: Range<usize>,
    /// Per layer: `3·width x width` (tap, input, output), then `width`.
    pub convolutions: Vec<(Range<usize>, Range<usize>)>,
    /// `width x dim`.
    pub out: Range<usize>,
    /// `dim`.
    pub out_bias: Range<usize>,
    shape: TextShape,
    layout: Layout,
}

impl TextTower {
    /// Lays out the tower.
    pub fn new(shape: TextShape) -> Self {
        let mut layout = Layout::default();
        let width = shape.width;
        let table = layout.push("text.embedding", &[shape.vocabulary, width]);
        let convolutions = (1..=shape.layers)
            .map(|layer| {
                let weight = layout.push(format!("text.conv_{layer}.weight"), &[TAPS * width, width]);
                (weight, layout.push(format!("text.conv_{layer}.bias"), &[width]))
            })
            .collect();
        let out = layout.push("text.out.weight", &[width, shape.dim]);
        let out_bias = layout.push("text.out.bias", &[shape.dim]);
        Self { table, convolutions, out, out_bias, shape, layout }
    }

    /// Names, shapes and order of the weights.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The sizes.
    pub fn shape(&self) -> TextShape {
        self.shape
    }

    /// Multiply-adds of a query of `tokens` tokens.
    pub fn multiply_adds(&self, tokens: usize) -> usize {
        let width = self.shape.width;
        tokens * self.shape.layers * TAPS * width * width + width * self.shape.dim
    }

    /// The raw vector of one sentence, start and end tokens left out.
    ///
    /// Returns `None` when a token is not in the vocabulary.
    pub fn embed(&self, weights: &[f32], tokens: &[u32]) -> Option<Vec<f32>> {
        let (width, length) = (self.shape.width, tokens.len());
        if tokens.iter().any(|&token| token as usize >= self.shape.vocabulary) {
            return None;
        }
        let mut out = weights[self.out_bias.clone()].to_vec();
        if length == 0 {
            return Some(out);
        }
        // One row of zeros before and after, so that the windows of a width-3 convolution are overlapping rows.
        let mut x = vec![0.0; (length + 2) * width];
        let table = &weights[self.table.clone()];
        for (row, &token) in x[width..].chunks_exact_mut(width).zip(tokens) {
            row.copy_from_slice(&table[token as usize * width..][..width]);
        }
        let mut change = vec![0.0; length * width];
        for (weight, bias) in &self.convolutions {
            convolve(&x, &weights[weight.clone()], width, &mut change);
            let inside = x[width..].chunks_exact_mut(width);
            for (row, change) in inside.zip(change.chunks_exact(width)) {
                for ((value, change), bias) in row.iter_mut().zip(change).zip(&weights[bias.clone()]) {
                    *value += (change + bias).max(0.0);
                }
            }
        }
        let mut mean = vec![0.0; width];
        for row in x[width..].chunks_exact(width).take(length) {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += value / length as f32;
            }
        }
        product(&mean, &weights[self.out.clone()], Accum::Add, 1.0, 1, &mut out);
        Some(out)
    }
}

/// `out[t] = Σ_tap x[t + tap] · w[tap]` over the padded rows of `x`, one product per tap.
fn convolve(x: &[f32], weight: &[f32], width: usize, out: &mut [f32]) {
    let length = out.len() / width;
    for tap in 0..TAPS {
        let beta = if tap == 0 { Accum::Replace } else { Accum::Add };
        let (rows, weight) = (&x[tap * width..][..length * width], &weight[tap * width * width..]);
        product(rows, &weight[..width * width], beta, 1.0, length, out);
    }
}
