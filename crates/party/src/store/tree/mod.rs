//! The tree of a collection: what lies on the disk as its owner dealt it, and in memory under slots of this run.
//!
//! `files` has the format.
//!
//! On the disk cells lie in the order of the owner. Searches work on [`Slots`], which the three make together by a shuffle,
//! and which are never written: who starts again has none, and the next search of all three makes new ones.

#[cfg(test)]
mod crashes;
mod files;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pmirs_mpc::Shares;
use pmirs_wire::split::{Batch, Entry, PendingKind, Planting, Record, TreePlan, TreeState, Version};
use pmirs_wire::{Digest, ItemId};

pub(crate) use self::files::{Source, Upload};
use self::files::{is_there, sweep, write};
use super::{Collection, Waiting};
use crate::error::Error;

/// What stands for the shares that the owner dealt, where a refresh has a number.
const DEALT: u64 = 0;
/// The name of what is uploaded and not planted.
const UPLOAD: &str = "upload";

/// The tree that a collection has.
pub(crate) struct Planted {
    pub(crate) id: Digest,
    pub(crate) plan: TreePlan,
    base: Version,
    /// The rows that it was made of, in order.
    items: Vec<ItemId>,
    /// The numbers of those that are still there.
    numbers: HashMap<ItemId, u32>,
    /// The numbers of those that are not.
    removed: Vec<u32>,
    /// Rows that came since.
    added: HashSet<ItemId>,
    /// The refresh that made the shares in its files, by the number of its files; 0 for the shares that the owner dealt.
    generation: u64,
    slots: Mutex<Option<Arc<Slots>>>,
}

/// Both components of a tree's cells in an order that no party knows, and how long that order serves.
pub(crate) struct Slots {
    /// The session that made these shares.
    pub(crate) session: [u8; 32],
    pub(crate) body: Arc<Body>,
    /// The numbers of all places; 0 where a place is empty or its row was removed.
    pub(crate) numbers: Shares<u32>,
    /// One where a place is empty or its row was removed.
    pub(crate) voids: Shares<u32>,
    /// How many of the removed are known here.
    pub(crate) marked: usize,
    /// Queries that used this order.
    pub(crate) queries: AtomicU32,
}

/// What removals do not change.
pub(crate) struct Body {
    pub(crate) centroids: Shares<u32>,
    /// Cell after cell, each of `capacity` rows.
    pub(crate) rows: Shares<u32>,
}

impl Planted {
    pub(super) fn new(id: Digest, planting: &Planting, base: Version, items: &[ItemId]) -> Self {
        let numbers = items.iter().zip(1..).map(|(item, number)| (*item, number)).collect();
        Self {
            id,
            plan: planting.plan,
            base,
            items: items.to_vec(),
            numbers,
            removed: Vec::new(),
            added: HashSet::new(),
            generation: DEALT,
            slots: Mutex::default(),
        }
    }

    /// Rows came and went.
    pub(super) fn follow(&mut self, batch: &Batch) {
        for item in &batch.remove {
            if !self.added.remove(item) {
                self.removed.extend(self.numbers.remove(item));
            }
        }
        self.added.extend(&batch.add);
    }

    /// All shares are fresh, and those of the tree lie in files of this generation.
    pub(super) fn refreshed(&mut self, generation: u64) {
        self.generation = generation;
        *self.slots.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn items(&self) -> &[ItemId] {
        &self.items
    }

    pub(crate) fn base(&self) -> Version {
        self.base
    }

    /// Numbers of rows that are there no more.
    pub(crate) fn removed(&self) -> &[u32] {
        &self.removed
    }

    /// Rows that are not in it.
    pub(crate) fn added(&self) -> impl Iterator<Item = &ItemId> {
        self.added.iter()
    }

    pub(crate) fn slots(&self) -> Option<Arc<Slots>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn take_slots(&self, slots: Arc<Slots>) {
        *self.slots.lock().unwrap_or_else(PoisonError::into_inner) = Some(slots);
    }

    pub(crate) fn state(&self) -> TreeState {
        let queries = self.slots().map(|slots| slots.queries.load(Ordering::Relaxed));
        TreeState {
            tree: self.id,
            plan: self.plan,
            base: self.base,
            rows: self.items.len() as u64,
            removed: self.removed.len() as u64,
            added: self.added.len() as u64,
            queries,
        }
    }

    /// What its files are called.
    fn label(&self) -> String {
        label(&self.id, self.generation)
    }
}

impl Collection {
    pub(crate) fn tree(&self) -> Option<&Planted> {
        self.tree.as_ref()
    }

