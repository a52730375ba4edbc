//! The score error bound, against scores that a server would compute from int8 copies.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use pmirs_veil::{Jitter, Veil, VeilParams};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// An int8 copy with one step per vector, as the index stores it.
struct Copy8 {
    step: f32,
    values: Vec<i8>,
}

impl Copy8 {
    fn of(vector: &[f32]) -> Self {
        let step = vector.iter().fold(0.0_f32, |largest, v| largest.max(v.abs())) / 127.0;
        Self { step, values: vector.iter().map(|v| (v / step).round() as i8).collect() }
    }

    fn score(&self, other: &Self) -> f32 {
        let dot: i32 =
            self.values.iter().zip(&other.values).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        self.step * other.step * dot as f32
    }
}

fn unit(dim: usize, around: Option<&[f32]>, rng: &mut ChaCha20Rng) -> Vec<f32> {
    let mut drawn: Vec<f32> = (0..dim).map(|_| StandardNormal.sample(rng)).collect();
    let length = dot(&drawn, &drawn).sqrt();
    for (value, centre) in drawn.iter_mut().zip(around.unwrap_or(&vec![0.0; dim])) {
        *value = *value / length + 2.0 * centre;
    }
    let length = dot(&drawn, &drawn).sqrt();
    drawn.iter().map(|value| value / length).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What one veil shows: the largest error as a share of its bound, and the largest document step as a share
/// of its bound.
fn shares(params: VeilParams, clustered: bool, seed: u64) -> (f32, f32) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let dim = params.dim;
    let veil = Veil::new(params, &mut rng).unwrap();
    let centre = unit(dim, None, &mut rng);
    let around = clustered.then_some(centre.as_slice());
    let documents: Vec<_> = (0..1000)
        .map(|_| {
            let z = unit(dim, around, &mut rng);
            (Copy8::of(&veil.document(&z, &mut rng).unwrap()), z)
        })
        .collect();
    let largest_step = documents.iter().fold(0.0_f32, |largest, (copy, _)| largest.max(copy.step));
    let mut worst = 0.0_f32;
    for _ in 0..100 {
        let q = unit(dim, around, &mut rng);
        let query = veil.query(&q, &mut rng).unwrap();
        let copy = Copy8::of(&query.values);
        let bound = veil.score_error_bound(&query, copy.step, largest_step);
        for (document, z) in &documents {
            let (score, cosine) = (document.score(&copy) / query.rho, dot(z, &q));
            let allowed = bound.relative * cosine.abs() + bound.additive;
            worst = worst.max((score - cosine).abs() / allowed);
            assert!(bound.allows(score, cosine), "seed {seed}: {score} for {cosine}, {bound:?}");
            assert!(cosine <= bound.largest_cosine(score), "seed {seed}: {score} for {cosine}, {bound:?}");
            assert!((score - cosine).abs() <= bound.absolute());
        }
    }
    (worst, largest_step / veil.document_scale_bound())
}

/// The bound holds on two million scores, and is not so wide that it says nothing: over 10⁵ scores of one
/// veil the largest error comes to a good part of it (4.4 of its 6.7 deviations would be expected).
#[test]
fn bound_holds_and_is_not_idle() {
    for dim in [64, 256] {
        for jitter in [Jitter::NONE, Jitter { scale: 0.0, shift: 0.1 }, Jitter::recommended(dim)] {
            for shape in [VeilParams::plain(dim), VeilParams::paper(dim), VeilParams::rotation(dim)] {
                for clustered in [false, true] {
                    let params = VeilParams { jitter, ..shape.clone() };
                    let (error, step) = shares(params.clone(), clustered, dim as u64);
                    assert!((0.3..1.0).contains(&error), "{error} of the bound, {params:?}");
                    assert!((0.15..1.0).contains(&step), "{step} of the step's bound, {params:?}");
                }
            }
        }
    }
}

#[test]
fn without_int8_and_jitter_only_float_rounding_is_left() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let veil = Veil::new(VeilParams::plain(128), &mut rng).unwrap();
    let query = veil.query(&unit(128, None, &mut rng), &mut rng).unwrap();
    assert!(veil.score_error_bound(&query, 0.0, 0.0).absolute() < 1e-4);
}
