//! What noise is worth: sensitivity over every word, the deviation that arrives, the promise that is kept, and what is
//! refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

mod world;

use std::sync::Arc;

use pmirs_crypto::Prg;
use pmirs_federated::clip::{Aggregate, LARGEST_LOSS, encode};
use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::plan::{Noise, RoundPlan, Weighting};
use pmirs_federated::private::{Goal, Occasion, calibrate, release, simulated_noise};
use pmirs_federated::trainer::Trained;
use pmirs_federated::{Error, Group, Round};
use pmirs_privacy::ledger::{Budget, Ledger};
use pmirs_privacy::{Adversary, Mechanism, RdpCurve};
use world::{group, identities, plan};

const DELTA: f64 = 1e-5;

fn noisy(members: u32, weights: u32, deviation: f64) -> RoundPlan {
    RoundPlan { noise: Noise::PerMember { deviation }, ..plan(members, weights) }
}

fn round(plan: RoundPlan) -> Round {
    let identities = identities(plan.cohort);
    Round::new(plan, group(&identities)).unwrap()
}

/// What moves all words as far as they go: an update at the clip, and tallies at their ends.
fn extreme(weights: u32, clip: f64, sign: f32) -> Trained {
    let each = (10.0 * clip / f64::from(weights).sqrt()) as f32 * sign;
    let (loss, quality) = if sign > 0.0 { (LARGEST_LOSS, Some(1.0)) } else { (0.0, Some(0.0)) };
    Trained { update: vec![each; weights as usize], examples: 1, loss, quality }
}

/// A member's words without its noise.
fn bare(round: &Round, trained: &Trained, seed: u8) -> Vec<i64> {
    let noise = simulated_noise(round, 0, &[seed; 32]).unwrap();
    let words = encode(round, &mut Prg::new(&[seed; 32], b"rounding"), trained, Some(&noise)).unwrap().words;
    words.iter().zip(&noise).map(|(word, noise)| i64::from(word.wrapping_sub(*noise as u32) as i32)).collect()
}

/// No member's words measure more than the mechanism says, tallies included, however coarse the grid; and what it says is
/// not far above what the worst member reaches.
#[test]
fn no_member_moves_the_sum_further_than_is_accounted_for() {
    let compressions =
        [Compression::None, Compression::Subset { keep: 0.3 }, Compression::LowRank { columns: 10, rank: 4 }];
    for (weights, deviation) in [(1, 0.3), (30, 0.5), (3_000, 0.02), (3_000, 5.0), (3_000, 4e5)] {
        // A sketch of more numbers than there are weights is refused.
        let fitting =
            compressions.iter().filter(|it| weights > 1 || !matches!(it, Compression::LowRank { .. }));
        for &compression in fitting {
            let round = round(RoundPlan { compression, ..noisy(8, weights, deviation) });
            let Mechanism::Distributed(mechanism) = round.guarantee().unwrap().mechanism() else { panic!() };
            assert_eq!(mechanism.grid().components as usize, round.layout().words());
            assert_eq!(mechanism.survivors() as usize, round.fewest_honest());
            let most = mechanism.grid().sensitivity_squared();
            let mut largest = 0.0_f64;
            for seed in 0..20 {
                for sign in [1.0, -1.0] {
                    let words = bare(&round, &extreme(weights, 1.0, sign), seed);
                    let norm: f64 = words.iter().map(|word| (*word as f64).powi(2)).sum();
                    assert!(
                        norm <= most,
                        "{compression:?}, {weights} weights, {deviation}: {norm} beyond {most}"
                    );
                    largest = largest.max(norm);
                }
            }
            // A grid of a few steps rounds generously.
            let coarse = round.fixed().scale() < 100.0;
            assert!(coarse || largest > 0.9 * most, "{compression:?}, {weights}: {largest} of {most}");
        }
    }
}

/// On a grid of one step to the clip some tries of rounding are refused, which moves the mean, by less than is stated.
#[test]
fn refused_tries_move_the_mean_by_less_than_a_step() {
    let round = round(noisy(8, 9, 5e6));
    assert!((round.fixed().scale() - 1.0).abs() < 1e-12);
    let third = Trained { update: vec![1.0 / 3.0; 9], examples: 1, loss: 1.0, quality: None };
    let draws = 4_000;
    let ones: i64 = (0..draws)
        .map(|draw: u32| {
            let seed = pmirs_crypto::sha256(&draw.to_be_bytes());
            let noise = simulated_noise(&round, 0, &seed).unwrap();
            let words = encode(&round, &mut Prg::new(&seed, b"r"), &third, Some(&noise)).unwrap().words;
            words
                .iter()
                .zip(&noise)
                .take(9)
                .map(|(word, noise)| i64::from(word.wrapping_sub(*noise as u32) as i32))
                .sum::<i64>()
        })
        .sum();
    let mean = ones as f64 / f64::from(9 * draws);
    // At most five ones of nine are let through: 0.3175 on average, by counting.
    assert!((mean - 0.3175).abs() < 0.008, "{mean}");
    assert!((1.0 / 3.0 - mean) * 3.0 < 0.99, "{mean}");
}

