//! The samplers against the probabilities that they claim, at fixed seeds, and their draws, pinned.

use pmirs_crypto::Prg;
use pmirs_privacy::{DiscreteGaussian, DiscreteLaplace, PrivacyError, Variance};
use proptest::prelude::*;

const DRAWS: usize = 200_000;

fn rng(seed: u8) -> Prg {
    Prg::new(&[seed; 32], b"samplers")
}

/// Pearson's statistic over cells of at least 10 expected draws, the rest pooled, turned into standard deviations by
/// Wilson and Hilferty's cube root.
fn chi_square(draws: &[i64], probability: impl Fn(i64) -> f64, reach: i64) -> f64 {
    let mut counts = std::collections::HashMap::new();
    for draw in draws {
        *counts.entry(*draw).or_insert(0_usize) += 1;
    }
    let total = draws.len() as f64;
    let (mut statistic, mut cells) = (0.0, 0);
    let (mut rest_expected, mut rest_seen) = (total, draws.len());
    for value in -reach..=reach {
        let expected = total * probability(value);
        if expected >= 10.0 {
            let seen = counts.get(&value).copied().unwrap_or_default();
            statistic += (seen as f64 - expected).powi(2) / expected;
            cells += 1;
            rest_expected -= expected;
            rest_seen -= seen;
        }
    }
    if rest_expected > 1.0 {
        statistic += (rest_seen as f64 - rest_expected).powi(2) / rest_expected;
        cells += 1;
    }
    let freedom = f64::from(cells - 1);
    ((statistic / freedom).cbrt() - (1.0 - 2.0 / (9.0 * freedom))) / (2.0 / (9.0 * freedom)).sqrt()
}

fn gaussian_probability(variance: f64) -> impl Fn(i64) -> f64 {
    let weight = move |x: i64| (-(x as f64).powi(2) / (2.0 * variance)).exp();
    let reach = (40.0 * variance.sqrt()) as i64 + 40;
    let total: f64 = (-reach..=reach).map(weight).sum();
    move |x| weight(x) / total
}

#[test]
fn gaussian_draws_fit_their_distribution() {
    // Variances below 1, at 1, odd ratios, and with scales around powers of two.
    for (seed, (numerator, denominator)) in
        [(1, 8), (1, 4), (1, 2), (1, 1), (7, 3), (16, 1), (1_000, 7), (2_500, 1)].into_iter().enumerate()
    {
        let variance = Variance::new(numerator, denominator).unwrap();
        let noise = DiscreteGaussian::new(variance);
        let mut rng = rng(seed as u8);
        let draws: Vec<i64> = (0..DRAWS).map(|_| noise.sample(&mut rng)).collect();
        let deviations = chi_square(&draws, gaussian_probability(variance.value()), 1_000);
        assert!(
            deviations.abs() < 4.0,
            "seed {seed}, {variance:?}: {deviations} deviations from the expected fit"
        );
    }
}

#[test]
fn laplace_draws_fit_their_distribution() {
    for (seed, (numerator, denominator)) in [(1, 3), (1, 1), (5, 2), (7, 1), (40, 1)].into_iter().enumerate()
    {
        let noise = DiscreteLaplace::new(numerator, denominator).unwrap();
        let mut rng = rng(100 + seed as u8);
        let draws: Vec<i64> = (0..DRAWS).map(|_| noise.sample(&mut rng)).collect();
        let ratio = (-(denominator as f64) / numerator as f64).exp();
        let probability = |x: i64| (1.0 - ratio) / (1.0 + ratio) * ratio.powi(x.unsigned_abs() as i32);
        let deviations = chi_square(&draws, probability, 2_000);
        assert!(
            deviations.abs() < 4.0,
            "seed {seed}, {noise:?}: {deviations} deviations from the expected fit"
        );
    }
}

/// The check above has teeth: draws of a variance that is 3% off do not pass it.
#[test]
fn a_slightly_wrong_variance_is_noticed() {
    let noise = DiscreteGaussian::new(Variance::new(1_030, 100).unwrap());
    let mut rng = rng(7);
    let draws: Vec<i64> = (0..DRAWS).map(|_| noise.sample(&mut rng)).collect();
    assert!(chi_square(&draws, gaussian_probability(10.0), 1_000) > 4.0);
    assert!(chi_square(&draws, gaussian_probability(10.3), 1_000).abs() < 4.0);
}

/// Large deviations, by mean, variance and the shape's fourth moment.
#[test]
fn wide_gaussians_have_their_moments() {
    for (seed, deviation) in [1e3_f64, 123_456.789, 8e6].into_iter().enumerate() {
        let noise = DiscreteGaussian::new(Variance::at_least(deviation * deviation).unwrap());
        let mut rng = rng(50 + seed as u8);
        let draws: Vec<f64> = (0..DRAWS).map(|_| noise.sample(&mut rng) as f64 / deviation).collect();
        let moment = |power: i32| draws.iter().map(|draw| draw.powi(power)).sum::<f64>() / DRAWS as f64;
        let scale = (DRAWS as f64).sqrt();
        assert!((moment(1) * scale).abs() < 4.0, "mean {} at {deviation}", moment(1));
        assert!(
            ((moment(2) - 1.0) * scale / 2_f64.sqrt()).abs() < 4.0,
            "variance {} at {deviation}",
            moment(2)
        );
        assert!(
            ((moment(4) - 3.0) * scale / 96_f64.sqrt()).abs() < 4.0,
            "fourth {} at {deviation}",
            moment(4)
        );
    }
}

