//! Candidates from three servers, which compute on shares of the query and of every embedding.
//!
//! They return scores in steps that are fine enough to lie close to the cosine. As at `veiled`, candidates are opened
//! here and ordered by their true cosine, scores that no honest three can have given are told, and a few items beyond the
//! answer are looked at.

use std::collections::HashSet;
use std::time::Instant;

use pmirs_wire::item::ItemRecord;
use pmirs_wire::{ItemId, limits};

use super::audit::{self, Audited, Edge};
use super::{Audit, Breakdown, Found, Scored, SearchOptions, dot, sort};
use crate::VaultError;
use crate::collection::Collection;
use crate::progress::Quiet;

/// Candidates of the first request, for k wanted items.
fn first_fetch(k: usize) -> usize {
    (4 * k).clamp(16, limits::SPLIT_CANDIDATES)
}

/// How often a search starts over because another process of this home followed the log meanwhile.
const ATTEMPTS: usize = 8;

pub(super) fn find(
    collection: &Collection<'_>,
    vector: &[f32],
    options: &SearchOptions,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    for _ in 0..ATTEMPTS {
        {
            let mut history = collection.history();
            history.follow(&collection.remote, collection.vault.local())?;
            history.watch();
            collection.renew_keys(&mut history)?;
        }
        match attempt(collection, vector, options, breakdown) {
            Err(VaultError::Altered { .. }) if collection.history().jumped() => {}
            found => return found,
        }
    }
    Err(VaultError::Busy)
}

fn attempt(
    collection: &Collection<'_>,
    vector: &[f32],
    options: &SearchOptions,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    let mut count = first_fetch(options.k);
    let mut levelled = false;
    loop {
        let started = Instant::now();
        let candidates = collection.search_parties(vector, count)?;
        breakdown.score += started.elapsed();
        let log = collection.history().state().map_or(0, |state| state.items);
        if candidates.rows != log && !levelled && collection.may_write() {
            // Somebody changed the log and ended before the three had followed.
            collection.follow_rows(&Quiet)?;
            levelled = true;
            continue;
        }
        let mut found = open(collection, vector, options, &candidates, breakdown)?;
        if candidates.rows < log {
            found.warnings.push(format!(
                "the three servers do not hold {} of {log} items yet: whoever may write has them follow with \
                 `pmirs add` or `pmirs rekey`",
                log - candidates.rows
            ));
        }
        let answered: HashSet<ItemId> = candidates.items.iter().map(|(item, _)| *item).collect();
        let whole = (candidates.items.len() as u64) == candidates.rows;
        let most = candidates.items.last().map_or(f32::NEG_INFINITY, |(_, last)| last + candidates.error);
        let enough = found.scored.get(options.k.saturating_sub(1)).map(|scored| scored.cosine);
        found.exact &= whole || options.k == 0 || enough.is_some_and(|enough| most < enough);
        // Where a filter refuses some, more are looked at, until there are enough or the three give no more.
        if !whole && found.scored.len() < options.k && count < limits::SPLIT_CANDIDATES {
            count = (4 * count).min(limits::SPLIT_CANDIDATES);
            continue;
        }
        let edge = if whole && candidates.rows == log { Edge::Whole } else { Edge::Below(most) };
        let edges: Vec<(u32, Edge)> = collection.keys().epochs().map(|epoch| (epoch, edge)).collect();
        let audited =
            Audited { collection, vector, filter: &options.filter, answered: &answered, edges: &edges };
        let held = match options.audit {
            Audit::Some(count) => {
                let drawn = audit::draw(collection, count * audit::at_once(&options.filter))?;
                let ask = |item: ItemId| (item, collection.remote.item(collection.record.id, item));
                let fetched = drawn.into_iter().map(ask).collect();
                audited.some(&mut collection.history(), count, fetched)
            }
            Audit::All => {
                collection.sync_since()?;
                audited.all(&collection.history())
            }
        };
        return match held {
            // Whoever cannot have them follow sees fewer than the log has, and is told so.
            Err(VaultError::Altered { field: "search answer", .. }) if candidates.rows < log => Ok(found),
            Err(VaultError::Altered { what, field: "search answer", reason }) => {
                let reason = format!("{reason}; session {}", candidates.session);
                Err(VaultError::Altered { what, field: "search answer", reason })
            }
            held => held.map(|()| found),
        };
    }
}

/// Opens the candidates' true embeddings, and notes a score that no honest three can have given.
fn open(
    collection: &Collection<'_>,
    vector: &[f32],
    options: &SearchOptions,
    candidates: &crate::split::Candidates,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    let mut found =
        Found { scored: Vec::new(), candidates: candidates.items.len(), exact: true, warnings: Vec::new() };
    let fetching = Instant::now();
    let items: Vec<ItemId> = candidates.items.iter().map(|(item, _)| *item).collect();
    let mut records: Vec<ItemRecord> = Vec::with_capacity(items.len());
    for batch in items.chunks(limits::BATCH_ITEMS) {
        records.extend(collection.records(batch)?);
    }
    breakdown.network += fetching.elapsed();

    let opening = Instant::now();
    let keys = collection.keys();
    for ItemRecord { item, epoch, meta, embedding, .. } in records {
        let truth = keys.open_embedding(item, epoch, &embedding.0, collection.header.dim)?;
        let cosine = dot(vector, &truth);
        let said = candidates.items.iter().find(|(of, _)| *of == item).map_or(f32::NAN, |(_, score)| *score);
        if (said - cosine).abs() > candidates.error || said.is_nan() {
            found.exact = false;
            found.warnings.push(format!(
                "the three servers' score for item {item} is {said:.4}, but its cosine is {cosine:.4} (session {}): run \
                 `pmirs verify`",
                candidates.session
            ));
        }
        if !options.filter.is_open() && !options.filter.admits(&keys.open_meta(item, epoch, &meta.0)?) {
            continue;
        }
        found.scored.push(Scored { item, epoch, meta, cosine });
    }
    sort(&mut found.scored);
    breakdown.open += opening.elapsed();
    Ok(found)
}
