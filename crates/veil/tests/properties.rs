//! What a user of the veil relies on, checked over drawn keys and vectors.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use pmirs_veil::{Jitter, Veil, VeilError, VeilParams};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};

fn unit(dim: usize, rng: &mut ChaCha20Rng) -> Vec<f32> {
    let drawn: Vec<f32> = (0..dim).map(|_| StandardNormal.sample(rng)).collect();
    let length = dot(&drawn, &drawn).sqrt();
    drawn.iter().map(|value| (f64::from(*value) / length) as f32).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The largest `|score/ρ - cosine|` over a few documents and queries, the score summed in f32 as a server
/// would.
fn score_error(veil: &Veil, rng: &mut ChaCha20Rng) -> f64 {
    let dim = veil.params().dim;
    let mut worst = 0.0_f64;
    for _ in 0..3 {
        let (z, q) = (unit(dim, rng), unit(dim, rng));
        let near: Vec<f32> = z.iter().zip(&q).map(|(z, q)| 0.8 * z + 0.6 * q).collect();
        let length = dot(&near, &near).sqrt() as f32;
        let near: Vec<f32> = near.iter().map(|value| value / length).collect();
        let y = veil.document(&z, rng).unwrap();
        for q in [&q, &near, &z] {
            let x = veil.query(q, rng).unwrap();
            assert!(x.rho > 0.0);
            let score: f32 = y.iter().zip(&x.values).map(|(y, x)| y * x).sum();
            worst = worst.max((f64::from(score / x.rho) - dot(&z, q)).abs());
        }
    }
    worst
}

#[test]
fn score_is_the_cosine_for_every_dimension_from_64_to_1024() {
    for dim in 64..=1024 {
        let mut rng = ChaCha20Rng::seed_from_u64(dim as u64);
        // Many small blocks keep a thousand veils affordable; the property below draws the block count.
        let params = VeilParams { blocks: 16, ..VeilParams::plain(dim) };
        let error = score_error(&Veil::new(params, &mut rng).unwrap(), &mut rng);
        assert!(error < 1e-4, "d = {dim}: error {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn score_is_the_cosine_for_every_shape(
        dim in 64_usize..=400, blocks in 1_usize..=8, condition in 1.0_f64..=16.0, noise in 0_usize..=40,
        energy in 0.0_f32..=1.0, shuffle: bool, seed: u64,
    ) {
        let params = VeilParams {
            dim, noise_dim: noise, blocks, condition, noise_energy: energy, shuffle, jitter: Jitter::NONE,
        };
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let veil = Veil::new(params, &mut rng).unwrap();
        prop_assert!(score_error(&veil, &mut rng) < 1e-4);
    }
}

#[test]
fn the_named_variants_score_alike_at_full_block_size() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for dim in [256, 512] {
        for params in [VeilParams::plain(dim), VeilParams::paper(dim), VeilParams::rotation(dim / 2)] {
            let error = score_error(&Veil::new(params.clone(), &mut rng).unwrap(), &mut rng);
            assert!(error < 1e-4, "{params:?}: error {error}");
        }
    }
}

#[test]
fn two_veilings_of_one_vector_differ() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let veil = Veil::new(VeilParams::plain(64), &mut rng).unwrap();
    let z = unit(64, &mut rng);
    let (a, b) = (veil.document(&z, &mut rng).unwrap(), veil.document(&z, &mut rng).unwrap());
    let apart: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
    assert!(dot(&apart, &apart) > 0.1 * dot(&a, &a), "the noise of energy 1/4 must show");

    let (a, b) = (veil.query(&z, &mut rng).unwrap(), veil.query(&z, &mut rng).unwrap());
    assert!((a.rho - b.rho).abs() > f32::EPSILON);
    let cosine = dot(&a.values, &b.values) / (dot(&a.values, &a.values) * dot(&b.values, &b.values)).sqrt();
    assert!(cosine < 0.98, "queries for one vector may not be multiples of each other: cosine {cosine}");
}

#[test]
fn clients_with_one_key_understand_each_other_and_no_one_else() {
    let mut fresh = ChaCha20Rng::seed_from_u64(3);
    let veil = |key: u64| Veil::new(VeilParams::plain(96), &mut ChaCha20Rng::seed_from_u64(key)).unwrap();
    let (mine, yours, stranger) = (veil(10), veil(10), veil(11));
    let mut confused = 0.0_f64;
    for _ in 0..20 {
        let z = unit(96, &mut fresh);
        let y = mine.document(&z, &mut fresh).unwrap();
        let x = yours.query(&z, &mut fresh).unwrap();
        assert!((dot(&y, &x.values) / f64::from(x.rho) - 1.0).abs() < 1e-4);
        let x = stranger.query(&z, &mut fresh).unwrap();
        confused += (dot(&y, &x.values) / f64::from(x.rho)).abs() / 20.0;
    }
    assert!(confused < 0.4, "a stranger's query must not find the document: mean score {confused}");
}

