//! `pmirs share`, `pmirs revoke` and `pmirs rekey`: who reads a collection, and under which key.

use std::io::{self, Write};

use pmirs_vault::{MemberInfo, RekeyReport, Role};
use serde::Serialize;

use super::people::People;
use crate::cli::{Global, Rekey, Revoke, RoleArg, Share};
use crate::command::jobs;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, DIM, GOOD, Output, count, plain, quoted};
use crate::progress::Bar;
use crate::report::Failure;
use crate::session;

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Reader => Self::Reader,
            RoleArg::Writer => Self::Writer,
            RoleArg::Owner => Self::Owner,
        }
    }
}

/// `a reader`, `an owner`.
pub fn article(role: Role) -> &'static str {
    if role == Role::Owner { "an" } else { "a" }
}

#[derive(Serialize)]
struct Shared {
    collection: String,
    name: String,
    account: String,
    role: Role,
    verified: bool,
    accepted: bool,
}

impl Answer for Shared {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { name, role, .. } = self;
        let collection = plain(&self.collection);
        if self.accepted {
            return writeln!(
                out,
                "{GOOD}{name} is {} {role}{GOOD:#} of {collection} from now on.",
                article(*role)
            );
        }
        writeln!(out, "{GOOD}Shared {collection} with {name}{GOOD:#} as {role}.")?;
        writeln!(out, "{name} takes it with: pmirs collection accept {}", quoted(&self.collection))
    }
}

pub fn share(args: &Share, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    let MemberInfo { account, name, role, accepted, .. } = collection.share(&args.name, args.role.into())?;
    let name = name.unwrap_or_else(|| args.name.clone());
    let verified = vault.contacts()?.iter().any(|contact| contact.account == account && contact.verified);
    if !verified {
        Output::warn(format_args!(
            "the key of {name} is as the cloud showed it, and nobody compared it: run `pmirs contact verify {name}`, and \
             `pmirs revoke` if the words differ"
        ));
    }
    let collection = collection.info().name;
    output.answer(&Shared { collection, name, account: account.to_string(), role, verified, accepted })
}

#[derive(Serialize)]
struct Revoked {
    collection: String,
    name: String,
    account: String,
    epoch: u32,
}

impl Answer for Revoked {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { name, epoch, .. } = self;
        let collection = plain(&self.collection);
        writeln!(
            out,
            "{GOOD}Revoked {name}{GOOD:#}: {BOLD}{collection}{BOLD:#} is closed to them, and goes on in epoch {epoch}."
        )?;
        writeln!(
            out,
            "What they saw before they may have kept; what is added from now on is under a key that they never had."
        )?;
        writeln!(
            out,
            "Next: pmirs rekey {}    {DIM}# puts older items under it too{DIM:#}",
            quoted(&self.collection)
        )
    }
}

pub fn revoke(args: &Revoke, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    let people = People::of(&vault, &collection.members()?)?;
    let account = collection.revoke(&args.name)?.account;
    let info = collection.info();
    output.answer(&Revoked {
        collection: info.name,
        name: people.called(account),
        account: account.to_string(),
        epoch: info.epoch,
    })
}

#[derive(Serialize)]
struct Rekeyed {
    collection: String,
    epoch: u32,
    moved: u64,
    retired: Vec<u32>,
    damaged: Vec<Damaged>,
    seconds: f64,
}

#[derive(Serialize)]
struct Damaged {
    item: String,
    reason: String,
}

impl Answer for Rekeyed {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.moved == 0 && self.damaged.is_empty() {
            let collection = plain(&self.collection);
            return writeln!(
                out,
                "Everything in {collection} is under the latest key already, of epoch {}.",
                self.epoch
            );
        }
        let moved = count(self.moved as usize, "item");
        writeln!(
            out,
            "{GOOD}Sealed {moved} anew{GOOD:#}: {} is in epoch {} {DIM}({:.1} s){DIM:#}.",
            plain(&self.collection),
            self.epoch,
            self.seconds
        )?;
        for Damaged { item, reason } in &self.damaged {
            writeln!(out, "  left as it is: {item}  {}", plain(reason))?;
        }
        Ok(())
    }
}

pub fn rekey(args: &Rekey, global: &Global, output: Output) -> Result<(), Failure> {
    if args.background {
        // What is wrong with the name is said now, and not by the job.
        session::open(global)?.collection(&args.collection)?;
        let full = args.full.then_some("--full");
        let arguments: Vec<&str> =
            ["rekey"].into_iter().chain(full).chain(["--", &args.collection]).collect();
        return jobs::start(global, &arguments, output);
    }
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    let RekeyReport { epoch, moved, retired, damaged, elapsed } =
        collection.rekey(args.full, &Bar::new(output))?;
    let damaged: Vec<Damaged> =
        damaged.into_iter().map(|(item, reason)| Damaged { item: item.to_string(), reason }).collect();
    let left = damaged.len();
    let seconds = elapsed.as_secs_f64();
    output.answer(&Rekeyed {
        collection: collection.info().name,
        epoch,
        moved,
        retired,
        damaged,
        seconds,
    })?;
    if left == 0 {
        return Ok(());
    }
    let error = format!("{} could not be opened and stay under earlier keys", count(left, "item"));
    Err(Failure::new(Exit::Integrity, error, "`pmirs verify NAME` says what is wrong with them").answered())
}
