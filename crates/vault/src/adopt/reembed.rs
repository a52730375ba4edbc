//! Moving a collection's items to its current model, from their contents, in the background or not.
//!
//! ```text
//! sync ──▶ items of other models ──▶ fetch, open, prepare ──▶ encode ──▶ seal ──▶ replace: one entry for each batch
//! ```
//!
//! At `split`, the rows of the three servers are known by items alone, so an item that is embedded anew goes by another
//! identifier there: it is added first, and the old one removed.

use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pmirs_encoder::Encoder;
use pmirs_wire::collection::Protection;
use pmirs_wire::item::NewItem;
use pmirs_wire::sealed::ItemMeta;
use pmirs_wire::{Digest, ItemId};

use super::anew::{BATCH, Opened, contents};
use crate::add::again::{self, Prepared};
use crate::add::protect::seal;
use crate::add::upload::{BATCH_BYTES, BATCH_ITEMS};
use crate::collection::{Collection, Model, Resealed, record_digest};
use crate::progress::Progress;
use crate::{VaultError, fresh};

/// What moving a collection to its current model did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReembedReport {
    /// The model that its items are of now.
    pub model: String,
    /// Items that were embedded anew.
    pub moved: u64,
    /// Items that could not be, with the reason; they stay as they are.
    pub left: Vec<(ItemId, String)>,
    /// Earlier models that the collection was told to be done with.
    pub given_up: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// An item that the new model can take.
struct Source {
    item: ItemId,
    of: Digest,
    meta: ItemMeta,
    content: Vec<u8>,
    prepared: Prepared,
}

impl Collection<'_> {
    /// Embeds every item of an earlier model anew by the current one, as a writer. It can end at any moment and goes
    /// on where it was. When nothing is left, an owner's run signs that the earlier models are given up.
    ///
    /// # Errors
    /// [`VaultError::OtherModel`] where this machine lacks the current model; when the role does not allow it, or the
    /// cloud fails. What was moved stays moved.
    pub fn reembed(&self, progress: &dyn Progress) -> Result<ReembedReport, VaultError> {
        let started = Instant::now();
        let mut report = ReembedReport::default();
        let mut stood = None;
        loop {
            self.renew()?;
            self.sync()?;
            let models = self.models();
            let encoder = self.vault.encoder_of(models.current())?;
            report.model.clone_from(&models.current().name);
            if self.record.protection == Protection::Split {
                self.end_exchanges(models.current())?;
            }
            let mut stale = self.stale(models.current())?;
            stale.retain(|item| report.left.iter().all(|(left, _)| left != item));
            if stale.is_empty() {
                break;
            }
            // A round in which nothing came of anything is not begun again.
            let now = Some((report.moved, report.left.len(), self.history().number()));
            if stood == now {
                return Err(VaultError::Busy);
            }
            stood = now;
            progress.start("embedding anew", Some(stale.len() as u64));
            let round = self.round(&encoder, models.current(), &stale, &mut report, progress);
            progress.finish();
            match round {
                // Somebody was revoked, or the collection goes over to yet another model.
                Err(VaultError::NewEpoch | VaultError::NewModel) => {}
                ended => ended?,
            }
        }
        report.given_up = self.give_up_earlier()?;
        self.retire()?;
        self.vault.local().prune_vectors(self.record.id)?;
        self.level(progress)?;
        report.elapsed = started.elapsed();
        Ok(report)
    }

    /// Moves items. The next ones are fetched while the encoder works.
    fn round(
        &self,
        encoder: &Encoder,
        model: &Model,
        items: &[ItemId],
        report: &mut ReembedReport,
        progress: &dyn Progress,
    ) -> Result<(), VaultError> {
        thread::scope(|scope| {
            let (send, fetched) = mpsc::sync_channel(1);
            scope.spawn(move || {
                for batch in items.chunks(BATCH) {
                    // The receiver goes away when something later failed.
                    if send.send(contents(self, batch)).is_err() {
                        return;
                    }
                }
            });
            let mut batch = Moving::default();
            for opened in fetched {
                let mut sources = Vec::with_capacity(BATCH);
                for (item, opened) in opened? {
                    match source(encoder, model, item, opened) {
                        Some(Ok(source)) => sources.push(source),
                        Some(Err(reason)) => {
                            progress.advance(1);
                            report.left.push((item, reason));
                        }
                        None => progress.advance(1),
                    }
                }
                self.embed(encoder, model, sources, &mut batch, report)?;
                if batch.is_full() {
                    batch.send(self, model, report, progress)?;
                }
            }
            batch.send(self, model, report, progress)
        })
    }

    /// Takes away what an earlier run added anew under another identifier and had no time to remove.
    fn end_exchanges(&self, model: &Model) -> Result<(), VaultError> {
        let keys = self.keys();
        let mut moved = HashSet::new();
        let mut old = Vec::new();
        for record in self.local_records()? {
            let ItemMeta { content, name, caption, tags, model: of, .. } =
                keys.open_meta(record.item, record.epoch, &record.meta.0)?;
            let what = (content, name, caption, tags);
            if of == model.name {
                moved.insert(what);
            } else {
                old.push((record.item, what));
            }
        }
        old.retain(|(_, what)| moved.contains(what));
        let old: Vec<ItemId> = old.into_iter().map(|(item, _)| item).collect();
        if old.is_empty() { Ok(()) } else { self.remove(&old).map(drop) }
    }

    fn embed(
        &self,
        encoder: &Encoder,
        model: &Model,
        sources: Vec<Source>,
        batch: &mut Moving,
        report: &mut ReembedReport,
    ) -> Result<(), VaultError> {
        let mut rng = fresh::rng()?;
        let (sources, prepared): (Vec<_>, Vec<Prepared>) = sources
            .into_iter()
            .map(|Source { item, of, meta, content, prepared }| ((item, of, meta, content), prepared))
            .unzip();
        for ((item, of, meta, content), embedded) in sources.into_iter().zip(again::embed(encoder, &prepared))
        {
            let vector = match embedded {
                Ok(vector) => vector,
                Err(reason) => {
                    report.left.push((item, reason));
                    continue;
                }
            };
            let meta = ItemMeta { model: model.name.clone(), ..meta };
            let goes_by = match self.record.protection {
                Protection::Split => ItemId(fresh::id(&mut rng)),
                Protection::Sealed | Protection::Veiled => item,
            };
            let new = seal(self, goes_by, meta, &vector, &content, &mut rng)?;
            batch.bytes += new.content.0.len();
            batch.items.push((item, Resealed { new, of }));
        }
        Ok(())
    }
}

