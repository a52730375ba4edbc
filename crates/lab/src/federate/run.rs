//! Running a federation, and the same examples in one hand.

use std::path::Path;
use std::sync::Arc;

use pmirs_crypto::{Identity, IdentitySeed, Prg, sha256};
use pmirs_federated::optimiser::Optimiser;
use pmirs_federated::plan::{Noise, RoundPlan, Weighting};
use pmirs_federated::private::{Goal, calibrate, simulated_noise};
use pmirs_federated::simulate::{self, Federation, RoundReport, Script};
use pmirs_federated::{Group, Round, partition};
use pmirs_vault::federate::{Plan, Trainer};
use pmirs_wire::Digest;

use super::saved::{self, Saved};
use super::setting::{Aggregation, Setting, Split};
use super::{Data, Outcome, Row, SimulateError, Watch, exact};
use crate::eval::Step;

/// Runs a federation on the examples. Where it stands is kept in the file `state` after every round, if one is named;
/// the same run goes on from there.
///
/// # Errors
/// For a setting that cannot be simulated; when a round fails.
pub fn simulate(
    data: &Data,
    setting: &Setting,
    state: Option<&Path>,
    watch: Watch<'_>,
) -> Result<Outcome, SimulateError> {
    setting.check()?;
    let seed = seed_of(setting);
    let mut trainers = trainers(data, setting, &seed)?;
    let identities = identities(setting.clients, &seed);
    let group = Arc::new(Group::new(identities.iter().map(Identity::public).collect())?);
    let plan = plan(data, setting, &group)?;
    let initial = data.learner.initial();
    let manifest = pmirs_vault::federate::manifest(&data.learner).digest(&initial)?;
    let of = saved::digest(&manifest, setting);
    let kept = state.and_then(|path| saved::read(path, &of));
    let mut now = match kept {
        Some(saved) => saved,
        None => Saved {
            of,
            rows: vec![row(data, &initial, 0, None)?],
            weights: initial.clone(),
            optimiser: Optimiser::new(setting.rule),
            noise: plan.noise,
        },
    };
    let aggregation = match setting.aggregation {
        Aggregation::Secure => simulate::Aggregation::Secure,
        Aggregation::Plain | Aggregation::Exact => simulate::Aggregation::Plain,
    };
    let mut federation =
        Federation { plan, group, identities: &identities, aggregation, adaptive: None, seed };
    // The first row is the model before the first round.
    for done in (now.rows.len() as u32).saturating_sub(1)..setting.rounds {
        federation.plan.number = done;
        let report = if setting.aggregation == Aggregation::Exact {
            exact::round(&mut federation, &mut trainers, &mut now.weights, &mut now.optimiser)?
        } else {
            let noise = |round: &Round, member: u32| simulated_noise(round, member, &seed);
            let script = Script::default();
            federation.round(&mut trainers, &mut now.weights, &mut now.optimiser, &script, noise)?
        };
        now.rows.push(row(data, &now.weights, done + 1, Some(&report))?);
        state.map_or(Ok(()), |path| now.write(path))?;
        watch(Step { what: "rounds", done: done as usize + 1, total: setting.rounds as usize });
    }
    federation.plan.number = 0;
    let round = Round::new(federation.plan.clone(), federation.group.clone())?;
    let promise = setting.privacy.zip(round.guarantee());
    let epsilon = promise.map(|(privacy, it)| it.epsilon(setting.rounds, privacy.delta)).transpose();
    Ok(Outcome {
        epsilon: epsilon.map_err(|error| SimulateError::Setting {
            what: "privacy",
            got: error.to_string(),
            expected: "a promise that can be kept".into(),
        })?,
        noise_multiplier: promise.map(|(_, it)| it.noise_multiplier()),
        shown: shown_in_a_round(&trainers, setting) * u64::from(setting.rounds),
        ..outcome(&initial, now.weights, now.rows)
    })
}

/// The same part of the same model on all examples in one hand: as many pictures are shown in the same number of rounds,
/// with one optimiser that remembers.
///
/// # Errors
/// As [`simulate()`].
pub fn pooled(data: &Data, setting: &Setting, watch: Watch<'_>) -> Result<Outcome, SimulateError> {
    setting.check()?;
    let seed = sha256(&[b"pmirs pooled v1".as_slice(), &setting.seed.to_le_bytes()].concat());
    let steps = pooled_steps(data, setting)?;
    let all: Vec<usize> = (0..data.train.len()).collect();
    let initial = data.learner.initial();
    let mut course = data.learner.begin(&initial)?;
    let mut rows = vec![row(data, &initial, 0, None)?];
    let schedule = setting.training().schedule;
    for number in 0..setting.rounds {
        let plan = Plan { steps, batch: setting.batch as usize, rate: schedule.rate(number) as f32 };
        let seed = sha256(&[seed.as_slice(), &number.to_le_bytes()].concat());
        data.learner.advance(&mut course, &data.train, &all, &plan, &seed, &|_, _| {})?;
        let train_loss = course.take_loss();
        rows.push(Row { train_loss, ..row(data, course.weights(), number + 1, None)? });
        watch(Step { what: "pooled", done: number as usize + 1, total: setting.rounds as usize });
    }
    let shown = u64::from(steps) * u64::from(setting.batch) * u64::from(setting.rounds);
    Ok(Outcome { shown, ..outcome(&initial, course.weights().to_vec(), rows) })
}

