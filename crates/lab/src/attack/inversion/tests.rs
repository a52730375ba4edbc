//! One picture a member, through a real round: what a coordinator gets of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use pmirs_crypto::{Identity, IdentitySeed, Prg};
use pmirs_federated::clip::{Aggregate, encode};
use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::message::Step;
use pmirs_federated::plan::{Noise, RoundPlan, Schedule, Training, Weighting};
use pmirs_federated::private::{Goal, calibrate, simulated_noise};
use pmirs_federated::simulate::{Report, Unwatched, Wire, World};
use pmirs_federated::trainer::Trained;
use pmirs_federated::{Group, Round};
use pmirs_wire::Digest;

use super::*;

const MEMBERS: u32 = 8;
const HIDDEN: usize = 48;
const VICTIM: u32 = 3;
/// A signature ends every upload, the words stand before it.
const SIGNATURE: usize = 64;
/// Of a correlation between a picture and noise: 1/√PIXELS for pixels that have nothing to do with each other, more for
/// pictures, whose neighbouring pixels do.
const CHANCE: f64 = 0.35;

/// Keeps what the coordinator is sent.
#[derive(Default)]
struct Ears(BTreeMap<u32, Vec<u8>>);

impl Wire for Ears {
    fn carry_up(&mut self, member: u32, step: Step, bytes: Vec<u8>) -> Option<Vec<u8>> {
        if step == Step::Upload {
            self.0.insert(member, bytes.clone());
        }
        Some(bytes)
    }
}

struct Federation {
    network: Network,
    identities: Vec<Identity>,
    round: Round,
}

impl Federation {
    fn new(epsilon: Option<f64>) -> Self {
        let network = Network::draw(HIDDEN, 10, 1);
        let mut rng = Prg::new(&[1; 32], b"identities");
        let identities: Vec<Identity> =
            (0..MEMBERS).map(|_| Identity::from_seed(&IdentitySeed::generate(&mut rng))).collect();
        let group = Arc::new(Group::new(identities.iter().map(Identity::public).collect()).unwrap());
        let schedule = Schedule::Constant { rate: 0.1 };
        let plan = RoundPlan {
            federation: Digest([1; 32]),
            number: 0,
            attempt: 0,
            model: Digest([2; 32]),
            weights: network.len() as u32,
            training: Training { local_steps: 1, batch: 1, schedule, proximal: 0.0 },
            clip: 1.0,
            noise: Noise::None,
            weighting: Weighting::Uniform,
            compression: Compression::None,
            rates: Rates { dropout: 0.125, corrupt: 0.125 },
            quorum: 7,
            cohort: MEMBERS,
            deadline_ms: 0,
        };
        let goal = |epsilon| Goal { epsilon, delta: 1e-5, rounds: 1 };
        let noise = epsilon.map_or(Noise::None, |epsilon| calibrate(&plan, &group, &goal(epsilon)).unwrap());
        let round = Round::new(RoundPlan { noise, ..plan }, group).unwrap();
        Self { network, identities, round }
    }

    /// One step on one picture, clipped and rounded.
    fn words(&self, member: u32) -> Vec<u32> {
        let gradient = self.network.gradient(&picture(u64::from(member)), member as usize);
        let update = gradient.iter().map(|slope| -0.1 * slope).collect();
        let trained = Trained { update, examples: 1, loss: 2.3, quality: None };
        let noise = simulated_noise(&self.round, member, &[4; 32]);
        let mut rng = Prg::new(&[member as u8; 32], b"rounding");
        encode(&self.round, &mut rng, &trained, noise.as_deref()).unwrap().words
    }

    fn run(&self) -> (Report, Ears) {
        let present: Vec<u32> = (0..MEMBERS).collect();
        let (round, identities) = (&self.round, self.identities.as_slice());
        let world = World { round, identities, present: &present, seed: [6; 32], at_once: 8 };
        let mut ears = Ears::default();
        let report = world.run(&mut ears, &mut Unwatched, |member| self.words(member)).unwrap();
        (report, ears)
    }

