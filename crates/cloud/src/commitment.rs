//! The item sets that logs commit to, in memory.
//!
//! A set is read from the store when its log is first appended to, and follows every entry after that. Whoever
//! uses one holds the collection's order ([`Rankings::in_order`](crate::ranking::Rankings::in_order)).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pmirs_crypto::merkle::ItemSet;

use crate::storage::{Place, StorageError, Store};

/// Above this many leaves in all sets, of some 60 bytes each, the others make room for a new one.
const MOST_LEAVES: usize = 4_000_000;

/// The sets of the collections that were changed lately.
#[derive(Default)]
pub(crate) struct Commitments {
    sets: Mutex<HashMap<Place, Kept>>,
}

struct Kept {
    set: Arc<Mutex<ItemSet>>,
    /// Leaves when it was read. Sets are not locked to be counted, since whoever holds one may want the map.
    leaves: usize,
}

impl Commitments {
    /// A collection's set, as the store has it.
    pub(crate) fn of(&self, store: &dyn Store, place: Place) -> Result<Arc<Mutex<ItemSet>>, StorageError> {
        if let Some(kept) = lock(&self.sets).get(&place) {
            return Ok(Arc::clone(&kept.set));
        }
        let mut leaves = Vec::new();
        store.leaves(place, &mut |item, digest| leaves.push((item.0, digest.0)))?;
        let count = leaves.len();
        let set = Arc::new(Mutex::new(ItemSet::new(leaves)));
        let mut sets = lock(&self.sets);
        if sets.values().map(|kept| kept.leaves).sum::<usize>() > MOST_LEAVES {
            sets.clear();
        }
        sets.insert(place, Kept { set: Arc::clone(&set), leaves: count });
        Ok(set)
    }

    /// Forgets a set that is gone, or that may not be as the store has it.
    pub(crate) fn forget(&self, place: Place) {
        lock(&self.sets).remove(&place);
    }
}

/// A set that panicked halfway would have been forgotten; one that is there is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
