//! What the coordinator sees, against what can be made up from the sum alone.
//!
//! After a round in which everyone stays, the coordinator holds every upload and the seeds of all own masks.
//! It can take those off; what is left, the *residuals*, is its view of the vectors:
//!
//! ```text
//! residual_i = x_i + Σ_j ± mask(s_ij)     over neighbours j        Σ_i residual_i = Σ_i x_i
//! ```
//!
//! The protocol is private if residuals are uniform but for their sum. So a simulator that knows the sum
//! alone draws uniform vectors with that sum, and a battery of statistics must not tell the two views apart.
//! That the battery has teeth is shown by planted faults. (Sealed shares are HPKE ciphertexts, and the shares
//! below the threshold are uniform by Shamir's argument; neither depends on the vectors.)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

mod world;

use std::collections::BTreeMap;

use pmirs_crypto::shamir::{self, Share};
use pmirs_crypto::{MaskSeed, Prg};
use pmirs_federated::fixed::TALLIES;
use pmirs_federated::message::{Reveal, Step};
use pmirs_federated::simulate::{Unwatched, Wire};
use rand_chacha::rand_core::Rng;
use world::Fixture;

const WORDS: usize = 4000;
const MEMBERS: u32 = 8;

/// The coordinator's ears: uploads and shares as they pass.
#[derive(Default)]
struct Ears {
    uploads: BTreeMap<u32, Vec<u32>>,
    shares: BTreeMap<u32, Vec<Share>>,
}

impl Wire for Ears {
    fn carry_up(&mut self, member: u32, step: Step, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let body = &bytes[world::HEAD..bytes.len() - 64];
        if step == Step::Upload {
            let words = body[133..].chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
            self.uploads.insert(member, words.collect());
        }
        if step == Step::Reveal {
            for (of, share) in pmirs_wire::decode::<Reveal>(body).unwrap().shares {
                let share = Share::from_bytes(share.as_ref().try_into().unwrap()).unwrap();
                self.shares.entry(of).or_default().push(share);
            }
        }
        Some(bytes)
    }
}

/// A member's true vector: small integers, as those of an update are.
fn vector(fixture: &Fixture, member: u32) -> Vec<u32> {
    let mut rng = Prg::new(&[4; 32], &member.to_be_bytes());
    (0..fixture.round.layout().words()).map(|_| (rng.next_u32() % 2001).wrapping_sub(1000)).collect()
}

/// The residuals of a real round with these vectors, and its sum.
fn residuals(seed: u8, vector: impl Fn(&Fixture, u32) -> Vec<u32> + Sync) -> (Vec<Vec<u32>>, Vec<u32>) {
    let fixture = Fixture::new(MEMBERS, (WORDS - TALLIES) as u32);
    let mut ears = Ears::default();
    let report =
        fixture.world(seed).run(&mut ears, &mut Unwatched, |member| vector(&fixture, member)).unwrap();
    let threshold = fixture.round.parameters(MEMBERS as usize).unwrap().threshold as u8;
    let residual = |(member, mut upload): (u32, Vec<u32>)| {
        let own = shamir::combine(threshold, &ears.shares[&member]).unwrap();
        MaskSeed::from_secret(&own).subtract_from(0, &mut upload);
        upload
    };
    let view: Vec<Vec<u32>> = ears.uploads.clone().into_iter().map(residual).collect();
    let mut sum = vec![0_u32; WORDS];
    view.iter()
        .flatten()
        .zip((0..WORDS).cycle())
        .for_each(|(word, at)| sum[at] = sum[at].wrapping_add(*word));
    assert!(sum == report.revealed.sum, "own masks are off and pairwise masks cancel");
    (view, sum)
}

/// The view that is made up from the sum: uniform vectors with that sum.
fn made_up(members: usize, sum: &[u32], seed: u8) -> Vec<Vec<u32>> {
    let mut rng = Prg::new(&[seed; 32], b"simulator");
    let mut view: Vec<Vec<u32>> =
        (1..members).map(|_| sum.iter().map(|_| rng.next_u32()).collect()).collect();
    let mut last = sum.to_vec();
    for vector in &view {
        last.iter_mut().zip(vector).for_each(|(last, word)| *last = last.wrapping_sub(*word));
    }
    view.push(last);
    view
}

