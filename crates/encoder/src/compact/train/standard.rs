//! Features as the head sees them while it trains: each with mean 0 and deviation 1 over the training photos.
//!
//! The trunk's features have very different scales and are never negative, which slows the head's training.
//! The trained head is folded back, so that the published one takes features as they are.

use crate::compact::image::ImageTower;

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

    /// Weights whose head takes standard features, as weights whose head takes the features themselves:
    /// `W'[i] = W[i] / σ[i]` and `b' = b - Σ μ[i] W'[i]`, for both linear maps that read them.
    pub(crate) fn fold(&self, tower: &ImageTower, values: &[f32]) -> Vec<f32> {
        let mut values = values.to_vec();
        let head = tower.head();
        for (weight, bias) in [(&head.direct, &head.bias), (&head.inner, &head.inner_bias)] {
            let columns = bias.len();
            let mut shift = vec![0.0; columns];
            let rows = values.get_mut(weight.clone()).unwrap_or_default().chunks_exact_mut(columns);
            for ((row, mean), deviation) in rows.zip(&self.mean).zip(&self.deviation) {
                for (value, shift) in row.iter_mut().zip(&mut shift) {
                    *value /= deviation;
                    *shift += *value * mean;
                }
            }
            for (value, shift) in values.get_mut(bias.clone()).unwrap_or_default().iter_mut().zip(shift) {
                *value -= shift;
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::trunk::{Architecture, Block};

    #[test]
    fn a_folded_head_sees_through_the_standard() {
        let block = Block { expand: 4, widens: false, out: 4, stride: 1 };
        let architecture = Architecture { stem: 4, blocks: vec![block], features: 3, bounded: false };
        let tower = ImageTower::new(&architecture, 5, 6);
        let weights: Vec<f32> =
            (0..tower.layout().len()).map(|i| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5).collect();
        let rows = [0.0, 4.0, 1.0, 2.0, 8.0, 1.0, 4.0, 0.0, 1.0];
        let standard = Standard::of(&rows, 3);
        assert_eq!(standard.mean, [2.0, 4.0, 1.0]);
        assert!((standard.deviation[2] - LEAST_DEVIATION).abs() < 1e-9);
        let columns = standard.mean.iter().zip(&standard.deviation).cycle();
        let seen: Vec<f32> = rows.iter().zip(columns).map(|(x, (mean, dev))| (x - mean) / dev).collect();
        let expected = tower.project(&weights, &seen).concat();
        let folded = tower.project(&standard.fold(&tower, &weights), &rows).concat();
        for (a, b) in expected.iter().zip(&folded) {
            assert!((a - b).abs() < 1e-4, "{a} and {b}");
        }
    }
}
