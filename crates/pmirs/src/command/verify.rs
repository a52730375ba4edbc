//! `pmirs verify`: whether the cloud kept everything as it was written, and shows everybody the same history.

use std::io::{self, Write};

use pmirs_crypto::are_head_words;
use pmirs_vault::{Collections, DamagedCollection, Head, Vault, VaultError, VerifyReport};
use serde::Serialize;

use crate::cli::{Global, Verify};
use crate::command::collection::warn_of_unlisted;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, GOOD, Output, bytes, count, log_entries, plain};
use crate::progress::Bar;
use crate::report::Failure;
use crate::session;

#[derive(Serialize, Default)]
struct Verified {
    items: u64,
    bytes: u64,
    /// Entries of signed histories that were checked.
    entries: u64,
    heads: Vec<HeadRow>,
    faults: Vec<FaultRow>,
}

/// Where a collection's history ends: what members compare.
#[derive(Serialize)]
struct HeadRow {
    collection: String,
    number: u64,
    words: String,
    entries: u64,
}

#[derive(Serialize)]
struct FaultRow {
    collection: String,
    item: String,
    name: Option<String>,
    field: &'static str,
    reason: String,
}

impl FaultRow {
    fn of_collection(DamagedCollection { id, reason }: DamagedCollection) -> Self {
        Self { collection: id.to_string(), item: String::new(), name: None, field: "collection", reason }
    }
}

impl Answer for Verified {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let (items, size) = (count(self.items as usize, "item"), bytes(self.bytes));
        for FaultRow { collection, item, name, field, reason } in &self.faults {
            let name = name.as_deref().map(plain).unwrap_or_default();
            writeln!(out, "  {}  {item}  {name}  {field}: {}", plain(collection), plain(reason))?;
        }
        if self.faults.is_empty() {
            writeln!(out, "{GOOD}All {items} are what was written{GOOD:#} ({size} read).")?;
        }
        for HeadRow { collection, number, words, entries } in &self.heads {
            let entries = log_entries(*entries);
            writeln!(
                out,
                "The history of {} is in order: {entries}. Its head is number {number}:\n",
                plain(collection)
            )?;
            writeln!(out, "  {BOLD}{words}{BOLD:#}\n")?;
        }
        Ok(())
    }
}

pub fn run(args: &Verify, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    match &args.collection {
        Some(collection) if !args.head.is_empty() => {
            compare(&vault, collection, &args.head.join(" "), output)
        }
        collection => verify(&vault, collection.as_deref(), output),
    }
}

fn verify(vault: &Vault, collection: Option<&str>, output: Output) -> Result<(), Failure> {
    let mut verified = Verified::default();
    let names = if let Some(name) = collection {
        vec![(name.to_owned(), name.to_owned())]
    } else {
        let Collections { readable, damaged, unlisted, .. } = vault.collections()?;
        unlisted.iter().for_each(warn_of_unlisted);
        verified.faults.extend(damaged.into_iter().map(FaultRow::of_collection));
        // Collections by different people may share a name.
        readable.into_iter().map(|info| (info.name, info.id.to_string())).collect()
    };
    for (name, id) in names {
        let VerifyReport { items, bytes, entries, head, faults } =
            vault.collection(&id)?.verify(&Bar::new(output))?;
        verified.items += items;
        verified.bytes += bytes;
        verified.entries += entries;
        verified.heads.extend(head.map(|Head { number, words }| HeadRow {
            collection: name.clone(),
            number,
            words,
            entries,
        }));
        verified.faults.extend(faults.into_iter().map(|fault| FaultRow {
            collection: name.clone(),
            item: fault.item.to_string(),
            name: fault.name,
            field: fault.field,
            reason: fault.reason,
        }));
    }
    output.answer(&verified)?;
    if verified.faults.is_empty() {
        return Ok(());
    }
    let found = count(verified.faults.len(), "field");
    let hint =
        "the cloud or its disk altered them: ask its operator; `pmirs rm` an item, then add its file again";
    Err(Failure::new(Exit::Integrity, format!("{found} not what was written"), hint).answered())
}

#[derive(Serialize)]
struct Compared {
    collection: String,
    agrees: bool,
    /// Which entry the other head is.
    number: u64,
    /// Which entry this head is.
    latest: u64,
}

impl Answer for Compared {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { number, latest, .. } = self;
        writeln!(
            out,
            "{GOOD}You were shown the same history{GOOD:#} of {} up to entry {number}.",
            plain(&self.collection)
        )?;
        if number < latest {
            let behind = log_entries(latest - number);
            writeln!(
                out,
                "It has grown by {behind} since the other head: compare {BOLD}your{BOLD:#} head with them to cover those."
            )?;
        }
        Ok(())
    }
}

/// Whether another member's head belongs to the history that is shown here.
fn compare(vault: &Vault, name: &str, words: &str, output: Output) -> Result<(), Failure> {
    if !are_head_words(words) {
        return Err(Failure::new(
            Exit::Usage,
            "these are not the twelve words of a head",
            "look for a misheard or missing word; the other person sees them with `pmirs verify NAME`",
        ));
    }
    let collection = vault.collection(name)?;
    let number = collection.compare_head(words).map_err(|error| match error {
        // People know a collection by its name.
        VaultError::Forked { number, reason, .. } => {
            VaultError::Forked { collection: name.to_owned(), number, reason }
        }
        other => other,
    })?;
    let latest = collection.head()?.number;
    output.answer(&Compared { collection: name.to_owned(), agrees: true, number, latest })
}
