//! How long a round of secure aggregation takes: `pmirs bench aggregate`.

use std::collections::BTreeMap;
use std::sync::Arc;

use pmirs_crypto::{Identity, IdentitySeed, Prg};
use pmirs_wire::Digest;
use rand_core::Rng;
use serde::Serialize;

use crate::compress::Compression;
use crate::graph::{Parameters, Rates};
use crate::group::Group;
use crate::message::Step;
use crate::plan::{Noise, RoundPlan, Schedule, Training, Weighting};
use crate::simulate::{Script, Watch, World};
use crate::trainer::Trained;
use crate::{Error, Round, clip};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Members that take part.
    pub clients: u32,
    /// Weights of the vector.
    pub weights: u32,
    /// The share of members that vanish after they shared, before their upload: the dearest moment for the
    /// server.
    pub dropouts: f64,
    /// The share of members that may work for the coordinator, which the graph is made for.
    pub corrupt: f64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The coordinator's work for the whole round, in seconds.
    pub server_s: f64,
    /// The same by step, the last message's step naming it.
    pub server_steps_s: BTreeMap<String, f64>,
    /// One member's work, on average over those who stayed, in seconds.
    pub client_s: f64,
    /// Bytes that a member who stayed sent.
    pub bytes_per_client: usize,
    /// Neighbours that each member chose.
    pub neighbours: usize,
    /// Shares that give a secret back.
    pub threshold: usize,
}

/// Runs a round on random updates, from clipping and rounding to the unmasked sum, checks that sum, and tells
/// the times by `now`, in seconds.
///
/// # Errors
/// For settings that no round can have.
pub fn aggregate(
    settings: &Settings,
    seed: [u8; 32],
    now: impl Fn() -> f64 + Send,
) -> Result<Measured, Error> {
    // On a thread of the pool, so that work that is shared out begins at once instead of when another thread wakes.
    rayon::scope(|_| measure(settings, seed, now))
}

fn measure(settings: &Settings, seed: [u8; 32], now: impl Fn() -> f64) -> Result<Measured, Error> {
    let (round, identities) = round(settings, &seed)?;
    let Parameters { neighbours, threshold, .. } = round.parameters(settings.clients as usize)?;
    let gone = round.plan().rates.dropouts(settings.clients as usize);
    let present: Vec<u32> = (0..settings.clients).collect();
    let mut script = Script((0..gone as u32).map(|member| (member, Step::Upload)).collect());
    let mut watch = Stopwatch { now, member: 0.0, coordinator: BTreeMap::new() };
    let world = World { round: &round, identities: &identities, present: &present, seed, at_once: 1 };
    let update = update(settings, &seed);
    let words = |member: u32| {
        let rng = &mut Prg::new(&seed, &member.to_be_bytes());
        let trained = Trained { update: update.clone(), examples: 1, loss: 1.0, quality: None };
        clip::encode(&round, rng, &trained, None).map(|encoded| encoded.words).unwrap_or_default()
    };
    let report = world.run(&mut script, &mut watch, words)?;
    if report.revealed.sum != plain_sum(&report.revealed.survivors, words) {
        return Err(Error::Plan { field: "bench", got: "another sum".into(), expected: "the sum".into() });
    }
    let stayed = f64::from(settings.clients) - gone as f64;
    let bytes = report.revealed.survivors.iter().filter_map(|member| report.sent.get(member));
    Ok(Measured {
        server_s: watch.coordinator.values().sum(),
        server_steps_s: watch.coordinator,
        client_s: watch.member / stayed,
        bytes_per_client: bytes.copied().max().unwrap_or_default(),
        neighbours,
        threshold,
    })
}

fn round(settings: &Settings, seed: &[u8; 32]) -> Result<(Round, Vec<Identity>), Error> {
    let mut rng = Prg::new(seed, b"identities");
    let fresh = |_| Identity::from_seed(&IdentitySeed::generate(&mut rng));
    let identities: Vec<Identity> = (0..settings.clients).map(fresh).collect();
    let group = Arc::new(Group::new(identities.iter().map(Identity::public).collect())?);
    let schedule = Schedule::Constant { rate: 0.0 };
    let plan = RoundPlan {
        federation: Digest([0; 32]),
        number: 0,
        attempt: 0,
        model: Digest([0; 32]),
        weights: settings.weights,
        training: Training { local_steps: 1, batch: 1, schedule, proximal: 0.0 },
        clip: 1.0,
        noise: Noise::None,
        weighting: Weighting::Uniform,
        compression: Compression::None,
        rates: Rates { dropout: settings.dropouts, corrupt: settings.corrupt },
        quorum: settings.clients / 2,
        cohort: settings.clients,
        deadline_ms: 0,
    };
    Ok((Round::new(plan, group)?, identities))
}

/// An update with small numbers of either sign.
fn update(settings: &Settings, seed: &[u8; 32]) -> Vec<f32> {
    let mut rng = Prg::new(seed, b"update");
    (0..settings.weights).map(|_| (rng.next_u32() as i32) as f32 * 1e-12).collect()
}

fn plain_sum(members: &[u32], words: impl Fn(u32) -> Vec<u32>) -> Vec<u32> {
    let mut vectors = members.iter().map(|member| words(*member));
    let mut sum = vectors.next().unwrap_or_default();
    for vector in vectors {
        sum.iter_mut().zip(vector).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
    }
    sum
}

struct Stopwatch<N> {
    now: N,
    member: f64,
    coordinator: BTreeMap<String, f64>,
}

impl<N: Fn() -> f64> Watch for Stopwatch<N> {
    fn member<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = (self.now)();
        let done = work();
        self.member += (self.now)() - start;
        done
    }

    fn coordinator<T>(&mut self, step: Step, work: impl FnOnce() -> T) -> T {
        let start = (self.now)();
        let done = work();
        *self.coordinator.entry(step.to_string()).or_default() += (self.now)() - start;
        done
    }
}
