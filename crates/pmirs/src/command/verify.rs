//! `pmirs verify`: whether the cloud kept everything as it was written.

use std::io::{self, Write};

use pmirs_vault::{Collections, DamagedCollection, VerifyReport};
use serde::Serialize;

use crate::cli::{Global, Verify};
use crate::exit::Exit;
use crate::output::{Answer, GOOD, Output, bytes, count, plain};
use crate::progress::Bar;
use crate::report::Failure;
use crate::session;

#[derive(Serialize, Default)]
struct Verified {
    items: u64,
    bytes: u64,
    faults: Vec<FaultRow>,
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
        Ok(())
    }
}

pub fn run(args: &Verify, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let mut verified = Verified::default();
    let names = if let Some(name) = &args.collection {
        vec![name.clone()]
    } else {
        let Collections { readable, damaged } = vault.collections()?;
        verified.faults.extend(damaged.into_iter().map(FaultRow::of_collection));
        readable.into_iter().map(|info| info.name).collect()
    };
    for name in names {
        let VerifyReport { items, bytes, faults } = vault.collection(&name)?.verify(&Bar::new(output))?;
        verified.items += items;
        verified.bytes += bytes;
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
