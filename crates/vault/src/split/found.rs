//! A search by the three, joined here.

use std::collections::HashSet;

use pmirs_mpc::{Shares, reconstruct};
use pmirs_wire::split::{Action, Answer, Found, List, Metric, Probing, Search, SharePair, Touched, Version};
use pmirs_wire::{Bytes, CollectionId, Digest, ItemId};

use super::ask::{Parties, pinned};
use super::rows::deal;
use super::tree::{IndexUse, Known};
use super::{cosine_of, largest_score, lies, quantised, score_error};
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
    /// What was looked at, where it was not every row.
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
        let id = self.record.id;
        let mut conflict = None;
        for _ in 0..ATTEMPTS {
            let known = match index {
                Index::Scan => None,
                Index::Tree => Some(parties.explained(id, self.known_tree(&parties))?),
            };
            let probing = known.as_ref().map(|known| known.probing);
            let joined = match parties.search(id, &[vector], count, probing) {
                Err(error) if super::ask::is_conflict(&error) => {
                    conflict = Some(error);
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
            return self.candidates(&parties, vector.len(), joined, &rows, known.as_ref());
        }
        // A tree that one of the three lacks stays lacking, as a store does, and who asks should know.
        Err(conflict.map_or(VaultError::Busy, |error| parties.set_back(id, error)))
    }

    /// The items that the three found, by the rows of the version that they searched.
    fn candidates(
        &self,
        parties: &Parties,
        dim: usize,
        joined: Joined,
        rows: &[ItemId],
        known: Option<&Known>,
    ) -> Result<Candidates, VaultError> {
        let numbered = match known {
            Some(known) => self.tree_items(parties, &known.state)?,
            None => Vec::new(),
        };
        let used = match (known, &joined.touched) {
            (None, None) => None,
            (Some(known), Some(touched)) if touched.numbered == numbered.len() as u64 => {
                Some(known.used(touched))
            }
            _ => return Err(lies(parties.name(0), "it searched in another way than it was asked to")),
        };
        let there: HashSet<ItemId> = rows.iter().copied().collect();
        let mut items = Vec::new();
        for (row, score) in joined.lists.into_iter().flatten() {
            let item = if known.is_some() {
                // A tree's numbers begin at 1; 0 is a place that holds nothing.
                let Some(number) = (row as usize).checked_sub(1) else { continue };
                let later = number.checked_sub(numbered.len());
                let item = numbered.get(number).or_else(|| rows.get(later?));
                item.filter(|item| there.contains(item))
            } else {
                rows.get(row as usize)
            };
            let item = item.copied().ok_or_else(|| {
                lies("of the three", format_args!("session {}: row {row} of {}", joined.session, rows.len()))
            })?;
            items.push((item, cosine_of(score)));
        }
        items.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(Candidates { items, error: score_error(dim), rows: there, session: joined.session, used })
    }
}

pub(super) struct Joined {
    version: Version,
    rows: u64,
    session: Digest,
    touched: Option<Touched>,
    /// Of each query: rows and scores.
    pub(super) lists: Vec<Vec<(u32, u32)>>,
    pub(super) rounds: u32,
    /// Bytes that the three sent to each other.
    pub(super) sent: u64,
}

impl Parties {
    /// Has the three meet, so that one that missed something catches up.
    pub(crate) fn meet(&self, collection: CollectionId) -> Result<(), VaultError> {
        let order = self.order(collection, Action::Meet)?;
        let met = self.ask_all(&order, [const { Bytes(Vec::new()) }; 3]);
        match self.explained(collection, met) {
            Err(error) if !super::ask::is_conflict(&error) => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn search(
        &self,
        collection: CollectionId,
        vectors: &[&[f32]],
        count: usize,
        tree: Option<Probing>,
    ) -> Result<Joined, VaultError> {
        let words: Vec<u32> = vectors.iter().flat_map(|vector| quantised(vector)).collect();
        let (bytes, parts) = pinned(&deal(&words)?)?;
        let search = Search {
            queries: vectors.len() as u32,
            k: count as u32,
            metric: Metric::InnerProduct,
            largest: largest_score(vectors.first().map_or(0, |vector| vector.len())),
            parts,
            tree,
        };
        let order = self.order(collection, Action::Search(search))?;
        let [first, second, third] = self.explained(collection, self.ask_all(&order, bytes))?;
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
        for (place, found) in [&first, &second, &third].into_iter().enumerate() {
            if found.lists.len() != vectors.len() {
                return Err(lies(
                    self.name(place),
                    "it answers with another number of lists than of queries",
                ));
            }
        }
        let (version, session, rows, rounds) = (first.version, first.session, first.rows, first.rounds);
        let touched = first.touched;
        let sent = [first.sent, second.sent, third.sent].into_iter().fold(0, u64::saturating_add);
        let of_three = first.lists.iter().zip(&second.lists).zip(&third.lists);
        let lists = of_three.map(|((first, second), third)| {
            let rows = join_list(session, [first, second, third], count)?;
            named_once(session, &rows, touched.is_some()).map(|()| rows)
        });
        let lists = lists.collect::<Result<Vec<_>, VaultError>>()?;
        Ok(Joined { version, rows, session, touched, lists, rounds, sent })
    }

    fn read_found(&self, place: usize, answer: Answer) -> Result<Found, VaultError> {
        match answer {
            Answer::Found(found) => Ok(found),
            _ => Err(lies(self.name(place), "it answers a search with something else")),
        }
    }
}

/// Rows and scores of one query.
fn join_list(session: Digest, lists: [&List; 3], count: usize) -> Result<Vec<(u32, u32)>, VaultError> {
    let rows = join(session, lists.map(|list| &list.rows))?;
    let scores = join(session, lists.map(|list| &list.scores))?;
    if rows.len() != scores.len() || rows.len() > count {
        return Err(lies("of the three", format_args!("session {session}: rows and scores do not fit")));
    }
    Ok(rows.into_iter().zip(scores).collect())
}

/// No row may be there twice; of a tree, any number of empty places, which bear the number 0.
fn named_once(session: Digest, hits: &[(u32, u32)], of_tree: bool) -> Result<(), VaultError> {
    let named = || hits.iter().map(|(row, _)| *row).filter(|row| !of_tree || *row > 0);
    if named().collect::<HashSet<_>>().len() == named().count() {
        return Ok(());
    }
    Err(lies("of the three", format_args!("session {session}: it names a row twice")))
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
