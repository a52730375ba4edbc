//! Candidates from the cloud, by veiled scores.
//!
//! The cloud returns the best K by a score that is the cosine up to a known error. They are opened here and
//! ordered by their true cosine. No item left out can have a cosine above what the K-th score and the error
//! allow, so once that is below the k-th true cosine the answer is exact; until then more is fetched.

use std::collections::HashSet;
use std::sync::{Arc, MutexGuard};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use pmirs_crypto::leaf_digest;
use pmirs_index::{Quantised, quantise};
use pmirs_veil::{ScoreErrorBound, Veil, VeiledQuery};
use pmirs_wire::item::VeiledVector;
use pmirs_wire::search::{Candidate, Search};
use pmirs_wire::{Bytes, Digest, FilterToken, ItemId, limits};

use super::audit::{self, Audited, Edge};
use super::{ATTEMPTS, Audit, Breakdown, Found, Scored, Wanted, dot, sort, undisturbed};
use crate::collection::Collection;
use crate::history::History;
use crate::keys::{CollectionKeys, altered_collection, altered_item};
use crate::{VaultError, fresh};

/// Candidates of the first request, for k wanted items.
fn first_fetch(k: usize) -> usize {
    (4 * k).clamp(64, limits::CANDIDATES)
}

/// Asks the server, and holds its answer to the collection's signed history.
pub(super) fn find(
    collection: &Collection<'_>,
    wanted: Wanted<'_>,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    let options = wanted.options;
    let local = collection.vault.local();
    undisturbed(collection, |attempt| {
        let known = {
            let mut history = collection.history();
            history.watch();
            history.number()
        };
        let keys = collection.keys();
        let mut answer = Answered::new(collection, &keys, wanted);
        let drawn = match options.audit {
            Audit::Some(count) => audit::draw(collection, count * audit::at_once(&options.filter))?,
            Audit::All => Vec::new(),
        };
        // Head and audits come while the server scores, so that a search takes no longer for them.
        let (asked, head, fetched) = thread::scope(|scope| {
            let (remote, id) = (&collection.remote, collection.record.id);
            let head = scope.spawn(move || remote.head(id));
            let fetching: Vec<_> =
                drawn.into_iter().map(|item| scope.spawn(move || (item, remote.item(id, item)))).collect();
            let asked = answer.ask(breakdown);
            (asked, head.join(), fetching.into_iter().map(ScopedJoinHandle::join).collect::<Vec<_>>())
        });
        let head = head.map_err(|_| VaultError::Internal("asking for a head panicked".to_owned()))??;
        let mut history = collection.history();
        history.follow_to(&head, known, &collection.remote, local)?;
        // What was not known when the question was asked is no excuse for an old answer, so it is asked again; once,
        // or a collection in which somebody is busy would not be searched at all.
        if attempt == 0 && history.number() != known {
            collection.renew_keys(&mut history)?;
            return Ok(None);
        }
        // An epoch may have ended after the head was given, and before the search came to it.
        if asked.is_err() {
            history.follow(&collection.remote, local)?;
        }
        collection.renew_keys(&mut history)?;
        if !collection.keys().epochs().eq(keys.epochs()) {
            return Ok(None);
        }
        asked?;
        let fetched = fetched.into_iter().flatten().collect();
        answer.held_to(history, fetched)?;
        // Where another process followed the log meanwhile, what was asked cannot be held to it.
        let is_disturbed = collection.history().jumped() && attempt + 1 < ATTEMPTS;
        Ok((!is_disturbed).then_some(answer.found))
    })
}

/// What the server answered so far, in all epochs.
struct Answered<'a> {
    collection: &'a Collection<'a>,
    keys: &'a Arc<CollectionKeys>,
    wanted: Wanted<'a>,
    found: Found,
    /// Every item that came, with what the log must pin of it.
    digests: Vec<(ItemId, Digest)>,
    items: HashSet<ItemId>,
    edges: Vec<(u32, Edge)>,
}

impl<'a> Answered<'a> {
    fn new(collection: &'a Collection<'a>, keys: &'a Arc<CollectionKeys>, wanted: Wanted<'a>) -> Self {
        let found =
            Found { scored: Vec::new(), candidates: 0, exact: true, used: None, warnings: Vec::new() };
        let (digests, items, edges) = (Vec::new(), HashSet::new(), Vec::new());
        Self { collection, keys, wanted, found, digests, items, edges }
    }

