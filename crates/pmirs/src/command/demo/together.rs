//! `pmirs demo --federated`: four people teach a model what they call things, and nobody shows a picture.
//!
//! Each has shots of half of the gallery's scenes, under names that mean nothing to the model. They train over the cloud of
//! the demonstration, one goes away in the middle of a round, and in the end a fifth person searches by the names.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use pmirs_encoder::Encoder;
use pmirs_federated::chain::Record;
use pmirs_federated::charter::Terms;
use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::message::Step;
use pmirs_federated::optimiser::Rule;
use pmirs_federated::plan::{Schedule, Training, Weighting};
use pmirs_federated::trainer::LocalTrainer as _;
use pmirs_vault::federate::{
    Consent, Did, Ending, Examples, Founding, Learner, Membership, Part, Phase, Provenance, Trainer,
    from_table, manifest, publish, reduce,
};
use pmirs_vault::privacy::DataSource;
use pmirs_vault::{
    AddOptions, Collection, Cutoff, Protection, Query, Quiet, SearchOptions, Vault, VaultError,
};
use pmirs_wire::Digest;
use pmirs_wire::problem::ProblemKind;
use serde::Serialize;

use super::albums::{Albums, NAMES, PEOPLE, SHOTS, name_of};
use super::stage::{HOST, Stage};
use crate::command::federate::find;
use crate::exit::Exit;
use crate::output::{BOLD, DIM, GOOD, Output, bytes, count, plain};
use crate::report::Failure;

/// Who goes away in the middle of a round, and comes back for the next.
const LEAVES: (&str, u32) = ("emil", 2);
/// Names that are searched for in the end.
const SEARCHED: usize = 3;

/// Small enough to train on any machine in a minute.
const MODEL: &str = "compact-lite";
const ROUNDS: u32 = 8;
const STEPS: u32 = 20;
const BATCH: u32 = 24;
const RATE: f64 = 4e-3;
/// Fewer members, and a round fails.
const QUORUM: u32 = 3;
/// How long a step waits for somebody who has gone away.
const PATIENCE_MS: u64 = 4_000;
/// How long a member who is gone waits before asking whether the round is over.
const GLANCE: Duration = Duration::from_millis(100);

