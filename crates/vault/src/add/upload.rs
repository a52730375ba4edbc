//! Sealed items to the cloud, in batches.

use pmirs_wire::item::NewItem;

use crate::VaultError;
use crate::collection::Collection;

/// A batch is sent when it holds this many items or bytes.
pub(crate) const BATCH_ITEMS: usize = 64;
pub(crate) const BATCH_BYTES: usize = 8 << 20;

/// Items on their way, with the plain size of each.
pub(crate) struct Batch<'a> {
    /// What embedded them all.
    model: &'a str,
    items: Vec<NewItem>,
    sealed: usize,
    plain: u64,
}

/// What one acknowledged batch added.
#[derive(Default, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) items: u64,
    pub(crate) bytes: u64,
}

impl<'a> Batch<'a> {
    /// An empty one, for items that this model embeds.
    pub(crate) fn of(model: &'a str) -> Self {
        Self { model, items: Vec::new(), sealed: 0, plain: 0 }
    }

    pub(crate) fn push(&mut self, item: NewItem, plain: u64) {
        self.sealed += item.content.0.len() + item.meta.0.len() + item.embedding.0.len();
        self.plain += plain;
        self.items.push(item);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.items.len() >= BATCH_ITEMS || self.sealed >= BATCH_BYTES
    }

    /// Sends what there is; when this returns, it is on the cloud's disk.
    pub(crate) fn send(&mut self, collection: &Collection<'_>) -> Result<Acknowledged, VaultError> {
        let Self { model, items, plain, .. } = std::mem::replace(self, Self::of(self.model));
        if items.is_empty() {
            return Ok(Acknowledged::default());
        }
        let count = items.len() as u64;
        collection.publish(&items, model)?;
        Ok(Acknowledged { items: count, bytes: plain })
    }
}
