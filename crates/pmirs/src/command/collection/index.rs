//! `pmirs collection index`: making, showing and dropping the index of a split collection.

use std::io::{self, Write};

use pmirs_vault::{IndexOptions, IndexReport, IndexState};
use serde::Serialize;

use crate::cli::{CollectionIndex, Global};
use crate::output::{Answer, DIM, GOOD, Output, bytes, count, plain, quoted};
use crate::progress::Bar;
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Made {
    name: String,
    rows: u64,
    cells: u32,
    capacity: u32,
    probes: u32,
    shuffle_after: u32,
    bytes: u64,
    grow_seconds: f64,
    seconds: f64,
}

impl Made {
    fn of(name: &str, report: &IndexReport) -> Self {
        Self {
            name: name.to_owned(),
            rows: report.rows,
            cells: report.cells,
            capacity: report.capacity,
            probes: report.probes,
            shuffle_after: report.period,
            bytes: report.bytes,
            grow_seconds: report.grown.as_secs_f64(),
            seconds: report.elapsed.as_secs_f64(),
        }
    }
}

impl Answer for Made {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let (rows, size) = (count(self.rows as usize, "item"), bytes(self.bytes));
        writeln!(
            out,
            "{GOOD}Made an index of {rows}{GOOD:#}: {} of {} places, {size} of shares dealt in {:.1} s.",
            count(self.cells as usize, "cell"),
            self.capacity,
            self.seconds
        )?;
        writeln!(
            out,
            "{DIM}A search with --index tree touches {} of them ({:.0}%); after {} searches the cells get other slots.{DIM:#}",
            self.probes,
            100.0 * f64::from(self.probes) / f64::from(self.cells.max(1)),
            self.shuffle_after,
        )?;
        writeln!(out, "Next: pmirs search {} --index tree WORDS", quoted(&self.name))
    }
}

/// What index there is.
#[derive(Serialize)]
struct Shown {
    name: String,
    index: Option<Index>,
}

#[derive(Serialize)]
struct Index {
    rows: u64,
    removed: u64,
    added: u64,
    cells: u32,
    capacity: u32,
    probes: u32,
    shuffle_after: u32,
    stale: bool,
}

impl From<IndexState> for Index {
    fn from(state: IndexState) -> Self {
        Self {
            rows: state.rows,
            removed: state.removed,
            added: state.added,
            cells: state.cells,
            capacity: state.capacity,
            probes: state.probes,
            shuffle_after: state.period,
            stale: state.is_stale(),
        }
    }
}

impl Answer for Shown {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = plain(&self.name);
        let Some(index) = &self.index else {
            return writeln!(
                out,
                "{name} has no index; `pmirs collection index {}` makes one.",
                quoted(&self.name)
            );
        };
        writeln!(
            out,
            "The index of {name} has {} of {} places; a search touches {}.",
            count(index.cells as usize, "cell"),
            index.capacity,
            index.probes
        )?;
        writeln!(
            out,
            "  made of {}; {} came since, at all of which every search looks, and {} went",
            count(index.rows as usize, "item"),
            index.added,
            index.removed
        )?;
        if index.stale {
            writeln!(
                out,
                "  Much has changed since: `pmirs collection index {}` makes it anew.",
                quoted(&self.name)
            )?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Dropped {
    name: String,
    dropped: bool,
}

impl Answer for Dropped {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = plain(&self.name);
        if self.dropped {
            writeln!(out, "The three servers erased the index of {name}.")
        } else {
            writeln!(out, "{name} has no index.")
        }
    }
}

pub fn run(args: &CollectionIndex, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.name)?;
    let name = args.name.clone();
    if args.show {
        let index = collection.index()?.map(Index::from);
        return output.answer(&Shown { name, index });
    }
    if args.drop {
        return output.answer(&Dropped { name, dropped: collection.drop_index()? });
    }
    let options =
        IndexOptions { rows_per_cell: args.rows_per_cell, share: args.share, period: args.shuffle_after };
    let report = collection.make_index(&options, &Bar::new(output))?;
    output.answer(&Made::of(&name, &report))
}
