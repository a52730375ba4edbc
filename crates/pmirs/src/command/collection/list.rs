//! `pmirs collection list`, and how a collection looks in every list.

use std::io::{self, Write};

use pmirs_vault::{
    CollectionInfo, Collections, DamagedCollection, Offer, Protection, Role, UnlistedCollection,
};
use serde::Serialize;

use crate::cli::Global;
use crate::output::{Answer, DIM, Output, bytes, count, plain};
use crate::report::Failure;
use crate::session;

/// A collection as every command shows it.
#[derive(Serialize)]
pub struct Summary {
    id: String,
    pub name: String,
    pub protection: Protection,
    items: u64,
    bytes: u64,
    epoch: u32,
    model: String,
    /// Models that items may still be of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    moving_from: Vec<String>,
    role: Role,
    members: usize,
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
            moving_from: info.moving_from,
            role: info.role,
            members: info.members,
        }
    }
}

impl Answer for Summary {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let size = bytes(self.bytes);
        let items = count(self.items as usize, "item");
        let from = match self.moving_from.as_slice() {
            [] => String::new(),
            models => format!(", on its way from {}", models.join(", ")),
        };
        writeln!(
            out,
            "  {:<24} {:<7} {items:>12}  {size:>9}  {:<6} {:>10}  {DIM}{}{}{DIM:#}",
            plain(&self.name),
            self.protection,
            self.role,
            count(self.members, "member"),
            plain(&self.model),
            plain(&from)
        )
    }
}

/// What somebody shared and that waits for an answer.
#[derive(Serialize)]
pub struct Offered {
    id: String,
    pub name: String,
    pub protection: Protection,
    items: u64,
    pub role: Role,
    from: Option<String>,
    from_words: String,
}

impl From<Offer> for Offered {
    fn from(offer: Offer) -> Self {
        let Offer { id, name, protection, items, role, from, from_words } = offer;
        Self { id: id.to_string(), name, protection, items, role, from, from_words }
    }
}

impl Answer for Offered {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let items = count(self.items as usize, "item");
        write!(out, "  {:<24} {:<7} {items:>12}  as {}, by ", plain(&self.name), self.protection, self.role)?;
        match &self.from {
            Some(name) => writeln!(out, "{name}"),
            None => writeln!(out, "a stranger: {DIM}{}{DIM:#}", self.from_words),
        }
    }
}

#[derive(Serialize)]
struct List {
    collections: Vec<Summary>,
    offered: Vec<Offered>,
    damaged: Vec<Damaged>,
    unlisted: Vec<Unlisted>,
}

#[derive(Serialize)]
struct Unlisted {
    id: String,
    name: String,
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

/// Says that the cloud does not list a collection that this machine knows.
pub fn warn_of_unlisted(unlisted: &UnlistedCollection) {
    Output::warn(format_args!(
        "the cloud does not list {} any more: it was deleted, you were removed from it, or the cloud hides it (`pmirs \
         collection forget {}` forgets what this machine knows of it)",
        plain(&unlisted.name),
        unlisted.id
    ));
}

impl Answer for List {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.collections.is_empty() && self.offered.is_empty() {
            writeln!(
                out,
                "No collections yet; make one with `pmirs collection new NAME --protection sealed|veiled`."
            )?;
        }
        self.collections.iter().try_for_each(|summary| summary.print(out))?;
        if self.offered.is_empty() {
            return Ok(());
        }
        writeln!(
            out,
            "Offered to you; `pmirs collection accept NAME` takes one, `pmirs collection decline NAME` does not:"
        )?;
        self.offered.iter().try_for_each(|offer| offer.print(out))
    }
}

pub fn run(global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let Collections { readable, offered, damaged, unlisted } = vault.collections()?;
    damaged.iter().for_each(warn_of);
    unlisted.iter().for_each(warn_of_unlisted);
    let damaged = damaged.into_iter().map(|it| Damaged { id: it.id.to_string(), reason: it.reason });
    output.answer(&List {
        collections: readable.into_iter().map(Summary::from).collect(),
        offered: offered.into_iter().map(Offered::from).collect(),
        damaged: damaged.collect(),
        unlisted: unlisted.into_iter().map(|it| Unlisted { id: it.id.to_string(), name: it.name }).collect(),
    })
}