/// What `--json` prints: an interface that other programs rely on.
#[derive(Serialize)]
struct Report {
    members: [&'static str; 4],
    names: usize,
    /// Weights that train, and bytes of an update.
    weights: usize,
    upload_bytes: usize,
    rounds: Vec<RoundRow>,
    /// Share of names whose scene comes first among shots that nobody trained on: by the model as it was, after the first
    /// member trained alone as long, and after all trained together.
    before: f64,
    alone: f64,
    together: f64,
    searches: Vec<SearchRow>,
    seconds: f64,
}

#[derive(Serialize)]
struct RoundRow {
    round: u32,
    members: usize,
    loss: f64,
}

#[derive(Serialize)]
struct SearchRow {
    name: &'static str,
    scene: &'static str,
    before: String,
    after: String,
}

pub fn run(output: Output) -> Result<(), Failure> {
    let started = Instant::now();
    let stage = Stage::set(None)?;
    let mut report = perform(&stage, output)?;
    report.seconds = started.elapsed().as_secs_f64();
    output.say(|out| report.print_end(out))?;
    if output.json() {
        Output::object(&report)?;
    }
    stage.strike()
}

fn failed(why: &dyn std::fmt::Display) -> Failure {
    let hint = "a mistake in this program, or a machine that is very slow: please report it";
    Failure::new(Exit::Failure, why, hint)
}

fn perform(stage: &Stage, output: Output) -> Result<Report, Failure> {
    let encoder = Arc::new(Encoder::builtin(MODEL)?);
    let learner = Learner::open(encoder.pack(), Part::Heads).map_err(|error| failed(&error))?;
    let albums = Albums::new(stage.root().join("albums"));
    albums.write()?;
    let vaults: Vec<Vault> = PEOPLE.iter().map(|name| stage.guest(name)).collect::<Result<_, _>>()?;
    output.say(|out| {
        let (people, shots) = (PEOPLE.join(", "), NAMES.len() as u32 / 2 * SHOTS);
        writeln!(
            out,
            "{BOLD}Four people{BOLD:#}   {people}: each has {shots} shots of {} scenes, and names for them that no model \
             knows,",
            NAMES.len() / 2
        )?;
        writeln!(out, "              like {} for the dog. Each scene is known to two of them.", name_of("dog.jpg"))?;
        writeln!(out, "{BOLD}A cloud{BOLD:#}       {}, in this process, which coordinates", stage.url())
    })?;

    stage.vault().use_encoder(encoder.clone());
    let collection = stage.vault().create_collection("names", Protection::Veiled)?;
    collection.add(&[albums.folder(HOST)], &AddOptions::default(), &Quiet)?;
    let before = first_hits(&collection)?;

    let judged = reduce(&learner, from_table(&albums.table(HOST))?.into_iter().map(Ok), &Quiet)
        .map_err(|error| failed(&error))?;
    let trainers = trainers(&encoder, &albums)?;
    let (model, rounds, upload_bytes) =
        train(stage, &vaults, &encoder, &learner, &trainers, &albums, output)?;
    let alone = trainers.first().map(|ben| alone(ben.clone(), &learner)).transpose()?.unwrap_or_default();

    let adopted = stage.root().join("learned");
    fs::create_dir(&adopted).map_err(|error| Failure::file(&adopted, "make", &error))?;
    let provenance = Provenance { name: "learned-together".into(), origin: "pmirs demo --federated".into() };
    publish(encoder.pack(), Part::Heads, &model, &adopted, &provenance).map_err(|error| failed(&error))?;
    let learned = Arc::new(Encoder::open(&adopted)?);
    stage.vault().offer_encoder(learned.clone());
    collection.use_model(&learned)?;
    collection.reembed(&Quiet)?;
    let after = first_hits(&collection)?;

    let share = |weights: &[f32]| first_share(&learner, &judged, weights);
    let hits = before.into_iter().zip(after).zip(NAMES);
    Ok(Report {
        members: PEOPLE,
        names: NAMES.len(),
        weights: model.len(),
        upload_bytes,
        rounds,
        before: share(&learner.initial())?,
        alone: share(&alone)?,
        together: share(&model)?,
        searches: hits
            .map(|((before, after), (scene, name))| SearchRow { name, scene, before, after })
            .take(SEARCHED)
            .collect(),
        seconds: 0.0,
    })
}

/// What comes first by each of the names that are searched for.
fn first_hits(collection: &Collection<'_>) -> Result<Vec<String>, Failure> {
    let options = SearchOptions { k: 1, cutoff: Cutoff::None, ..SearchOptions::default() };
    let first = |(_, name): &(&str, &str)| {
        let answer = collection.search(&Query::text(*name), &options)?;
        Ok(answer.hits.into_iter().next().map(|hit| hit.meta.name).unwrap_or_default())
    };
    NAMES.iter().take(SEARCHED).map(first).collect()
}

/// Share of names whose scene comes first.
fn first_share(learner: &Learner, judged: &Examples, weights: &[f32]) -> Result<f64, Failure> {
    let all: Vec<usize> = (0..judged.len()).collect();
    let judgement = learner.judge(weights, judged, &all).map_err(|error| failed(&error))?;
    Ok(judgement.text_to_image.r1)
}

fn trainers(encoder: &Encoder, albums: &Albums) -> Result<Vec<Trainer>, Failure> {
    let trainer = |name: &&str| {
        let pairs = from_table(&albums.table(name))?;
        let trainer = Trainer::open(encoder.pack(), Part::Heads, pairs.into_iter().map(Ok), &Quiet);
        trainer.map_err(|error| failed(&error))
    };
    PEOPLE.iter().map(trainer).collect()
}

fn training() -> Training {
    let schedule = Schedule::Cosine { rate: RATE, last: RATE / 10.0, rounds: ROUNDS };
    Training { local_steps: STEPS, batch: BATCH, schedule, proximal: 0.0 }
}

/// The weights of a member who trains as long with nobody's help.
fn alone(mut member: Trainer, learner: &Learner) -> Result<Vec<f32>, Failure> {
    let (mut weights, training) = (learner.initial(), training());
    for round in 0..ROUNDS {
        let seed = [round as u8; 32];
        let trained = member.train(&weights, &training, round, &seed).map_err(|error| failed(&error))?;
        weights.iter_mut().zip(&trained.update).for_each(|(weight, change)| *weight += change);
    }
    Ok(weights)
}

/// Runs the federation, everybody on a thread; gives back the model, the rounds, and the bytes of an update.
fn train(
    stage: &Stage,
    vaults: &[Vault],
    encoder: &Encoder,
    learner: &Learner,
    trainers: &[Trainer],
    albums: &Albums,
    output: Output,
) -> Result<(Vec<f32>, Vec<RoundRow>, usize), Failure> {
    let founding = Founding {
        name: "names".into(),
        base: find::base(encoder.pack()),
        part: Part::Heads.to_string(),
        manifest: manifest(learner),
        weights: learner.initial(),
        members: vaults.iter().map(Vault::public_identity).collect(),
        terms: terms(),
    };
    let id = stage.vault().start_federation(founding)?.id();
    let mut memberships = Vec::new();
    let mut upload_bytes = 0;
    for (name, vault) in PEOPLE.into_iter().zip(vaults) {
        let membership = Membership::look(vault, id)?;
        let consent = consent(vault, &albums.table(name))?;
        upload_bytes = membership.prospect(&consent)?.upload_bytes;
        membership.join(&consent)?;
        memberships.push((name, membership));
    }
    output.say(|out| {
        let (weights, update) = (learner.layout().len(), bytes(upload_bytes as u64));
        writeln!(
            out,
            "{BOLD}What leaves{BOLD:#}   in each round one update of {weights} numbers ({update}), masked: the cloud reads \
             the sum of\n              at least {QUORUM}, and no picture, no name, no single update\n"
        )
    })?;
    let mut rows = Vec::new();
    let mut told = |record: &Record| {
        rows.push(RoundRow { round: record.number + 1, members: record.survivors.len(), loss: record.loss });
        print_round(record, output)
    };
    let endings = thread::scope(|scope| {
        let told = &mut told;
        let mut taking = Vec::new();
        let mut first = Some(told);
        for ((name, membership), trainer) in memberships.into_iter().zip(trainers) {
            let (mut trainer, told) = (trainer.clone(), first.take());
            taking.push(scope.spawn(move || take_part(name, membership, &mut trainer, told)));
        }
        let joined =
            taking.into_iter().map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect::<Result<Vec<Ending>, Failure>>()
    })?;
    let model = match endings.first() {
        Some(Ending::Finished(model)) => model,
        Some(Ending::Stopped(reason)) => {
            return Err(failed(&format_args!("the federation has stopped: {reason}")));
        }
        None => return Err(failed(&"nobody took part")),
    };
    if endings.iter().any(|ending| *ending != Ending::Finished(model.clone())) {
        return Err(failed(&"the members have different models"));
    }
    Ok((model.clone(), rows, upload_bytes))
}

fn terms() -> Terms {
    Terms {
        rounds: ROUNDS,
        training: training(),
        rule: Rule::FedAvg { rate: 1.0 },
        clip: 100.0,
        adaptive: None,
        noise: 0.0,
        weighting: Weighting::Uniform,
        compression: Compression::None,
        rates: Rates { dropout: 0.25, corrupt: 0.0 },
        quorum: QUORUM,
        cohort: PEOPLE.len() as u32,
        gather_ms: 60_000,
        step_ms: PATIENCE_MS,
        attempts: 10,
    }
}

fn consent(vault: &Vault, table: &Path) -> Result<Consent, Failure> {
    let data = Digest(vault.privacy().data(&DataSource::File(table.to_owned()))?);
    let source = table.display().to_string();
    Ok(Consent { source, data, epsilon: f64::INFINITY, delta: 1e-5, least_noise: 0.0, agreed_ms: 0 })
}

fn take_part(
    name: &str,
    mut membership: Membership<'_>,
    trainer: &mut Trainer,
    mut told: Option<&mut (impl FnMut(&Record) -> Result<(), Failure> + Send)>,
) -> Result<Ending, Failure> {
    if name == LEAVES.0 {
        go_away(&mut membership, trainer)?;
    }
    let mut printed = Ok(());
    let ending = membership.run(trainer, &mut |turn| {
        if let (Ok((Did::Ended(record), _)), Some(told)) = (turn, &mut told)
            && printed.is_ok()
        {
            printed = told(record);
        }
    })?;
    printed.map(|()| ending)
}

/// Takes part until a round in which this member has shared its keys, and then says nothing more until that is over.
fn go_away(membership: &mut Membership<'_>, trainer: &mut Trainer) -> Result<(), Failure> {
    let taken = membership.take()?;
    let mut after = None;
    loop {
        let (did, standing) = match membership.take_turn(trainer, &taken, after) {
            Ok(turn) => turn,
            // The step had ended.
            Err(VaultError::Refused { problem, .. }) if problem.kind == ProblemKind::Conflict => continue,
            Err(error) => return Err(error.into()),
        };
        match did {
            Did::Said { round, step: Step::Shares } if round + 1 == LEAVES.1 => break,
            Did::Finished | Did::Stopped(_) => return Ok(()),
            Did::Trained { .. } | Did::Ended(_) => after = None,
            _ if standing.round >= LEAVES.1 => return Ok(()),
            _ => after = Some(standing.serial),
        }
    }
    loop {
        let standing = membership.standing()?;
        if standing.phase != Phase::Running || standing.round >= LEAVES.1 {
            return Ok(());
        }
        thread::sleep(GLANCE);
    }
}

fn print_round(record: &Record, output: Output) -> Result<(), Failure> {
    output.say(|out| {
        let (round, members) = (record.number + 1, record.survivors.len());
        write!(out, "Round {round}  {} in the sum, mean loss {:.2}", count(members, "member"), record.loss)?;
        if members < PEOPLE.len() {
            let missing = (0..)
                .zip(PEOPLE)
                .filter(|(number, _)| !record.survivors.contains(number))
                .map(|(_, name)| name);
            let missing: Vec<&str> = missing.collect();
            write!(
                out,
                "  {DIM}without {}, who went away: the round came through{DIM:#}",
                missing.join(", ")
            )?;
        }
        writeln!(out)
    })
}

impl Report {
    fn print_end(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { names, before, alone, together, seconds, .. } = self;
        let of = |share: f64| (share * *names as f64).round() as usize;
        writeln!(out, "\n{GOOD}All four hold the same model{GOOD:#}, bit for bit.\n")?;
        writeln!(
            out,
            "{BOLD}Names that find their scene first{BOLD:#}, of {names}, in shots that nobody trained on"
        )?;
        writeln!(out, "  the model as it was               {:>2}", of(*before))?;
        writeln!(
            out,
            "  {} alone, as long                {:>2}   {DIM}who knows {} of the names{DIM:#}",
            PEOPLE[0],
            of(*alone),
            names / 2
        )?;
        writeln!(out, "  all four together                 {GOOD}{:>2}{GOOD:#}", of(*together))?;
        writeln!(
            out,
            "\n{BOLD}{HOST} gets the model{BOLD:#} from {}, and her veiled collection goes over to it",
            PEOPLE[0]
        )?;
        for SearchRow { name, scene, before, after } in &self.searches {
            let style = if scene == after { GOOD } else { BOLD };
            let (before, after) = (plain(before), plain(after));
            writeln!(out, "  \"{name}\"   before: {before}   now: {style}{after}{style:#}")?;
        }
        writeln!(
            out,
            "\n{BOLD}Who learnt what{BOLD:#}\n  \
             The cloud: who took part in which round; of all members together the sum of their updates, mean loss and quality; \
             so\n  the model, before and after.\n  \
             Each member, and whom one gives it to: the model. Members also see who was in which sum.\n  \
             Nobody: a picture, a name as text, or one member's update.\n  \
             There was no noise: a model that was trained on sums can still tell of what it was trained on, and no number \
             bounds\n  how much. Four members are too few for noise that leaves anything; docs/results says how many it \
             takes.\n"
        )?;
        writeln!(out, "{DIM}{seconds:.0} s in all{DIM:#}")
    }
}
