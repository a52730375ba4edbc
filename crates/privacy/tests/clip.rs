//! The adaptive clip norm.

use pmirs_crypto::Prg;
use pmirs_privacy::{AdaptiveClip, DiscreteGaussian, Variance};
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
                let within = norms(clients).into_iter().filter(|norm| *norm <= clip).count();
                let noisy = within as f64 + noise.sample(&mut rng) as f64 / fixed_point;
                clip = rule.next(clip, noisy / clients as f64);
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
