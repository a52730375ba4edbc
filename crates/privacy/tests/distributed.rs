//! Noise inside a sum: the bounds against distributions that are summed out.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use pmirs_privacy::{
    DistributedGaussian, Grid, Mechanism, ORDERS, PrivacyError, SecretRate, Target, Variance,
};
use proptest::prelude::*;

fn noise(grid: Grid, survivors: u32, variance: f64) -> DistributedGaussian {
    DistributedGaussian::new(grid, survivors, Variance::at_least(variance).unwrap()).unwrap()
}

/// Probabilities of `-reach..=reach`.
struct Distribution {
    reach: i64,
    weights: Vec<f64>,
}

impl Distribution {
    fn gaussian(variance: f64, reach: i64) -> Self {
        let weights: Vec<f64> =
            (-reach..=reach).map(|x| (-(x as f64).powi(2) / (2.0 * variance)).exp()).collect();
        let total: f64 = weights.iter().sum();
        Self { reach, weights: weights.into_iter().map(|weight| weight / total).collect() }
    }

    fn at(&self, x: i64) -> f64 {
        usize::try_from(x + self.reach).ok().and_then(|index| self.weights.get(index)).copied().unwrap_or(0.0)
    }

    fn sum(&self, other: &Self) -> Self {
        let reach = self.reach + other.reach;
        let at = |x: i64| (-self.reach..=self.reach).map(|a| self.at(a) * other.at(x - a)).sum();
        Self { reach, weights: (-reach..=reach).map(at).collect() }
    }

    fn of_sum(count: u32, variance: f64) -> Self {
        // So far out a weight is below 1e-70.
        let one = Self::gaussian(variance, (18.0 * variance.sqrt()).ceil() as i64);
        (1..count).fold(Self { reach: one.reach, weights: one.weights.clone() }, |sum, _| sum.sum(&one))
    }

    /// Rényi divergence at an order to the same distribution shifted, over points where both weigh anything.
    fn divergence_to_shifted(&self, shift: i64, order: f64) -> f64 {
        let term = |x: i64| {
            let (p, q) = (self.at(x), self.at(x - shift));
            if p > 1e-60 && q > 1e-60 { (order * p.ln() + (1.0 - order) * q.ln()).exp() } else { 0.0 }
        };
        (-self.reach..=self.reach).map(term).sum::<f64>().ln() / (order - 1.0)
    }
}

/// Theorem 1 of Kairouz, Liu and Steinke: the densities of the sum and of one discrete Gaussian differ by a factor of
/// at most `e^τ`, of which the exponent is right and the factor generous.
#[test]
fn a_sum_of_discrete_gaussians_is_nearly_one() {
    let grid = Grid { clip: 1.0, scale: 1.0, components: 1 };
    for (count, variance) in [(2, 0.25), (2, 0.5), (3, 0.25), (5, 0.4), (8, 0.36), (4, 1.0)] {
        let tau = noise(grid, count, variance).distance_from_gaussian();
        let sum = Distribution::of_sum(count, variance);
        let one = Distribution::gaussian(f64::from(count) * variance, sum.reach);
        // Near the ends the sum's support was cut off.
        let reach = (8.0 * (f64::from(count) * variance).sqrt()) as i64;
        let gap = (-reach..=reach).map(|x| (sum.at(x) / one.at(x)).ln().abs()).fold(0.0, f64::max);
        assert!(gap <= tau + 1e-12, "{count} of {variance}: {gap} above {tau}");
        assert!(tau < 1e-9 || gap > tau / 1000.0, "{count} of {variance}: {gap} far below {tau}");
    }
}

/// Proposition 14: the Rényi divergence of the sum under a shift of some components by one, which adds up over the
/// components, is below the bound, and close to it once there is noise worth the name.
#[test]
fn divergences_of_the_sum_are_below_the_bound() {
    for (count, variance) in [(2, 0.25), (3, 0.3), (4, 0.5), (10, 1.0), (5, 4.0)] {
        let sum = Distribution::of_sum(count, variance);
        for components in [1, 2, 9, 40] {
            let grid = Grid { clip: 1.5, scale: 1.0, components };
            let bound = noise(grid, count, variance);
            // As far as one client can move the sum here, if they move each component by one at most.
            let shifted = f64::from(components).min(grid.sensitivity_squared().floor());
            for order in [1.1, 1.5, 2.0, 4.0, 8.0] {
                let exact = shifted * sum.divergence_to_shifted(1, order);
                let stated = bound.divergence(order);
                let what = format!("{count} of {variance}, {components} components, order {order}");
                assert!(exact <= stated, "{what}: {exact} above {stated}");
                let used = shifted / grid.sensitivity_squared();
                assert!(
                    variance < 4.0 || exact >= 0.99 * used * stated,
                    "{what}: {exact} far below {stated}"
                );
            }
        }
    }
}

