//! `pmirs accesses`: who opened what.

use std::collections::BTreeMap;
use std::io::{self, Write};

use pmirs_vault::{AccessEvent, ItemId};
use serde::Serialize;

use super::people::People;
use crate::cli::{Accesses, Global};
use crate::moment::rfc3339;
use crate::output::{Answer, BOLD, DIM, Output, plain};
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Told {
    collection: String,
    accesses: Vec<Row>,
}

/// One access, as people and programs see it.
#[derive(Serialize)]
struct Row {
    number: u64,
    at: String,
    by: String,
    account: String,
    item: String,
    /// Nothing where the item is gone.
    name: Option<String>,
    /// Whether the signature was checked.
    proven: bool,
}

impl Answer for Told {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.accesses.is_empty() {
            writeln!(out, "Nobody has opened an item of {} yet.", plain(&self.collection))?;
        }
        for Row { number, at, by, item, name, proven, .. } in &self.accesses {
            let what = name.as_deref().unwrap_or("an item that is gone");
            let doubt = if *proven { "" } else { "  (not proven: no key of theirs is known)" };
            let short = item.get(..12).unwrap_or(item);
            writeln!(
                out,
                "{number:>5}  {DIM}{at}{DIM:#}  {BOLD}{}{BOLD:#} opened {}  {DIM}{short}{doubt}{DIM:#}",
                plain(by),
                plain(what)
            )?;
        }
        Ok(())
    }
}

pub fn run(args: &Accesses, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    let events = collection.accesses()?;
    let people = People::of(&vault, &collection.members()?)?;
    let names: BTreeMap<ItemId, String> =
        collection.items()?.into_iter().map(|summary| (summary.item, summary.meta.name)).collect();
    let accesses = events.into_iter().map(|event| {
        let AccessEvent { number, at_ms, account, item, proven, .. } = event;
        Row {
            number,
            at: rfc3339(at_ms),
            by: people.called(account),
            account: account.to_string(),
            item: item.to_string(),
            name: names.get(&item).cloned(),
            proven,
        }
    });
    output.answer(&Told { collection: collection.info().name, accesses: accesses.collect() })
}
