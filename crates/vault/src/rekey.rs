//! Moving items of earlier epochs under the latest epoch's keys.
//!
//! Batch by batch, items are fetched, opened, sealed and veiled anew, and replaced by one entry of the log: each
//! batch is there whole or not at all, so the work can end at any moment and goes on where it was. Meanwhile
//! searches ask every live epoch, the oldest first, so that an item on its way is found in one or the other.

use std::time::{Duration, Instant};

use pmirs_wire::ItemId;
use pmirs_wire::collection::Role;
use pmirs_wire::log::{Action, Payload};

use crate::add::protect::seal;
use crate::add::upload::{BATCH_BYTES, BATCH_ITEMS};
use crate::collection::{Collection, Replaced, Resealed, record_digest};
use crate::progress::Progress;
use crate::{ItemMeta, VaultError, fresh};

/// What moving did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RekeyReport {
    /// The epoch that everything is under now.
    pub epoch: u32,
    /// Items that were sealed anew.
    pub moved: u64,
    /// Earlier epochs whose keys were given up.
    pub retired: Vec<u32>,
    /// Items that do not open any more, with the reason; they stay as they are.
    pub damaged: Vec<(ItemId, String)>,
    /// How long it took.
    pub elapsed: Duration,
}

/// The first epoch's key also seals the collection's name and settings, so it is kept for ever.
const KEPT: u32 = 0;

impl Collection<'_> {
    /// Moves every item of an earlier epoch under the latest one; with `full`, under a new one, so that every item
    /// is sealed anew. An epoch that is empty afterwards is given up, where this person is an owner.
    ///
    /// # Errors
    /// When the role does not allow it, or the cloud fails. What was moved stays moved.
    pub fn rekey(&self, full: bool, progress: &dyn Progress) -> Result<RekeyReport, VaultError> {
        let started = Instant::now();
        self.sync()?;
        if full {
            self.rotate()?;
        }
        let mut report = RekeyReport { epoch: self.keys().current_epoch(), ..RekeyReport::default() };
        let earlier: Vec<ItemId> = {
            let mut history = self.history();
            let leaves = history.leaves(self.vault.local())?;
            leaves.items().filter(|&(_, epoch)| epoch < report.epoch).map(|(item, _)| item).collect()
        };
        progress.start("sealing anew", Some(earlier.len() as u64));
        let mut batch = Batch::default();
        let mut earlier = earlier;
        while let Some(item) = earlier.pop() {
            match self.reseal(item) {
                Ok(Some(new)) => batch.push(new),
                // Somebody removed it meanwhile.
                Ok(None) => progress.advance(1),
                Err(VaultError::Altered { reason, field, .. }) => {
                    progress.advance(1);
                    report.damaged.push((item, format!("{field}: {reason}")));
                }
                Err(error) => return Err(error),
            }
            if batch.is_full() || earlier.is_empty() {
                let Replaced { replaced, overtaken } = batch.send(self, progress)?;
                report.moved += replaced;
                // Whoever was faster may have left them under an earlier key.
                let mut history = self.history();
                let leaves = history.leaves(self.vault.local())?;
                earlier.extend(
                    overtaken.into_iter().filter(|it| leaves.epoch(it).is_some_and(|of| of < report.epoch)),
                );
            }
        }
        progress.finish();
        report.retired = self.retire()?;
        self.level(progress)?;
        report.elapsed = started.elapsed();
        Ok(report)
    }

    /// One item under the latest epoch; nothing where it is gone.
    pub(crate) fn reseal(&self, item: ItemId) -> Result<Option<Resealed>, VaultError> {
        self.reseal_with(item, |_| Ok(()))
    }

    /// The same, with metadata that `change` alters.
    pub(crate) fn reseal_with(
        &self,
        item: ItemId,
        change: impl FnOnce(&mut ItemMeta) -> Result<(), VaultError>,
    ) -> Result<Option<Resealed>, VaultError> {
        let (record, mut meta, content) = match self.fetch(item) {
            Ok(opened) => opened,
            Err(VaultError::NoItem(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let dim = self.dim_of(&meta);
        let embedding = self.keys().open_embedding(item, record.epoch, &record.embedding.0, dim)?;
        change(&mut meta)?;
        let new = seal(self, item, meta, &embedding, &content, &mut fresh::rng()?)?;
        Ok(Some(Resealed { new, of: record_digest(&record) }))
    }

    /// Gives up the keys of earlier epochs that hold nothing any more.
    pub(crate) fn retire(&self) -> Result<Vec<u32>, VaultError> {
        let me = self.remote.account();
        let mut retired = Vec::new();
        loop {
            let entry = self.change(&mut |state, leaves| {
                let Some(state) = state
                    .filter(|state| state.members.get(&me).is_some_and(|member| member.role == Role::Owner))
                else {
                    return Ok(None);
                };
                let empty = state.live.iter().copied().find(|&epoch| {
                    epoch != KEPT && epoch < state.epoch && !leaves.items().any(|(_, of)| of == epoch)
                });
                Ok(empty.map(|epoch| (Action::Retire { epoch }, Payload::Nothing)))
            })?;
            match entry.map(|entry| entry.action) {
                Some(Action::Retire { epoch }) => retired.push(epoch),
                _ => break,
            }
        }
        self.renew_keys(&mut self.history())?;
        Ok(retired)
    }
}

/// Resealed items on their way.
#[derive(Default)]
struct Batch {
    items: Vec<Resealed>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, item: Resealed) {
        self.bytes += item.new.content.0.len();
        self.items.push(item);
    }

    fn is_full(&self) -> bool {
        self.items.len() >= BATCH_ITEMS || self.bytes >= BATCH_BYTES
    }

    /// One entry of the log. Where somebody removed an item of the batch, the others go without it.
    fn send(&mut self, collection: &Collection<'_>, progress: &dyn Progress) -> Result<Replaced, VaultError> {
        let sent = collection.replace(std::mem::take(self).items)?;
        progress.advance(sent.replaced);
        Ok(sent)
    }
}
