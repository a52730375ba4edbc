//! Keeping up: the collection's signed history and, by it, what this machine holds of the items.

use std::sync::Arc;
use std::sync::PoisonError;

use pmirs_wire::item::{Change as ItemChange, Changes, ItemRecord};
use pmirs_wire::{Digest, ItemId};
use rayon::prelude::*;

use super::open::open_record;
use super::{Collection, record_digest};
use crate::VaultError;
use crate::history::History;
use crate::keys::{altered_collection, altered_item};
use crate::remote::Timing;

/// How often history and items are asked for again because somebody changed them in between.
const SYNC_ROUNDS: usize = 64;

impl Collection<'_> {
    /// Follows the collection's history and its items into the local store: afterwards that holds every item
    /// that the signed log has at the server's head, as its author wrote it, and no other.
    pub(crate) fn sync(&self) -> Result<Timing, VaultError> {
        for _ in 0..SYNC_ROUNDS {
            self.history().watch();
            match self.sync_since() {
                Err(VaultError::Altered { .. }) if self.history().jumped() => {}
                synced => return synced,
            }
        }
        Err(VaultError::Busy)
    }

    /// The same, while what items were since [`History::watch`] stays known.
    pub(crate) fn sync_since(&self) -> Result<Timing, VaultError> {
        let local = self.vault.local();
        let id = self.record.id;
        let mut history = self.history();
        let mut total = Timing::default();
        for _ in 0..SYNC_ROUNDS {
            let head = history.follow(&self.remote, local)?;
            self.renew_keys(&mut history)?;
            let mut after = local.synced(id)?;
            loop {
                let (page, timing) = self.remote.changes(id, after)?;
                total.seal += timing.seal;
                total.network += timing.network;
                total.open += timing.open;
                let goes_on = page.seq > after && !page.changes.is_empty();
                if page.seq < after || (page.more && !goes_on) {
                    let got = format!("change {} after change {after}", page.seq);
                    return Err(altered_collection(id, "history", &got));
                }
                if page.seq > after {
                    // An epoch may have begun after the head was given.
                    if !self.knows_epochs(&page) {
                        history.follow(&self.remote, local)?;
                        self.renew_keys(&mut history)?;
                    }
                    self.check(&page)?;
                    self.check_pinned(&mut history, &page)?;
                    local.apply(id, &page)?;
                }
                after = page.seq;
                if !page.more {
                    break;
                }
            }
            if after < head.seq {
                let got = format!("changes end at {after}, the head speaks of {}", head.seq);
                return Err(altered_collection(id, "history", &got));
            }
            // Where somebody changed it between the two questions, both are asked again.
            if after == head.seq && history.state().is_some_and(|state| state.hash == head.hash) {
                // Counting takes longer than a search does, so it is done once for each state.
                if history.counted != Some((after, head.hash)) {
                    self.whole(&history)?;
                    history.counted = Some((after, head.hash));
                }
                return Ok(total);
            }
        }
        Err(VaultError::Busy)
    }

    /// Every item that the log has must have come.
    fn whole(&self, history: &History) -> Result<(), VaultError> {
        let (local, id) = (self.vault.local(), self.record.id);
        let expected = history.state().map_or(0, |state| state.items);
        if local.record_count(id)? == expected {
            return Ok(());
        }
        match local.leaf_without_record(id)? {
            Some(item) => Err(altered_item(item, "record", &"the signed log has it, the server left it out")),
            None => Err(altered_collection(id, "items", &"there are more than the signed log has")),
        }
    }

    fn knows_epochs(&self, page: &Changes) -> bool {
        let keys = self.keys();
        page.changes.iter().all(|change| match change {
            ItemChange::Added(record) => keys.epoch(record.epoch).is_ok(),
            ItemChange::Removed(_) => true,
        })
    }

    /// Nothing enters the local store that its author did not write: one lie would stay there for good.
    fn check(&self, page: &Changes) -> Result<(), VaultError> {
        let keys = self.keys();
        page.changes.par_iter().try_for_each(|change| match change {
            ItemChange::Added(ItemRecord { item, epoch, meta, embedding, .. }) => {
                keys.open_meta(*item, *epoch, &meta.0)?;
                keys.open_embedding(*item, *epoch, &embedding.0, self.header.dim).map(drop)
            }
            ItemChange::Removed(_) => Ok(()),
        })
    }

    /// Each change must be one that a member signed.
    fn check_pinned(&self, history: &mut History, page: &Changes) -> Result<(), VaultError> {
        for change in &page.changes {
            let (item, digest) = match change {
                ItemChange::Added(record) => (record.item, Some(record_digest(record))),
                ItemChange::Removed(item) => (*item, None),
            };
            self.pinned(history, item, digest)?;
        }
        Ok(())
    }

    /// Whether an item is, or was a moment ago, what the signed log says.
    ///
    /// # Errors
    /// [`VaultError::Altered`] where it is not; the log is asked for again before that is said.
    pub(crate) fn pinned(
        &self,
        history: &mut History,
        item: ItemId,
        digest: Option<Digest>,
    ) -> Result<(), VaultError> {
        let local = self.vault.local();
        if history.fits(local, item, digest)? {
            return Ok(());
        }
        history.follow(&self.remote, local)?;
        if history.fits(local, item, digest)? {
            return Ok(());
        }
        let there = !history.fits(local, item, None)?;
        let reason = match (digest, there) {
            (None, _) => "the server says that it was removed, the signed log has it",
            (Some(_), true) => "it is not the one in the signed log",
            (Some(_), false) => "no member added it: it is not in the signed log",
        };
        Err(altered_item(item, "record", &reason))
    }

    /// Takes the keys of epochs that the history began or ended since the collection was opened.
    pub(crate) fn renew_keys(&self, history: &mut History) -> Result<(), VaultError> {
        let granted = history.state().into_iter().flat_map(|state| state.grants.keys().copied());
        if granted.eq(self.keys().epochs()) {
            return Ok(());
        }
        let record = self.remote.collection(self.record.id)?;
        let (_, keys, _) = open_record(self.vault, &self.remote, record, history)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }
}