    /// The oldest epoch first, so that an item that moves to a later one meanwhile is met in one of them.
    fn ask(&mut self, breakdown: &mut Breakdown) -> Result<(), VaultError> {
        // No item of a model lies in an epoch from before the collection went over to it.
        let since = self.wanted.only.map_or(0, |model| model.since);
        let epochs: Vec<u32> = self.keys.epochs().filter(|&epoch| epoch >= since).collect();
        for epoch in epochs {
            let started = Instant::now();
            let veil = self.keys.veil(epoch, &self.collection.header)?;
            let filter = self.wanted.options.filter.tokens(&self.keys.epoch(epoch)?.token);
            let query = EpochQuery::new(veil, epoch, self.wanted.vector, filter)?;
            breakdown.veil += started.elapsed();
            let edge = query.ask(self, breakdown)?;
            self.edges.push((epoch, edge));
        }
        Ok(())
    }

    /// Holds the answer to the signed history, and looks at items beyond it.
    fn held_to(
        &self,
        mut history: MutexGuard<'_, History>,
        fetched: Vec<audit::Fetched>,
    ) -> Result<(), VaultError> {
        for &(item, digest) in &self.digests {
            self.collection.pinned(&mut history, item, Some(digest))?;
        }
        self.check_whole(&mut history)?;
        match self.wanted.options.audit {
            Audit::Some(count) => self.audited().some(&mut history, count, fetched),
            Audit::All => {
                drop(history);
                self.collection.sync_since()?;
                self.audited().all(&self.collection.history())
            }
        }
    }

    /// Where the answer claims to hold all items of an epoch, it must.
    fn check_whole(&self, history: &mut History) -> Result<(), VaultError> {
        let whole: Vec<u32> =
            self.edges.iter().filter(|(_, edge)| *edge == Edge::Whole).map(|&(epoch, _)| epoch).collect();
        // Those that the server filters away by tokens it need not send.
        if self.wanted.options.filter.has_tokens() || whole.is_empty() {
            return Ok(());
        }
        // Every item that came is one of the log's.
        let expected = history.state().map_or(0, |state| state.items);
        if history.is_still() && self.items.len() as u64 == expected {
            return Ok(());
        }
        let leaves = history.leaves(self.collection.vault.local())?;
        let missing: Vec<ItemId> = leaves
            .items()
            .filter(|(item, epoch)| whole.contains(epoch) && !self.items.contains(item))
            .map(|(item, _)| item)
            .collect();
        match missing.into_iter().find(|&item| !history.changed(item)) {
            Some(item) => Err(altered_item(item, "search answer", &"the server left the item out")),
            None => Ok(()),
        }
    }

    fn audited(&self) -> Audited<'_> {
        Audited {
            collection: self.collection,
            vector: self.wanted.vector,
            filter: &self.wanted.options.filter,
            answered: &self.items,
            edges: &self.edges,
        }
    }
}

/// A query under one epoch's veil.
struct EpochQuery {
    epoch: u32,
    query: VeiledQuery,
    quantised: Quantised,
    bound: ScoreErrorBound,
    /// What the server may compare.
    filter: Vec<FilterToken>,
}

impl EpochQuery {
    fn new(veil: &Veil, epoch: u32, vector: &[f32], filter: Vec<FilterToken>) -> Result<Self, VaultError> {
        let query = veil.query(vector, &mut fresh::rng()?)?;
        let quantised = quantise(&query.values)?;
        let bound = veil.score_error_bound(&query, quantised.scale, veil.document_scale_bound());
        Ok(Self { epoch, query, quantised, bound, filter })
    }

