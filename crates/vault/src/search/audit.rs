//! Whether a server left something out of its answer.
//!
//! Every item that could still belong to an answer has a veiled score above a bound that the answer itself states
//! (its last candidate), so an item left out whose true cosine lies above that bound was left out on purpose or by
//! a fault; and one that the signed log has and the server does not give is lost. A search looks at a few items at
//! random: of a server that leaves out a fraction f of the items that belong to an answer, or has lost it, s of
//! them show nothing with probability (1 - f)^s. `--verify` looks at all.

use std::collections::HashSet;

use pmirs_wire::ItemId;
use pmirs_wire::item::ItemRecord;
use pmirs_wire::problem::ProblemKind;

use super::{Filter, dot};
use crate::collection::{Collection, record_digest};
use crate::history::History;
use crate::keys::altered_item;
use crate::{VaultError, fresh};

/// How many items are looked at beyond those that a server answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audit {
    /// So many, at random, after each search.
    Some(usize),
    /// Every item of the collection.
    All,
}

impl Default for Audit {
    fn default() -> Self {
        Self::Some(2)
    }
}

/// How often an item is drawn for each that is to be looked at: some are in the answer already.
const DRAWS: usize = 16;

/// How many items are asked for at once for each that is to be looked at. A filter refuses some, and which shows only
/// when they are opened, so more are asked for; where it refuses nearly all, fewer than wanted are looked at.
pub(super) fn at_once(filter: &Filter) -> usize {
    if filter.is_open() { 1 } else { 8 }
}

/// What an answer says of the items that it leaves out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Edge {
    /// There is none.
    Whole,
    /// Their cosines are at most so large.
    Below(f32),
}

/// An answer to be audited.
pub(super) struct Audited<'a> {
    pub(super) collection: &'a Collection<'a>,
    pub(super) vector: &'a [f32],
    pub(super) filter: &'a Filter,
    /// Items that were in it, those that the filter took away again too.
    pub(super) answered: &'a HashSet<ItemId>,
    /// What it says of each epoch's others.
    pub(super) edges: &'a [(u32, Edge)],
}

/// An item that was asked for, and what came.
pub(super) type Fetched = (ItemId, Result<ItemRecord, VaultError>);

/// Draws so many live items. Who asks for them while the server still searches loses no time by it.
pub(super) fn draw(collection: &Collection<'_>, count: usize) -> Result<Vec<ItemId>, VaultError> {
    let mut rng = fresh::rng()?;
    let (local, id) = (collection.vault.local(), collection.record.id);
    (0..count).filter_map(|_| local.leaf_from(id, ItemId(fresh::id(&mut rng))).transpose()).collect()
}

impl Audited<'_> {
    /// Looks at `count` items beyond the answer: at those that were fetched meanwhile, and at others in the place of
    /// those that the answer has.
    pub(super) fn some(
        &self,
        history: &mut History,
        count: usize,
        fetched: Vec<Fetched>,
    ) -> Result<(), VaultError> {
        let mut left = count;
        for (item, record) in fetched {
            left = left.saturating_sub(usize::from(self.look(history, item, || record)?));
        }
        let more = if self.filter.is_open() { left * DRAWS } else { 0 };
        for item in draw(self.collection, more)? {
            if left == 0 {
                break;
            }
            let ask = || self.collection.remote.item(self.collection.record.id, item);
            left -= usize::from(self.look(history, item, ask)?);
        }
        Ok(())
    }

    /// Whether an item is one that the filter admits, beyond the answer, and so was looked at. What changed while the
    /// server answered may or may not be in its answer.
    fn look(
        &self,
        history: &mut History,
        item: ItemId,
        record: impl FnOnce() -> Result<ItemRecord, VaultError>,
    ) -> Result<bool, VaultError> {
        if self.answered.contains(&item) || history.changed(item) {
            return Ok(false);
        }
        let record = match record() {
            Ok(record) => record,
            Err(error) if error.refusal() == Some(ProblemKind::NotFound) => {
                return self.collection.pinned(history, item, None).map(|()| true);
            }
            Err(error) => return Err(error),
        };
        if record.item != item {
            return Err(altered_item(item, "identifier", &"the server answers with another item"));
        }
        self.collection.pinned(history, item, Some(record_digest(&record)))?;
        self.left_out(item, record.epoch, &record.meta.0, &record.embedding.0)
    }

    /// The caller has brought the local store to the server's head.
    pub(super) fn all(&self, history: &History) -> Result<(), VaultError> {
        for record in self.collection.local_records()? {
            if !self.answered.contains(&record.item) && !history.changed(record.item) {
                self.left_out(record.item, record.epoch, &record.meta.0, &record.embedding.0)?;
            }
        }
        Ok(())
    }

    /// Whether this item, which is not in the answer, is one that the filter admits.
    ///
    /// # Errors
    /// [`VaultError::Altered`] where it should be in the answer.
    fn left_out(&self, item: ItemId, epoch: u32, meta: &[u8], embedding: &[u8]) -> Result<bool, VaultError> {
        let Some((_, edge)) = self.edges.iter().find(|(of, _)| *of == epoch) else { return Ok(false) };
        let keys = self.collection.keys();
        if !self.filter.admits(&keys.open_meta(item, epoch, meta)?) {
            return Ok(false);
        }
        let embedding = keys.open_embedding(item, epoch, embedding, self.collection.header.dim)?;
        let cosine = dot(self.vector, &embedding);
        match edge {
            Edge::Below(most) if cosine <= *most => Ok(true),
            _ => Err(altered_item(
                item,
                "search answer",
                &format_args!("the server left the item out, whose cosine is {cosine:.4}"),
            )),
        }
    }
}
