//! Candidates from this machine's own index, which the cloud never sees.
//!
//! Records are followed from the cloud into the local store as they are, sealed; the index of int8 vectors is
//! built from them in memory. Its best candidates are re-ranked by their 16-bit embeddings, and the rounding
//! error of int8 bounds what a candidate left out can score, so the answer is exact.

use std::collections::BTreeMap;
use std::time::Instant;

use pmirs_index::{Matrix, Quantised, quantise};
use pmirs_wire::{Digest, ItemId};
use rayon::prelude::*;

use super::{Breakdown, Found, Scored, Wanted, dot, sort};
use crate::VaultError;
use crate::collection::{Collection, Model};
use crate::local::LocalRecord;

/// The opened embeddings of one collection, at one point of its history.
pub(crate) struct LocalIndex {
    /// Number of the last change, and the settings.
    at: (u64, Digest),
    /// By model: embeddings of different ones are not compared.
    parts: BTreeMap<String, Part>,
}

/// The embeddings of one model.
struct Part {
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
        let models = collection.models();
        let mut of: BTreeMap<String, Vec<LocalRecord>> = BTreeMap::new();
        let records = collection.local_records()?;
        if models.is_moving() {
            let keys = collection.keys();
            for record in records {
                let meta = keys.open_meta(record.item, record.epoch, &record.meta.0)?;
                of.entry(meta.model).or_default().push(record);
            }
        } else {
            of.insert(models.current().name.clone(), records);
        }
        let parts = models.all().filter_map(|model| {
            let records = of.remove(&model.name)?;
            Some(Part::build(collection, model, &records).map(|part| (model.name.clone(), part)))
        });
        Ok(Self { at: (seq, models.settings), parts: parts.collect::<Result<_, _>>()? })
    }

    /// The number of the last change and the settings that it knows.
    pub(crate) fn at(&self) -> (u64, Digest) {
        self.at
    }
}

impl Part {
    fn build(
        collection: &Collection<'_>,
        model: &Model,
        records: &[LocalRecord],
    ) -> Result<Self, VaultError> {
        let keys = collection.keys();
        let rows: Vec<(ItemId, Quantised, Vec<i16>)> = records
            .par_iter()
            .map(|record| {
                let vector =
                    keys.open_embedding(record.item, record.epoch, &record.embedding.0, model.dim)?;
                Ok((record.item, quantise(&vector)?, to_fixed(&vector)))
            })
            .collect::<Result<_, VaultError>>()?;
        let mut part = Self {
            matrix: Matrix::with_capacity(model.dim as usize, rows.len())?,
            items: Vec::with_capacity(rows.len()),
            embeddings: Vec::with_capacity(rows.len()),
            scale: 0.0,
        };
        for (item, quantised, embedding) in rows {
            part.matrix.push(&quantised)?;
            part.items.push(item);
            part.embeddings.push(embedding);
            part.scale = part.scale.max(quantised.scale);
        }
        Ok(part)
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
    wanted: Wanted<'_>,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    let options = wanted.options;
    let timing = collection.sync()?;
    breakdown.seal += timing.seal;
    breakdown.network += timing.network;
    breakdown.open += timing.open;

    // Where a filter refuses some, more are looked at, until there are enough or no more.
    let mut count = options.k;
    loop {
        let (scored, candidates) = nearest(collection, wanted, count, breakdown)?;
        if scored.len() >= options.k || candidates < count || options.filter.is_open() {
            return Ok(Found { scored, candidates, exact: true, used: None, warnings: Vec::new() });
        }
        count = (4 * count).max(64);
    }
}

/// Those of the nearest `count` items that the filter admits, and how many were looked at.
fn nearest(
    collection: &Collection<'_>,
    wanted: Wanted<'_>,
    count: usize,
    breakdown: &mut Breakdown,
) -> Result<(Vec<Scored>, usize), VaultError> {
    let opening = Instant::now();
    let models = collection.models();
    let model = wanted.only.unwrap_or(models.current());
    let (nearest, candidates) = collection.with_index(|index| {
        breakdown.open += opening.elapsed();
        let scoring = Instant::now();
        let part = index.parts.get(&model.name);
        let nearest = part.map_or(Ok((Vec::new(), 0)), |part| part.nearest(wanted.vector, count));
        breakdown.score += scoring.elapsed();
        nearest
    })?;

    let opening = Instant::now();
    let items: Vec<ItemId> = nearest.iter().map(|&(item, _)| item).collect();
    let records = collection.vault.local().records_of(collection.record.id, &items)?;
    let keys = collection.keys();
    let mut scored: Vec<Scored> = Vec::with_capacity(records.len());
    for record in records {
        if !wanted.admits(&keys, record.item, record.epoch, &record.meta.0)? {
            continue;
        }
        let truth = keys.open_embedding(record.item, record.epoch, &record.embedding.0, model.dim)?;
        let cosine = dot(wanted.vector, &truth);
        let LocalRecord { item, epoch, meta, .. } = record;
        scored.push(Scored { item, epoch, meta, cosine, keys: keys.clone() });
    }
    sort(&mut scored);
    breakdown.open += opening.elapsed();
    Ok((scored, candidates))
}
