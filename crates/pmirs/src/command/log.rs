//! `pmirs log`: who changed a collection, how and when.

use std::io::{self, Write};

use pmirs_vault::{Event, Happening, Role};
use serde::Serialize;

use super::people::People;
use crate::cli::{Global, Log};
use crate::moment::rfc3339;
use crate::output::{Answer, BOLD, DIM, Output, count, plain};
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Told {
    collection: String,
    entries: Vec<Row>,
}

/// One entry of the log, as people and programs see it.
#[derive(Serialize)]
struct Row {
    number: u64,
    at: String,
    by: String,
    author: String,
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    whom: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed: Vec<String>,
    /// Items that there were then.
    items: u64,
    epoch: u32,
    #[serde(skip)]
    sentence: String,
}

impl Row {
    fn of(event: Event, people: &People) -> Self {
        let Event { number, at_ms, author, epoch, items, what } = event;
        let (action, sentence) = told(&what, epoch, people);
        let (member, role) = match what {
            Happening::Shared(member, role) => (Some(member), Some(role)),
            Happening::Revoked(member) => (Some(member), None),
            _ => (None, None),
        };
        let changed = match what {
            Happening::Added(items) | Happening::Removed(items) | Happening::Resealed(items) => items,
            _ => Vec::new(),
        };
        Self {
            number,
            at: rfc3339(at_ms),
            by: people.called(author),
            author: author.to_string(),
            action,
            whom: member.map(|member| people.called(member)),
            member: member.map(|member| member.to_string()),
            role,
            changed: changed.iter().map(ToString::to_string).collect(),
            items,
            epoch,
            sentence,
        }
    }
}

/// What an entry did: for programs in a word, for people in a sentence that follows its author's name.
fn told(what: &Happening, epoch: u32, people: &People) -> (&'static str, String) {
    let some = |items: &[_]| count(items.len(), "item");
    match what {
        Happening::Created => ("created", "made the collection".to_owned()),
        Happening::Added(items) => ("added", format!("added {}", some(items))),
        Happening::Removed(items) => ("removed", format!("removed {}", some(items))),
        Happening::Resealed(items) => ("resealed", format!("sealed {} anew", some(items))),
        Happening::Shared(member, role) => {
            ("shared", format!("shared it with {} as {role}", people.called(*member)))
        }
        Happening::Accepted => ("accepted", "accepted".to_owned()),
        Happening::Left => ("left", "left".to_owned()),
        Happening::Revoked(member) => {
            ("revoked", format!("revoked {}; epoch {epoch} began", people.called(*member)))
        }
        Happening::Rotated => ("rotated", format!("changed the key; epoch {epoch} began")),
        Happening::Settled => ("settings", "changed the settings: which models it has".to_owned()),
        Happening::Retired(retired) => ("retired", format!("gave up the key of epoch {retired}")),
    }
}

impl Answer for Told {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for Row { number, at, by, sentence, .. } in &self.entries {
            writeln!(out, "{number:>5}  {DIM}{at}{DIM:#}  {BOLD}{}{BOLD:#} {}", plain(by), plain(sentence))?;
        }
        Ok(())
    }
}

pub fn run(args: &Log, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    let events = collection.events()?;
    let people = People::of(&vault, &collection.members()?)?;
    let entries = events.into_iter().map(|event| Row::of(event, &people)).collect();
    output.answer(&Told { collection: collection.info().name, entries })
}
