//! Keeping up: the collection's signed history and, by it, what this machine holds of the items.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, PoisonError};

use pmirs_wire::item::{Change as ItemChange, Changes, ItemRecord};
use pmirs_wire::log::Head;
use pmirs_wire::{Digest, ItemId, limits};
use rayon::prelude::*;

use super::open::{header_digest, open_record};
use super::{Collection, Models, record_digest};
use crate::VaultError;
use crate::history::History;
use crate::keys::{altered_collection, altered_item};
use crate::remote::Timing;

/// How often history and items are asked for again because somebody changed them in between.
const SYNC_ROUNDS: usize = 64;

/// How many entries others may append while changes are read.
const SLACK: u64 = 1000;

/// What pages of changes led to.
enum Pages {
    /// The local store holds what the log pins.
    Level,
    /// Somebody changed the collection meanwhile.
    Moved,
    /// The local store holds something else.
    Unlike(VaultError),
}

impl Collection<'_> {
    /// Follows the collection's history and its items into the local store: afterwards that holds every item
    /// that the signed log has at the server's head, as its author wrote it, and no other.
    pub(crate) fn sync(&self) -> Result<Timing, VaultError> {
        for _ in 0..SYNC_ROUNDS {
            match self.follow_items(true) {
                Err(VaultError::Altered { .. }) if self.history().jumped() => {}
                synced => return synced,
            }
        }
        Err(VaultError::Busy)
    }

    /// The same, while what items were since [`History::watch`] stays known.
    pub(crate) fn sync_since(&self) -> Result<Timing, VaultError> {
        self.follow_items(false)
    }

    fn follow_items(&self, anew: bool) -> Result<Timing, VaultError> {
        let local = self.vault.local();
        let mut history = self.history();
        let mut total = Timing::default();
        let mut retaken = false;
        for round in 0..SYNC_ROUNDS {
            let head = history.follow(&self.remote, local)?;
            // What the log had before the items are asked for is no excuse for an old one.
            if anew && round == 0 {
                history.watch();
            }
            self.renew_keys(&mut history)?;
            match self.follow_pages(&mut history, &head, &mut total)? {
                Pages::Level => return Ok(total),
                Pages::Moved => {}
                // Numbers of changes are the server's word, and one lie would stay: once, all is taken anew, if the server
                // has all now. Else what this machine holds may be all that is left.
                Pages::Unlike(error) => {
                    if retaken || !self.lists_all(&mut history)? {
                        return Err(error);
                    }
                    local.retake(self.record.id)?;
                    (retaken, history.counted) = (true, None);
                }
            }
        }
        Err(VaultError::Busy)
    }

    /// Whether the server's changes, from the first one on, lead to the items that the log has.
    fn lists_all(&self, history: &mut History) -> Result<bool, VaultError> {
        let mut listed = HashMap::new();
        let mut after = 0;
        let mut left = (history.number().unwrap_or(0) + SLACK).saturating_mul(limits::BATCH_ITEMS as u64);
        loop {
            let (page, _) = self.remote.changes(self.record.id, after)?;
            left = left.saturating_sub(page.changes.len() as u64);
            for change in page.changes {
                match change {
                    ItemChange::Added(record) => drop(listed.insert(record.item, record_digest(&record))),
                    ItemChange::Removed(item) => drop(listed.remove(&item)),
                }
            }
            if page.more && (page.seq <= after || left == 0) {
                return Ok(false);
            }
            after = page.seq;
            if !page.more {
                break;
            }
        }
        let leaves = history.leaves(self.vault.local())?;
        let all = leaves.items().all(|(item, _)| leaves.digest(&item) == listed.get(&item).copied());
        Ok(all)
    }

    /// Takes what changed, each of it held to the log.
    fn follow_pages(
        &self,
        history: &mut History,
        head: &Head,
        total: &mut Timing,
    ) -> Result<Pages, VaultError> {
        let (local, id) = (self.vault.local(), self.record.id);
        let unlike = |got: &dyn Display| Ok(Pages::Unlike(altered_collection(id, "history", got)));
        // Each entry of the log changes at most a batch of items.
        let mut left = (history.number().unwrap_or(0) + SLACK).saturating_mul(limits::BATCH_ITEMS as u64);
        let mut after = local.synced(id)?;
        loop {
            let (page, timing) = self.remote.changes(id, after)?;
            total.seal += timing.seal;
            total.network += timing.network;
            total.open += timing.open;
            let goes_on = page.seq > after && !page.changes.is_empty();
            left = left.saturating_sub(page.changes.len() as u64);
            if page.seq < after || (page.more && !goes_on) {
                return unlike(&format_args!("change {} after change {after}", page.seq));
            }
            if left == 0 {
                return unlike(&"there are more changes than the signed log can have made");
            }
            if page.seq > after {
                // An epoch may have begun after the head was given.
                if !self.knows_epochs(&page) {
                    history.follow(&self.remote, local)?;
                    self.renew_keys(history)?;
                }
                self.check(&page)?;
                self.check_pinned(history, &page)?;
                local.apply(id, &page)?;
            }
            after = page.seq;
            if !page.more {
                break;
            }
        }
        if after < head.seq {
            return unlike(&format_args!("changes end at {after}, the head speaks of {}", head.seq));
        }
        // Where somebody changed it between the two questions, both are asked again.
        if after != head.seq || history.state().is_none_or(|state| state.hash != head.hash) {
            return Ok(Pages::Moved);
        }
        // Comparing takes longer than a search does, so it is done once for each state.
        if history.counted != Some((after, head.hash)) {
            if let Err(error) = self.whole() {
                history.look(local)?;
                return if history.jumped() { Err(error) } else { Ok(Pages::Unlike(error)) };
            }
            history.counted = Some((after, head.hash));
        }
        Ok(Pages::Level)
    }

    /// Every item that the log has must be in the local store as the log has it, and no other.
    fn whole(&self) -> Result<(), VaultError> {
        let (local, id) = (self.vault.local(), self.record.id);
        match local.unlike_leaf(id)? {
            Some((item, true)) => Err(altered_item(item, "record", &"it is not the one in the signed log")),
            Some((item, false)) => {
                Err(altered_item(item, "record", &"the signed log has it, the server left it out"))
            }
            None if local.record_count(id)? != local.leaf_count(id)? => {
                Err(altered_collection(id, "items", &"there are more than the signed log has"))
            }
            None => Ok(()),
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
        let (keys, models) = (self.keys(), self.models());
        page.changes.par_iter().try_for_each(|change| match change {
            ItemChange::Added(ItemRecord { item, epoch, meta, embedding, .. }) => {
                let meta = keys.open_meta(*item, *epoch, &meta.0)?;
                keys.open_embedding(*item, *epoch, &embedding.0, models.dim_of(&meta.model)).map(drop)
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

    /// Takes the keys of epochs that the history began or ended since the collection was opened, and settings that
    /// it names instead of those that were known.
    pub(crate) fn renew_keys(&self, history: &mut History) -> Result<(), VaultError> {
        let granted = history.state().into_iter().flat_map(|state| state.grants.keys().copied());
        let settings = self.models().settings;
        if granted.eq(self.keys().epochs()) && history.state().is_none_or(|state| state.header == settings) {
            return Ok(());
        }
        let record = self.remote.collection(self.record.id)?;
        let (record, keys, header) = open_record(self.vault, &self.remote, record, history)?;
        let models = Models::of(&header, header_digest(&record));
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        *self.models.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(models);
        Ok(())
    }
}
