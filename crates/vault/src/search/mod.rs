//! Search: a description or a picture in, opened and re-ranked items out.
//!
//! Both levels end alike: candidates with their sealed records come together, true embeddings are opened
//! here, and the cosine computed here decides the order. They differ in who finds the candidates: the cloud
//! over veiled vectors, or this machine over its own index.

mod audit;
mod filter;
mod sealed;
mod split;
mod veiled;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use pmirs_encoder::Picture;
use pmirs_encoder::pack::ScoreSpec;
use pmirs_wire::collection::Protection;
use pmirs_wire::sealed::ItemKind;
use pmirs_wire::{Bytes, ItemId};

use crate::collection::{self, Collection};
use crate::split::IndexUse;
use crate::{ItemMeta, UnlistedCollection, Vault, VaultError};

pub use audit::Audit;
pub use filter::Filter;
pub(crate) use sealed::LocalIndex;

/// What to look for.
pub enum Query {
    /// Words.
    Text(String),
    /// A picture like the wanted ones.
    Image(Picture),
    /// An embedding of the collection's own model, of unit length.
    Embedding(Vec<f32>),
}

impl Query {
    /// A description in words.
    pub fn text(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }
}

/// Below which similarity an item is no match.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Cutoff {
    /// Every item may match; the k nearest are returned.
    #[default]
    None,
    /// The model pack's calibrated value for the kinds of query and item.
    Calibrated,
    /// A cosine, -1 to 1.
    At(f32),
}

/// How to search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchOptions {
    /// How many items to return at most.
    pub k: usize,
    /// What is no match.
    pub cutoff: Cutoff,
    /// What may be found at all.
    pub filter: Filter,
    /// How closely a server that finds the candidates is checked.
    pub audit: Audit,
    /// What the three servers of a split collection look at; at the other levels it makes no difference.
    pub index: Index,
}

/// What the three servers look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Index {
    /// Every row: the answer is exact, and the three learn nothing of the query.
    #[default]
    Scan,
    /// The cells of the collection's index that lie nearest to the query: faster, nearly always the same answer, and the three
    /// see which slots of a shuffled table were touched.
    Tree,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            k: 10,
            cutoff: Cutoff::None,
            filter: Filter::default(),
            audit: Audit::default(),
            index: Index::default(),
        }
    }
}

/// A found item.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Its identifier.
    pub item: ItemId,
    /// The cosine between query and item, -1 to 1.
    pub score: f32,
    /// Its metadata.
    pub meta: ItemMeta,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The nearest items, nearest first.
    pub hits: Vec<Hit>,
    /// Whether these are proven to be the nearest of all, given an honest server.
    pub exact: bool,
    /// Candidates that were opened to find them.
    pub candidates: usize,
    /// What was looked at, where it was not everything: then the answer is approximate.
    pub used: Option<IndexUse>,
    /// What a person should know, such as a server whose scores are wrong.
    pub warnings: Vec<String>,
    /// Where the time went.
    pub breakdown: Breakdown,
}

/// Where a search's time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Breakdown {
    /// Words or picture to embedding.
    pub encode: Duration,
    /// Embedding to veiled query.
    pub veil: Duration,
    /// Sealing requests.
    pub seal: Duration,
    /// Waiting for the server, its scoring aside.
    pub network: Duration,
    /// Scoring, wherever it happens.
    pub score: Duration,
    /// Opening answers and records.
    pub open: Duration,
    /// True cosines, order and cutoff.
    pub rerank: Duration,
    /// All of it.
    pub total: Duration,
}

/// A candidate whose true embedding was opened.
pub(crate) struct Scored {
    item: ItemId,
    epoch: u32,
    meta: Bytes,
    cosine: f32,
}

/// What either level hands back.
pub(crate) struct Found {
    /// Best first; all that the final order needs, and nothing that the filter refuses.
    scored: Vec<Scored>,
    candidates: usize,
    exact: bool,
    used: Option<IndexUse>,
    warnings: Vec<String>,
}

