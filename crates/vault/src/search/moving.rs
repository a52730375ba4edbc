//! A search of a collection that goes over to another model, so that items are of several.
//!
//! All are ranked by one model: the current one, or where this machine lacks it, the latest before it that is here.
//! Items of that model are found as ever. Of the others a query by their own model finds candidates, and these are embedded
//! anew on this machine, from their contents, and kept: then their cosines are what they will be once they were moved,
//! to the bit. More are looked at until hardly any that is left can belong to the answer ([`super::doubt`]).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use pmirs_encoder::Encoder;
use pmirs_encoder::pack::ScoreSpec;
use pmirs_wire::ItemId;
use pmirs_wire::collection::Protection;

use super::doubt::{self, ENOUGH};
use super::{
    Audit, Breakdown, Cutoff, Found, Index, Moving, Query, Scored, SearchOptions, Wanted, dot, embed, sort,
};
use crate::VaultError;
use crate::adopt::{Anew, anew};
use crate::collection::{Collection, Model, Models};

/// Once it has fetched so many contents, a search looks no deeper.
const MOST_FETCHED: usize = 1024;

/// An answer, ranked by one model.
pub(super) struct Ranked {
    pub(super) found: Found,
    /// What that model's scores mean.
    pub(super) scores: ScoreSpec,
    pub(super) moving: Moving,
}

/// Candidates of the first look, for k wanted items.
fn first_look(k: usize) -> usize {
    (4 * k).max(64)
}

pub(super) fn find(
    collection: &Collection<'_>,
    models: &Models,
    query: &Query,
    options: &SearchOptions,
    breakdown: &mut Breakdown,
) -> Result<Ranked, VaultError> {
    let here = AtHand::of(collection, models, query)?;
    // Which item of which model lies in which cell nothing tells, so an index would leave items out unnoticed.
    let scanned = SearchOptions { index: Index::Scan, ..options.clone() };
    let instead = scanned.index != options.index && collection.record.protection == Protection::Split;
    let options = &scanned;
    let encoding = Instant::now();
    let (vector, scores) = embed(collection, here.model, query)?;
    breakdown.encode += encoding.elapsed();
    let wanted = Wanted { vector: &vector, only: Some(here.model), options };
    let stood = collection.history().number();
    let found = super::find(collection, wanted, breakdown)?;
    let mut going = Going {
        collection,
        model: here.model,
        encoder: here.encoder,
        vector: &vector,
        options,
        found,
        moving: Moving { ranked_by: here.model.name.clone(), looked_at: 0, fetched: 0, missing: 0.0 },
        ranked: HashSet::new(),
    };
    for other in here.others {
        let encoding = Instant::now();
        let (old, _) = embed(collection, other, query)?;
        breakdown.encode += encoding.elapsed();
        going.go_over(other, &old, breakdown)?;
    }
    // An item that was moved in between was of the one model when that was asked for, and of the other then.
    if collection.history().number() != stood {
        going.meet_moved(super::find(collection, wanted, breakdown)?);
    }
    for missing in here.missing {
        going.found.exact = false;
        going.moving.missing = f64::INFINITY;
        going.found.warnings.push(missing);
    }
    let Going { mut found, moving, ranked, .. } = going;
    if instead {
        found.warnings.push(
            "the collection goes over to another model: every item was looked at, and not the index"
                .to_owned(),
        );
    }
    if collection.record.protection == Protection::Split {
        without_twins(&mut found, &ranked)?;
    }
    Ok(Ranked { found, scores, moving })
}

/// Which of the collection's models this machine has.
struct AtHand<'a> {
    /// The one to rank by, and what runs it where something may have to be embedded.
    model: &'a Model,
    encoder: Option<Arc<Encoder>>,
    /// Others, by which candidates are found.
    others: Vec<&'a Model>,
    /// Why items of the remaining ones are not found.
    missing: Vec<String>,
}

impl<'a> AtHand<'a> {
    fn of(collection: &Collection<'_>, models: &'a Models, query: &Query) -> Result<Self, VaultError> {
        let unfound = |model: &Model, why: &dyn std::fmt::Display| {
            format!("items that '{}' embedded were not searched: {why}", model.name)
        };
        // A vector is by the current model, and there is no other for the same query.
        if let Query::Embedding(_) = query {
            let missing =
                models.earlier().iter().map(|it| unfound(it, &"the query is a vector of the current model"));
            let missing = missing.collect();
            return Ok(Self { model: models.current(), encoder: None, others: Vec::new(), missing });
        }
        let mut ranks: Option<(&Model, Arc<Encoder>)> = None;
        let (mut others, mut missing, mut first) = (Vec::new(), Vec::new(), None);
        for model in models.all() {
            match (collection.vault.encoder_of(model), &ranks) {
                (Ok(encoder), None) => ranks = Some((model, encoder)),
                (Ok(_), Some(_)) => others.push(model),
                (Err(error), _) => {
                    let digest =
                        model.digest.map(|digest| format!(" (SHA-256 {digest})")).unwrap_or_default();
                    let why = format!("{error}{digest}; `pmirs model add FOLDER` takes its pack");
                    missing.push(unfound(model, &why));
                    first.get_or_insert(error);
                }
            }
        }
        match (ranks, first) {
            (Some((model, encoder)), _) => Ok(Self { model, encoder: Some(encoder), others, missing }),
            (None, Some(error)) => Err(error),
            (None, None) => Err(VaultError::Internal("a collection without a model".to_owned())),
        }
    }
}

