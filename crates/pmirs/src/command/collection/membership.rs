//! `pmirs collection accept|decline|leave`: a part in what others share.

use std::io::{self, Write};

use serde::Serialize;

use super::Offered;
use crate::cli::{CollectionAccept, CollectionDecline, CollectionLeave, Global};
use crate::command::share::article;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, Output, plain, quoted};
use crate::report::Failure;
use crate::{confirm, learns, session};

#[derive(Serialize)]
struct Accepted {
    #[serde(flatten)]
    offer: Offered,
    cloud_learns: String,
}

impl Answer for Accepted {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Offered { name, role, protection, .. } = &self.offer;
        writeln!(
            out,
            "You are {} {role} of {BOLD}{}{BOLD:#}. Who learns what:\n",
            article(*role),
            plain(name)
        )?;
        writeln!(out, "{}\n", learns::row(*protection))?;
        writeln!(out, "Next: pmirs search {} WORDS", quoted(name))
    }
}

pub fn accept(args: &CollectionAccept, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let offer = vault.accept(&args.name)?;
    let cloud_learns = learns::row(offer.protection).all_that_the_cloud_learns();
    output.answer(&Accepted { offer: offer.into(), cloud_learns })
}

#[derive(Serialize)]
struct Declined {
    declined: String,
}

impl Answer for Declined {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Declined {}.", plain(&self.declined))
    }
}

pub fn decline(args: &CollectionDecline, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    output.answer(&Declined { declined: vault.decline(&args.name)?.name })
}

#[derive(Serialize)]
struct Left {
    left: String,
}

impl Answer for Left {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "You have no part in {} any more.", plain(&self.left))
    }
}

pub fn leave(args: &CollectionLeave, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.name)?;
    let question = format!("Leave {}? Only an owner can bring you back.", plain(&args.name));
    if !args.yes && !confirm::yes(question, "to leave", "run it with --yes")? {
        return Err(Failure::new(Exit::Failure, "you did not leave", "answer `yes`, or run it with --yes"));
    }
    let left = collection.info().name;
    collection.leave()?;
    output.answer(&Left { left })
}
