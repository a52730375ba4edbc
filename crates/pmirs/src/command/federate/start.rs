//! `pmirs federate start`: an owner fixes who trains what, and how.

use std::io::{self, Write};

use pmirs_federated::Group;
use pmirs_federated::charter::{Adaptive, Terms};
use pmirs_federated::graph::Rates;
use pmirs_federated::plan::{Noise, RoundPlan, Schedule, Training, Weighting};
use pmirs_federated::private::{Goal, calibrate};
use pmirs_vault::federate::{Founding, GroupFile, Learner, manifest};
use pmirs_wire::Digest;
use serde::Serialize;

use super::{find, rules};
use crate::cli::{FederateStart, Global};
use crate::command::model;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, GOOD, Output, plain};
use crate::report::Failure;
use crate::session;

/// How many times smaller or larger an adaptive clip may become.
const FARTHEST: f64 = 100.0;

#[derive(Serialize)]
struct Started {
    federation: String,
    name: String,
    url: String,
    members: usize,
    rounds: u32,
    weights: usize,
    quorum: u32,
    noise: f64,
    words: String,
}

impl Answer for Started {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { name, members, rounds, weights, .. } = self;
        writeln!(
            out,
            "{GOOD}Started {BOLD}{}{BOLD:#}{GOOD:#}: {members} members, {rounds} rounds, {weights} weights.",
            plain(name)
        )?;
        writeln!(out, "All members must see these words when they join:\n\n  {}\n", self.words)?;
        writeln!(out, "Each of them: pmirs federate join {} --data COLLECTION", self.url)
    }
}

pub fn run(args: &FederateStart, global: &Global, output: Output) -> Result<(), Failure> {
    let part = find::part(&args.part)?;
    let vault = session::open(global)?;
    let members = GroupFile::read(&args.group)?.resolve(&vault)?;
    let encoder = model::encoder(args.model.as_deref())?;
    let learner = Learner::open(encoder.pack(), part).map_err(|error| not_trainable(&error))?;
    let (manifest, weights) = (manifest(&learner), learner.initial());
    let mut terms = terms(args, members.len());
    if let Some(epsilon) = args.epsilon {
        terms.noise = noise(args, &terms, epsilon, manifest.weights(), members.clone())?;
    }
    let founding = Founding {
        name: args.name.clone(),
        base: find::base(encoder.pack()),
        part: part.to_string(),
        manifest,
        weights,
        members,
        terms,
    };
    let chain = vault.start_federation(founding)?;
    let url = vault.status()?.url.unwrap_or_default();
    let charter = chain.charter();
    output.answer(&Started {
        federation: chain.id().to_string(),
        name: charter.name.clone(),
        url: format!("{}/v1/federations/{}", url.trim_end_matches('/'), chain.id()),
        members: chain.group().len(),
        rounds: charter.terms.rounds,
        weights: charter.manifest.weights(),
        quorum: charter.terms.quorum,
        noise: charter.terms.noise,
        words: pmirs_crypto::head_words(&chain.id().0),
    })
}

fn terms(args: &FederateStart, members: usize) -> Terms {
    let schedule = Schedule::Cosine { rate: args.rate, last: args.rate / 10.0, rounds: args.rounds as u32 };
    Terms {
        rounds: args.rounds as u32,
        training: Training {
            local_steps: args.local_steps as u32,
            batch: args.batch as u32,
            schedule,
            proximal: rules::proximal(&args.rules),
        },
        rule: rules::rule(&args.rules),
        clip: args.clip,
        adaptive: args.adaptive_clip.map(|quantile| adaptive(quantile, args.clip)),
        noise: args.noise,
        weighting: Weighting::Uniform,
        compression: rules::compression(&args.rules),
        rates: Rates { dropout: args.dropout, corrupt: args.corrupt },
        quorum: args.quorum.unwrap_or((2 * members).div_ceil(3)) as u32,
        cohort: args.cohort.unwrap_or(members) as u32,
        gather_ms: 1000 * args.gather as u64,
        step_ms: 1000 * args.deadline as u64,
        attempts: args.attempts as u32,
    }
}

/// A clip that follows the updates, from the first one on (Andrew et al. 2021, whose rate this is), at most so far that a
/// coordinator cannot lead it to nothing or to everything.
fn adaptive(quantile: f64, clip: f64) -> Adaptive {
    Adaptive { quantile, rate: 0.2, least: clip / FARTHEST, largest: clip * FARTHEST }
}

/// Each member's noise over the clip, for a promise over all rounds.
fn noise(
    args: &FederateStart,
    terms: &Terms,
    epsilon: f64,
    weights: usize,
    members: Vec<pmirs_vault::PublicIdentity>,
) -> Result<f64, Failure> {
    let plan = RoundPlan {
        federation: Digest([0; 32]),
        number: 0,
        attempt: 0,
        model: Digest([0; 32]),
        weights: weights as u32,
        training: terms.training.clone(),
        clip: terms.clip,
        noise: Noise::None,
        weighting: terms.weighting,
        compression: terms.compression,
        rates: terms.rates,
        quorum: terms.quorum,
        cohort: terms.cohort,
        deadline_ms: 0,
    };
    let goal = Goal { epsilon, delta: args.delta, rounds: terms.rounds };
    let group = Group::new(members).map(std::sync::Arc::new);
    let noise = group.and_then(|group| calibrate(&plan, &group, &goal)).map_err(|error| {
        let hint = "a smaller part, more members, fewer rounds or a larger epsilon take less noise";
        Failure::new(Exit::Usage, format!("no noise keeps epsilon {epsilon}: {error}"), hint)
    })?;
    Ok(noise.deviation() / terms.clip)
}

pub fn not_trainable(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Usage,
        error,
        "`pmirs model info` says what a model is; `--part adapter` trains on any",
    )
}