/// What a seed gives is part of what makes a run repeatable.
#[test]
fn draws_are_pinned() {
    let mut known = rng(1);
    let wide = DiscreteGaussian::new(Variance::new(10_000, 1).unwrap());
    let draws: Vec<i64> = (0..8).map(|_| wide.sample(&mut known)).collect();
    assert_eq!(draws, GAUSSIAN);
    let laplace = DiscreteLaplace::new(100, 3).unwrap();
    let draws: Vec<i64> = (0..8).map(|_| laplace.sample(&mut known)).collect();
    assert_eq!(draws, LAPLACE);
    let vector = wide.noise(40_000, &mut known);
    let checksum = vector.iter().fold(0_i64, |sum, &draw| sum * 31 % 1_000_000_007 + i64::from(draw));
    assert_eq!((vector[0], vector[20_000], vector[39_999], checksum), VECTOR);
}

const GAUSSIAN: [i64; 8] = [242, 5, -164, -8, -58, -130, 5, -8];
const LAPLACE: [i64; 8] = [-50, 87, 47, -19, -9, -59, -42, 221];
const VECTOR: (i32, i32, i32, i64) = (-31, -105, -64, -214_737_677);

/// A vector is the same on one core and on many, starts anew with every call, and is added to what is there.
#[test]
fn vectors_depend_on_the_generator_alone() {
    let noise = DiscreteGaussian::new(Variance::new(50, 1).unwrap());
    let one = noise.noise(50_000, &mut rng(1));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| noise.noise(50_000, &mut rng(1))), one);

    let mut same = rng(1);
    assert_eq!(noise.noise(50_000, &mut same), one);
    assert_ne!(noise.noise(50_000, &mut same), one);

    let mut vector = vec![i32::MAX; 50_000];
    noise.add_to(&mut vector, &mut rng(1));
    assert!(vector.iter().zip(one.iter()).all(|(sum, draw)| *sum == i32::MAX.wrapping_add(*draw)));

    // No two chunks repeat each other, and the draws fit as single ones do.
    assert_ne!(one[..16_384], one[16_384..32_768]);
    let draws: Vec<i64> = one.iter().map(|&draw| i64::from(draw)).collect();
    assert!(chi_square(&draws, gaussian_probability(50.0), 100).abs() < 4.0);
}

/// The tail bound holds for sums, and is not idle.
#[test]
fn tails_are_bounded() {
    let noise = DiscreteGaussian::new(Variance::new(9, 1).unwrap());
    let mut rng = rng(3);
    let (mut beyond, mut largest) = (0, 0_i64);
    for _ in 0..20_000 {
        let sum: i64 = (0..10).map(|_| noise.sample(&mut rng)).sum();
        beyond += usize::from(sum.abs() as f64 > noise.tail(10, 6));
        largest = largest.max(sum.abs());
    }
    assert!(beyond <= 20_000 >> 6, "{beyond}");
    assert!(largest as f64 > 0.5 * noise.tail(10, 14), "{largest}");
}

#[test]
fn parameters_are_refused_by_name() {
    let name = |error: PrivacyError| match error {
        PrivacyError::Parameter { parameter, .. } => parameter,
        other @ PrivacyError::Unreachable { .. } => panic!("{other}"),
    };
    assert_eq!(name(Variance::new(0, 1).unwrap_err()), "variance numerator");
    assert_eq!(name(Variance::new(1, 0).unwrap_err()), "variance denominator");
    assert_eq!(name(Variance::new((1 << 46) + 1, 1).unwrap_err()), "variance numerator");
    assert_eq!(name(Variance::at_least(f64::NAN).unwrap_err()), "variance");
    assert_eq!(name(DiscreteLaplace::new(0, 1).unwrap_err()), "numerator");
    assert_eq!(name(DiscreteLaplace::new(1, u64::MAX).unwrap_err()), "denominator");
}

proptest! {
    /// A variance is never rounded down, and hardly up.
    #[test]
    fn variances_round_up(exponent in -20.0_f64..46.0) {
        let wanted = exponent.exp2();
        let got = Variance::at_least(wanted).unwrap().value();
        prop_assert!(got >= wanted, "{got} below {wanted}");
        prop_assert!(got <= wanted + (wanted * 3e-14).max(1.0 / 1_048_576.0), "{got} far above {wanted}");
    }

    /// Extreme parameters draw without a panic (overflow checks are on in tests).
    #[test]
    fn any_parameters_draw(numerator in 1_u64..=1 << 46, denominator in 1_u64..=1 << 20, seed: u8) {
        let mut rng = rng(seed);
        let noise = DiscreteGaussian::new(Variance::new(numerator, denominator).unwrap());
        (0..20).for_each(|_| { noise.sample(&mut rng); });
        let laplace = DiscreteLaplace::new(numerator.min(1 << 40), denominator).unwrap();
        (0..20).for_each(|_| { laplace.sample(&mut rng); });
    }
}

#[test]
fn the_largest_parameters_draw() {
    let mut rng = rng(9);
    for (numerator, denominator) in [(1 << 46, 1), (1 << 46, 1 << 20), (1, 1 << 20), (1 << 46, 3)] {
        let noise = DiscreteGaussian::new(Variance::new(numerator, denominator).unwrap());
        (0..2_000).for_each(|_| {
            noise.sample(&mut rng);
        });
    }
}
