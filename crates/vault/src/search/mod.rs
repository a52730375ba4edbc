//! Search: a description or a picture in, opened and re-ranked items out.
//!
//! Both levels end alike: candidates with their sealed records come together, true embeddings are opened
//! here, and the cosine computed here decides the order. They differ in who finds the candidates: the cloud
//! over veiled vectors, or this machine over its own index.

mod audit;
mod doubt;
mod filter;
mod moving;
mod sealed;
mod split;
mod veiled;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pmirs_encoder::Picture;
use pmirs_encoder::pack::ScoreSpec;
use pmirs_wire::collection::Protection;
use pmirs_wire::sealed::ItemKind;
use pmirs_wire::{Bytes, ItemId};

use crate::collection::{self, Collection, Model, Models};
use crate::keys::CollectionKeys;
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
    /// What it took to rank by one model, where the collection goes over to another.
    pub moving: Option<Moving>,
    /// Where the time went.
    pub breakdown: Breakdown,
}

/// What a search did in a collection whose items are of more than one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Moving {
    /// The model by which everything was ranked: name and version.
    pub ranked_by: String,
    /// Candidates with an earlier model's embedding that were ranked.
    pub looked_at: usize,
    /// Contents that were fetched for that; the others had been embedded here before.
    pub fetched: usize,
    /// How many items are expected to be missing from the answer, by how the models' scores went together in this
    /// search; 0 where every item was ranked.
    pub missing: f64,
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
    /// Embedding candidates anew, contents included, where the collection goes over to another model.
    pub anew: Duration,
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
    /// What opened it: the collection's may have moved on, and no longer know its epoch.
    keys: Arc<CollectionKeys>,
}

impl Scored {
    fn open(&self) -> Result<ItemMeta, VaultError> {
        self.keys.open_meta(self.item, self.epoch, &self.meta.0)
    }
}

/// What a level is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The query, by a model.
    vector: &'a [f32],
    /// The model that items must be of; nothing where all are of one.
    only: Option<&'a Model>,
    options: &'a SearchOptions,
}

impl Wanted<'_> {
    /// Whether an item with this sealed metadata counts, as its filter and its model say.
    fn admits(
        &self,
        keys: &CollectionKeys,
        item: ItemId,
        epoch: u32,
        sealed: &[u8],
    ) -> Result<bool, VaultError> {
        let filter = &self.options.filter;
        if filter.is_open() && self.only.is_none() {
            return Ok(true);
        }
        let meta = keys.open_meta(item, epoch, sealed)?;
        Ok(filter.admits(&meta) && self.only.is_none_or(|model| model.name == meta.model))
    }
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
    for _ in 0..ATTEMPTS {
        let models = collection.models();
        let answer = search_by(collection, &models, query, options);
        if collection.models().settings == models.settings {
            return answer;
        }
    }
    Err(VaultError::Busy)
}

/// A search of a collection whose items are of these models.
fn search_by(
    collection: &Collection<'_>,
    models: &Models,
    query: &Query,
    options: &SearchOptions,
) -> Result<Answer, VaultError> {
    let started = Instant::now();
    let mut breakdown = Breakdown::default();
    let (found, scores, moving) = if models.is_moving() {
        let moving::Ranked { found, scores, moving } =
            moving::find(collection, models, query, options, &mut breakdown)?;
        (found, scores, Some(moving))
    } else {
        let model = models.current();
        let (vector, scores) = embed(collection, model, query)?;
        breakdown.encode = started.elapsed();
        let wanted = Wanted { vector: &vector, only: None, options };
        (find(collection, wanted, &mut breakdown)?, scores, None)
    };

    let finishing = Instant::now();
    let mut hits = Vec::with_capacity(options.k.min(found.scored.len()));
    for scored in found.scored.iter().take(options.k) {
        let meta = scored.open()?;
        let score = scored.cosine.clamp(-1.0, 1.0);
        if cutoff(options.cutoff, &scores, query, meta.kind).is_none_or(|least| score >= least) {
            hits.push(Hit { item: scored.item, score, meta });
        }
    }
    breakdown.rerank += finishing.elapsed();
    breakdown.total = started.elapsed();
    let Found { candidates, exact, used, warnings, .. } = found;
    Ok(Answer { hits, exact, candidates, used, warnings, moving, breakdown })
}

/// The nearest items, as the collection's level finds them.
fn find(
    collection: &Collection<'_>,
    wanted: Wanted<'_>,
    breakdown: &mut Breakdown,
) -> Result<Found, VaultError> {
    match collection.record.protection {
        Protection::Veiled => veiled::find(collection, wanted, breakdown),
        Protection::Sealed => sealed::find(collection, wanted, breakdown),
        Protection::Split => split::find(collection, wanted, breakdown),
    }
}

/// How often a search starts over because the log moved under it.
const ATTEMPTS: usize = 8;

/// Searches until nothing gets in between: an attempt returns nothing where it was overtaken. A fault that it finds counts
/// only if no other process of this home followed the log meanwhile.
fn undisturbed<T>(
    collection: &Collection<'_>,
    mut attempt: impl FnMut(usize) -> Result<Option<T>, VaultError>,
) -> Result<T, VaultError> {
    for number in 0..ATTEMPTS {
        match attempt(number) {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(VaultError::Altered { .. }) if collection.history().jumped() => {}
            Err(error) => return Err(error),
        }
    }
    Err(VaultError::Busy)
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

/// The query by one of the collection's models, and what that model's scores mean.
fn embed(
    collection: &Collection<'_>,
    model: &Model,
    query: &Query,
) -> Result<(Vec<f32>, ScoreSpec), VaultError> {
    if let Query::Embedding(vector) = query {
        let dim = model.dim as usize;
        if vector.len() != dim {
            return Err(VaultError::Query(format!("it has {} dimensions instead of {dim}", vector.len())));
        }
        return Ok((vector.clone(), ScoreSpec::default()));
    }
    let encoder = collection.vault.encoder_of(model)?;
    let mut embeddings = match query {
        Query::Text(words) if words.trim().is_empty() => {
            return Err(VaultError::Query("it is empty".to_owned()));
        }
        Query::Text(words) => encoder.embed_texts(&[words])?,
        Query::Image(picture) => encoder.embed_images(std::slice::from_ref(picture))?,
        Query::Embedding(_) => Vec::new(),
    };
    let vector = embeddings.pop().map(pmirs_encoder::Embedding::into_values);
    let vector = vector.ok_or_else(|| VaultError::Internal("the encoder gave nothing".to_owned()))?;
    Ok((vector, encoder.info().scores.clone()))
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
