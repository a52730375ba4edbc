//! Features as the head sees them while it trains: each with mean 0 and deviation 1 over the training photos.
//!
//! The trunk's features have very different scales and are never negative, which slows the head's training.
//! The trained head is folded back, so that the published one takes features as they are.

use crate::compact::image::Head;

/// Rarely active features are not blown up beyond this.
const LEAST_DEVIATION: f32 = 1e-2;

/// Mean and deviation of each feature.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standard {
    pub mean: Vec<f32>,
    pub deviation: Vec<f32>,
}

impl Standard {
    /// Measures rows of `width` features.
    pub(crate) fn of(rows: &[f32], width: usize) -> Self {
        let count = (rows.len() / width).max(1) as f64;
        let mut sums = vec![(0.0_f64, 0.0_f64); width];
        for row in rows.chunks_exact(width) {
            for ((sum, squares), value) in sums.iter_mut().zip(row) {
                *sum += f64::from(*value);
                *squares += f64::from(*value).powi(2);
            }
        }
        let mean = sums.iter().map(|(sum, _)| (sum / count) as f32).collect();
        let deviation = sums
            .iter()
            .map(|(sum, squares)| (squares / count - (sum / count).powi(2)).max(0.0).sqrt() as f32)
            .map(|deviation| deviation.max(LEAST_DEVIATION))
            .collect();
        Self { mean, deviation }
    }

    /// Leaves features as they are.
    pub(crate) fn none(width: usize) -> Self {
        Self { mean: vec![0.0; width], deviation: vec![1.0; width] }
    }

    /// Turns a head over standard features into one over the features themselves:
    /// `W'[i] = W[i] / σ[i]` and `b' = b - Σ μ[i] W'[i]`, for both linear maps that read them.
    pub(crate) fn fold(&self, head: &Head, values: &mut [f32]) {
        self.scale(head, values, |deviation| 1.0 / deviation);
        self.shift(head, values, -1.0);
    }

    /// The inverse of [`Standard::fold`].
    pub(crate) fn unfold(&self, head: &Head, values: &mut [f32]) {
        self.shift(head, values, 1.0);
        self.scale(head, values, |deviation| deviation);
    }

    fn scale(&self, head: &Head, values: &mut [f32], by: impl Fn(f32) -> f32) {
        for (weight, bias) in [(&head.direct, &head.bias), (&head.inner, &head.inner_bias)] {
            let rows = values.get_mut(weight.clone()).unwrap_or_default().chunks_exact_mut(bias.len());
            for (row, deviation) in rows.zip(&self.deviation) {
                for value in row {
                    *value *= by(*deviation);
                }
            }
        }
    }

    /// Adds `sign · Σ μ[i] W[i]` to the biases.
    fn shift(&self, head: &Head, values: &mut [f32], sign: f32) {
        for (weight, bias) in [(&head.direct, &head.bias), (&head.inner, &head.inner_bias)] {
            let mut shift = vec![0.0; bias.len()];
            let rows = values.get(weight.clone()).unwrap_or_default().chunks_exact(bias.len());
            for (row, mean) in rows.zip(&self.mean) {
                for (shift, value) in shift.iter_mut().zip(row) {
                    *shift += sign * mean * value;
                }
            }
            for (value, shift) in values.get_mut(bias.clone()).unwrap_or_default().iter_mut().zip(shift) {
                *value += shift;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::parameters::Layout;

    #[test]
    fn a_folded_head_sees_through_the_standard() {
        let mut layout = Layout::default();
        let head = Head::push(&mut layout, 3, 5, 6);
        let weights: Vec<f32> =
            (0..layout.len()).map(|i| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5).collect();
        let rows = [0.0, 4.0, 1.0, 2.0, 8.0, 1.0, 4.0, 0.0, 1.0];
        let standard = Standard::of(&rows, 3);
        assert_eq!(standard.mean, [2.0, 4.0, 1.0]);
        assert!((standard.deviation[2] - LEAST_DEVIATION).abs() < 1e-9);
        let columns = standard.mean.iter().zip(&standard.deviation).cycle();
        let seen: Vec<f32> = rows.iter().zip(columns).map(|(x, (mean, dev))| (x - mean) / dev).collect();
        let close = |a: &[f32], b: &[f32]| {
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 1e-4, "{a} and {b}");
            }
        };
        let mut folded = weights.clone();
        standard.fold(&head, &mut folded);
        close(&head.project(&weights, &seen).concat(), &head.project(&folded, &rows).concat());
        standard.unfold(&head, &mut folded);
        close(&weights, &folded);
    }
}
