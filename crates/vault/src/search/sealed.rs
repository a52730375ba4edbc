//! Candidates from this machine's own index, which the cloud never sees.
//!
//! Records are followed from the cloud into the local store as they are, sealed; the index of int8 vectors is
//! built from them in memory. Its best candidates are re-ranked by their 16-bit embeddings, and the rounding
//! error of int8 bounds what a candidate left out can score, so the answer is exact.

use std::time::Instant;

use pmirs_index::{Matrix, Quantised, quantise};
use pmirs_wire::ItemId;
use rayon::prelude::*;

use super::{Breakdown, Found, Scored, SearchOptions, dot, sort};
use crate::VaultError;
use crate::collection::Collection;

/// The opened embeddings of one collection, at one point of its history.
pub(crate) struct LocalIndex {
    seq: u64,
    matrix: Matrix,
    /// Row by row: which item, and its embedding as it was stored.
    items: Vec<ItemId>,
    embeddings: Vec<Vec<i16>>,
    /// The largest step of any row.
    scale: f32,
}

impl LocalIndex {
    /// Opens all embeddings in the local store.
    pub(crate) fn build(collection: &Collection<'_>, seq: u64) -> Result<Self, VaultError> {
        let dim = collection.header.dim;
        let records = collection.local_records()?;
        let keys = collection.keys();
        let rows: Vec<(ItemId, Quantised, Vec<i16>)> = records
            .par_iter()
            .map(|record| {
                let vector = keys.open_embedding(record.item, record.epoch, &record.embedding.0, dim)?;
                Ok((record.item, quantise(&vector)?, to_fixed(&vector)))
            })
            .collect::<Result<_, VaultError>>()?;
        let mut index = Self {
            seq,
            matrix: Matrix::with_capacity(dim as usize, rows.len())?,
            items: Vec::with_capacity(rows.len()),
            embeddings: Vec::with_capacity(rows.len()),
            scale: 0.0,
        };
        for (item, quantised, embedding) in rows {
            index.matrix.push(&quantised)?;
            index.items.push(item);
            index.embeddings.push(embedding);
            index.scale = index.scale.max(quantised.scale);
        }
        Ok(index)
    }

    /// The number of the last change it knows.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// The best `k` rows by true cosine, best first, and how many were looked at.
    fn nearest(&self, vector: &[f32], k: usize) -> Result<(Vec<(ItemId, f32)>, usize), VaultError> {
        let query = quantise(vector)?;
        let error = self.rounding_error(vector, &query);
        let mut count = (4 * k).max(64);
        loop {
            let hits = self.matrix.top_k(&query, count, rayon::current_num_threads())?;
            let mut scored: Vec<(ItemId, f32)> =
                hits.iter().filter_map(|hit| self.cosine(hit.row, vector)).collect();
            scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let last = hits.last().map(|hit| hit.score);
            let enough = scored.get(k.saturating_sub(1)).map(|&(_, cosine)| cosine);
            let proven = last.zip(enough).is_some_and(|(last, enough)| last + error < enough);
            if hits.len() < count || proven || k == 0 {
                scored.truncate(k);
                return Ok((scored, hits.len()));
            }
            count *= 4;
        }
    }

    fn cosine(&self, row: u32, vector: &[f32]) -> Option<(ItemId, f32)> {
        let item = self.items.get(row as usize)?;
        let stored: f32 =
            self.embeddings.get(row as usize)?.iter().zip(vector).map(|(&a, b)| f32::from(a) * b).sum();
        Some((*item, stored / f32::from(i16::MAX)))
    }

    /// How far an int8 score can lie from the cosine, always: with `ẑ = z + e` and `q̂ = q + f`,
    /// `<ẑ, q̂> - <z, q> = <e, q̂> + <z, f>`, where `|eᵢ| ≤ s/2`, `|fᵢ| ≤ t/2`, and `‖z‖₁ ≤ √d`.
    fn rounding_error(&self, vector: &[f32], query: &Quantised) -> f32 {
        let query_length: f32 = query.dequantise().iter().map(|x| x.abs()).sum();
        let row_length = (vector.len() as f32).sqrt();
        0.5 * (self.scale * query_length + query.scale * row_length) + 1e-4
    }
}

/// The same 16 bits that [`StoredEmbedding`](pmirs_wire::sealed::StoredEmbedding) holds.
fn to_fixed(vector: &[f32]) -> Vec<i16> {
    vector.iter().map(|x| (x * f32::from(i16::MAX)).round() as i16).collect()
}

pub(super) fn find(
    collection: &Collection<'_>,
    vector: &[f32],
    options: &SearchOptions,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    let timing = collection.sync()?;
    breakdown.seal += timing.seal;
    breakdown.network += timing.network;
    breakdown.open += timing.open;

    // Where a filter refuses some, more are looked at, until there are enough or no more.
    let mut wanted = options.k;
    loop {
        let (scored, candidates) = nearest(collection, vector, wanted, options, breakdown)?;
        if scored.len() >= options.k || candidates < wanted || options.filter.is_open() {
            return Ok(Found { scored, candidates, exact: true, used: None, warnings: Vec::new() });
        }
        wanted = (4 * wanted).max(64);
    }
}

/// Those of the nearest `count` items that the filter admits, and how many were looked at.
fn nearest(
    collection: &Collection<'_>,
    vector: &[f32],
    count: usize,
    options: &SearchOptions,
    breakdown: &mut Breakdown,
) -> Result<(Vec<Scored>, usize), VaultError> {
    let opening = Instant::now();
    let (nearest, candidates) = collection.with_index(|index| {
        breakdown.open += opening.elapsed();
        let scoring = Instant::now();
        let nearest = index.nearest(vector, count);
        breakdown.score += scoring.elapsed();
        nearest
    })?;

    let opening = Instant::now();
    let items: Vec<ItemId> = nearest.iter().map(|&(item, _)| item).collect();
    let records = collection.vault.local().records_of(collection.record.id, &items)?;
    let keys = collection.keys();
    let mut scored: Vec<Scored> = Vec::with_capacity(records.len());
    for record in records {
        let dim = collection.header.dim;
        if !options.filter.is_open()
            && !options.filter.admits(&keys.open_meta(record.item, record.epoch, &record.meta.0)?)
        {
            continue;
        }
        let truth = keys.open_embedding(record.item, record.epoch, &record.embedding.0, dim)?;
        let cosine = dot(vector, &truth);
        scored.push(Scored { item: record.item, epoch: record.epoch, meta: record.meta, cosine });
    }
    sort(&mut scored);
    breakdown.open += opening.elapsed();
    Ok((scored, candidates))
}
