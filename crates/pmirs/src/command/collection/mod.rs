//! `pmirs collection`: making, showing and giving up collections; [`list`] lists them, [`membership`] takes part in
//! those of others.

mod index;
mod list;
mod membership;

use std::io::{self, Write};

use pmirs_party::read_parties;
use pmirs_vault::{MemberInfo, Protection, Role, VaultError};
use serde::Serialize;

use super::people::People;
use crate::cli::{
    Collection, CollectionDelete, CollectionForget, CollectionNew, CollectionShow, Global, ProtectionArg,
};
use crate::exit::Exit;
use crate::output::{Answer, BOLD, DIM, Output, bytes, count, plain, quoted};
use crate::report::Failure;
use crate::{confirm, learns, session};

pub use list::{Offered, Summary, warn_of, warn_of_unlisted};

pub fn run(command: &Collection, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        Collection::New(args) => new(args, global, output),
        Collection::List => list::run(global, output),
        Collection::Show(args) => show(args, global, output),
        Collection::Index(args) => index::run(args, global, output),
        Collection::Accept(args) => membership::accept(args, global, output),
        Collection::Decline(args) => membership::decline(args, global, output),
        Collection::Leave(args) => membership::leave(args, global, output),
        Collection::Forget(args) => forget(args, global, output),
        Collection::Delete(args) => delete(args, global, output),
    }
}

impl From<ProtectionArg> for Protection {
    fn from(level: ProtectionArg) -> Self {
        match level {
            ProtectionArg::Sealed => Self::Sealed,
            ProtectionArg::Veiled => Self::Veiled,
            ProtectionArg::Split => Self::Split,
        }
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
    let made = match (&args.parties, args.protection) {
        (Some(file), ProtectionArg::Split) => {
            vault.create_split_collection(&args.name, read_parties(file)?)?
        }
        (Some(_), _) => {
            let error = "only a split collection has parties";
            return Err(Failure::new(Exit::Usage, error, "take --protection split, or leave --parties away"));
        }
        (None, level) => vault.create_collection(&args.name, level.into())?,
    };
    let summary = Summary::from(made.info());
    let cloud_learns = learns::row(summary.protection).all_that_the_cloud_learns();
    output.answer(&Made { summary, cloud_learns })
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    summary: Summary,
    people: Vec<Member>,
    contents: Vec<Content>,
}

/// Somebody with a part in it.
#[derive(Serialize)]
struct Member {
    account: String,
    name: Option<String>,
    safety_words: String,
    role: Role,
    accepted: bool,
    me: bool,
    #[serde(skip)]
    called: String,
}

impl Member {
    fn of(member: MemberInfo, people: &People) -> Self {
        let MemberInfo { account, name, safety_words, role, accepted, me } = member;
        let called = people.called(account);
        Self { account: account.to_string(), name, safety_words, role, accepted, me, called }
    }
}

impl Answer for Member {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let account = self.account.get(..12).unwrap_or(&self.account);
        let waits = if self.accepted { "" } else { "  has not accepted yet" };
        writeln!(out, "  {:<24} {:<7} {DIM}{account}{DIM:#}{waits}", plain(&self.called), self.role)
    }
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
        self.people.iter().try_for_each(|member| member.print(out))?;
        writeln!(out)?;
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
    let contents = contents.collect();
    let members = collection.members()?;
    let people = People::of(&vault, &members)?;
    let people = members.into_iter().map(|member| Member::of(member, &people)).collect();
    output.answer(&Shown { contents, people, summary: collection.info().into() })
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
    vault.forget_collection(&args.name)?;
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
    let question = format!("Delete {} with {} for good?", plain(name), count(items as usize, "item"));
    confirm::yes(question, "to delete", "run it with --yes")
}