/// Noise in few dimensions is far from its deviation now and then, and no reason to call a sum implausible.
#[test]
fn honest_sums_are_plausible_in_any_dimension() {
    for weights in [1, 3, 1_000] {
        let round = round(noisy(8, weights, 2.0));
        for number in 0..100_u8 {
            let mut sum = vec![0_u32; round.layout().words()];
            for member in 0..8_u32 {
                let trained = extreme(weights, 1.0, 1.0);
                let noise = simulated_noise(&round, member, &[number; 32]).unwrap();
                let words =
                    encode(&round, &mut Prg::new(&[number; 32], b"r"), &trained, Some(&noise)).unwrap().words;
                sum.iter_mut().zip(words).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
            }
            let aggregate = Aggregate::decode(&round, &sum, 8).unwrap();
            assert!(aggregate.is_plausible(&round), "{weights} weights, {number}: {}", aggregate.norm);
            sum[0] = sum[0].wrapping_add((200.0 * round.fixed().scale()) as u32);
            assert!(!Aggregate::decode(&round, &sum, 8).unwrap().is_plausible(&round), "{weights}, {number}");
        }
    }
}

/// Every word of a sum carries the noise of all its members: none is left out, tallies included.
#[test]
fn noise_arrives_in_every_word() {
    let round = round(noisy(8, 40, 0.25));
    let zero = Trained { update: vec![0.0; 40], examples: 1, loss: LARGEST_LOSS / 2.0, quality: None };
    let words = round.layout().words();
    let rounds = 400;
    let mut squares = vec![0.0; words];
    for number in 0..rounds {
        let mut sum = vec![0_u32; words];
        for member in 0..8_u32 {
            let seed: [u8; 32] = pmirs_crypto::sha256(&[number as u8, (number >> 8) as u8, member as u8]);
            let noise = simulated_noise(&round, member, &seed).unwrap();
            let own = encode(&round, &mut Prg::new(&seed, b"r"), &zero, Some(&noise)).unwrap().words;
            sum.iter_mut().zip(own).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
        }
        // Whoever sends zeros is within the clip: the tally's middle is taken off.
        let within = (8.0 * round.fixed().tally() / 2.0) as i32;
        for (at, (square, word)) in squares.iter_mut().zip(sum).enumerate() {
            let value =
                if at == round.layout().coordinate_words() { word as i32 - within } else { word as i32 };
            *square += f64::from(value).powi(2) / f64::from(rounds);
        }
    }
    let expected = 8.0 * (0.25 * round.fixed().scale()).powi(2);
    for (at, square) in squares.iter().enumerate() {
        // The mean of 400 squares is within 5 deviations, √(2/400) each.
        assert!((square / expected - 1.0).abs() < 0.36, "word {at}: {square} instead of {expected}");
    }
}

/// A promise is kept, and with less noise it would not be.
#[test]
fn a_goal_is_reached_and_not_by_far() {
    for (members, weights, epsilon, rounds) in
        [(8, 1_000, 8.0, 3), (8, 100_000, 1.0, 20), (100, 5_000, 4.0, 50), (100, 1, 0.1, 1)]
    {
        let rates = Rates { dropout: 0.2, corrupt: 0.1 };
        let plan = RoundPlan { rates, quorum: members * 3 / 4, ..plan(members, weights) };
        let group = group(&identities(members));
        let goal = Goal { epsilon, delta: DELTA, rounds };
        let noise = calibrate(&plan, &group, &goal).unwrap();
        let spent = |factor: f64| {
            let plan = RoundPlan { noise: noise.scaled(factor), ..plan.clone() };
            Round::new(plan, group.clone()).unwrap().guarantee().unwrap().epsilon(rounds, DELTA).unwrap()
        };
        let (kept, less) = (spent(1.0), spent(0.98));
        println!("{members} members, {weights} weights, {rounds} rounds: {noise:?} for {kept:.4}");
        assert!(kept <= epsilon && kept > 0.995 * epsilon, "{kept} instead of {epsilon}");
        assert!(less > epsilon, "{less}: the noise was more than it takes");
    }
    let (plan, group) = (plan(8, 10), group(&identities(8)));
    let goal = Goal { epsilon: 1e-5, delta: 1e-12, rounds: 1_000_000 };
    let refused = calibrate(&plan, &group, &goal).unwrap_err();
    assert!(matches!(refused, Error::Plan { .. }), "{refused}");
}