/// What the new model can take of an item; nothing where it is gone, or was moved by somebody else.
fn source(encoder: &Encoder, model: &Model, item: ItemId, opened: Opened) -> Option<Result<Source, String>> {
    let (record, meta, content) = match opened {
        Opened::Whole(whole) => *whole,
        Opened::Gone => return None,
        Opened::Damaged(reason) => return Some(Err(reason)),
    };
    if meta.model == model.name {
        return None;
    }
    Some(again::prepare(encoder, &meta, &content).map(|prepared| {
        let of = record_digest(&record);
        Source { item, of, meta, content, prepared }
    }))
}

/// Items on their way, each with what it went by.
#[derive(Default)]
struct Moving {
    items: Vec<(ItemId, Resealed)>,
    bytes: usize,
}

impl Moving {
    fn is_full(&self) -> bool {
        self.items.len() >= BATCH_ITEMS || self.bytes >= BATCH_BYTES
    }

    fn send(
        &mut self,
        collection: &Collection<'_>,
        model: &Model,
        report: &mut ReembedReport,
        progress: &dyn Progress,
    ) -> Result<(), VaultError> {
        let Self { items, .. } = std::mem::take(self);
        if items.is_empty() {
            return Ok(());
        }
        let moved = if collection.record.protection == Protection::Split {
            exchange(collection, model, items)?
        } else {
            collection.replace(items.into_iter().map(|(_, new)| new).collect())?.replaced
        };
        report.moved += moved;
        progress.advance(moved);
        Ok(())
    }
}

/// At `split`: the new items first, then the old ones go. Where it ends in between, the next run finds the new ones
/// there, and takes the old ones away.
fn exchange(
    collection: &Collection<'_>,
    model: &Model,
    items: Vec<(ItemId, Resealed)>,
) -> Result<u64, VaultError> {
    let (old, new): (Vec<ItemId>, Vec<NewItem>) = items.into_iter().map(|(old, it)| (old, it.new)).unzip();
    collection.publish(&new, &model.name)?;
    collection.remove(&old)?;
    Ok(old.len() as u64)
}
