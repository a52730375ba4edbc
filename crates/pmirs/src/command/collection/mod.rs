//! `pmirs collection new|list|show|delete`.

use std::io::{self, BufRead, IsTerminal, Write};

use pmirs_vault::{CollectionInfo, Collections, DamagedCollection, Protection, VaultError};
use serde::Serialize;

use crate::cli::{
    Collection, CollectionDelete, CollectionForget, CollectionNew, CollectionShow, Global, ProtectionArg,
};
use crate::exit::Exit;
use crate::learns;
use crate::output::{Answer, BOLD, DIM, Output, bytes, count, plain, quoted};
use crate::report::Failure;
use crate::session;

pub fn run(command: &Collection, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        Collection::New(args) => new(args, global, output),
        Collection::List => list(global, output),
        Collection::Show(args) => show(args, global, output),
        Collection::Forget(args) => forget(args, global, output),
        Collection::Delete(args) => delete(args, global, output),
    }
}

impl From<ProtectionArg> for Protection {
    fn from(level: ProtectionArg) -> Self {
        match level {
            ProtectionArg::Sealed => Self::Sealed,
            ProtectionArg::Veiled => Self::Veiled,
        }
    }
}

/// A collection as every command shows it.
#[derive(Serialize)]
pub struct Summary {
    id: String,
    name: String,
    protection: Protection,
    items: u64,
    bytes: u64,
    epoch: u32,
    model: String,
}

impl From<CollectionInfo> for Summary {
    fn from(info: CollectionInfo) -> Self {
        Self {
            id: info.id.to_string(),
            name: info.name,
            protection: info.protection,
            items: info.items,
            bytes: info.bytes,
            epoch: info.epoch,
            model: info.model,
        }
    }
}

impl Answer for Summary {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let size = bytes(self.bytes);
        let items = count(self.items as usize, "item");
        writeln!(
            out,
            "  {:<24} {:<7} {items:>12}  {size:>9}  {DIM}{}{DIM:#}",
            plain(&self.name),
            self.protection,
            self.model
        )
    }
}

#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    summary: Summary,
    cloud_learns: String,
}

impl Answer for Made {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Made the collection {BOLD}{}{BOLD:#}. Who learns what:\n", plain(&self.summary.name))?;
        writeln!(out, "{}\n", learns::row(self.summary.protection))?;
        writeln!(out, "Next: pmirs add {} FOLDER", quoted(&self.summary.name))
    }
}

fn new(args: &CollectionNew, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let made = vault.create_collection(&args.name, args.protection.into())?;
    let summary = Summary::from(made.info());
    let cloud_learns = learns::row(summary.protection).all_that_the_cloud_learns();
    output.answer(&Made { summary, cloud_learns })
}

#[derive(Serialize)]
struct List {
    collections: Vec<Summary>,
    damaged: Vec<Damaged>,
}

#[derive(Serialize)]
struct Damaged {
    id: String,
    reason: String,
}

/// Says that a collection does not open; the others are there all the same.
pub fn warn_of(damaged: &DamagedCollection) {
    Output::warn(format_args!(
        "a collection does not open: {} (`pmirs collection delete {}` gives it up)",
        plain(&damaged.reason),
        damaged.id
    ));
}

impl Answer for List {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.collections.is_empty() {
            writeln!(
                out,
                "No collections yet; make one with `pmirs collection new NAME --protection sealed|veiled`."
            )?;
        }
        self.collections.iter().try_for_each(|summary| summary.print(out))
    }
}

fn list(global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let Collections { readable, damaged } = vault.collections()?;
    damaged.iter().for_each(warn_of);
    let damaged = damaged.into_iter().map(|it| Damaged { id: it.id.to_string(), reason: it.reason });
    output.answer(&List {
        collections: readable.into_iter().map(Summary::from).collect(),
        damaged: damaged.collect(),
    })
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: Summary,
    contents: Vec<Content>,
}

#[derive(Serialize)]
struct Content {
    item: String,
    name: String,
    kind: &'static str,
    bytes: u64,
    caption: Option<String>,
}

impl Answer for Shown {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        self.summary.print(out)?;
        writeln!(out, "\n{}\n", learns::row(self.summary.protection))?;
        for Content { item, name, kind, bytes: size, caption } in &self.contents {
            let caption = caption.as_deref().map(plain).unwrap_or_default();
            writeln!(
                out,
                "  {DIM}{item}{DIM:#}  {kind:<5} {:>9}  {}  {DIM}{caption}{DIM:#}",
                bytes(*size),
                plain(name)
            )?;
        }
        Ok(())
    }
}

fn show(args: &CollectionShow, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.name)?;
    let contents = collection.items()?.into_iter().map(|summary| Content {
        item: summary.item.to_string(),
        name: summary.meta.name,
        kind: summary.meta.kind.name(),
        bytes: summary.meta.size,
        caption: summary.meta.caption,
    });
    output.answer(&Shown { contents: contents.collect(), summary: collection.info().into() })
}

#[derive(Serialize)]
struct Forgotten {
    forgotten: String,
}

impl Answer for Forgotten {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Forgot {}; the next command takes what the cloud holds now.", plain(&self.forgotten))
    }
}

fn forget(args: &CollectionForget, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    vault.collection(&args.name)?.forget()?;
    output.answer(&Forgotten { forgotten: args.name.clone() })
}

#[derive(Serialize)]
struct Deleted {
    deleted: String,
    items: u64,
}

impl Answer for Deleted {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Deleted {} with {}.", plain(&self.deleted), count(self.items as usize, "item"))
    }
}

fn delete(args: &CollectionDelete, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let items = match vault.collection(&args.name) {
        Ok(collection) => collection.info().items,
        // A damaged one is given up by its identifier; nobody can say what it holds.
        Err(VaultError::Altered { .. }) => 0,
        Err(error) => return Err(error.into()),
    };
    if !args.yes && !confirmed(&args.name, items)? {
        return Err(Failure::new(Exit::Failure, "nothing was deleted", "answer `yes`, or run it with --yes"));
    }
    vault.delete_collection(&args.name)?;
    output.answer(&Deleted { deleted: args.name.clone(), items })
}

/// Asks before anything is lost for good.
fn confirmed(name: &str, items: u64) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "there is no terminal to ask whether to delete",
            "run it with --yes",
        ));
    }
    eprint!("Delete {} with {} for good? Type yes: ", plain(name), count(items as usize, "item"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| {
        Failure::new(Exit::Failure, format!("cannot read the answer: {error}"), "run it with --yes")
    })?;
    Ok(answer.trim() == "yes")
}
