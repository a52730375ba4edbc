//! `pmirs model add|list|info|use|remove|train`.

mod add;
mod info;
mod list;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use indicatif::ProgressBar;
use pmirs_encoder::Encoder;
use pmirs_encoder::compact::train::{self, Plan, Report, TrainError};
use serde::Serialize;

use super::serve::runtime;
use crate::cli::{Model, ModelTrain};
use crate::exit::Exit;
use crate::home;
use crate::models::Models;
use crate::output::{Answer, Output, bytes};
use crate::progress::steps;
use crate::report::Failure;

pub fn run(command: &Model, output: Output) -> Result<(), Failure> {
    match command {
        Model::Add(args) => add::add(args, output),
        Model::List => list::list(output),
        Model::Info(args) => info::info(args, output),
        Model::Use(args) => list::choose(args, output),
        Model::Remove(args) => list::remove(args, output),
        Model::Train(args) => train(args, output),
    }
}

/// The model that somebody named, by its name or folder; or else the one in use.
pub fn encoder(named: Option<&Path>) -> Result<Arc<Encoder>, Failure> {
    let Some(home) = home::settled() else {
        // Without a home there are no names and no choice.
        return Ok(Arc::new(match named {
            Some(folder) => Encoder::open(folder)?,
            None => Encoder::compact_builtin()?,
        }));
    };
    let models = Models::of(home);
    let choice = named.map_or_else(|| models.chosen(), |named| models.find(named))?;
    models.open(&choice)
}

/// The models of this home.
fn models() -> Result<Models, Failure> {
    let unknown = || {
        let error = "the user's home folder is not known";
        Failure::new(Exit::Failure, error, "name one with --home DIR or PMIRS_HOME")
    };
    home::settled().map(|home| Models::of(home)).ok_or_else(unknown)
}

#[derive(Serialize)]
#[serde(transparent)]
struct Trained(Report);

impl Answer for Trained {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Report { photos: [learned, chose], image_size, pack_bytes, held_out, .. } = &self.0;
        writeln!(
            out,
            "Trained on {learned} photos, chosen on {chose}; {image_size} px, {}.",
            bytes(*pack_bytes)
        )?;
        match held_out {
            Some(held_out) => {
                let recall = held_out.text_to_image;
                writeln!(
                    out,
                    "  words to picture  R@1 {:.3}  R@5 {:.3}  R@10 {:.3}",
                    recall.r1, recall.r5, recall.r10
                )?;
                writeln!(out, "  classes           {:.3}", held_out.accuracy)
            }
            None => writeln!(out, "  no held-out data to judge it by"),
        }
    }
}

/// Shows the steps, and stops at Ctrl-C.
struct Training<'a> {
    output: Output,
    bar: ProgressBar,
    stop: &'a AtomicBool,
}

impl train::Progress for Training<'_> {
    fn stage(&mut self, name: &str, total: u64) {
        if !self.output.shows_progress() {
            self.output.note(format_args!("{name}: {total} steps"));
        }
        self.bar.finish_and_clear();
        self.bar = steps(self.output, total);
        self.bar.set_message(name.to_owned());
    }

    fn step(&mut self, done: u64, note: &str) {
        self.bar.set_position(done);
        self.bar.set_prefix(note.to_owned());
    }

    fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn train(args: &ModelTrain, output: Output) -> Result<(), Failure> {
    let text = fs::read_to_string(&args.plan).map_err(|error| Failure::file(&args.plan, "read", &error))?;
    let plan = Plan::parse(&text)?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_at_interrupt(stop.clone())?;
    let mut progress = Training { output, bar: ProgressBar::hidden(), stop: &stop };
    let report = train::run(&plan, &args.work, &args.data, &args.models, &args.out, &mut progress)?;
    output.answer(&Trained(report))
}

/// The first Ctrl-C asks the training to stop at its next step, where it saves a checkpoint.
fn stop_at_interrupt(stop: Arc<AtomicBool>) -> Result<(), Failure> {
    let runtime = runtime()?;
    thread::spawn(move || {
        runtime.block_on(pmirs_cloud::shutdown_signal());
        stop.store(true, Ordering::Relaxed);
    });
    Ok(())
}

impl From<TrainError> for Failure {
    fn from(error: TrainError) -> Self {
        let (exit, hint) = match &error {
            TrainError::Stopped => (Exit::Failure, "the same command goes on from the last checkpoint"),
            TrainError::Plan(_) => (Exit::Usage, "models/compact/plan.toml shows what a plan looks like"),
            TrainError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                (Exit::NotFound, "`pmirs model train --help` says what the folders hold")
            }
            TrainError::Checkpoint { .. } => (Exit::Failure, "name a fresh folder with --work DIR"),
            TrainError::Diverged(..) => (Exit::Failure, "lower the rates in the plan"),
            _ => (Exit::Failure, "`pmirs model train --help` says what the folders hold"),
        };
        Self::new(exit, &error, hint)
    }
}
