//! A second person in the demonstration: finds the same in what was shared, and nothing after it was taken back.

use std::io::{self, Write};
use std::time::Instant;

use pmirs_vault::{Collection, Cutoff, Query, Role, SearchOptions, Vault};
use pmirs_wire::problem::ProblemKind;
use serde::Serialize;

use super::stage::{GUEST, HOST, Stage};
use super::{K, SearchRow};
use crate::command::search::ms;
use crate::exit::Exit;
use crate::output::{BOLD, GOOD, Output, plain};
use crate::report::Failure;

/// What a collection's guest saw.
#[derive(Serialize)]
pub struct SharingRow {
    #[serde(flatten)]
    search: SearchRow,
    /// Whether owner and guest found the same items with the same scores, to the bit.
    same: bool,
    /// Whether the guest's first request after the revocation was refused.
    refused: bool,
    revoke_ms: f64,
}

impl SharingRow {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { search, same, refused, revoke_ms } = self;
        search.print(out)?;
        let found = if *same { "the same as the owner's, to the bit" } else { "NOT THE SAME" };
        let gone = if *refused { "refused at the next request" } else { "NOT REFUSED" };
        writeln!(
            out,
            "            {GOOD}{found}{GOOD:#}; revoked in {revoke_ms:.0} ms, and {GOOD}{gone}{GOOD:#}"
        )
    }
}

/// Shares each collection, lets the guest search it, and takes it back.
pub fn visit(
    stage: &Stage,
    collections: &[Collection<'_>; 2],
    query: &str,
    output: Output,
) -> Result<Vec<SharingRow>, Failure> {
    let guest = stage.guest(GUEST)?;
    stage.vault().add_contact(GUEST)?;
    guest.add_contact(HOST)?;
    output.say(|out| {
        writeln!(out, "\n{BOLD}\"{}\"{BOLD:#}, asked by {GUEST}, with whom both are shared", plain(query))
    })?;
    let mut rows = Vec::with_capacity(collections.len());
    for collection in collections {
        let row = share(collection, &guest, query)?;
        output.say(|out| row.print(out))?;
        rows.push(row);
    }
    if rows.iter().all(|row| row.same && row.refused) {
        return Ok(rows);
    }
    let hint = "a mistake in this program: please report the lines above";
    Err(Failure::new(Exit::Failure, "sharing did not do what it promises", hint))
}

fn share(collection: &Collection<'_>, guest: &Vault, query: &str) -> Result<SharingRow, Failure> {
    let (name, protection) = (collection.info().name, collection.info().protection);
    collection.share(GUEST, Role::Reader)?;
    guest.accept(&name)?;
    let shared = guest.collection(&name)?;

    let words = Query::text(query);
    let options = SearchOptions { k: K, cutoff: Cutoff::None, ..SearchOptions::default() };
    shared.search(&Query::text("warming up"), &options)?;
    let own = collection.search(&words, &options)?.hits;
    let theirs = shared.search(&words, &options)?;
    let mut alike = own.iter().zip(&theirs.hits);
    let same = own.len() == theirs.hits.len()
        && alike.all(|(a, b)| a.item == b.item && a.score.to_bits() == b.score.to_bits());

    let revoking = Instant::now();
    collection.revoke(GUEST)?;
    let revoke_ms = ms(revoking.elapsed());
    // The guest's connection and collection are open still.
    let answer = shared.search(&words, &options);
    let refused = answer.is_err_and(|error| error.refusal() == Some(ProblemKind::NotFound));
    Ok(SharingRow { search: SearchRow::new(protection, query, theirs), same, refused, revoke_ms })
}