/// With room enough, the mechanism is the central Gaussian of equal noise, at every order.
#[test]
fn a_fine_grid_costs_what_the_central_mechanism_does() {
    let grid = Grid { clip: 1.0, scale: 1_048_576.0, components: 1_000_000 };
    let distributed = noise(grid, 80, 1e9);
    assert!(distributed.distance_from_gaussian() < 1e-300);
    let alone = noise(grid, 1, 1e9);
    assert!((distributed.noise_multiplier_alone() - alone.noise_multiplier()).abs() < 1e-15);
    let central = Mechanism::gaussian(distributed.noise_multiplier()).unwrap().curve(None);
    let curve = Mechanism::Distributed(distributed).curve(None);
    assert!(curve.values().iter().zip(central.values()).all(|(a, b)| (a - b).abs() <= 1e-12 * b));
    // Rounding costs next to nothing on such a grid, and a lot on a coarse one.
    assert!(grid.sensitivity_squared().sqrt() / (grid.clip * grid.scale) < 1.001);
    let coarse = Grid { scale: 500.0, ..grid };
    assert!(coarse.sensitivity_squared().sqrt() / (coarse.clip * coarse.scale) > 1.4);
}

#[test]
fn the_sensitivity_by_hand() {
    // c s = 3, d = 4: min{9 + 1 + 1·(3 + 1), (3 + 2)²} = min{14, 25}
    let grid = Grid { clip: 1.5, scale: 2.0, components: 4 };
    assert!((grid.sensitivity_squared() - 14.0).abs() < 1e-12);
}

#[test]
fn calibration_keeps_the_promise_and_no_more() {
    let grid = Grid { clip: 0.5, scale: 16_384.0, components: 5_000 };
    for (epsilon, survivors) in [(8.0, 80), (1.0, 80), (1.0, 1_000)] {
        let target = Target { epsilon, delta: 1e-5, rounds: 20, sampled_at: None };
        let noise = DistributedGaussian::for_target(grid, survivors, &target).unwrap();
        assert!(target.holds(&Mechanism::Distributed(noise)).unwrap());
        let less = Variance::at_least(noise.variance().value() * 0.999).unwrap();
        let less = DistributedGaussian::new(grid, survivors, less).unwrap();
        assert!(!target.holds(&Mechanism::Distributed(less)).unwrap(), "{noise:?} is more than it needs");
        // Twice as many survivors need half the variance each.
        let more = DistributedGaussian::for_target(grid, 2 * survivors, &target).unwrap();
        let ratio = noise.variance().value() / more.variance().value();
        assert!((ratio - 2.0).abs() < 0.001, "{ratio}");
    }
    let hopeless = Target { epsilon: 1e-6, delta: 1e-12, rounds: 1_000_000, sampled_at: None };
    let refused = DistributedGaussian::for_target(grid, 2, &hopeless);
    assert!(matches!(refused, Err(PrivacyError::Unreachable { .. })), "{refused:?}");
}

/// A coin makes no sum cheaper in which members share the noise: who stays out takes a share of it along.
#[test]
fn sampling_gains_nothing_where_members_share_the_noise() {
    let grid = Grid { clip: 0.5, scale: 16_384.0, components: 5_000 };
    let sum = Mechanism::Distributed(noise(grid, 80, 1e6));
    let rate = SecretRate::assume_poisson_and_hidden(0.05).unwrap();
    assert_eq!(sum.curve(Some(rate)), sum.curve(None));
}

#[test]
fn what_no_theorem_covers_is_refused() {
    let grid = Grid { clip: 1.0, scale: 1_000.0, components: 10 };
    let variance = |value: f64| Variance::at_least(value).unwrap();
    let parameter = |result: Result<DistributedGaussian, PrivacyError>| match result {
        Err(PrivacyError::Parameter { parameter, .. }) => parameter,
        other => panic!("{other:?}"),
    };
    assert_eq!(parameter(DistributedGaussian::new(grid, 5, variance(0.2))), "variance");
    assert_eq!(parameter(DistributedGaussian::new(grid, 0, variance(1.0))), "survivors");
    let empty = Grid { components: 0, ..grid };
    assert_eq!(parameter(DistributedGaussian::new(empty, 5, variance(1.0))), "components");
    let endless = Grid { clip: f64::NAN, ..grid };
    assert_eq!(parameter(DistributedGaussian::new(endless, 5, variance(1.0))), "clip");
    let too_fine = Grid { scale: 1e12, ..grid };
    assert_eq!(parameter(DistributedGaussian::new(too_fine, 5, variance(1.0))), "clip times scale");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// More noise, more survivors or a smaller clip norm never cost more, at any order.
    #[test]
    fn costs_are_monotone(
        clip in 0.01_f64..10.0, steps in 1.0_f64..1e5, components in 1_u32..1_000_000,
        survivors in 1_u32..200, variance in 0.25_f64..1e6,
    ) {
        let grid = Grid { clip, scale: steps / clip, components };
        let cost = noise(grid, survivors, variance);
        let cheaper = [
            noise(grid, survivors, variance * 2.0),
            noise(Grid { clip: clip / 2.0, ..grid }, survivors, variance),
        ];
        for order in ORDERS.into_iter().step_by(13) {
            for cheaper in &cheaper {
                prop_assert!(cheaper.divergence(order) <= cost.divergence(order) * (1.0 + 1e-12));
            }
            // Never below the central mechanism.
            let z = cost.noise_multiplier();
            prop_assert!(cost.divergence(order) >= order / (2.0 * z * z) * (1.0 - 1e-12));
        }
    }
}
