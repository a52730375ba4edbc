//! A second person in the demonstration: finds the same in what was shared, and nothing after it was taken back.

use std::io::{self, Write};
use std::time::Instant;

use pmirs_vault::{Collection, Cutoff, Protection, Query, Role, SearchOptions, Vault};
use pmirs_wire::problem::ProblemKind;
use serde::Serialize;

use super::stage::{GUEST, HOST, Stage};
use super::{K, SHOWN};
use crate::command::search::ms;
use crate::exit::Exit;
use crate::output::{BOLD, DIM, GOOD, Output, plain};
use crate::report::Failure;

/// What a collection's guest saw.
#[derive(Serialize)]
pub struct SharingRow {
    protection: Protection,
    query: String,
    /// Whether owner and guest found the same items with the same scores, to the bit.
    same: bool,
    hits: usize,
    /// Whether the guest's first request after the revocation was refused.
    refused: bool,
    revoke_ms: f64,
    #[serde(skip)]
    best: Vec<String>,
}

impl SharingRow {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { protection, same, refused, revoke_ms, .. } = self;
        let found = if *same { "the same hits and scores" } else { "OTHER HITS" };
        let gone = if *refused { "refused at once" } else { "NOT REFUSED" };
        let best = self.best.iter().map(|name| plain(name)).collect::<Vec<_>>().join(" ");
        writeln!(
            out,
            "  {protection:<7}{GUEST} finds {GOOD}{found}{GOOD:#} {DIM}{best}{DIM:#}; revoked in {revoke_ms:.0} ms, then \
             {GOOD}{gone}{GOOD:#}"
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
    let guest = stage.guest()?;
    stage.vault().add_contact(GUEST)?;
    guest.add_contact(HOST)?;
    output.say(|out| {
        writeln!(out, "\n{BOLD}Shared with {GUEST}{BOLD:#} {DIM}as reader, \"{}\"{DIM:#}", plain(query))
    })?;
    let mut rows = Vec::with_capacity(collections.len());
    for collection in collections {
        let row = share(collection, &guest, query)?;
        output.say(|out| row.print(out))?;
        rows.push(row);
    }
    match rows.iter().all(|row| row.same && row.refused) {
        true => Ok(rows),
        false => {
            let hint = "a mistake in this program: please report the lines above";
            Err(Failure::new(Exit::Failure, "sharing did not do what it promises", hint))
        }
    }
}

fn share(collection: &Collection<'_>, guest: &Vault, query: &str) -> Result<SharingRow, Failure> {
    let (name, protection) = (collection.info().name, collection.info().protection);
    collection.share(GUEST, Role::Reader)?;
    guest.accept(&name)?;
    let shared = guest.collection(&name)?;

    let query_words = Query::text(query);
    let options = SearchOptions { k: K, cutoff: Cutoff::None, ..SearchOptions::default() };
    let own = collection.search(&query_words, &options)?.hits;
    let theirs = shared.search(&query_words, &options)?.hits;
    let alike = own.iter().zip(&theirs);
    let same = own.len() == theirs.len()
        && alike.clone().all(|(a, b)| a.item == b.item && a.score.to_bits() == b.score.to_bits());

    let revoking = Instant::now();
    collection.revoke(GUEST)?;
    let revoke_ms = ms(revoking.elapsed());
    // The connection is open, and the collection too.
    let answer = shared.search(&query_words, &options);
    let refused = answer.is_err_and(|error| error.refusal() == Some(ProblemKind::NotFound));
    let best = theirs.into_iter().take(SHOWN).map(|hit| hit.meta.name).collect();
    Ok(SharingRow { protection, query: query.to_owned(), same, hits: own.len(), refused, revoke_ms, best })
}
