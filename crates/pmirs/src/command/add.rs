//! `pmirs add`: pictures and texts into a collection.

use std::io::{self, Write};

use pmirs_vault::{AddOptions, AddReport, Collection};
use serde::Serialize;

use pmirs_party::read_parties;

use crate::cli::{Add, EncoderArg, EncoderArgs, Global};
use crate::exit::Exit;
use crate::output::{Answer, DIM, GOOD, Output, bytes, count, plain};
use crate::progress::Bar;
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Outcome {
    added: u64,
    replaced: u64,
    present: u64,
    ignored: u64,
    unused_captions: u64,
    skipped: Vec<Skipped>,
    bytes: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct Skipped {
    path: String,
    reason: String,
}

impl From<AddReport> for Outcome {
    fn from(report: AddReport) -> Self {
        let skipped = report
            .skipped
            .into_iter()
            .map(|it| Skipped { path: it.path.display().to_string(), reason: it.reason });
        Self {
            added: report.added,
            replaced: report.replaced,
            present: report.present,
            ignored: report.ignored,
            unused_captions: report.unused_captions,
            skipped: skipped.collect(),
            bytes: report.bytes,
            seconds: report.elapsed.as_secs_f64(),
        }
    }
}

impl Answer for Outcome {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let rate = if self.seconds > 0.0 { self.added as f64 / self.seconds } else { 0.0 };
        let (items, size) = (count(self.added as usize, "item"), bytes(self.bytes));
        writeln!(
            out,
            "{GOOD}Added {items}{GOOD:#}, {size} in {:.1} s {DIM}({rate:.0} items/s){DIM:#}.",
            self.seconds
        )?;
        if self.replaced > 0 {
            writeln!(
                out,
                "  {} in place of the same without these captions",
                count(self.replaced as usize, "item")
            )?;
        }
        if self.present > 0 {
            writeln!(out, "  {} there already", count(self.present as usize, "file"))?;
        }
        if self.ignored > 0 {
            writeln!(out, "  {} neither picture nor text", count(self.ignored as usize, "file"))?;
        }
        if self.unused_captions > 0 {
            writeln!(out, "  {} for no file", count(self.unused_captions as usize, "caption"))?;
        }
        for Skipped { path, reason } in &self.skipped {
            writeln!(out, "  skipped {}: {}", plain(path), plain(reason))?;
        }
        Ok(())
    }
}

pub fn run(args: &Add, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    encode_where(&collection, &args.encoder)?;
    let options = AddOptions { captions: args.captions.clone() };
    let report = collection.add(&args.paths, &options, &Bar::new(output))?;
    if let Some(model) = &report.earlier_model {
        let current = collection.info().model;
        Output::warn(format_args!(
            "this home lacks the model '{}', so '{}' embedded what was added; whoever has it moves that later",
            plain(&current),
            plain(model)
        ));
    }
    output.answer(&Outcome::from(report))
}

/// Has three servers encode what this collection is given, if that was asked for.
pub fn encode_where(collection: &Collection<'_>, args: &EncoderArgs) -> Result<(), Failure> {
    let parties = args.parties.as_deref().map(read_parties).transpose()?;
    match (args.encoder, parties) {
        (EncoderArg::Remote, parties) => Ok(collection.encode_remotely(parties.as_ref())?),
        (EncoderArg::Local, None) => Ok(()),
        (EncoderArg::Local, Some(_)) => Err(Failure::new(
            Exit::Usage,
            "servers were named, but nothing is encoded there",
            "add --encoder remote, or leave out --parties",
        )),
    }
}