    /// An update as whoever holds these words reads it.
    fn read(&self, words: &[u32]) -> Vec<f32> {
        let one = |word: &u32| (f64::from(*word as i32) / self.round.fixed().scale()) as f32;
        words.iter().take(self.network.len()).map(one).collect()
    }

    fn sum(&self) -> Vec<f32> {
        let report = self.run().0;
        let members = report.revealed.survivors.len();
        Aggregate::decode(&self.round, &report.revealed.sum, members).unwrap().mean
    }
}

/// The best that any unit gives of any member's picture: more than an attacker that does not know them can choose.
fn best(update: &[f32]) -> f64 {
    let pictures: Vec<Vec<f32>> = (0..MEMBERS).map(|member| picture(u64::from(member))).collect();
    let guesses = invert_all(update, HIDDEN);
    let scores = guesses.iter().flat_map(|guess| pictures.iter().map(|picture| correlation(guess, picture)));
    scores.fold(0.0, f64::max)
}

#[test]
fn pictures_differ_and_slopes_are_right() {
    for other in 0..MEMBERS {
        let alike = correlation(&picture(u64::from(VICTIM)), &picture(u64::from(other)));
        assert!(other == VICTIM || alike < 0.9, "{other}: {alike}");
    }
    let network = Network::draw(6, 4, 2);
    let (sample, class) = (picture(7), 2);
    let loss = |network: &Network| {
        let (first, second) = network.weights.split_at(6 * (PIXELS + 1));
        let awake: Vec<f32> = dense(first, &sample, 6).iter().map(|value| value.max(0.0)).collect();
        -f64::from(softmax(&dense(second, &awake, 4))[class]).ln()
    };
    let gradient = network.gradient(&sample, class);
    assert_eq!(gradient.len(), network.len());
    for at in [40, 3 * PIXELS + 5, 6 * PIXELS + 1, 6 * (PIXELS + 1) + 9, network.len() - 2] {
        let moved = |by: f32| {
            let mut moved = network.clone();
            moved.weights[at] += by;
            loss(&moved)
        };
        let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        assert!((slope - f64::from(gradient[at])).abs() < 2e-3, "weight {at}: {slope}, not {}", gradient[at]);
    }
}

/// The test has teeth: one member's update in the clear is its picture. Under the mask it is noise, to an attacker that
/// looks at every unit as well.
#[test]
fn an_update_in_the_clear_is_the_picture_and_a_masked_one_is_nothing() {
    let federation = Federation::new(None);
    let clear = federation.read(&federation.words(VICTIM));
    let (_, ears) = federation.run();
    let own = picture(u64::from(VICTIM));
    let recovered = correlation(&invert(&clear, HIDDEN).unwrap(), &own);
    println!("one update in the clear: correlation {recovered:.4}");
    assert!(recovered > 0.95, "{recovered}");
    for (member, upload) in &ears.0 {
        let words = &upload[upload.len() - SIGNATURE - 4 * federation.round.layout().words()..];
        let words: Vec<u32> = words.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
        let masked = federation.read(&words);
        let own = picture(u64::from(*member));
        let guess = correlation(&invert(&masked, HIDDEN).unwrap(), &own);
        let best = best(&masked);
        println!("member {member}, masked: correlation {guess:.4}, best of all units and pictures {best:.4}");
        assert!(guess.abs() < CHANCE && best < CHANCE, "member {member}: {guess}, {best}");
    }
}

/// What the sum leaves: without noise a unit that one picture alone wakes gives that picture away, which secure
/// aggregation does not claim to prevent; with noise at ε = 8 nothing is left.
#[test]
fn a_sum_can_give_a_picture_away_and_noise_prevents_it() {
    let sum = best(&Federation::new(None).sum());
    println!("sum of {MEMBERS}, no noise: best correlation {sum:.4}");
    assert!(sum > 0.9, "a unit of its own gives a picture away: {sum}");
    for epsilon in [8.0, 1.0] {
        let noised = best(&Federation::new(Some(epsilon)).sum());
        println!("sum of {MEMBERS}, epsilon {epsilon}: best correlation {noised:.4}");
        assert!(noised < CHANCE, "epsilon {epsilon}: {noised}");
    }
}
