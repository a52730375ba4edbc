//! `pmirs model distill`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use indicatif::ProgressBar;
use pmirs_encoder::compact::train::{self, Judgement, PackReport, Recall, Recipe, Report, TrainError};
use pmirs_lab::eval::EvalError;
use pmirs_lab::plot::{self, Axis, Figure, Panel, Point, Series};
use serde::Serialize;

use super::serve::runtime;
use crate::cli::ModelDistill;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, Output, bytes, plain};
use crate::progress::steps;
use crate::report::Failure;

/// Held in the work folder by the run that works there.
const LOCK: &str = "lock";

#[derive(Serialize)]
#[serde(transparent)]
struct Distilled(Report);

impl Answer for Distilled {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let [learned, chose] = self.0.photos;
        writeln!(out, "Distilled on {learned} photos, chosen on {chose}.")?;
        let rows = self.0.steps.iter().map(|row| (&row.step, row.text_to_image, row.accuracy, row.size));
        writeln!(
            out,
            "  {:<24} {:>6} {:>7} {:>9} {:>9} {:>7} {:>8}",
            "after", "R@10", "classes", "weights", "madds", "ReLUs", "image"
        )?;
        for (step, recall, accuracy, size) in rows {
            writeln!(
                out,
                "  {:<24} {:>6.3} {accuracy:>7.3} {:>7.2} M {:>7.1} M {:>5.2} M {:>5.1} ms",
                plain(step),
                recall.r10,
                size.parameters as f64 / 1e6,
                size.multiply_adds as f64 / 1e6,
                size.relus as f64 / 1e6,
                size.image_ms
            )?;
        }
        for pack in &self.0.packs {
            let PackReport { name, version, size, pack_bytes, held_out, .. } = pack;
            writeln!(
                out,
                "{BOLD}{} {}{BOLD:#}: {} px, {}",
                plain(name),
                plain(version),
                size.image_size,
                bytes(*pack_bytes)
            )?;
            let Some(held_out) = held_out else {
                writeln!(out, "  no held-out data to judge it by")?;
                continue;
            };
            for (direction, Recall { r1, r5, r10 }) in
                [("words to picture", held_out.text_to_image), ("picture to words", held_out.image_to_text)]
            {
                writeln!(out, "  {direction}  R@1 {r1:.3}  R@5 {r5:.3}  R@10 {r10:.3}")?;
            }
            writeln!(out, "  classes           {:.3}", held_out.accuracy)?;
        }
        Ok(())
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

    fn judged(&mut self, judgement: &Judgement) {
        if !self.output.shows_progress() {
            self.output.note(format_args!("{} {}: {judgement}", judgement.stage, judgement.step));
        }
    }

    fn stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

pub fn run(args: &ModelDistill, output: Output) -> Result<(), Failure> {
    let recipe = Recipe::read(&args.recipe).map_err(|error| match error {
        TrainError::Io { path, source } => Failure::file(&path, "read", &source),
        other => other.into(),
    })?;
    let _held = take(&args.work)?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_at_interrupt(stop.clone())?;
    let mut progress = Training { output, bar: ProgressBar::hidden(), stop: &stop };
    let report = train::run(&recipe, &args.work, &args.data, &args.models, &args.out, &mut progress)?;
    if let Some(figure) = quality_against_size(&report) {
        plot::save(&figure, &args.out, "report").map_err(EvalError::from)?;
    }
    output.answer(&Distilled(report))
}

/// Makes the work folder, and takes it for this process until the file is dropped: two runs would write the same
/// caches and checkpoints.
fn take(work: &Path) -> Result<File, Failure> {
    let path = work.join(LOCK);
    let failed = |error| Failure::file(&path, "write", &error);
    fs::create_dir_all(work).map_err(failed)?;
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let error = format!("another run works in {}", work.display());
            let hint = "wait for it, stop it with Ctrl-C, or name another folder with --work DIR";
            Err(Failure::new(Exit::Exists, error, hint))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Where each step left the network: recall on the validation split against the size of its files, and against the
/// multiply-adds and ReLU evaluations of one image.
fn quality_against_size(report: &Report) -> Option<Figure> {
    type Of = fn(&train::Size) -> f64;
    let axes: [(&str, Of); 3] = [
        ("size of both weight files / MB", |size| size.bytes as f64 / 1e6),
        ("multiply-adds of one image / million", |size| size.multiply_adds as f64 / 1e6),
        ("ReLU evaluations of one image / million", |size| size.relus as f64 / 1e6),
    ];
    if report.steps.is_empty() {
        return None;
    }
    let panels = axes.map(|(label, of)| {
        let panel =
            Panel::new(Axis::log(label), Axis::linear("R@10 on the validation split").between(0.0, 1.0));
        report.steps.iter().fold(panel, |panel, row| {
            let point = Point::new(of(&row.size), row.text_to_image.r10);
            panel.with(Series::dots(row.step.clone(), [point]))
        })
    });
    Some(panels.into_iter().fold(Figure::new("Quality against size, step by step"), Figure::with))
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
            TrainError::Recipe(_) => (Exit::Usage, "models/recipe.toml shows what a recipe looks like"),
            TrainError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                (Exit::NotFound, "`pmirs model distill --help` says what the folders hold")
            }
            TrainError::Checkpoint { .. } => (Exit::Failure, "delete that file to repeat its step"),
            TrainError::Diverged(..) => (Exit::Failure, "lower the rates in the recipe"),
            _ => (Exit::Failure, "`pmirs model distill --help` says what the folders hold"),
        };
        Self::new(exit, &error, hint)
    }
}
