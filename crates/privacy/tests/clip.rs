//! The adaptive clip norm.

use pmirs_crypto::Prg;
use pmirs_privacy::clip::{AdaptiveClip, joint_clip, noise_beside_count, share_within, within_clip};
use pmirs_privacy::{DiscreteGaussian, PrivacyError, Variance};
use proptest::prelude::*;

/// Norms of many clients, log-uniform from 0.01 to 100: the median is 1, the 0.8-quantile 10^1.2.
fn norms(count: usize) -> Vec<f64> {
    (0..count).map(|client| 10_f64.powf(4.0 * (client as f64 + 0.5) / count as f64 - 2.0)).collect()
}

/// From far below and far above, under noise, the norm arrives at the quantile and stays about there.
#[test]
fn it_finds_the_quantile_under_noise() {
    let (clients, fixed_point) = (500, 1_000.0);
    let noise =
        DiscreteGaussian::new(Variance::at_least((20.0 * fixed_point) * (20.0 * fixed_point)).unwrap());
    let mut rng = Prg::new(&[4; 32], b"clip");
    for (quantile, expected) in [(0.5, 1.0), (0.8, 10_f64.powf(1.2)), (0.2, 10_f64.powf(-1.2))] {
        for start in [1e-3, 1e3] {
            let rule = AdaptiveClip::new(quantile, 0.2, 1e-4, 1e4).unwrap();
            let mut clip = start;
            let mut after = Vec::new();
            for round in 0..400 {
                let sum: f64 = norms(clients).into_iter().map(|norm| within_clip(norm, clip)).sum();
                let noisy = sum + noise.sample(&mut rng) as f64 / fixed_point;
                clip = rule.next(clip, share_within(noisy, clients as u32));
                if round >= 200 {
                    after.push(clip.ln());
                }
            }
            let mean = (after.iter().sum::<f64>() / after.len() as f64).exp();
            assert!(
                (mean / expected).ln().abs() < 0.1,
                "quantile {quantile} from {start}: {mean}, not {expected}"
            );
        }
    }
}

/// Andrew et al., section 2: C' = C exp(-η (b̃ - γ)).
#[test]
fn one_step_by_hand() {
    let rule = AdaptiveClip::median(1e-3, 1e3).unwrap();
    assert!((rule.next(0.1, 1.0) - 0.1 * (-0.1_f64).exp()).abs() < 1e-15);
    assert!((rule.next(0.1, 0.0) - 0.1 * 0.1_f64.exp()).abs() < 1e-15);
    assert!((rule.next(0.1, 0.5) - 0.1).abs() < 1e-15);
    assert!((share_within(30.0, 100) - 0.8).abs() < 1e-15);
}

/// z⁻² = z_Δ⁻² + (2 σ_b)⁻²: together they cost what one release of z does.
#[test]
fn the_count_is_paid_for() {
    for (z, count) in [(1.0, 5.0), (0.5, 25.0), (10.0, 5.5)] {
        let update = noise_beside_count(z, count).unwrap();
        assert!(update > z);
        let together = update.powi(-2) + (2.0 * count).powi(-2);
        assert!((together - z.powi(-2)).abs() < 1e-12);
    }
    // The same by one clip norm for both: updates of norm 3, a count of weight 2, noise of deviation 12 in all.
    let (clip, weight, deviation) = (3.0, 2.0, 12.0);
    let z = deviation / joint_clip(clip, weight);
    let beside = noise_beside_count(z, deviation / weight).unwrap();
    assert!((beside - deviation / clip).abs() < 1e-12, "{beside}");
    assert!(matches!(noise_beside_count(10.0, 5.0), Err(PrivacyError::Parameter { .. })));
}

proptest! {
    #[test]
    fn it_stays_within_its_bounds(clip in 1e-6_f64..1e6, share: f64, quantile in 0.0_f64..=1.0) {
        let rule = AdaptiveClip::new(quantile, 0.2, 0.01, 10.0).unwrap();
        let next = rule.next(clip, share);
        prop_assert!((0.01..=10.0).contains(&next), "{next}");
    }

    /// More clients within the norm never raise it.
    #[test]
    fn it_falls_with_the_share(clip in 0.1_f64..5.0, low in 0.0_f64..1.0, high in 0.0_f64..1.0) {
        let rule = AdaptiveClip::median(0.01, 10.0).unwrap();
        prop_assert!(low > high || rule.next(clip, low) >= rule.next(clip, high));
    }
}
