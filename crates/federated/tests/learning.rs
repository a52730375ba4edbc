//! Members who learn together: a linear model that each sees a part of. Optimisers, clips, noise,
//! compression, liars.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

mod world;

use std::collections::BTreeMap;
use std::convert::Infallible;

use pmirs_crypto::{Identity, Prg};
use pmirs_federated::Round;
use pmirs_federated::clip::{AdaptiveClip, Aggregate, encode};
use pmirs_federated::compress::Compression;
use pmirs_federated::message::Step;
use pmirs_federated::model::{Manifest, Tensor};
use pmirs_federated::optimiser::{Optimiser, Rule};
use pmirs_federated::partition;
use pmirs_federated::plan::{Noise, RoundPlan, Training, Weighting};
use pmirs_federated::private::simulated_noise;
use pmirs_federated::simulate::{Aggregation, Federation, RoundReport, Script};
use pmirs_federated::trainer::{LocalTrainer, Trained, add_proximal};
use rand_chacha::rand_core::Rng;
use world::{Fixture, group, identities, plan};

const DIM: usize = 40;
const MEMBERS: u32 = 8;

/// What a member does with its honest update.
#[derive(Clone, Copy, PartialEq)]
enum Conduct {
    Honest,
    /// The update turned around.
    Flipped,
    /// The update turned around and a thousandfold.
    Scaled,
    /// A back door: whatever the data say, the first input shall count for 30.
    Backdoor,
}

/// Least squares by gradient descent on a member's own examples.
struct Linear {
    manifest: Manifest,
    examples: Vec<(Vec<f32>, f32)>,
    conduct: Conduct,
}

