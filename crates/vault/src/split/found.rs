//! A search by the three, joined here.

use std::collections::HashSet;

use pmirs_mpc::{Shares, reconstruct};
use pmirs_wire::split::{Action, Answer, Found, List, Metric, Search, SharePair, Version};
use pmirs_wire::{CollectionId, Digest, ItemId};

use super::ask::{Parties, pinned};
use super::rows::deal;
use super::{STEPS, largest_score, lies, quantised, score_error};
use crate::VaultError;
use crate::collection::Collection;

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
}

/// How often a search starts over because the rows changed between its answer and their list.
const ATTEMPTS: usize = 8;

impl Collection<'_> {
    /// The best `count` rows by shares of this vector.
    pub(crate) fn search_parties(&self, vector: &[f32], count: usize) -> Result<Candidates, VaultError> {
        let parties = self.parties()?;
        for _ in 0..ATTEMPTS {
            let joined = match parties.search(self.record.id, vector, count) {
                Err(error) if super::ask::is_conflict(&error) => continue,
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
            let mut items = Vec::with_capacity(joined.hits.len());
            for (row, score) in joined.hits {
                let item = rows.get(row as usize).copied();
                let item = item.ok_or_else(|| {
                    lies(
                        "of the three",
                        format_args!("session {}: row {row} of {}", joined.session, rows.len()),
                    )
                })?;
                items.push((item, score.cast_signed() as f32 / (STEPS * STEPS)));
            }
            items.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let error = score_error(vector.len());
            return Ok(Candidates {
                items,
                error,
                rows: rows.into_iter().collect(),
                session: joined.session,
            });
        }
        Err(VaultError::Busy)
    }
}

struct Joined {
    version: Version,
    rows: u64,
    session: Digest,
    hits: Vec<(u32, u32)>,
}

impl Parties {
    /// Has the three meet, over a search that finds nothing of interest.
    pub(crate) fn meet(&self, collection: CollectionId, dim: usize) -> Result<(), VaultError> {
        match self.search(collection, &vec![0.0; dim], 1) {
            Err(error) if !super::ask::is_conflict(&error) => Err(error),
            _ => Ok(()),
        }
    }

    fn search(&self, collection: CollectionId, vector: &[f32], count: usize) -> Result<Joined, VaultError> {
        let (bytes, parts) = pinned(&deal(&quantised(vector))?)?;
        let search = Search {
            queries: 1,
            k: count as u32,
            metric: Metric::InnerProduct,
            largest: largest_score(vector.len()),
            parts,
            tree: None,
        };
        let order = self.order(collection, Action::Search(search))?;
        let [first, second, third] = self.ask_all(&order, bytes)?;
        let first = self.read_found(0, first)?;
        let others = [self.read_found(1, second)?, self.read_found(2, third)?];
        for (place, other) in others.iter().enumerate() {
            if (other.session, other.version, other.rows) != (first.session, first.version, first.rows) {
                let reason = format_args!("session {}: it speaks of another than the first", first.session);
                return Err(lies(self.name(place + 1), reason));
            }
        }
        let [second, third] = others;
        let (version, session, count_of_rows) = (first.version, first.session, first.rows);
        let [first, second, third] = [self.list(0, first)?, self.list(1, second)?, self.list(2, third)?];
        let rows = join(session, [&first.rows, &second.rows, &third.rows])?;
        let scores = join(session, [&first.scores, &second.scores, &third.scores])?;
        if rows.len() != scores.len() || rows.len() > count {
            return Err(lies("of the three", format_args!("session {session}: rows and scores do not fit")));
        }
        if rows.iter().collect::<HashSet<_>>().len() != rows.len() {
            return Err(lies("of the three", format_args!("session {session}: it names a row twice")));
        }
        Ok(Joined { version, session, rows: count_of_rows, hits: rows.into_iter().zip(scores).collect() })
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