/// Steps of a pooled round that show as many pictures as all members do.
pub(super) fn pooled_steps(data: &Data, setting: &Setting) -> Result<u32, SimulateError> {
    let shown = shown_in_a_round(&trainers(data, setting, &seed_of(setting))?, setting);
    Ok((shown / u64::from(setting.batch.max(1))).max(1) as u32)
}

fn seed_of(setting: &Setting) -> [u8; 32] {
    sha256(&[b"pmirs simulation v1".as_slice(), &setting.seed.to_le_bytes()].concat())
}

fn outcome(initial: &[f32], last: Vec<f32>, rounds: Vec<Row>) -> Outcome {
    let squares = last.iter().zip(initial).map(|(a, b)| f64::from(a - b).powi(2));
    let distance = squares.sum::<f64>().sqrt();
    Outcome { rounds, epsilon: None, noise_multiplier: None, weights: last.len(), shown: 0, distance, last }
}

fn row(data: &Data, weights: &[f32], round: u32, report: Option<&RoundReport>) -> Result<Row, SimulateError> {
    let all: Vec<usize> = (0..data.dev.len()).collect();
    let judged = data.learner.judge(weights, &data.dev, &all)?;
    Ok(Row {
        round,
        loss: judged.loss,
        r10: judged.text_to_image.r10,
        train_loss: report.map_or(0.0, |it| it.loss),
        within: report.map_or(1.0, |it| it.within),
        norm: report.map_or(0.0, |it| it.norm),
    })
}

/// A member with a single picture has nothing to tell it from, and learns nothing.
fn trainers(data: &Data, setting: &Setting, seed: &[u8; 32]) -> Result<Vec<Trainer>, SimulateError> {
    let mut rng = Prg::new(seed, b"split");
    let members = setting.clients as usize;
    let mut parts = match setting.split {
        Split::Iid => partition::iid(&mut rng, data.train.len(), members),
        Split::Dirichlet { alpha } => partition::dirichlet(&mut rng, &data.clusters, members, alpha)?,
    };
    give_everyone_two(&mut parts)?;
    Ok(parts.into_iter().map(|part| Trainer::of(data.learner.clone(), data.train.clone(), part)).collect())
}

fn give_everyone_two(parts: &mut [Vec<usize>]) -> Result<(), SimulateError> {
    while let Some(poor) = parts.iter().position(|part| part.len() < 2) {
        let rich = parts.iter_mut().max_by_key(|part| part.len()).filter(|part| part.len() > 2);
        let spare = rich.and_then(Vec::pop).ok_or_else(|| SimulateError::Setting {
            what: "clients",
            got: parts.len().to_string(),
            expected: "at most half as many as there are pictures".into(),
        })?;
        if let Some(part) = parts.get_mut(poor) {
            part.push(spare);
        }
    }
    Ok(())
}

/// Pictures that all members of a cohort show in a round, on average.
fn shown_in_a_round(trainers: &[Trainer], setting: &Setting) -> u64 {
    let batch = u64::from(setting.batch);
    let each = trainers.iter().map(|trainer| batch.min(trainer.counts()[0] as u64));
    let all: u64 = each.sum::<u64>() * u64::from(setting.steps);
    all * u64::from(setting.cohort()) / u64::from(setting.clients.max(1))
}

fn identities(count: u32, seed: &[u8; 32]) -> Vec<Identity> {
    let mut rng = Prg::new(seed, b"identities");
    (0..count).map(|_| Identity::from_seed(&IdentitySeed::generate(&mut rng))).collect()
}

fn plan(data: &Data, setting: &Setting, group: &Arc<Group>) -> Result<RoundPlan, SimulateError> {
    let cohort = setting.cohort();
    let plan = RoundPlan {
        federation: Digest(sha256(b"pmirs simulation")),
        number: 0,
        attempt: 0,
        model: Digest([0; 32]),
        weights: data.learner.layout().len() as u32,
        training: setting.training(),
        clip: setting.clip,
        noise: Noise::None,
        weighting: Weighting::Uniform,
        compression: setting.compression,
        rates: setting.rates(),
        quorum: ((f64::from(cohort) * (1.0 - setting.dropout)).floor() as u32).max(2),
        cohort,
        deadline_ms: 0,
    };
    let Some(privacy) = setting.privacy else { return Ok(plan) };
    let goal = Goal { epsilon: privacy.epsilon, delta: privacy.delta, rounds: setting.rounds };
    let noise = calibrate(&plan, group, &goal)?;
    Ok(RoundPlan { noise, ..plan })
}