/// The fewest honest survivors alone carry the promise: with a smaller quorum each member adds more.
#[test]
fn fewer_honest_members_take_more_noise_each() {
    let group = group(&identities(100));
    let goal = Goal { epsilon: 4.0, delta: DELTA, rounds: 10 };
    let deviation = |quorum, corrupt| {
        let plan = RoundPlan { quorum, rates: Rates { dropout: 0.2, corrupt }, ..plan(100, 100) };
        calibrate(&plan, &group, &goal).unwrap().deviation()
    };
    // 80 honest against 50, and 70 of them when ten of the quorum may lie.
    let (many, few, liars) = (deviation(80, 0.0), deviation(50, 0.0), deviation(80, 0.1));
    assert!((few / many - (80.0_f64 / 50.0).sqrt()).abs() < 0.01, "{few} and {many}");
    assert!((liars / many - (80.0_f64 / 70.0).sqrt()).abs() < 0.01, "{liars} and {many}");
}

/// Sums of the worst members with noise at six deviations of all do not wrap around, and the scale is not wasted.
#[test]
fn the_scale_leaves_room_for_noise() {
    for (members, weights, deviation) in [(8, 10, 3.0), (100, 10_000, 0.5), (100, 100, 1e3), (8, 10, 1e5)] {
        let round = round(noisy(members, weights, deviation));
        let (n, scale) = (f64::from(members), round.fixed().scale());
        let words = (scale + 1.0).max(round.fixed().tally() / 2.0);
        // The tail of 2^-40 over all words is 7.1 to 8.3 deviations of a normal variable.
        assert!(n * words + 8.5 * n.sqrt() * deviation * scale < 2_f64.powi(31), "{members}, {deviation}");
        let drawable = 2.0 * deviation * scale > 8_388_608.0;
        let wasted = 2.0 * (n * words + 10.0 * n.sqrt() * deviation * scale) < 2_f64.powi(31);
        assert!(drawable || !wasted, "{members} members, {deviation}: a bit is wasted");
    }
}

/// The tallies come back, as precisely as their noise allows.
#[test]
fn tallies_are_told_under_noise() {
    let plan = RoundPlan { clip: 0.5, ..plan(200, 50) };
    let group = group(&identities(200));
    let goal = Goal { epsilon: 8.0, delta: DELTA, rounds: 1 };
    let noise = calibrate(&plan, &group, &goal).unwrap();
    let round = Round::new(RoundPlan { noise, ..plan }, group).unwrap();
    let mut sum = vec![0_u32; round.layout().words()];
    for member in 0..200_u32 {
        // Three in four are within the clip.
        let length = if member % 4 == 0 { 2.0 } else { 0.1 };
        let quality = (member % 2 == 0).then_some(0.9);
        let trained = Trained { update: vec![length / 50_f32.sqrt(); 50], examples: 1, loss: 4.0, quality };
        let noise = simulated_noise(&round, member, &[5; 32]).unwrap();
        let words =
            encode(&round, &mut Prg::new(&[member as u8; 32], b"r"), &trained, Some(&noise)).unwrap().words;
        sum.iter_mut().zip(words).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
    }
    let aggregate = Aggregate::decode(&round, &sum, 200).unwrap();
    let deviation = 200_f64.sqrt() * round.plan().noise.deviation() * round.fixed().scale();
    let members = deviation / round.fixed().tally();
    println!("tallies with a deviation of {members:.1} of 200 members: {aggregate:?}");
    assert!(members < 8.0, "{members}");
    let off = |told: f64, truth: f64| ((told - truth) * 200.0 / members).abs();
    assert!(off(aggregate.within, 0.75) < 5.0, "{}", aggregate.within);
    assert!(off(aggregate.quality, 0.7) < 5.0, "{}", aggregate.quality);
    assert!(off(aggregate.loss / LARGEST_LOSS, 0.25) < 5.0, "{}", aggregate.loss);
    assert!(aggregate.is_plausible(&round));
}

/// Without noise they are exact, and count as they did.
#[test]
fn tallies_are_exact_without_noise() {
    let round = round(RoundPlan { weighting: Weighting::Examples { full: 8 }, ..plan(8, 5) });
    let mut sum = vec![0_u32; round.layout().words()];
    for member in 0..8_u32 {
        let quality = Some(f64::from(member) / 7.0);
        let trained = Trained { update: vec![1e-3; 5], examples: u64::from(member), loss: 2.0, quality };
        let words = encode(&round, &mut Prg::new(&[1; 32], b"r"), &trained, None).unwrap().words;
        sum.iter_mut().zip(words).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
    }
    let aggregate = Aggregate::decode(&round, &sum, 8).unwrap();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-3;
    assert!(
        near(aggregate.within, 1.0) && near(aggregate.loss, 2.0) && near(aggregate.quality, 0.5),
        "{aggregate:?}"
    );
    assert!(near(aggregate.weight, 28.0 / 8.0), "{aggregate:?}");
}