/// Each statistic as a number of standard deviations from what uniform vectors give.
fn statistics(view: &[Vec<u32>]) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    let mut look = |name: String, words: &mut dyn Iterator<Item = u32>| {
        let words: Vec<u32> = words.collect();
        for byte in 0..4 {
            let mut counts = [0_f64; 256];
            for word in &words {
                counts[(word >> (8 * byte) & 255) as usize] += 1.0;
            }
            let expected = words.len() as f64 / 256.0;
            let chi: f64 = counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
            // Chi-squared with 255 degrees of freedom.
            found.insert(format!("{name}, byte {byte}"), (chi - 255.0) / 510_f64.sqrt());
        }
        // How many words are near zero: what a difference of two updates under one mask is.
        let small = words.iter().filter(|word| (**word as i32).unsigned_abs() < 1 << 20).count() as f64;
        let expected = words.len() as f64 / 2048.0;
        found.insert(format!("{name}, near zero"), (small - expected) / expected.sqrt());
    };
    for (at, one) in view.iter().enumerate() {
        look(format!("{at}"), &mut one.iter().copied());
        for (other_at, other) in view.iter().enumerate().skip(at + 1) {
            let pairs = || one.iter().zip(other);
            look(format!("{at} - {other_at}"), &mut pairs().map(|(a, b)| a.wrapping_sub(*b)));
            look(format!("{at} + {other_at}"), &mut pairs().map(|(a, b)| a.wrapping_add(*b)));
        }
    }
    found
}

/// The most that any statistic is off.
fn worst(view: &[Vec<u32>]) -> (String, f64) {
    let statistics = statistics(view).into_iter();
    statistics.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap()
}

/// Statistics of two views differ by no more than chance: mean squares of all standard scores.
fn energy(view: &[Vec<u32>]) -> f64 {
    let statistics = statistics(view);
    statistics.values().map(|score| score * score).sum::<f64>() / statistics.len() as f64
}

/// Some 500 statistics: chance alone passes 6 once in a million runs.
const ALARM: f64 = 6.5;

#[test]
fn the_real_view_looks_like_one_made_up_from_the_sum() {
    let (real, sum) = residuals(1, vector);
    let made = made_up(real.len(), &sum, 2);
    for (name, view) in [("real", &real), ("made up", &made)] {
        let (which, score) = worst(view);
        assert!(score.abs() < ALARM, "{name}: {which} is {score} deviations off");
    }
    let (real, made) = (energy(&real), energy(&made));
    assert!((real / made).ln().abs() < 0.3, "{real} against {made}");
}

/// A member whose secrets are those of an earlier round, as one that was set back and began again would run
/// them: the difference of its two residuals is the difference of its two updates. Fresh secrets look
/// independent.
#[test]
fn masks_that_are_used_twice_are_caught() {
    let other = |fixture: &Fixture, member: u32| {
        vector(fixture, member).iter().map(|word| word.wrapping_add(5 * member)).collect()
    };
    let (first, _) = residuals(1, vector);
    let (fresh, _) = residuals(2, other);
    let (reused, _) = residuals(1, other);
    for member in 0..MEMBERS as usize {
        let pair = |second: &[Vec<u32>]| worst(&[first[member].clone(), second[member].clone()]);
        let (which, score) = pair(&fresh);
        assert!(score.abs() < ALARM, "member {member}, {which}: {score}");
        let (which, score) = pair(&reused);
        assert!(score > 100.0 && which.contains('-'), "member {member}, {which}: {score}");
        assert_eq!(
            reused[member][0].wrapping_sub(first[member][0]),
            5 * member as u32,
            "it reads the updates"
        );
    }
}

/// A vector without pairwise masks, and a mask that serves two members of one round.
#[test]
fn missing_and_shared_pairwise_masks_are_caught() {
    let fixture = Fixture::new(MEMBERS, (WORDS - TALLIES) as u32);
    let (mut real, _) = residuals(1, vector);
    let masked = real[2].clone();
    real[2] = vector(&fixture, 2);
    assert!(worst(&real).1.abs() > 100.0, "an unmasked vector");
    let mask = masked.iter().zip(vector(&fixture, 2)).map(|(word, own)| word.wrapping_sub(own));
    real[3] = mask.zip(vector(&fixture, 3)).map(|(mask, own)| mask.wrapping_add(own)).collect();
    real[2] = masked;
    let (which, score) = worst(&real);
    assert!(score > 100.0 && which.starts_with("2 - 3"), "{which}: {score}");
}