pub(crate) fn search(
    collection: &Collection<'_>,
    query: &Query,
    options: &SearchOptions,
) -> Result<Answer, VaultError> {
    let started = Instant::now();
    let mut breakdown = Breakdown::default();
    let vector = embed(collection, query)?;
    breakdown.encode = started.elapsed();

    let found = match collection.record.protection {
        Protection::Veiled => veiled::find(collection, &vector, options, &mut breakdown)?,
        Protection::Sealed => sealed::find(collection, &vector, options, &mut breakdown)?,
        Protection::Split => split::find(collection, &vector, options, &mut breakdown)?,
    };

    let finishing = Instant::now();
    let scores = match query {
        Query::Embedding(_) => ScoreSpec::default(),
        _ => collection.vault.encoder_of(&collection.header.model)?.info().scores.clone(),
    };
    let mut hits = Vec::with_capacity(options.k.min(found.scored.len()));
    for Scored { item, epoch, meta, cosine } in found.scored.iter().take(options.k) {
        let meta = collection.keys().open_meta(*item, *epoch, &meta.0)?;
        let score = cosine.clamp(-1.0, 1.0);
        if cutoff(options.cutoff, &scores, query, meta.kind).is_none_or(|least| score >= least) {
            hits.push(Hit { item: *item, score, meta });
        }
    }
    breakdown.rerank += finishing.elapsed();
    breakdown.total = started.elapsed();
    let Found { candidates, exact, used, warnings, .. } = found;
    Ok(Answer { hits, exact, candidates, used, warnings, breakdown })
}

/// What a search of every collection found.
#[derive(Debug, Default)]
pub struct AllFound {
    /// The nearest items of all, nearest first, each with the name of its collection.
    pub hits: Vec<(String, Hit)>,
    /// Whether these are proven to be the nearest of all collections that answered.
    pub exact: bool,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Collections that could not be searched, by name or identifier.
    pub failed: Vec<(String, VaultError)>,
    /// How long it took.
    pub elapsed: Duration,
}

pub(crate) fn search_all(
    vault: &Vault,
    query: &Query,
    options: &SearchOptions,
) -> Result<AllFound, VaultError> {
    let started = Instant::now();
    let mut all = AllFound { exact: true, ..AllFound::default() };
    let mut listed = BTreeSet::new();
    for opened in collection::open_all(vault)? {
        listed.insert(opened.as_ref().map_or_else(|(id, _)| *id, |collection| collection.record.id));
        let searched = opened.map_err(|(id, error)| (id.to_string(), error)).and_then(|collection| {
            let name = collection.header.name.clone();
            search(&collection, query, options).map(|it| (name.clone(), it)).map_err(|error| (name, error))
        });
        match searched {
            Ok((name, answer)) => {
                all.exact &= answer.exact;
                all.warnings.extend(answer.warnings);
                all.hits.extend(answer.hits.into_iter().map(|hit| (name.clone(), hit)));
            }
            Err(failed) => all.failed.push(failed),
        }
    }
    for UnlistedCollection { id, name } in collection::unlisted(vault, &listed)? {
        all.failed.push((name.clone(), VaultError::Unlisted { collection: name, id }));
    }
    all.hits.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
    all.hits.truncate(options.k);
    all.elapsed = started.elapsed();
    Ok(all)
}

fn embed(collection: &Collection<'_>, query: &Query) -> Result<Vec<f32>, VaultError> {
    if let Query::Embedding(vector) = query {
        let dim = collection.header.dim as usize;
        if vector.len() != dim {
            return Err(VaultError::Query(format!("it has {} dimensions instead of {dim}", vector.len())));
        }
        return Ok(vector.clone());
    }
    let encoder = collection.vault.encoder_of(&collection.header.model)?;
    let mut embeddings = match query {
        Query::Text(words) if words.trim().is_empty() => {
            return Err(VaultError::Query("it is empty".to_owned()));
        }
        Query::Text(words) => encoder.embed_texts(&[words])?,
        Query::Image(picture) => encoder.embed_images(std::slice::from_ref(picture))?,
        Query::Embedding(_) => Vec::new(),
    };
    embeddings
        .pop()
        .map(pmirs_encoder::Embedding::into_values)
        .ok_or_else(|| VaultError::Internal("the encoder gave nothing".to_owned()))
}

fn cutoff(cutoff: Cutoff, scores: &ScoreSpec, query: &Query, kind: ItemKind) -> Option<f32> {
    match (cutoff, query, kind) {
        (Cutoff::None, ..) | (Cutoff::Calibrated, Query::Embedding(_), _) => None,
        (Cutoff::At(least), ..) => Some(least),
        (Cutoff::Calibrated, Query::Text(_), ItemKind::Image) => scores.text_to_image,
        (Cutoff::Calibrated, Query::Text(_), ItemKind::Text) => scores.text_to_text,
        (Cutoff::Calibrated, Query::Image(_), ItemKind::Image) => scores.image_to_image,
        (Cutoff::Calibrated, Query::Image(_), ItemKind::Text) => scores.image_to_text,
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Best first; items of one score in the order of their identifiers, so that every client shows one order.
fn sort(scored: &mut [Scored]) {
    scored.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then(a.item.cmp(&b.item)));
}
