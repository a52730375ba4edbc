//! `pmirs model info|train`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use indicatif::ProgressBar;
use pmirs_encoder::compact::train::{self, Plan, Report, TrainError};
use pmirs_encoder::pack::MANIFEST;
use pmirs_encoder::{Encoder, PackInfo, PackKind};
use serde::Serialize;

use super::serve::runtime;
use crate::cli::{Model, ModelInfo, ModelTrain};
use crate::exit::Exit;
use crate::output::{Answer, BOLD, Output, bytes, plain};
use crate::progress::steps;
use crate::report::Failure;

pub fn run(command: &Model, output: Output) -> Result<(), Failure> {
    match command {
        Model::Info(args) => info(args, output),
        Model::Train(args) => train(args, output),
    }
}

/// The pack in a folder, or the built-in one.
pub fn encoder(pack: Option<&Path>) -> Result<Arc<Encoder>, Failure> {
    let encoder = match pack {
        Some(folder) if !folder.join(MANIFEST).exists() => {
            let error = format!("{} is no model pack: it holds no {MANIFEST}", folder.display());
            let hint = "a pack is a folder with model.toml, weights and a tokenizer; without --model the built-in one is used";
            return Err(Failure::new(Exit::NotFound, error, hint));
        }
        Some(folder) => Encoder::open(folder)?,
        None => Encoder::compact_builtin()?,
    };
    Ok(Arc::new(encoder))
}

#[derive(Serialize)]
struct Info {
    name: String,
    version: String,
    kind: &'static str,
    dim: usize,
    image_size: [u32; 2],
    context_length: usize,
    licence: String,
    cutoffs: Cutoffs,
}

/// Scores below which items are no match.
#[derive(Serialize)]
struct Cutoffs {
    text_to_image: Option<f32>,
    text_to_text: Option<f32>,
    image_to_image: Option<f32>,
    image_to_text: Option<f32>,
}

impl From<&PackInfo> for Info {
    fn from(info: &PackInfo) -> Self {
        Self {
            name: info.name.clone(),
            version: info.version.clone(),
            kind: match info.kind {
                PackKind::Compact => "compact",
                PackKind::Onnx => "onnx",
            },
            dim: info.dim,
            image_size: info.image_size,
            context_length: info.context_length,
            licence: info.licence.clone(),
            cutoffs: Cutoffs {
                text_to_image: info.scores.text_to_image,
                text_to_text: info.scores.text_to_text,
                image_to_image: info.scores.image_to_image,
                image_to_text: info.scores.image_to_text,
            },
        }
    }
}

impl Answer for Info {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let [width, height] = self.image_size;
        writeln!(out, "{BOLD}{} {}{BOLD:#} ({})", plain(&self.name), plain(&self.version), self.kind)?;
        writeln!(out, "  embeddings  {} numbers", self.dim)?;
        writeln!(out, "  pictures    {width} x {height} pixels")?;
        writeln!(out, "  texts       up to {} tokens", self.context_length)?;
        writeln!(out, "  licence     {}", plain(&self.licence))?;
        let Cutoffs { text_to_image, text_to_text, image_to_image, image_to_text } = self.cutoffs;
        let cutoffs = [
            ("words to picture", text_to_image),
            ("words to text", text_to_text),
            ("picture to picture", image_to_image),
            ("picture to text", image_to_text),
        ];
        for (pair, cutoff) in cutoffs {
            let cutoff = cutoff.map_or_else(|| "not calibrated".to_owned(), |least| format!("{least:.3}"));
            writeln!(out, "  cutoff      {cutoff:<14} {pair}")?;
        }
        Ok(())
    }
}

fn info(args: &ModelInfo, output: Output) -> Result<(), Failure> {
    let encoder = encoder(args.model.as_deref())?;
    output.answer(&Info::from(encoder.info()))
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
