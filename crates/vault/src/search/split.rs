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
use super::{Audit, Breakdown, Found, Scored, Wanted, dot, sort, undisturbed};
use crate::VaultError;
use crate::collection::Collection;
use crate::progress::Quiet;

/// Candidates of the first request, for k wanted items.
fn first_fetch(k: usize) -> usize {
    (4 * k).clamp(16, limits::SPLIT_CANDIDATES)
}

pub(super) fn find(
    collection: &Collection<'_>,
    wanted: Wanted<'_>,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    undisturbed(collection, |_| {
        {
            let mut history = collection.history();
            history.follow(&collection.remote, collection.vault.local())?;
            history.watch();
            collection.renew_keys(&mut history)?;
        }
        collection.level_members()?;
        attempt(collection, wanted, breakdown).map(Some)
    })
}

fn attempt(
    collection: &Collection<'_>,
    wanted: Wanted<'_>,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    let Wanted { vector, options, .. } = wanted;
    let mut count = first_fetch(options.k);
    let mut levelled = false;
    loop {
        let started = Instant::now();
        let candidates = collection.search_parties(vector, count, options.index)?;
        breakdown.score += started.elapsed();
        let missing = {
            let mut history = collection.history();
            history.follow(&collection.remote, collection.vault.local())?;
            let leaves = history.leaves(collection.vault.local())?;
            leaves.items().filter(|(item, _)| !candidates.rows.contains(item)).count()
        };
        if missing > 0 && !levelled && collection.may_write() {
            // Somebody changed the log and ended before the three had followed.
            collection.follow_rows(&Quiet)?;
            levelled = true;
            continue;
        }
        let mut opened = open(collection, wanted, &candidates, breakdown)?;
        if missing > 0 {
            opened.found.exact = false;
            opened.found.warnings.push(format!(
                "the three servers do not hold {missing} of the items yet: whoever may write has them follow with \
                 `pmirs rekey`"
            ));
        }
        if candidates.used.is_some_and(|used| used.stale) {
            opened.found.warnings.push(format!(
                "much has changed since the index was made: `pmirs collection index {}` makes it anew",
                collection.header.name
            ));
        }
        let answered: HashSet<ItemId> = candidates.items.iter().map(|(item, _)| *item).collect();
        let whole = candidates.items.len() == candidates.rows.len();
        // What lies in cells that were not touched, the three have not left out.
        let partly = candidates.used.is_some() && !whole;
        opened.found.exact &= !partly;
        // The cells that were touched hold no more.
        let drained = partly && candidates.items.len() < count;
        // By what was opened, and not by a score that may be wrong.
        let most = opened.least + 2.0 * candidates.error;
        let enough = opened.found.scored.get(options.k.saturating_sub(1)).map(|scored| scored.cosine);
        opened.found.exact &= whole || options.k == 0 || enough.is_some_and(|enough| most < enough);
        // Where a filter refuses some, or others are of another model, more are looked at, until there are enough or the
        // three give no more.
        let short = opened.found.scored.len() < options.k || (wanted.only.is_some() && !opened.found.exact);
        if !whole && !drained && short && count < limits::SPLIT_CANDIDATES {
            count = (4 * count).min(limits::SPLIT_CANDIDATES);
            continue;
        }
        let edge = match (whole, partly) {
            (true, _) => Edge::Whole,
            (false, true) => Edge::Below(f32::INFINITY),
            (false, false) => Edge::Below(most),
        };
        let edges: Vec<(u32, Edge)> = collection.keys().epochs().map(|epoch| (epoch, edge)).collect();
        // What the three are known not to hold they cannot have left out.
        let answered: HashSet<ItemId> = {
            let mut history = collection.history();
            let leaves = history.leaves(collection.vault.local())?;
            let unknown = leaves.items().map(|(item, _)| item).filter(|item| !candidates.rows.contains(item));
            answered.into_iter().chain(unknown).collect()
        };
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
            Err(VaultError::Altered { what, field: "search answer", reason }) => {
                let reason = format!("{reason}; session {}", candidates.session);
                Err(VaultError::Altered { what, field: "search answer", reason })
            }
            held => held.map(|()| opened.found),
        };
    }
}

/// Candidates that were opened.
struct Opened {
    found: Found,
    /// The least of their true cosines.
    least: f32,
}

/// Opens the candidates' true embeddings, and notes a score that no honest three can have given.
fn open(
    collection: &Collection<'_>,
    wanted: Wanted<'_>,
    candidates: &crate::split::Candidates,
    breakdown: &mut Breakdown,
) -> Result<Opened, VaultError> {
    let mut least = f32::INFINITY;
    let mut found = Found {
        scored: Vec::new(),
        candidates: candidates.items.len(),
        exact: true,
        used: candidates.used,
        warnings: Vec::new(),
    };
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
        let cosine = dot(wanted.vector, &truth);
        least = least.min(cosine);
        let said = candidates.items.iter().find(|(of, _)| *of == item).map_or(f32::NAN, |(_, score)| *score);
        if (said - cosine).abs() > candidates.error || said.is_nan() {
            found.exact = false;
            found.warnings.push(format!(
                "the three servers' score for item {item} is {said:.4}, but its cosine is {cosine:.4} (session {}): where \
                 `pmirs verify` says so too, `pmirs party repair {} --rows` puts its row right",
                candidates.session, collection.header.name
            ));
        }
        if !wanted.admits(&keys, item, epoch, &meta.0)? {
            continue;
        }
        found.scored.push(Scored { item, epoch, meta, cosine, keys: keys.clone() });
    }
    sort(&mut found.scored);
    breakdown.open += opening.elapsed();
    Ok(Opened { found, least })
}
