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
//! That the battery has teeth is shown by planted faults.
//!
//! Where members vanish, and others work for the coordinator, it holds more: the roots of both kinds, which give every
//! mask that they have with anybody. It can take those off as well, and the residuals of the honest survivors are still
//! uniform but for their sum. (Sealed shares are HPKE ciphertexts, and the shares
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
use pmirs_crypto::{ExchangePublicKey, MaskRoot, MaskSeed, Prg};
use pmirs_federated::fixed::TALLIES;
use pmirs_federated::graph::Rates;
use pmirs_federated::message::{Advert, Reveal, Shares, Step};
use pmirs_federated::plan::RoundPlan;
use pmirs_federated::simulate::{Unwatched, Wire};
use rand_chacha::rand_core::Rng;
use world::{Fixture, hostile};

const WORDS: usize = 4000;
const MEMBERS: u32 = 8;

/// The coordinator's ears: keys, pieces, uploads and shares as they pass.
#[derive(Default)]
struct Ears {
    adverts: BTreeMap<u32, Advert>,
    pieces: BTreeMap<u32, Shares>,
    uploads: BTreeMap<u32, Vec<u32>>,
    shares: BTreeMap<u32, Vec<Share>>,
    /// Members that vanish before their upload.
    gone: Vec<u32>,
}

impl Wire for Ears {
    fn carry_up(&mut self, member: u32, step: Step, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let body = &bytes[world::HEAD..bytes.len() - 64];
        if step == Step::Advert {
            self.adverts.insert(member, pmirs_wire::decode(body).unwrap());
        }
        if step == Step::Shares {
            self.pieces.insert(member, pmirs_wire::decode(body).unwrap());
        }
        if step == Step::Upload && self.gone.contains(&member) {
            return None;
        }
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
    let sum = added(&view);
    assert!(sum == report.revealed.sum, "own masks are off and pairwise masks cancel");
    (view, sum)
}

fn added(vectors: &[Vec<u32>]) -> Vec<u32> {
    let mut sum = vec![0_u32; WORDS];
    for vector in vectors {
        sum.iter_mut().zip(vector).for_each(|(sum, word)| *sum = sum.wrapping_add(*word));
    }
    sum
}

/// Ten members, of whom two vanish and two work for the coordinator.
const TEN: u32 = 10;
const VANISHED: [u32; 2] = [0, 5];
const CORRUPT: [u32; 2] = [2, 7];

/// What is left of the uploads of honest survivors when everything is off that follows from own masks and these roots;
/// whose they are, and what their vectors are.
struct Stripped {
    view: Vec<Vec<u32>>,
    honest: Vec<u32>,
    vectors: Vec<Vec<u32>>,
}

fn strip(known: &[u32]) -> Stripped {
    let rates = Rates { dropout: 0.2, corrupt: 0.2 };
    let fixture = Fixture::with(RoundPlan { rates, ..world::plan(TEN, (WORDS - TALLIES) as u32) });
    let mut ears = Ears { gone: VANISHED.to_vec(), ..Ears::default() };
    let seed = 3;
    let report =
        fixture.world(seed).run(&mut ears, &mut Unwatched, |member| vector(&fixture, member)).unwrap();
    assert_eq!(report.revealed.vanished, VANISHED);
    let threshold = fixture.round.parameters(TEN as usize).unwrap().threshold as u8;
    let from_shares = |member: u32| shamir::combine(threshold, &ears.shares[&member]).unwrap();
    let root = |member: u32| {
        // Those who vanished, by the shares of their neighbours; the others, by their own word.
        let root = if VANISHED.contains(&member) { *from_shares(member) } else { own_root(seed, member) };
        let root = MaskRoot::from_secret(&root);
        assert_eq!(root.key().public().to_bytes(), ears.adverts[&member].mask.0, "the root of {member}");
        root
    };
    let roots: BTreeMap<u32, MaskRoot> = known.iter().map(|member| (*member, root(*member))).collect();
    let honest: Vec<u32> =
        report.revealed.survivors.into_iter().filter(|member| !CORRUPT.contains(member)).collect();
    let residual = |member: &u32| {
        let mut words = ears.uploads[member].clone();
        MaskSeed::from_secret(&from_shares(*member)).subtract_from(0, &mut words);
        for (other, root) in roots.iter().filter(|(other, _)| *other != member) {
            let Some(seed) = common_mask(&fixture, &ears, *other, root, *member) else { continue };
            if member < other { seed.subtract_from(0, &mut words) } else { seed.add_to(0, &mut words) }
        }
        words
    };
    let view = honest.iter().map(residual).collect();
    let vectors = honest.iter().map(|member| vector(&fixture, *member)).collect();
    Stripped { view, honest, vectors }
}

/// The second of three secrets that a simulated member draws.
fn own_root(seed: u8, member: u32) -> [u8; 32] {
    let mut rng = Prg::new(&[seed; 32], &[member.to_be_bytes().as_slice(), &[Step::Advert as u8]].concat());
    let mut root = [0; 32];
    (0..2).for_each(|_| rng.fill_bytes(&mut root));
    root
}

/// The mask of two members, by the root of one; nothing where neither chose the other.
fn common_mask(fixture: &Fixture, ears: &Ears, one: u32, root: &MaskRoot, other: u32) -> Option<MaskSeed> {
    let piece = |from: u32, to: u32| ears.pieces[&from].pieces.iter().find(|piece| piece.to == to);
    let (low, high) = (one.min(other), one.max(other));
    let (from, to) = [(low, high), (high, low)].into_iter().find(|(from, to)| piece(*from, *to).is_some())?;
    let info = hostile::pair(&fixture.round, &ears.pieces[&from].roster, from, to);
    if from == one {
        let key = ExchangePublicKey::from_bytes(&ears.adverts[&other].mask.0).unwrap();
        return Some(root.encapsulate(&key, &info).1);
    }
    let relayed = piece(from, to)?.encapsulation.as_ref().try_into().unwrap();
    Some(root.key().decapsulate(&info, relayed).unwrap())
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

/// The hardest view that the bound allows: own masks, the roots of those who vanished, and all that those know who work for
/// the coordinator. Six vectors are left, uniform but for their sum.
#[test]
fn liars_and_the_roots_of_the_vanished_leave_the_honest_sum_alone() {
    let Stripped { view, honest, vectors } = strip(&[VANISHED, CORRUPT].concat());
    assert_eq!(honest, [1, 3, 4, 6, 8, 9]);
    let sum = added(&vectors);
    assert!(added(&view) == sum, "the masks that are left cancel");
    let made = made_up(view.len(), &sum, 4);
    for (name, view) in [("real", &view), ("made up", &made)] {
        let (which, score) = worst(view);
        assert!(score.abs() < ALARM, "{name}: {which} is {score} deviations off");
    }
    let (real, made) = (energy(&view), energy(&made));
    assert!((real / made).ln().abs() < 0.3, "{real} against {made}");
}

/// One liar short of everyone: the masks that a root gives are the right ones, and nothing else protects a vector.
#[test]
fn the_roots_of_all_neighbours_open_a_vector() {
    let all_but_six: Vec<u32> = (0..TEN).filter(|member| *member != 6).collect();
    let Stripped { view, honest, vectors } = strip(&all_but_six);
    let six = honest.iter().position(|member| *member == 6).unwrap();
    assert!(view[six] == vectors[six], "every mask is off");
    let (which, score) = worst(&view);
    assert!(score > 100.0, "{which}: {score}");
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
