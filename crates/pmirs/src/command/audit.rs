//! `pmirs audit`: the attacks that the veil is known to fall to, run on this machine.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pmirs_encoder::Embedding;
use pmirs_lab::attack::jitter::{self, Calibration, Trial};
use pmirs_lab::attack::{self, AttackError, Effort, Row, Verdict};
use pmirs_veil::VeilParams;
use serde::Serialize;

use super::{model, search};
use crate::cli::Audit;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, GOOD, Output};
use crate::progress::steps;
use crate::report::Failure;

/// The seed of the veil that is attacked, so that a figure can be printed again.
const SEED: u64 = 1;
/// Queries asked per jitter, at least.
const TRIALS: usize = 4000;
/// Pictures embedded at once.
const BATCH: usize = 16;
const PICTURES: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

pub fn run(args: &Audit, output: Output) -> Result<(), Failure> {
    match &args.folder {
        Some(folder) => audit_folder(args, folder, output),
        None => print_table(args, output),
    }
}

#[derive(Serialize)]
struct Table {
    rows: Vec<Row>,
}

impl Answer for Table {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(attack::markdown(&self.rows).as_bytes())
    }
}

fn print_table(args: &Audit, output: Output) -> Result<(), Failure> {
    let effort = if args.full { Effort::Full } else { Effort::Quick };
    output.answer(&Table { rows: attack::table(SEED, effort)? })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Audited(attack::Audit);

impl Answer for Audited {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let attack::Audit { items, dim, verdicts, .. } = &self.0;
        writeln!(
            out,
            "{BOLD}{items} embeddings of {dim} numbers{BOLD:#}, veiled as `veiled` collections are:\n"
        )?;
        for Verdict { attack, material, needs, measured, succeeds } in verdicts {
            let from = match (needs, measured) {
                (Some(needs), true) => format!("succeeds from {needs} {}", material.name()),
                (Some(needs), false) => format!("by count succeeds from {needs} {}", material.name()),
                (None, _) => "does not succeed with what there is".to_owned(),
            };
            let (style, mark) = if *succeeds { (BOLD, "!") } else { (GOOD, " ") };
            writeln!(out, "  {style}{mark} {:<42}{style:#} {from}", attack.name())?;
        }
        writeln!(out, "\n`sealed` collections give the cloud nothing of this.")
    }
}

/// What the default jitter does to the ranking of these embeddings, and how much they would bear.
#[derive(Serialize)]
struct Calibrated {
    chosen: Trial,
    calibration: Calibration,
}

impl Answer for Calibrated {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Calibration { dim, largest, without, .. } = &self.calibration;
        writeln!(out, "| jitter | scale | shift | top 10 among 64 | proven by 64 | candidates p50, p95 |")?;
        writeln!(out, "|---|---|---|---|---|---|")?;
        let rows = [("none", Some(without)), ("default", Some(&self.chosen)), ("largest", largest.as_ref())];
        for (name, trial) in rows {
            let Some(Trial { scale, shift, kept, proven, candidates_p50, candidates_p95, .. }) = trial else {
                continue;
            };
            writeln!(
                out,
                "| {name} | {scale:.3} | {shift:.3} | {:.2}% | {:.1}% | {candidates_p50}, {candidates_p95} |",
                100.0 * kept,
                100.0 * proven
            )?;
        }
        let Trial { items, queries, .. } = &self.chosen;
        writeln!(out, "\n{items} items of {dim} numbers, {queries} queries at least; `largest` keeps 99.9%.")
    }
}

fn audit_folder(args: &Audit, folder: &Path, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    let paths = pictures_below(folder)?;
    let bar = steps(output, paths.len() as u64);
    bar.set_message("embedding");
    let mut embeddings = Vec::with_capacity(paths.len());
    for batch in paths.chunks(BATCH) {
        let readable: Vec<_> = batch.iter().filter_map(|path| search::picture(path).ok()).collect();
        embeddings.extend(encoder.embed_images(&readable)?.into_iter().map(Embedding::into_values));
        bar.inc(batch.len() as u64);
    }
    bar.finish_and_clear();
    let params = VeilParams::recommended(encoder.info().dim);
    if args.jitter {
        let chosen = jitter::trial(&embeddings, params.jitter, TRIALS, SEED)?;
        return output.answer(&Calibrated { chosen, calibration: jitter::calibrate(&embeddings, SEED)? });
    }
    output.answer(&Audited(attack::audit(&embeddings, &params, SEED)?))
}

/// Every picture in a folder and below it, in the order of names.
fn pictures_below(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut pictures = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| Failure::file(&folder, "read", &error))?;
        for entry in entries {
            let path = entry.map_err(|error| Failure::file(&folder, "read", &error))?.path();
            let ending =
                path.extension().and_then(|it| it.to_str()).map(str::to_lowercase).unwrap_or_default();
            // A link to a folder could lead back to where it lies.
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if PICTURES.contains(&ending.as_str()) {
                pictures.push(path);
            }
        }
    }
    pictures.sort();
    Ok(pictures)
}

impl From<AttackError> for Failure {
    fn from(error: AttackError) -> Self {
        let (exit, hint) = match &error {
            AttackError::Embeddings { .. } => (Exit::Usage, "name a folder with more pictures"),
            AttackError::File { .. } => (Exit::Usage, "`pmirs audit --help` says what it takes"),
            _ => (Exit::Failure, "a mistake in this program: please report the command and this line"),
        };
        Self::new(exit, &error, hint)
    }
}