#[test]
fn a_batch_is_its_documents_one_by_one() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    for params in [VeilParams::recommended(67), VeilParams::paper(67)] {
        let veil = Veil::new(params, &mut rng).unwrap();
        let batch: Vec<_> = (0..9).map(|_| unit(67, &mut rng)).collect();
        let mut one_by_one = ChaCha20Rng::seed_from_u64(5);
        let singles: Vec<_> = batch.iter().map(|z| veil.document(z, &mut one_by_one).unwrap()).collect();
        assert_eq!(veil.documents(&batch, &mut ChaCha20Rng::seed_from_u64(5)).unwrap(), singles);
    }
}

#[test]
fn the_condition_number_is_kept() {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    for (params, limit) in [
        (VeilParams::rotation(64), 1.0),
        (VeilParams::paper(64), 8.0_f64.powf(0.25)),
        (VeilParams { noise_dim: 0, noise_energy: 0.0, ..VeilParams::plain(64) }, 8.0_f64.sqrt()),
    ] {
        let veil = Veil::new(params, &mut rng).unwrap();
        let stretched: Vec<f64> = (0..200)
            .map(|_| {
                let z = unit(64, &mut rng);
                let y = veil.document(&z, &mut rng).unwrap();
                dot(&y, &y).sqrt()
            })
            .collect();
        assert!(stretched.iter().all(|length| (1.0 / limit - 1e-5..limit + 1e-5).contains(length)));
        let apart =
            stretched.iter().copied().fold(0.0, f64::max) / stretched.iter().copied().fold(9.0, f64::min);
        assert!(limit < 1.01 || apart > 1.1, "a general M stretches some vectors more than others: {apart}");
    }
}

/// The draws from the key are part of the stored format: another version of this crate that fails here could
/// not search collections written by this one.
#[test]
fn golden_a_key_gives_this_veil_forever() {
    let params = VeilParams { jitter: Jitter::NONE, noise_energy: 0.0, ..VeilParams::recommended(64) };
    let veil = Veil::new(params, &mut ChaCha20Rng::from_seed([1; 32])).unwrap();
    let mut axis = vec![0.0; 64];
    axis[0] = 1.0;
    let y = veil.document(&axis, &mut ChaCha20Rng::from_seed([2; 32])).unwrap();
    assert_eq!(y.len(), 80);
    for (got, golden) in y.iter().zip(GOLDEN) {
        assert!((got - golden).abs() < 1e-5, "{:?}", &y[..GOLDEN.len()]);
    }
}

const GOLDEN: [f32; 8] = [
    0.019_464_022,
    -0.007_397_624_7,
    0.055_117_197,
    -0.052_821_6,
    0.041_740_95,
    0.002_893_976_9,
    0.041_152_574,
    0.022_564_21,
];

#[test]
fn misuse_is_refused_with_the_culprit() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let veil = Veil::new(VeilParams::plain(64), &mut rng).unwrap();
    let short = vec![0.125; 63];
    assert_eq!(veil.document(&short, &mut rng), Err(VeilError::Dimension { got: 63, expected: 64 }));
    assert!(matches!(veil.query(&[1.0; 64], &mut rng), Err(VeilError::NotUnit { got }) if got > 7.0));
    assert!(matches!(veil.query(&[f32::NAN; 64], &mut rng), Err(VeilError::NotUnit { .. })));
    for (culprit, params) in [
        ("dim", VeilParams::plain(0)),
        ("dim", VeilParams::plain(1 << 20)),
        ("blocks", VeilParams { blocks: 0, ..VeilParams::plain(64) }),
        ("noise_dim", VeilParams { noise_dim: 65, ..VeilParams::plain(64) }),
        ("condition", VeilParams { condition: 0.5, ..VeilParams::plain(64) }),
        ("condition", VeilParams { condition: f64::NAN, ..VeilParams::plain(64) }),
        ("noise_energy", VeilParams { noise_energy: -1.0, ..VeilParams::plain(64) }),
        ("jitter.scale", VeilParams { jitter: Jitter { scale: 1.0, shift: 0.0 }, ..VeilParams::plain(64) }),
        ("jitter.shift", VeilParams { jitter: Jitter { scale: 0.0, shift: -0.1 }, ..VeilParams::plain(64) }),
    ] {
        let refused = Veil::new(params, &mut rng);
        assert!(matches!(&refused, Err(VeilError::Parameter { parameter, .. }) if *parameter == culprit));
    }
}

#[test]
fn secrets_are_not_printed() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let veil = Veil::new(VeilParams::plain(64), &mut rng).unwrap();
    let query = veil.query(&unit(64, &mut rng), &mut rng).unwrap();
    assert!(!format!("{veil:?}").contains("columns"));
    assert_eq!(format!("{query:?}"), "VeiledQuery { dim: 80, .. }");
}
