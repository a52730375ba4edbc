//! A search by the three, joined here.

use std::collections::HashSet;

use pmirs_mpc::{Shares, reconstruct};
use pmirs_wire::split::{Action, Answer, Found, List, Metric, Probing, Search, SharePair, Touched, Version};
use pmirs_wire::{CollectionId, Digest, ItemId};

use super::ask::{Parties, pinned};
use super::rows::deal;
use super::tree::IndexUse;
use super::{STEPS, largest_score, lies, quantised, score_error};
use crate::VaultError;
use crate::collection::Collection;
use crate::search::Index;

/// What the three found.
pub(crate) struct Candidates {
    /// Items with the cosines that their scores say, best first.
    pub(crate) items: Vec<(ItemId, f32)>,
    /// How far such a cosine may lie from the true one.
    pub(crate) error: f32,
    /// Which items were searched.
    pub(crate) rows: HashSet<ItemId>,
    /// Complaints name it.
    pub(crate) session: Digest,
    /// What was looked at, where not every row was.
    pub(crate) used: Option<IndexUse>,
}

/// How often a search starts over because the rows changed between its answer and their list.
const ATTEMPTS: usize = 8;

impl Collection<'_> {
    /// The best `count` rows by shares of this vector.
    pub(crate) fn search_parties(
        &self,
        vector: &[f32],
        count: usize,
        index: Index,
    ) -> Result<Candidates, VaultError> {
        let parties = self.parties()?;
        let mut last = VaultError::Busy;
        for _ in 0..ATTEMPTS {
            let known = match index {
                Index::Scan => None,
                Index::Tree => Some(self.known_tree(&parties)?),
            };
            let probing = known.as_ref().map(|known| known.probing);
            let joined = match parties.search(self.record.id, vector, count, probing) {
                Err(error) if super::ask::is_conflict(&error) => {
                    last = error;
                    continue;
                }
                joined => joined?,
            };
            let rows = match self.rows(&parties, joined.version) {
                Err(VaultError::Busy) => continue,
                rows => rows?,
            };
            if rows.len() as u64 != joined.rows {
                let reason = format_args!("it lists {} rows, the three searched {}", rows.len(), joined.rows);
                return Err(lies(parties.name(0), reason));
            }
            let numbered = match &known {
                Some(known) => self.tree_items(&parties, &known.state)?,
                None => Vec::new(),
            };
            let used = match (&known, &joined.touched) {
                (None, None) => None,
                (Some(known), Some(touched)) if touched.numbered == numbered.len() as u64 => {
                    Some(known.used(touched))
                }
                _ => return Err(lies(parties.name(0), "it searched in another way than it was asked to")),
            };
            let there: HashSet<ItemId> = rows.iter().copied().collect();
            let mut items = Vec::with_capacity(joined.hits.len());
            for (row, score) in joined.hits {
                let item = if known.is_some() {
                    // A tree's numbers begin at 1; 0 is a place that holds nothing.
                    let Some(number) = (row as usize).checked_sub(1) else { continue };
                    let later = number.checked_sub(numbered.len());
                    numbered.get(number).or_else(|| rows.get(later?)).filter(|item| there.contains(item))
                } else {
                    rows.get(row as usize)
                };
                let item = item.copied().ok_or_else(|| {
                    lies(
                        "of the three",
                        format_args!("session {}: row {row} of {}", joined.session, rows.len()),
                    )
                })?;
                items.push((item, score.cast_signed() as f32 / (STEPS * STEPS)));
            }
            items.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let error = score_error(vector.len());
            return Ok(Candidates { items, error, rows: there, session: joined.session, used });
        }
        // A tree that one of the three lacks stays lacking, and who asks should know.
        Err(if index == Index::Tree { last } else { VaultError::Busy })
    }
}

struct Joined {
    version: Version,
    rows: u64,
    session: Digest,
    touched: Option<Touched>,
    hits: Vec<(u32, u32)>,
}

impl Parties {
    /// Has the three meet, over a search that finds nothing of interest.
    pub(crate) fn meet(&self, collection: CollectionId, dim: usize) -> Result<(), VaultError> {
        match self.search(collection, &vec![0.0; dim], 1, None) {
            Err(error) if !super::ask::is_conflict(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn search(
        &self,
        collection: CollectionId,
        vector: &[f32],
        count: usize,
        tree: Option<Probing>,
    ) -> Result<Joined, VaultError> {
        let (bytes, parts) = pinned(&deal(&quantised(vector))?)?;
        let search = Search {
            queries: 1,
            k: count as u32,
            metric: Metric::InnerProduct,
            largest: largest_score(vector.len()),
            parts,
            tree,
        };
        let order = self.order(collection, Action::Search(search))?;
        let [first, second, third] = self.ask_all(&order, bytes)?;
        let first = self.read_found(0, first)?;
        let others = [self.read_found(1, second)?, self.read_found(2, third)?];
        for (place, other) in others.iter().enumerate() {
            let of = |found: &Found| (found.session, found.version, found.rows, found.touched);
            if of(other) != of(&first) {
                let reason = format_args!("session {}: it speaks of another than the first", first.session);
                return Err(lies(self.name(place + 1), reason));
            }
        }
        let [second, third] = others;
        let (version, session, count_of_rows) = (first.version, first.session, first.rows);
        let touched = first.touched;
        let [first, second, third] = [self.list(0, first)?, self.list(1, second)?, self.list(2, third)?];
        let rows = join(session, [&first.rows, &second.rows, &third.rows])?;
        let scores = join(session, [&first.scores, &second.scores, &third.scores])?;
        if rows.len() != scores.len() || rows.len() > count {
            return Err(lies("of the three", format_args!("session {session}: rows and scores do not fit")));
        }
        // Of a tree, any number of empty places.
        let named: Vec<u32> = rows.iter().copied().filter(|row| touched.is_none() || *row > 0).collect();
        if named.iter().collect::<HashSet<_>>().len() != named.len() {
            return Err(lies("of the three", format_args!("session {session}: it names a row twice")));
        }
        let hits = rows.into_iter().zip(scores).collect();
        Ok(Joined { version, session, rows: count_of_rows, touched, hits })
    }

    fn read_found(&self, place: usize, answer: Answer) -> Result<Found, VaultError> {
        match answer {
            Answer::Found(found) => Ok(found),
            _ => Err(lies(self.name(place), "it answers a search with something else")),
        }
    }

    fn list(&self, place: usize, found: Found) -> Result<List, VaultError> {
        let mut lists = found.lists.into_iter();
        match (lists.next(), lists.next()) {
            (Some(list), None) => Ok(list),
            _ => Err(lies(self.name(place), "it answers one query with another number of lists")),
        }
    }
}

/// Every component is held by two, who must agree on it.
fn join(session: Digest, pairs: [&SharePair; 3]) -> Result<Vec<u32>, VaultError> {
    let [first, second, third] = pairs.map(shares);
    let joined = reconstruct(&[first?, second?, third?]);
    joined.map_err(|error| lies("of the three", format_args!("session {session}: {error}")))
}

fn shares(pair: &SharePair) -> Result<Shares<u32>, VaultError> {
    let words = |bytes: &[u8]| -> Result<Vec<u32>, VaultError> {
        let (words, rest) = bytes.as_chunks::<4>();
        if rest.is_empty() {
            return Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect());
        }
        Err(lies("of the three", "its shares are no whole words"))
    };
    Shares::new(words(&pair.own.0)?, words(&pair.next.0)?).map_err(|error| lies("of the three", error))
}