    pub(crate) fn upload(&self) -> Option<&Upload> {
        self.upload.as_ref()
    }

    /// Where the tree's files are.
    pub(crate) fn tree_source(&self) -> Option<Source> {
        self.tree.as_ref().map(|tree| {
            Source::new(&self.folder, &self.header, tree.label(), tree.plan.words(self.header.dim as usize))
        })
    }

    /// Rows that the tree does not have, by number.
    pub(crate) fn rows_beside_tree(&self) -> Vec<usize> {
        let added = self.tree.iter().flat_map(Planted::added);
        let mut rows: Vec<usize> = added.filter_map(|item| self.rows.place(item)).collect();
        rows.sort_unstable();
        rows
    }

    /// Takes a piece of a tree, which counts for nothing yet; the first piece begins anew.
    pub(crate) fn take_piece(&mut self, id: Digest, at: u64, own: &[u32], next: &[u32]) -> Result<(), Error> {
        if at == 0 {
            self.upload = Some(Upload::begin(&self.folder, id)?);
        }
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let pushed = upload.push(own, next);
        if pushed.is_err() {
            // What half a piece left is not known.
            self.upload = None;
        }
        pushed
    }

    /// Gives an upload the name of the order that plants it; on the disk when this returns.
    pub(crate) fn lay_tree(&mut self, order: &Digest) -> Result<(), Error> {
        match self.upload.take() {
            Some(upload) => upload.finish(&self.folder, &self.header, &label(order, DEALT)),
            None => Ok(()),
        }
    }

    pub(super) fn commit_tree(
        &mut self,
        planting: Option<&Planting>,
        id: Digest,
        entry: Entry,
    ) -> Result<(), Error> {
        if planting.is_some() && !is_there(&self.folder, &label(&id, DEALT)) {
            return Err(Error::damaged(&self.folder, "the tree that lay ready is gone"));
        }
        self.journal.append(&Record::Tree { entry: entry.clone() })?;
        let (base, rows) = (self.version, self.rows.items());
        self.tree = planting.map(|planting| Planted::new(id, planting, base, rows));
        (self.version, self.entry) = (entry.version, Some(entry));
        Ok(())
    }

    /// Writes fresh shares of the tree beside the present ones, if there are any.
    pub(super) fn write_tree(&self, words: Option<&Shares<u32>>, generation: u64) -> Result<(), Error> {
        match (&self.tree, words) {
            (Some(tree), Some(words)) => {
                write(&self.folder, &self.header, &label(&tree.id, generation), words)
            }
            _ => Ok(()),
        }
    }

    /// After a refresh: a tree of which the three made no fresh shares is no more.
    pub(super) fn tree_refreshed(&mut self) {
        let generation = self.generation;
        self.tree = self.tree.take().filter(|tree| is_there(&self.folder, &label(&tree.id, generation)));
        if let Some(tree) = &mut self.tree {
            tree.refreshed(generation);
        }
    }

    pub(super) fn sweep_trees(&self) -> Result<(), Error> {
        let mut keep: Vec<String> = self.tree.iter().map(Planted::label).collect();
        keep.extend(self.upload.as_ref().map(|_| UPLOAD.to_owned()));
        sweep(&self.folder, &keep)
    }
}

/// At the start: the tree that the journal tells of, if its files are there; all others go, but for one that lies ready.
pub(super) fn found(
    folder: &Path,
    tree: Option<Planted>,
    waiting: Option<&Waiting>,
) -> Result<Option<Planted>, Error> {
    let tree = tree.filter(|tree| {
        let there = is_there(folder, &tree.label());
        if !there {
            tracing::error!(folder = %folder.display(), "the files of a tree are gone: its owner plants it anew");
        }
        there
    });
    let mut keep: Vec<String> = tree.iter().map(Planted::label).collect();
    if let Some(waiting) = waiting {
        keep.push(label(&waiting.digest, DEALT));
        keep.extend(tree.iter().filter_map(|tree| match waiting.pending.kind {
            PendingKind::Refresh { generation, .. } => Some(label(&tree.id, generation)),
            _ => None,
        }));
    }
    sweep(folder, &keep)?;
    Ok(tree)
}

/// What the files of a tree are called.
fn label(tree: &Digest, generation: u64) -> String {
    let id = tree.to_string();
    format!("{}-{generation}", id.get(..32).unwrap_or(&id))
}