#[test]
fn plans_whose_noise_would_protect_nothing_are_refused_by_field() {
    let group = group(&identities(8));
    let field = |plan: RoundPlan| match Round::new(plan, group.clone()) {
        Err(Error::Plan { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let good = noisy(8, 10, 0.1);
    assert_eq!(field(RoundPlan { weighting: Weighting::Examples { full: 5 }, ..good.clone() }), "weighting");
    assert_eq!(
        field(RoundPlan { compression: Compression::EightBit { largest: 0.5 }, ..good.clone() }),
        "compression"
    );
    // Below a quarter of a squared step no theorem covers the sum.
    assert_eq!(field(noisy(8, 10, 1e-10)), "noise");
    assert_eq!(field(noisy(8, 10, 1e12)), "clip");
    assert_eq!(field(noisy(8, 10, f64::NAN)), "noise");
}

/// A member that forgets its noise, or adds some where the plan has none, is stopped.
#[test]
fn noise_is_neither_forgotten_nor_uncalled_for() {
    let trained = || extreme(10, 1.0, 1.0);
    let rng = || Prg::new(&[1; 32], b"r");
    let (quiet, loud) = (round(plan(8, 10)), round(noisy(8, 10, 0.1)));
    let noise = simulated_noise(&loud, 1, &[1; 32]).unwrap();
    let length = |expected, got| Error::Length { what: "the noise", expected, got };
    assert_eq!(encode(&loud, &mut rng(), &trained(), None).unwrap_err(), length(14, 0));
    assert_eq!(encode(&loud, &mut rng(), &trained(), Some(&noise[1..])).unwrap_err(), length(14, 13));
    assert_eq!(encode(&quiet, &mut rng(), &trained(), Some(&noise)).unwrap_err(), length(0, 14));
    assert!(quiet.guarantee().is_none() && simulated_noise(&quiet, 1, &[1; 32]).is_none());
    // Another attempt, another member, another draw.
    let retried = round(RoundPlan { attempt: 1, ..noisy(8, 10, 0.1) });
    let draws = [
        noise,
        simulated_noise(&loud, 2, &[1; 32]).unwrap(),
        simulated_noise(&retried, 1, &[1; 32]).unwrap(),
    ];
    assert!(draws[0] != draws[1] && draws[0] != draws[2] && draws[1] != draws[2]);
}

/// An adaptive clip moves, the noise moves along, and all rounds together keep the promise that was planned for the first.
#[test]
fn a_moving_clip_keeps_the_promise() {
    let group: Arc<Group> = group(&identities(50));
    let plan = plan(50, 2_000);
    let goal = Goal { epsilon: 4.0, delta: DELTA, rounds: 30 };
    let mut plan = RoundPlan { noise: calibrate(&plan, &group, &goal).unwrap(), ..plan };
    let mut spent = RdpCurve::zero();
    for number in 0..30 {
        plan = RoundPlan { number, ..plan }.with_clip(plan.clip * (1.0 + 0.1 * f64::from(number).sin()));
        spent = spent.compose(&Round::new(plan.clone(), group.clone()).unwrap().guarantee().unwrap().curve());
    }
    let spent = spent.epsilon(DELTA).unwrap();
    assert!(spent <= 4.0 && spent > 3.98, "{spent} with a clip that ended at {}", plan.clip);
}

/// A plan for so many rounds fits a member's ledger for so many uploads; a retried round is another upload.
#[test]
fn every_attempt_is_an_entry_of_its_own() {
    let identities = identities(8);
    let group = group(&identities);
    let plan = plan(8, 100);
    let goal = Goal { epsilon: 6.0, delta: DELTA, rounds: 2 };
    let plan = RoundPlan { noise: calibrate(&plan, &group, &goal).unwrap(), ..plan };
    let budget = Budget { epsilon: 6.0, delta: DELTA, least_noise: 0.1, adversary: Adversary::Coordinator };
    let occasion = Occasion { coordinator: [1; 32], data: [2; 32], at_ms: 5 };
    let mut ledger = Ledger::new(&identities[0].public());
    let mut answer = |attempt| {
        let round = Round::new(RoundPlan { attempt, ..plan.clone() }, group.clone()).unwrap();
        let entry = release(&round, &occasion, b"an upload");
        assert_eq!((entry.occasion, entry.model), (round.id().0, plan.model.0));
        ledger.spend(&identities[0], &budget, entry).map(drop)
    };
    assert!(answer(0).is_ok() && answer(1).is_ok());
    let refused = answer(2).unwrap_err().to_string();
    assert!(refused.contains("and the limit is 6"), "{refused}");
}
