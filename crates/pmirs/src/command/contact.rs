//! `pmirs contact`: other people's keys, pinned and compared.

use std::io::{self, Write};

use pmirs_vault::{Contact as Known, Vault, VaultError};
use pmirs_wire::problem::ProblemKind;
use serde::Serialize;

use crate::cli::{Contact, ContactAdd, ContactRemove, ContactVerify, Global};
use crate::exit::Exit;
use crate::moment::rfc3339;
use crate::output::{Answer, BOLD, DIM, GOOD, Output, plain};
use crate::report::Failure;
use crate::{confirm, secret, session};

pub fn run(command: &Contact, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        Contact::Add(args) => add(args, global, output),
        Contact::List => list(global, output),
        Contact::Verify(args) => verify(args, global, output),
        Contact::Remove(args) => remove(args, global, output),
    }
}

#[derive(Serialize)]
struct Row {
    name: String,
    url: String,
    account: String,
    safety_words: String,
    verified: bool,
    since: String,
}

impl From<Known> for Row {
    fn from(contact: Known) -> Self {
        let Known { name, url, account, safety_words, verified, since_ms } = contact;
        Self { name, url, account: account.to_string(), safety_words, verified, since: rfc3339(since_ms) }
    }
}

impl Answer for Row {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let (style, standing) = if self.verified { (GOOD, "verified") } else { (DIM, "not verified") };
        writeln!(out, "  {BOLD}{:<24}{BOLD:#} {style}{standing}{style:#}", self.name)?;
        writeln!(out, "    {DIM}{}{DIM:#}", self.safety_words)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Added(Row);

impl Answer for Added {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Row { name, safety_words, verified, .. } = &self.0;
        writeln!(
            out,
            "The key that the cloud shows for {BOLD}{name}{BOLD:#}, pinned from now on, goes by these words:\n"
        )?;
        writeln!(out, "  {safety_words}\n")?;
        if *verified {
            return writeln!(out, "You verified them before.");
        }
        writeln!(out, "Next: `pmirs contact verify {name}`, with {name} on the telephone or beside you.")
    }
}

fn add(args: &ContactAdd, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let contact = vault.add_contact(&args.name).map_err(|error| unknown(&args.name, error))?;
    output.answer(&Added(contact.into()))
}

/// A cloud that knows nobody of a name says that something was not found; here it is a person.
fn unknown(name: &str, error: VaultError) -> Failure {
    if error.refusal() != Some(ProblemKind::NotFound) {
        return error.into();
    }
    Failure::new(
        Exit::NotFound,
        format!("nobody at this cloud is named '{}'", plain(name)),
        "ask them which name they took with `pmirs login --name`; who took none cannot be found",
    )
}

#[derive(Serialize)]
struct List {
    contacts: Vec<Row>,
}

impl Answer for List {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.contacts.is_empty() {
            writeln!(out, "No contacts yet; add one with `pmirs contact add NAME`.")?;
        }
        self.contacts.iter().try_for_each(|row| row.print(out))
    }
}

fn list(global: &Global, output: Output) -> Result<(), Failure> {
    let contacts = session::open(global)?.contacts()?;
    output.answer(&List { contacts: contacts.into_iter().map(Row::from).collect() })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Verified(Row);

impl Answer for Verified {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{GOOD}{} is verified{GOOD:#}; a key that changes from now on is refused.", self.0.name)
    }
}

fn verify(args: &ContactVerify, global: &Global, output: Output) -> Result<(), Failure> {
    let given = args.words_file.as_deref().map(secret::words_of_others).transpose()?;
    let vault = session::open(global)?;
    let words = match given {
        Some(words) => words.to_string(),
        None if args.yes => pinned_words(&vault, &args.name)?,
        None => asked_words(&vault, &args.name)?,
    };
    let verified = vault.verify_contact(&args.name, &words).map_err(|error| match error {
        VaultError::ContactChanged { name, got } if !args.yes => other_words(&name, &got),
        error => unknown(&args.name, error),
    })?;
    output.answer(&Verified(verified.into()))
}

/// `--yes` speaks of words that were seen before, so a key that changed since is none of its business.
fn pinned_words(vault: &Vault, name: &str) -> Result<String, Failure> {
    Ok(vault.contact_words(name).map_err(|error| unknown(name, error))?.pinned)
}

/// Shows the words and asks whether both see the same.
fn asked_words(vault: &Vault, who: &str) -> Result<String, Failure> {
    let words = vault.contact_words(who).map_err(|error| unknown(who, error))?;
    let name = plain(who);
    if words.pinned != words.shown {
        Output::warn(format_args!(
            "the cloud shows another key for {name} than the one that was pinned: either {name} made a new identity, or \
             somebody stands between you. Believe it only from {name} in person"
        ));
    }
    let question = format!(
        "{name} sees these words with `pmirs status`, if this is the key of {name}:\n\n  {}\n\nDo both of you see these words?",
        words.shown
    );
    let instead =
        "name a file with their words: --words-file FILE; or, where they were compared already, --yes";
    if confirm::yes(question, "both of you see the same words", instead)? {
        return Ok(words.shown);
    }
    Err(Failure::new(
        Exit::Integrity,
        format!("{name} is not verified: the words were not confirmed"),
        "if they differ, somebody stands between you: share nothing, and ask the cloud's operator",
    ))
}

fn other_words(name: &str, got: &str) -> Failure {
    Failure::new(
        Exit::Integrity,
        format!("these are not the words of the key that the cloud shows for '{name}': those are '{got}'"),
        "check for a typing mistake; if there is none, somebody stands between you: share nothing with this key",
    )
}

#[derive(Serialize)]
struct Removed {
    removed: String,
}

impl Answer for Removed {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Forgot {} and their key. What is shared with them stays shared.", plain(&self.removed))
    }
}

fn remove(args: &ContactRemove, global: &Global, output: Output) -> Result<(), Failure> {
    session::open(global)?.remove_contact(&args.name)?;
    output.answer(&Removed { removed: args.name.clone() })
}
