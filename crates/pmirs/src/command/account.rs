//! `pmirs export` and `pmirs account delete`.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::{AccountDelete, Export, Global};
use crate::confirm;
use crate::exit::Exit;
use crate::output::{Answer, Output, bytes, count, plain};
use crate::progress::Bar;
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Exported {
    path: String,
    collections: u64,
    items: u64,
    bytes: u64,
    entries: u64,
    failed: Vec<Failed>,
}

#[derive(Serialize)]
struct Failed {
    collection: String,
    reason: String,
}

impl Answer for Exported {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for Failed { collection, reason } in &self.failed {
            writeln!(out, "  {}  {}", plain(collection), plain(reason))?;
        }
        let (items, size) = (count(self.items as usize, "item"), bytes(self.bytes));
        let collections = count(self.collections as usize, "collection");
        writeln!(out, "Wrote {items} ({size}) of {collections} to {}.", plain(&self.path))?;
        writeln!(out, "Nothing there is encrypted, and keys are among it: keep it safe.")
    }
}

pub fn export(args: &Export, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let report = vault.export(&args.dir, &Bar::new(output))?;
    let failed: Vec<Failed> =
        report.failed.into_iter().map(|(collection, reason)| Failed { collection, reason }).collect();
    let missing = failed.len();
    output.answer(&Exported {
        path: args.dir.display().to_string(),
        collections: report.collections,
        items: report.items,
        bytes: report.bytes,
        entries: report.entries,
        failed,
    })?;
    if missing == 0 {
        return Ok(());
    }
    let lost = count(missing, "part");
    let hint = "`pmirs verify` lists everything that the cloud did not keep as written";
    Err(Failure::new(Exit::Integrity, format!("{lost} could not be exported"), hint).answered())
}

#[derive(Serialize)]
struct Gone {
    deleted: String,
}

impl Answer for Gone {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Your account at {} is gone, with everything that was yours alone.", self.deleted)
    }
}

pub fn delete(args: &AccountDelete, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let url = vault.status()?.url.ok_or(pmirs_vault::VaultError::NotLoggedIn)?;
    let question =
        format!("Delete your account at {url} with every collection that is yours alone, for good?");
    if !args.yes && !confirm::yes(question, "to delete the account", "run it with --yes")? {
        return Err(Failure::new(Exit::Failure, "nothing was deleted", "answer `yes`, or run it with --yes"));
    }
    vault.delete_account()?;
    output.answer(&Gone { deleted: url })
}