/// A search on its way.
struct Going<'a> {
    collection: &'a Collection<'a>,
    /// The model that ranks, with the query's embedding by it.
    model: &'a Model,
    encoder: Option<Arc<Encoder>>,
    vector: &'a [f32],
    options: &'a SearchOptions,
    /// What is ranked by now.
    found: Found,
    moving: Moving,
    /// Items among that of which the collection has another model's embedding.
    ranked: HashSet<ItemId>,
}

impl Going<'_> {
    /// Ranks items of another model, until hardly any that is left can belong to the answer.
    fn go_over(&mut self, other: &Model, old: &[f32], breakdown: &mut Breakdown) -> Result<(), VaultError> {
        let Some(encoder) = self.encoder.clone() else { return Ok(()) };
        let own = self.found.scored.len();
        let mut known: HashMap<ItemId, f32> = HashMap::new();
        let mut unopened: HashSet<ItemId> = HashSet::new();
        let mut fetched = 0;
        let mut count = first_look(self.options.k);
        loop {
            // The first look is audited as any search is; deeper ones ask the same question.
            let audit = if known.is_empty() { self.options.audit } else { Audit::Some(0) };
            let options = SearchOptions { k: count, cutoff: Cutoff::None, audit, ..self.options.clone() };
            let wanted = Wanted { vector: old, only: Some(other), options: &options };
            let mut looked = super::find(self.collection, wanted, breakdown)?;
            let whole = looked.scored.len() < count;
            looked.scored.truncate(count);
            self.found.candidates += looked.candidates;
            self.note(looked.warnings);

            let embedding = Instant::now();
            let fresh: Vec<ItemId> = looked
                .scored
                .iter()
                .map(|it| it.item)
                .filter(|item| !known.contains_key(item) && !unopened.contains(item))
                .collect();
            let Anew { vectors, fetched: more, failed } =
                anew(self.collection, &encoder, self.model, &fresh)?;
            fetched += more;
            known.extend(vectors.iter().map(|(item, vector)| (*item, dot(self.vector, vector))));
            for (item, reason) in failed {
                self.found.exact = false;
                self.note(vec![format!("item {item} could not be ranked: {reason}")]);
                unopened.insert(item);
            }
            breakdown.anew += embedding.elapsed();

            let pairs: Vec<(f32, f32)> = looked
                .scored
                .iter()
                .filter_map(|it| known.get(&it.item).map(|new| (it.cosine, *new)))
                .collect();
            self.rank(looked.scored, &known);
            let items = self.collection.history().state().map_or(0, |state| state.items) as usize;
            // How many are of which model a server need not know, so all that were not seen count.
            let left = if whole { 0 } else { items.saturating_sub(pairs.len() + own.min(items)) };
            let bar = self.found.scored.get(self.options.k.saturating_sub(1)).map(|it| it.cosine);
            let missing = match bar {
                _ if left == 0 || self.options.k == 0 => 0.0,
                Some(bar) => doubt::expected(&pairs, left, bar),
                None => f64::INFINITY,
            };
            let stuck = fetched >= MOST_FETCHED || (!whole && !looked.exact);
            if whole || missing <= ENOUGH || stuck {
                self.moving.looked_at += pairs.len();
                self.moving.fetched += fetched;
                self.moving.missing += missing;
                self.found.exact &= left == 0 && looked.exact;
                if missing > ENOUGH {
                    self.note(vec![unsettled(other, self.model, pairs.len())]);
                }
                return Ok(());
            }
            count *= 2;
        }
    }

    /// Takes what was found again of the model that ranks, in the place of what was made of the same items here.
    fn meet_moved(&mut self, again: Found) {
        let moved: HashSet<ItemId> = again.scored.iter().map(|it| it.item).collect();
        self.found.scored.retain(|it| !moved.contains(&it.item));
        self.found.scored.extend(again.scored);
        self.ranked.retain(|item| !moved.contains(item));
        self.found.exact &= again.exact;
        self.found.candidates += again.candidates;
        self.note(again.warnings);
        sort(&mut self.found.scored);
    }

    /// Puts items of another model among those that were found, in the place of an earlier look's.
    fn rank(&mut self, looked: Vec<Scored>, known: &HashMap<ItemId, f32>) {
        let before: HashSet<ItemId> = looked.iter().map(|it| it.item).collect();
        self.found.scored.retain(|it| !before.contains(&it.item));
        for it in looked {
            if let Some(&cosine) = known.get(&it.item) {
                self.ranked.insert(it.item);
                self.found.scored.push(Scored { cosine, ..it });
            }
        }
        sort(&mut self.found.scored);
    }

    /// What a person should know, once.
    fn note(&mut self, warnings: Vec<String>) {
        for warning in warnings {
            if !self.found.warnings.contains(&warning) {
                self.found.warnings.push(warning);
            }
        }
    }
}

fn unsettled(other: &Model, model: &Model, looked_at: usize) -> String {
    format!(
        "the collection goes over from '{}' to '{}', and the {looked_at} items that were ranked do not settle the answer: \
         searched again, it goes on from there",
        other.name, model.name
    )
}

/// At `split` an item goes by another identifier once it was moved, and for a moment by both: then the new one counts.
fn without_twins(found: &mut Found, ranked: &HashSet<ItemId>) -> Result<(), VaultError> {
    let mut moved = HashSet::new();
    let mut of = Vec::with_capacity(found.scored.len());
    for it in &found.scored {
        let meta = it.open()?;
        let (old, what) = (ranked.contains(&it.item), (meta.content, meta.name));
        if !old {
            moved.insert(what.clone());
        }
        of.push((old, what));
    }
    let mut of = of.into_iter();
    found.scored.retain(|_| of.next().is_none_or(|(old, what)| !old || !moved.contains(&what)));
    Ok(())
}
