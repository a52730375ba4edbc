use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pmirs_encoder::{Encoder, Limits, Picture};
use pmirs_vault::{Breakdown, Cutoff, Import, ItemKind, Protection, Query, SearchOptions};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use serde::Serialize;

use super::BenchError;
use super::pictures::pictures_below;
use crate::world::World;

/// Searches before the clock starts: the veil drawn, connections open, the model loaded.
const WARM_UP: usize = 20;
/// Searches that count.
const SEARCHES: usize = 300;
/// Hits wanted.
const K: usize = 10;
/// Drawn embeddings gather around so many centres, as photographs do around subjects.
const SUBJECTS: usize = 200;

/// What a warm search costs, from typed words to decrypted results.
#[derive(Debug, Clone, Serialize)]
pub struct SearchReport {
    /// The middle search.
    pub p50_ms: f64,
    /// All but one in twenty are faster.
    pub p95_ms: f64,
    /// Mean milliseconds of each phase.
    pub breakdown_ms: BreakdownReport,
    /// Items in the collection.
    pub items: usize,
    /// Its protection level.
    pub protection: &'static str,
    /// Where the embeddings come from: `photographs`, or `drawn` around random centres.
    pub embeddings: &'static str,
    /// Searches measured.
    pub searches: usize,
    /// Candidates opened per search, on average.
    pub candidates: f64,
    /// Share of searches whose answer was proven exact.
    pub exact: f64,
}

/// Where the time of a search goes, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct BreakdownReport {
    /// Words to embedding.
    pub encode: f64,
    /// Embedding to veiled query.
    pub veil: f64,
    /// Sealing the request.
    pub seal: f64,
    /// Loopback and the server, its scoring aside.
    pub network: f64,
    /// Scoring.
    pub score: f64,
    /// Opening the answer and its records.
    pub open: f64,
    /// True cosines and their order.
    pub rerank: f64,
}

/// Measures warm searches by typed words over `items` embeddings, through a real server on loopback.
///
/// With `photographs`, the embeddings are of the pictures in that folder; without, they are drawn.
///
/// # Errors
/// When the folder holds too few pictures, or any part of the system fails.
pub fn search(
    encoder: &Arc<Encoder>,
    items: usize,
    protection: Protection,
    photographs: Option<&Path>,
) -> Result<SearchReport, BenchError> {
    let embeddings = match photographs {
        Some(folder) => embed_folder(encoder, folder, items)?,
        None => drawn(encoder.info().dim, items),
    };
    let world = World::new(encoder)?;
    let collection = world.vault.create_collection("benchmark", protection)?;
    collection.import(embeddings.into_iter().enumerate().map(|(at, embedding)| Import {
        name: format!("photo {at}"),
        kind: ItemKind::Image,
        media_type: "image/jpeg".to_owned(),
        content: at.to_le_bytes().to_vec(),
        embedding,
    }))?;

    let options = SearchOptions { k: K, cutoff: Cutoff::None, ..SearchOptions::default() };
    let queries: Vec<Query> = phrases().into_iter().map(Query::Text).collect();
    for query in queries.iter().cycle().take(WARM_UP) {
        collection.search(query, &options)?;
    }
    let mut totals = Vec::with_capacity(SEARCHES);
    let mut sum = BreakdownReport::default();
    let (mut candidates, mut exact) = (0, 0);
    for query in queries.iter().cycle().take(SEARCHES) {
        let answer = collection.search(query, &options)?;
        totals.push(ms(answer.breakdown.total));
        sum.add(&answer.breakdown);
        candidates += answer.candidates;
        exact += usize::from(answer.exact);
    }
    totals.sort_by(f64::total_cmp);
    let at = |share: f64| totals.get((share * totals.len() as f64) as usize).copied().unwrap_or(0.0);
    Ok(SearchReport {
        p50_ms: at(0.5),
        p95_ms: at(0.95),
        breakdown_ms: sum.over(SEARCHES as f64),
        items,
        protection: protection.name(),
        embeddings: if photographs.is_some() { "photographs" } else { "drawn" },
        searches: SEARCHES,
        candidates: candidates as f64 / SEARCHES as f64,
        exact: exact as f64 / SEARCHES as f64,
    })
}

impl BreakdownReport {
    fn add(&mut self, one: &Breakdown) {
        self.encode += ms(one.encode);
        self.veil += ms(one.veil);
        self.seal += ms(one.seal);
        self.network += ms(one.network);
        self.score += ms(one.score);
        self.open += ms(one.open);
        self.rerank += ms(one.rerank);
    }

    fn over(self, count: f64) -> Self {
        Self {
            encode: self.encode / count,
            veil: self.veil / count,
            seal: self.seal / count,
            network: self.network / count,
            score: self.score / count,
            open: self.open / count,
            rerank: self.rerank / count,
        }
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn embed_folder(encoder: &Encoder, folder: &Path, items: usize) -> Result<Vec<Vec<f32>>, BenchError> {
    let paths = pictures_below(folder, items)?;
    if paths.len() < items {
        return Err(BenchError::TooFew { folder: folder.to_owned(), got: paths.len(), needed: items });
    }
    let mut embeddings = Vec::with_capacity(items);
    for batch in paths.chunks(16) {
        let mut prepared = Vec::with_capacity(batch.len());
        for path in batch {
            let bytes = std::fs::read(path).map_err(|error| BenchError::file(path, &error))?;
            let picture = Picture::decode(&bytes, &Limits::default())
                .map_err(|error| BenchError::file(path, &error))?;
            prepared.push(encoder.preprocess(&picture)?);
        }
        embeddings.extend(
            encoder.embed_prepared(&prepared)?.into_iter().map(pmirs_encoder::Embedding::into_values),
        );
    }
    Ok(embeddings)
}

/// Unit vectors around random centres.
fn drawn(dim: usize, items: usize) -> Vec<Vec<f32>> {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let mut normal = || -> Vec<f32> { StandardNormal.sample_iter(&mut rng).take(dim).collect() };
    let centres: Vec<Vec<f32>> = (0..SUBJECTS).map(|_| normal()).collect();
    (0..items)
        .zip(centres.iter().cycle())
        .map(|(_, centre)| {
            let mut vector: Vec<f32> = normal().iter().zip(centre).map(|(own, near)| own + near).collect();
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            for x in &mut vector {
                *x /= length;
            }
            vector
        })
        .collect()
}

/// Everyday descriptions, different each time.
fn phrases() -> Vec<String> {
    let subjects = ["a dog", "two children", "an old man", "a red car", "a bird", "people", "a brown horse"];
    let places = ["on a beach", "in the snow", "by a lake", "in a busy street", "on green grass", "at night"];
    let pairs = subjects.iter().flat_map(|subject| places.iter().map(move |place| (subject, place)));
    pairs.map(|(subject, place)| format!("{subject} {place}")).collect()
}