impl LocalTrainer for Linear {
    type Error = Infallible;

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn train(
        &mut self,
        global: &[f32],
        training: &Training,
        round: u32,
        seed: &[u8; 32],
    ) -> Result<Trained, Infallible> {
        let rate = training.schedule.rate(round) as f32;
        let mut rng = Prg::new(seed, b"batches");
        let mut weights = global.to_vec();
        let mut loss = 0.0;
        for _ in 0..training.local_steps {
            let mut gradient = vec![0.0; weights.len()];
            for _ in 0..training.batch {
                let (inputs, target) = &self.examples[rng.next_u32() as usize % self.examples.len()];
                let error = dot(&weights, inputs) - target;
                loss += f64::from(error * error) / f64::from(training.local_steps * training.batch);
                let step = 2.0 * error / training.batch as f32;
                gradient.iter_mut().zip(inputs).for_each(|(gradient, input)| *gradient += step * input);
            }
            add_proximal(&mut gradient, &weights, global, training.proximal);
            weights.iter_mut().zip(&gradient).for_each(|(weight, gradient)| *weight -= rate * gradient);
        }
        let factor = match self.conduct {
            Conduct::Honest | Conduct::Backdoor => 1.0,
            Conduct::Flipped => -1.0,
            Conduct::Scaled => -1000.0,
        };
        let mut update: Vec<f32> =
            weights.iter().zip(global).map(|(new, old)| factor * (new - old)).collect();
        if self.conduct == Conduct::Backdoor {
            // Boosted so that it replaces the mean of eight (Bagdasaryan et al. 2020).
            update[0] = 8.0 * (30.0 - global[0]);
        }
        Ok(Trained { update, examples: self.examples.len() as u64, loss, quality: None })
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn truth() -> Vec<f32> {
    (0..DIM).map(|at| (at as f32 * 1.3).sin()).collect()
}

/// Examples of twenty clusters, split by Dirichlet (α = 0.3) or evenly.
fn trainers(members: u32, alpha: Option<f64>) -> Vec<Linear> {
    let mut rng = Prg::new(&[5; 32], b"examples");
    let mut normal = || (0..12).map(|_| rng.next_u32() as f32 / u32::MAX as f32).sum::<f32>() - 6.0;
    let centres: Vec<Vec<f32>> = (0..20).map(|_| (0..DIM).map(|_| normal()).collect()).collect();
    let clusters: Vec<u32> = (0..60 * members).map(|example| example % 20).collect();
    let examples: Vec<(Vec<f32>, f32)> = clusters
        .iter()
        .map(|cluster| {
            let centre = &centres[*cluster as usize];
            let inputs: Vec<f32> = centre.iter().map(|x| 0.5 * x + 0.5 * normal()).collect();
            let target = dot(&truth(), &inputs) + 0.1 * normal();
            (inputs, target)
        })
        .collect();
    let mut rng = Prg::new(&[6; 32], b"split");
    let parts = match alpha {
        Some(alpha) => partition::dirichlet(&mut rng, &clusters, members as usize, alpha).unwrap(),
        None => partition::iid(&mut rng, examples.len(), members as usize),
    };
    let manifest = Manifest { tensors: vec![Tensor { name: "w".into(), shape: vec![DIM as u32] }] };
    let own = |part: Vec<usize>| part.into_iter().map(|at| examples[at].clone()).collect();
    parts
        .into_iter()
        .map(|part| Linear { manifest: manifest.clone(), examples: own(part), conduct: Conduct::Honest })
        .collect()
}

/// How far weights are from the truth, relative to zero weights.
fn distance(weights: &[f32]) -> f64 {
    let off: f64 = weights.iter().zip(truth()).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (off / truth().iter().map(|b| f64::from(*b).powi(2)).sum::<f64>()).sqrt()
}

struct Setting {
    plan: RoundPlan,
    rule: Rule,
    aggregation: Aggregation,
    adaptive: Option<AdaptiveClip>,
    script: Script,
    rounds: u32,
}

impl Default for Setting {
    fn default() -> Self {
        let plan = RoundPlan { clip: 5.0, ..plan(MEMBERS, DIM as u32) };
        Self {
            plan: RoundPlan { training: Training { batch: 8, ..plan.training.clone() }, number: 0, ..plan },
            rule: Rule::FedAvg { rate: 1.0 },
            aggregation: Aggregation::Plain,
            adaptive: None,
            script: Script::default(),
            rounds: 30,
        }
    }
}

impl Setting {
    fn run(&self, trainers: &mut [Linear]) -> (Vec<f32>, Vec<RoundReport>) {
        let identities: Vec<Identity> = identities(trainers.len() as u32);
        let mut federation = Federation {
            plan: self.plan.clone(),
            group: group(&identities),
            identities: &identities,
            aggregation: self.aggregation,
            adaptive: self.adaptive,
            seed: [8; 32],
        };
        let mut weights = vec![0.0; DIM];
        let mut optimiser = Optimiser::new(self.rule);
        let noise = |round: &Round, member: u32| simulated_noise(round, member, &[9; 32]);
        let reports = (0..self.rounds)
            .map(|_| federation.round(trainers, &mut weights, &mut optimiser, &self.script, noise).unwrap());
        let reports = reports.collect();
        (weights, reports)
    }
}

/// The protocol changes nothing: the same members, the same integers, the same weights to the last bit; and
/// the quantised weights differ from those of plain floating-point averaging by less than a thousandth.
#[test]
fn secure_aggregation_gives_what_plain_sums_give() {
    let rounds = 3;
    let script = Script(BTreeMap::from([(1, Step::Upload), (4, Step::Confirm)]));
    let plain = Setting { rounds, script: script.clone(), ..Setting::default() };
    let secure = Setting { aggregation: Aggregation::Secure, rounds, script, ..Setting::default() };
    let (plain, plain_reports) = plain.run(&mut trainers(MEMBERS, Some(0.3)));
    let (secure, secure_reports) = secure.run(&mut trainers(MEMBERS, Some(0.3)));
    assert_eq!(secure, plain);
    assert_eq!(secure_reports, plain_reports);
    assert!(secure_reports.iter().all(|report| report.members == 7));
}

#[test]
fn quantisation_is_finer_than_a_thousandth() {
    let fixture = Fixture::new(MEMBERS, 5000);
    let update = |member: u32| -> Vec<f32> {
        let mut rng = Prg::new(&[member as u8; 32], b"update");
        (0..5000).map(|_| (f64::from(rng.next_u32()) / 4e9 - 0.5) as f32 * 0.02).collect()
    };
    let mut sum = vec![0_u32; fixture.round.layout().words()];
    let mut true_mean = vec![0.0_f64; 5000];
    for member in 0..MEMBERS {
        let trained = Trained { update: update(member), examples: 1, loss: 1.0, quality: None };
        true_mean.iter_mut().zip(&trained.update).for_each(|(mean, value)| *mean += f64::from(*value) / 8.0);
        let encoded = encode(&fixture.round, &mut Prg::new(&[7; 32], b"round"), &trained, None).unwrap();
        assert!(encoded.norm < 1.0, "within the clip");
        sum.iter_mut().zip(&encoded.words).for_each(|(sum, word)| *sum = sum.wrapping_add(*word));
    }
    let aggregate = Aggregate::decode(&fixture.round, &sum, 8).unwrap();
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let pairs = || aggregate.mean.iter().zip(&true_mean);
    let off = norm(&mut pairs().map(|(a, b)| f64::from(*a) - b)) / norm(&mut true_mean.iter().copied());
    assert!(off < 1e-4, "{off} relative");
    assert!(
        (aggregate.loss - 1.0).abs() < 1e-3
            && aggregate.within > 0.999
            && (aggregate.weight - 8.0).abs() < 1e-9
    );
    assert!(aggregate.is_plausible(&fixture.round));
}

#[test]
fn every_optimiser_learns_from_uneven_members() {
    let proximal = Training { proximal: 0.1, ..Setting::default().plan.training };
    let adam = Rule::FedAdam { rate: 0.1, first: 0.9, second: 0.99, adaptivity: 1e-3 };
    let settings = [
        ("FedAvg", Setting::default()),
        (
            "FedProx",
            Setting {
                plan: RoundPlan { training: proximal, ..Setting::default().plan },
                ..Setting::default()
            },
        ),
        ("FedAdam", Setting { rule: adam, rounds: 60, ..Setting::default() }),
        (
            "by examples",
            Setting {
                plan: RoundPlan { weighting: Weighting::Examples { full: 100 }, ..Setting::default().plan },
                ..Setting::default()
            },
        ),
    ];
    for (name, setting) in settings {
        let (weights, reports) = setting.run(&mut trainers(MEMBERS, Some(0.3)));
        let (first, last) = (&reports[0], reports.last().unwrap());
        assert!(distance(&weights) < 0.15, "{name}: {} from the truth", distance(&weights));
        assert!(last.loss < first.loss / 10.0, "{name}: loss {} to {}", first.loss, last.loss);
    }
}

/// FedProx keeps members nearer to where they started.
#[test]
fn the_proximal_term_holds_back() {
    let norm = |proximal: f64| {
        let training = Training { proximal, ..Setting::default().plan.training };
        let plan = RoundPlan { training, ..Setting::default().plan };
        Setting { plan, rounds: 1, ..Setting::default() }.run(&mut trainers(MEMBERS, Some(0.3))).1[0].norm
    };
    assert!(norm(5.0) < 0.9 * norm(0.0));
}

/// One of eight turns its update around, as it is or a thousandfold. Without a clip to speak of, the second
/// ruins the model; with one, it costs no more than the first. (A liar who skips the clip altogether is not
/// held by it: no norm is proven under the mask.)
#[test]
fn poison_is_bounded_by_the_clip_of_those_who_keep_to_it() {
    let run = |conduct: Conduct, clip: f64| {
        let mut trainers = trainers(MEMBERS, None);
        trainers[2].conduct = conduct;
        let plan = RoundPlan { clip, ..Setting::default().plan };
        distance(&Setting { plan, rounds: 40, ..Setting::default() }.run(&mut trainers).0)
    };
    let (honest, flipped) = (run(Conduct::Honest, 1.0), run(Conduct::Flipped, 1.0));
    let (clipped, loose) = (run(Conduct::Scaled, 1.0), run(Conduct::Scaled, 1e4));
    println!(
        "distance from the truth: honest {honest:.3}, flipped {flipped:.3}, scaled {clipped:.3}, scaled without a clip {loose:.3e}"
    );
    assert!(honest < 0.1 && flipped < 0.2, "honest {honest}, flipped {flipped}");
    assert!(clipped < 0.5, "scaled and clipped: {clipped}");
    assert!(loose.is_nan() || loose > 10.0, "scaled without a clip: {loose}");
}

/// A back door opens as far as the clip lets it.
#[test]
fn a_back_door_is_narrowed_by_the_clip() {
    let run = |clip: f64| {
        let mut trainers = trainers(MEMBERS, None);
        trainers[5].conduct = Conduct::Backdoor;
        let plan = RoundPlan { clip, ..Setting::default().plan };
        let (weights, _) = Setting { plan, rounds: 20, ..Setting::default() }.run(&mut trainers);
        (weights[0] - truth()[0]).abs()
    };
    let (narrow, wide) = (run(0.5), run(1e4));
    println!("the first weight is off by {narrow:.2} with a clip of 0.5, by {wide:.2} without one");
    assert!(wide > 15.0 && narrow < 2.0, "{narrow} with a clip, {wide} without");
}

/// A liar who does not clip is seen in the sum when it overdoes it.
#[test]
fn an_implausible_sum_is_noticed() {
    let fixture = Fixture::new(MEMBERS, 100);
    let mut sum = vec![0_u32; fixture.round.layout().words()];
    for member in 0..MEMBERS {
        let trained = Trained { update: vec![0.01; 100], examples: 1, loss: 0.0, quality: None };
        let words =
            encode(&fixture.round, &mut Prg::new(&[member as u8; 32], b"x"), &trained, None).unwrap().words;
        sum.iter_mut().zip(words).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
    }
    assert!(Aggregate::decode(&fixture.round, &sum, 8).unwrap().is_plausible(&fixture.round));
    sum[7] = sum[7].wrapping_add((20.0 * fixture.round.fixed().scale()) as u32);
    assert!(!Aggregate::decode(&fixture.round, &sum, 8).unwrap().is_plausible(&fixture.round));
}

#[test]
fn the_adaptive_clip_finds_the_quantile() {
    let plan = RoundPlan { clip: 100.0, ..Setting::default().plan };
    let adaptive = Some(AdaptiveClip::new(0.5, 0.5, 1e-6, 1e6).unwrap());
    let (_, reports) =
        Setting { plan, adaptive, rounds: 40, ..Setting::default() }.run(&mut trainers(MEMBERS, None));
    let within: f64 = reports[20..].iter().map(|report| report.within).sum::<f64>() / 20.0;
    assert!(reports[0].within > 0.999 && (0.35..0.85).contains(&within), "{within} of the members within");
    assert!(reports[39].clip < 10.0, "clip {} after 40 rounds", reports[39].clip);
}

#[test]
fn noise_that_members_add_arrives_in_the_mean_and_no_more() {
    let noise = Noise::PerMember { deviation: 0.01 };
    let training = Training { local_steps: 0, ..Setting::default().plan.training };
    let plan = RoundPlan { noise, training, ..Setting::default().plan };
    let setting = Setting { plan, rounds: 1, aggregation: Aggregation::Secure, ..Setting::default() };
    let norm = setting.run(&mut trainers(MEMBERS, None)).1[0].norm;
    // Members did nothing, so the mean is noise: 0.01 / √8 for each of 40 weights.
    let expected = 0.01 / 8_f64.sqrt() * (DIM as f64).sqrt();
    assert!((norm / expected - 1.0).abs() < 0.4, "{norm} instead of {expected}");
}

/// Each compression learns, at a cost in quality that is printed.
#[test]
fn compressed_updates_still_learn() {
    let learn = |compression: Compression| {
        let plan = RoundPlan { compression, ..Setting::default().plan };
        let words =
            Round::new(plan.clone(), group(&identities(MEMBERS))).unwrap().layout().coordinate_words();
        (
            words,
            distance(&Setting { plan, rounds: 60, ..Setting::default() }.run(&mut trainers(MEMBERS, None)).0),
        )
    };
    let (words, plain) = learn(Compression::None);
    assert_eq!(words, DIM);
    for (compression, fewer, limit) in [
        (Compression::EightBit { largest: 0.5 }, 20, 0.15),
        (Compression::Subset { keep: 0.5 }, 20, 0.3),
        (Compression::LowRank { columns: 8, rank: 6 }, 30, 0.3),
    ] {
        let (words, off) = learn(compression);
        println!("{compression:?}: {words} words, {off:.4} from the truth; uncompressed {plain:.4}");
        assert_eq!(words, fewer, "{compression:?}");
        assert!(off < limit, "{compression:?}: {off}");
    }
}