    /// Fetches until the best k of this epoch and those found before are proven, or nothing is left; says what
    /// the answer claims of the items that it leaves out.
    fn ask(&self, answer: &mut Answered<'_>, breakdown: &mut Breakdown) -> Result<Edge, VaultError> {
        let k = answer.wanted.options.k;
        // Nobody ranks more than there are; others may push some down to the next page.
        let items = answer.collection.history().state().map_or(0, |state| state.items) as usize;
        let deepest = 2 * items + 2 * limits::CANDIDATES;
        let mut fetched = 0;
        let mut count = first_fetch(k);
        loop {
            let candidates = self.fetch(answer.collection, fetched, count, breakdown)?;
            let got = candidates.len();
            fetched += got;
            if fetched > deepest {
                let reason = format!("{fetched} candidates of {items} items");
                return Err(VaultError::BadAnswer { request: "search".to_owned(), reason });
            }
            let last = self.open(answer, candidates, breakdown)?;

            let started = Instant::now();
            sort(&mut answer.found.scored);
            let enough = answer.found.scored.get(k.saturating_sub(1)).map(|scored| scored.cosine);
            breakdown.rerank += started.elapsed();
            if got < count {
                return Ok(Edge::Whole);
            }
            let most = last.map_or(f32::NEG_INFINITY, |last| self.bound.largest_cosine(last));
            if enough.is_some_and(|enough| most < enough) || k == 0 {
                return Ok(Edge::Below(most));
            }
            // Doubling keeps the requests few; limits bound each answer, and all together.
            count = fetched.min(limits::CANDIDATES).min(limits::SEARCH_DEPTH - fetched);
            if count == 0 {
                answer.found.exact = false;
                return Ok(Edge::Below(most));
            }
        }
    }

    fn fetch(
        &self,
        collection: &Collection<'_>,
        skip: usize,
        count: usize,
        breakdown: &mut Breakdown,
    ) -> Result<Vec<Candidate>, VaultError> {
        let values = self.quantised.values.iter().map(|&value| value as u8).collect();
        let search = Search {
            epoch: self.epoch,
            query: VeiledVector { scale: self.quantised.scale, values: Bytes(values) },
            skip: skip as u32,
            count: count as u32,
            filter: self.filter.clone(),
        };
        let (answer, timing) = collection.remote.search(collection.record.id, &search)?;
        let score = Duration::from_micros(answer.score_us).min(timing.network);
        breakdown.seal += timing.seal;
        breakdown.network += timing.network.saturating_sub(score);
        breakdown.score += score;
        breakdown.open += timing.open;
        if answer.candidates.len() > count {
            let reason = format!("{} candidates instead of {count}", answer.candidates.len());
            return Err(VaultError::BadAnswer { request: "search".to_owned(), reason });
        }
        Ok(answer.candidates)
    }

    /// Opens the true embeddings, and notes a score that no honest server can have given. Returns the last score that
    /// one can: only such a one bounds what was left out.
    fn open(
        &self,
        answer: &mut Answered<'_>,
        candidates: Vec<Candidate>,
        breakdown: &mut Breakdown,
    ) -> Result<Option<f32>, VaultError> {
        let started = Instant::now();
        if !candidates.is_sorted_by(|a, b| a.score >= b.score) {
            let id = answer.collection.record.id;
            return Err(altered_collection(
                id,
                "search answer",
                &"its candidates are not in the order of their scores",
            ));
        }
        let mut last = None;
        answer.found.candidates += candidates.len();
        let (keys, wanted) = (answer.keys, answer.wanted);
        for Candidate { item, score, meta, embedding } in candidates {
            // An item that moved to a later epoch meanwhile is met twice, as is one that others pushed down to
            // the next page.
            let met = !answer.items.insert(item);
            let digest = leaf_digest(&item.0, self.epoch, &meta.0, &embedding.0);
            answer.digests.push((item, Digest(digest)));
            let dim = answer.collection.header.dim;
            let truth = keys.open_embedding(item, self.epoch, &embedding.0, dim)?;
            let cosine = dot(wanted.vector, &truth);
            if self.bound.allows(score / self.query.rho, cosine) {
                last = Some(score / self.query.rho);
            } else {
                answer.found.exact = false;
                answer.found.warnings.push(format!(
                    "the server's score for item {item} is {:.4}, but its cosine is {cosine:.4}: run `pmirs verify`",
                    score / self.query.rho
                ));
            }
            if met {
                continue;
            }
            if !wanted.admits(keys, item, self.epoch, &meta.0)? {
                continue;
            }
            answer.found.scored.push(Scored { item, epoch: self.epoch, meta, cosine, keys: keys.clone() });
        }
        breakdown.open += started.elapsed();
        Ok(last)
    }
}
