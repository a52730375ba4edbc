//! Veiled vectors in memory, one matrix per collection and epoch.
//!
//! A matrix is loaded when it is first searched and follows every committed change after that. Changes of one
//! collection are committed and applied under one lock ([`Rankings::in_order`]), so the matrix sees them in
//! the order of the store. A load may see a change that is applied again right after it; applying a change
//! twice changes nothing, because rows are never used twice.
//!
//! Beside each matrix lie the filter tokens of its rows. A filtered search scores the rows that have all of the
//! filter's tokens and no others ([`filter`]).

mod filter;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use pmirs_index::{IndexError, Matrix, Quantised};
use pmirs_wire::FilterToken;
use pmirs_wire::item::{NewItem, VeiledVector};

use self::filter::Tokens;
use crate::storage::{ItemToAdd, Place, Row, StorageError, Store, VeiledRow};

/// Enough that two collections rarely share one.
const LOCKS: usize = 64;

/// Every matrix in memory.
pub(crate) struct Rankings {
    loaded: RwLock<HashMap<(Place, u32), Arc<Ranking>>>,
    locks: [Mutex<()>; LOCKS],
}

/// What a search looks for.
pub(crate) struct Wanted<'a> {
    pub(crate) query: Quantised,
    pub(crate) filter: &'a [FilterToken],
    /// How many of the best to leave out.
    pub(crate) skip: usize,
    /// How many to find after those.
    pub(crate) count: usize,
}

/// The best rows of an epoch.
pub(crate) struct Ranked {
    /// Best first, equal scores by place in the matrix.
    pub(crate) rows: Vec<(Row, f32)>,
    /// How many rows were scored.
    pub(crate) scored: u64,
}

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RankingError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("veiled vectors: {0}")]
    Index(#[from] IndexError),
}

impl Rankings {
    pub(crate) fn new() -> Self {
        Self { loaded: RwLock::default(), locks: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Whoever changes a collection holds this from the commit until the matrix has followed.
    pub(crate) fn in_order(&self, place: Place) -> MutexGuard<'_, ()> {
        let [first, ..] = &self.locks;
        let lock = self.locks.get(place.0.unsigned_abs() as usize % LOCKS).unwrap_or(first);
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The best `count` rows after the best `skip`, of those that have all tokens of the filter.
    pub(crate) fn top(
        &self,
        store: &dyn Store,
        (place, epoch, dim): (Place, u32, usize),
        wanted: &Wanted<'_>,
        threads: usize,
    ) -> Result<Ranked, RankingError> {
        let ranking = self.ranking(place, epoch);
        loop {
            let state = ranking.state.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(loaded) = state.as_ref() {
                return Ok(loaded.top(wanted, threads)?);
            }
            drop(state);
            let mut state = ranking.state.write().unwrap_or_else(PoisonError::into_inner);
            if state.is_none() {
                *state = Some(Loaded::read(store, place, epoch, dim)?);
            }
        }
    }

    /// Follows committed additions, each with its row.
    pub(crate) fn add(&self, place: Place, added: &[ItemToAdd<'_>], rows: &[Row]) {
        for (ItemToAdd { item: NewItem { epoch, veiled, tokens, .. }, .. }, &row) in added.iter().zip(rows) {
            if let Some(veiled) = veiled {
                self.follow(place, *epoch, |loaded| loaded.add(row, &quantised(veiled), tokens));
            }
        }
    }

    /// Follows committed removals.
    pub(crate) fn remove(&self, place: Place, removed: &[(u32, Row)]) {
        for &(epoch, row) in removed {
            self.follow(place, epoch, |loaded| loaded.remove(row));
        }
    }

    /// Forgets a collection that is gone.
    pub(crate) fn forget(&self, place: Place) {
        self.loaded.write().unwrap_or_else(PoisonError::into_inner).retain(|&(loaded, _), _| loaded != place);
    }

    fn ranking(&self, place: Place, epoch: u32) -> Arc<Ranking> {
        let key = (place, epoch);
        let known = self.loaded.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(loaded.entry(key).or_default())
        })
    }

    /// Applies a change to a matrix that is in memory. One that cannot follow is dropped, and loaded again
    /// when it is next searched.
    fn follow(&self, place: Place, epoch: u32, change: impl FnOnce(&mut Loaded) -> Result<(), IndexError>) {
        let key = (place, epoch);
        let known = self.loaded.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let Some(ranking) = known else { return };
        let mut state = ranking.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = state.as_mut()
            && let Err(error) = change(loaded)
        {
            tracing::error!(%error, "a matrix could not follow a change and will be loaded again");
            *state = None;
        }
    }
}

/// One matrix, or nothing before its first search.
#[derive(Default)]
struct Ranking {
    state: RwLock<Option<Loaded>>,
}

struct Loaded {
    matrix: Matrix,
    /// The store's row of each row of the matrix.
    rows: Vec<Row>,
    /// And back.
    places: HashMap<Row, u32>,
    tokens: Tokens,
}

impl Loaded {
    fn read(store: &dyn Store, place: Place, epoch: u32, dim: usize) -> Result<Self, RankingError> {
        let matrix = Matrix::new(dim)?;
        let mut loaded = Self { matrix, rows: Vec::new(), places: HashMap::new(), tokens: Tokens::default() };
        let mut outcome = Ok(());
        let damaged = |row: Row, error: &IndexError| StorageError::Damaged {
            what: format!("veiled vector {}", row.0),
            detail: error.to_string(),
        };
        store.veiled_rows(place, epoch, &mut |row, VeiledRow { scale, values, tokens }| {
            if outcome.is_ok() {
                let values = values.iter().map(|&value| value as i8).collect();
                let added = loaded.add(row, &Quantised { scale, values }, &tokens);
                outcome = added.map_err(|error| damaged(row, &error));
            }
        })?;
        outcome?;
        Ok(loaded)
    }

    fn add(&mut self, row: Row, vector: &Quantised, tokens: &[FilterToken]) -> Result<(), IndexError> {
        if self.places.contains_key(&row) {
            return Ok(());
        }
        let place = self.matrix.push(vector)?;
        self.rows.push(row);
        self.places.insert(row, place);
        self.tokens.push(tokens);
        Ok(())
    }

    fn remove(&mut self, row: Row) -> Result<(), IndexError> {
        let Some(place) = self.places.remove(&row) else { return Ok(()) };
        self.matrix.swap_remove(place)?;
        self.rows.swap_remove(place as usize);
        self.tokens.swap_remove(place);
        if let Some(&moved) = self.rows.get(place as usize) {
            self.places.insert(moved, place);
        }
        Ok(())
    }

    fn top(&self, wanted: &Wanted<'_>, threads: usize) -> Result<Ranked, IndexError> {
        let Wanted { ref query, filter, skip, count } = *wanted;
        let (hits, scored) = if filter.is_empty() {
            (self.matrix.top_k(query, skip + count, threads)?, self.matrix.len())
        } else {
            let among = self.tokens.matching(filter);
            (self.matrix.top_k_among(query, skip + count, &among, threads)?, among.len())
        };
        let rows = hits
            .iter()
            .skip(skip)
            .filter_map(|hit| self.rows.get(hit.row as usize).map(|&row| (row, hit.score)))
            .collect();
        Ok(Ranked { rows, scored: scored as u64 })
    }
}

/// The vector as the matrix takes it.
pub(crate) fn quantised(veiled: &VeiledVector) -> Quantised {
    Quantised { scale: veiled.scale, values: veiled.values.0.iter().map(|&value| value as i8).collect() }
}
