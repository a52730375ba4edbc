//! Candidates from the cloud, by veiled scores.
//!
//! The cloud returns the best K by a score that is the cosine up to a known error. They are opened here and
//! ordered by their true cosine. No item left out can have a cosine above what the K-th score and the error
//! allow, so once that is below the k-th true cosine the answer is exact; until then more is fetched.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use pmirs_index::{Quantised, quantise};
use pmirs_veil::{ScoreErrorBound, Veil, VeiledQuery};
use pmirs_wire::item::VeiledVector;
use pmirs_wire::search::{Candidate, Search};
use pmirs_wire::{Bytes, ItemId, limits};

use super::{Breakdown, Found, Scored, dot, sort};
use crate::collection::Collection;
use crate::{VaultError, fresh};

/// Candidates of the first request, for k wanted items.
fn first_fetch(k: usize) -> usize {
    (4 * k).clamp(64, limits::CANDIDATES)
}

pub(super) fn find(
    collection: &Collection<'_>,
    vector: &[f32],
    k: usize,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    let mut found = Found { scored: Vec::new(), candidates: 0, exact: true, warnings: Vec::new() };
    for epoch in collection.keys.epochs() {
        let started = Instant::now();
        let veil = collection.keys.veil(epoch, &collection.header)?;
        let query = EpochQuery::new(veil, epoch, vector)?;
        breakdown.veil += started.elapsed();
        query.ask(collection, vector, k, &mut found, breakdown)?;
    }
    Ok(found)
}

/// A query under one epoch's veil.
struct EpochQuery {
    epoch: u32,
    query: VeiledQuery,
    quantised: Quantised,
    bound: ScoreErrorBound,
}

impl EpochQuery {
    fn new(veil: &Veil, epoch: u32, vector: &[f32]) -> Result<Self, VaultError> {
        let query = veil.query(vector, &mut fresh::rng()?)?;
        let quantised = quantise(&query.values)?;
        let bound = veil.score_error_bound(&query, quantised.scale, veil.document_scale_bound());
        Ok(Self { epoch, query, quantised, bound })
    }

    /// Fetches until the best k of this epoch and those found before are proven, or nothing is left.
    fn ask(
        &self,
        collection: &Collection<'_>,
        vector: &[f32],
        k: usize,
        found: &mut Found,
        breakdown: &mut Breakdown,
    ) -> Result<(), VaultError> {
        let mut fetched = 0;
        let mut count = first_fetch(k);
        loop {
            let candidates = self.fetch(collection, fetched, count, breakdown)?;
            let got = candidates.len();
            fetched += got;
            let last = candidates.last().map(|candidate| candidate.score / self.query.rho);
            self.open(collection, vector, candidates, found, breakdown)?;

            let started = Instant::now();
            sort(&mut found.scored);
            let enough = found.scored.get(k.saturating_sub(1)).map(|scored| scored.cosine);
            breakdown.rerank += started.elapsed();
            let nothing_left = got < count;
            let proven =
                last.zip(enough).is_some_and(|(last, enough)| self.bound.largest_cosine(last) < enough);
            if nothing_left || proven || k == 0 {
                return Ok(());
            }
            // Doubling keeps the requests few; the cap keeps an answer within its limit.
            count = fetched.min(limits::CANDIDATES - fetched);
            if count == 0 {
                found.exact = false;
                return Ok(());
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
            filter: Vec::new(),
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

    /// Opens the true embeddings, and notes a score that no honest server can have given.
    fn open(
        &self,
        collection: &Collection<'_>,
        vector: &[f32],
        candidates: Vec<Candidate>,
        found: &mut Found,
        breakdown: &mut Breakdown,
    ) -> Result<(), VaultError> {
        let started = Instant::now();
        found.candidates += candidates.len();
        let mut seen: HashSet<ItemId> = found.scored.iter().map(|scored| scored.item).collect();
        for Candidate { item, score, meta, embedding } in candidates {
            if !seen.insert(item) {
                let reason = format!("item {item} is in it twice");
                return Err(VaultError::BadAnswer { request: "search".to_owned(), reason });
            }
            let dim = collection.header.dim;
            let truth = collection.keys.open_embedding(item, self.epoch, &embedding.0, dim)?;
            let cosine = dot(vector, &truth);
            if !self.bound.allows(score / self.query.rho, cosine) {
                found.warnings.push(format!(
                    "the server's score for item {item} is {:.4}, but its cosine is {cosine:.4}: run `pmirs verify`",
                    score / self.query.rho
                ));
            }
            found.scored.push(Scored { item, epoch: self.epoch, meta, cosine });
        }
        breakdown.open += started.elapsed();
        Ok(())
    }
}
