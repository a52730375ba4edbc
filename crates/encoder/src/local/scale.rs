//! Coordinates in which a head's weights are of one size.
//!
//! A published head takes features as they are, and those differ in size by orders of magnitude: a rarely active feature
//! has large weights, a common one small ones. Steps, clips and noise of one size would drown the small ones. The
//! recipe trains on standard features for this reason, but their spread is not in a pack, and measuring it on members'
//! photos would tell about them. A trained head says it itself: its weights for a feature are large where the feature is
//! small. So a feature counts as much as the root mean square of its weights in the model that a federation starts
//! from, which every member computes to the same bit.

use crate::compact::image::Head;
use crate::compact::train::standard::Standard;

/// Features that the head hardly looks at are not shrunk beyond this share of the typical one.
const LEAST: f32 = 0.1;

/// The scale of each feature, for [`Standard::fold`] and [`Standard::unfold`]; means are left as they are.
pub(super) fn of(head: &Head, values: &[f32]) -> Standard {
    let [features, _, _] = head.shape();
    let mut squares = vec![0.0_f64; features];
    let mut count = 0;
    for (weight, bias) in [(&head.direct, &head.bias), (&head.inner, &head.inner_bias)] {
        let rows = values.get(weight.clone()).unwrap_or_default().chunks_exact(bias.len().max(1));
        for (sum, row) in squares.iter_mut().zip(rows) {
            *sum += row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        }
        count += bias.len();
    }
    let sizes: Vec<f64> = squares.iter().map(|sum| (sum / count.max(1) as f64).sqrt()).collect();
    let mut sorted = sizes.clone();
    sorted.sort_by(f64::total_cmp);
    let typical = sorted.get(features / 2).copied().unwrap_or(1.0).max(1e-12);
    // Weights of the size that a fresh head of so many inputs has.
    let wanted = (features.max(1) as f64).sqrt().recip();
    let deviation = sizes.iter().map(|size| (wanted / size.max(typical * f64::from(LEAST))) as f32).collect();
    Standard { mean: vec![0.0; features], deviation }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compact::parameters::Layout;

    #[test]
    fn features_of_any_size_get_weights_of_one_size_and_back() {
        let mut layout = Layout::default();
        let head = Head::push(&mut layout, 6, 4, 5);
        let plain: Vec<f32> =
            (0..layout.len()).map(|i| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5).collect();
        let mut values = plain.clone();
        for (weight, columns) in [(&head.direct, 5), (&head.inner, 4)] {
            for (row, line) in values[weight.clone()].chunks_mut(columns).enumerate() {
                for value in line.iter_mut() {
                    *value *= 10.0_f32.powi(row as i32 - 3);
                }
            }
        }
        let scale = of(&head, &values);
        let mut even = values.clone();
        scale.unfold(&head, &mut even);
        let size = |row: usize| {
            let direct = &even[head.direct.clone()][row * 5..row * 5 + 5];
            let inner = &even[head.inner.clone()][row * 4..row * 4 + 4];
            (direct.iter().chain(inner).map(|value| value * value).sum::<f32>() / 9.0).sqrt()
        };
        for row in 3..6 {
            assert!((size(row) - 6.0_f32.sqrt().recip()).abs() < 1e-4, "{row}: {}", size(row));
        }
        scale.fold(&head, &mut even);
        for (a, b) in even.iter().zip(&values) {
            assert!((a - b).abs() < 1e-5 * b.abs().max(1.0), "{a} and {b}");
        }
    }
}
