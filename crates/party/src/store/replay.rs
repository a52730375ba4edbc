//! A collection as its journal tells it, and its shares as the journal counts them.

use std::path::Path;

use pmirs_crypto::sha256;
use pmirs_wire::split::{
    Action, Entry, Order, Pending, Record, SignedStatement, StoreHeader, TreeAction, Version,
};
use pmirs_wire::{Digest, decode};

use super::file::erase;
use super::matrix::{Matrix, ShareFile};
use super::rows::RowList;
use super::tree::Planted;
use super::{PENDING, Waiting, order_of};
use crate::error::Error;
use crate::members::{Members, takes_away};

/// Words and digests that one step appended to both files.
pub(super) struct Block {
    words: u64,
    own: Digest,
    next: Digest,
}

/// The journal, read again.
pub(super) struct Replay<'a> {
    path: &'a Path,
    header: &'a StoreHeader,
    pub(super) members: Option<Members>,
    pub(super) statements: Vec<SignedStatement>,
    pub(super) version: Version,
    pub(super) entry: Option<Entry>,
    pub(super) rows: RowList,
    pub(super) blocks: Vec<Block>,
    pub(super) generation: u64,
    /// Whether somebody went since all shares were fresh last.
    pub(super) stale: bool,
    pub(super) tree: Option<Planted>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(path: &'a Path, header: &'a StoreHeader) -> Self {
        Self {
            path,
            header,
            members: None,
            statements: Vec::new(),
            version: first_version(header),
            entry: None,
            rows: RowList::default(),
            blocks: Vec::new(),
            generation: 0,
            stale: false,
            tree: None,
        }
    }

    pub(super) fn apply(&mut self, record: Record) -> Result<(), Error> {
        match record {
            Record::Statement(signed) => {
                let members = match &self.members {
                    None => Members::first(&signed, &self.header.trio),
                    Some(before) => before.next(&signed),
                };
                let members = members.map_err(|error| Error::damaged(self.path, error))?;
                self.stale |= self.members.as_ref().is_some_and(|before| takes_away(before, &members));
                self.members = Some(members);
                self.statements.push(signed);
            }
            Record::Batch { entry, own, next } => {
                let order = order_of(&entry.prepared);
                let Some((Order { action: Action::Prepare { batch, .. }, .. }, _)) = order else {
                    return Err(Error::damaged(self.path, "an entry holds no batch"));
                };
                for item in &batch.remove {
                    self.rows.swap_remove(item);
                }
                batch.add.iter().for_each(|item| self.rows.push(*item));
                if let Some(tree) = &mut self.tree {
                    tree.follow(&batch);
                }
                let words = batch.add.len() as u64 * u64::from(self.header.dim);
                self.blocks.push(Block { words, own, next });
                self.version = entry.version;
                self.entry = Some(entry);
            }
            Record::Rewritten { entry, version, generation, rows, own, next } => {
                if rows != self.rows.len() as u64 {
                    return Err(Error::damaged(self.path, "rewritten shares have another number of rows"));
                }
                self.stale &= !entry.as_ref().is_some_and(is_refresh);
                self.rows.rewritten();
                self.blocks = vec![Block { words: rows * u64::from(self.header.dim), own, next }];
                // A repair brings no tree, and a refresh fresh shares of it.
                self.tree = self.tree.take().filter(|_| entry.is_some());
                if let Some(tree) = self.tree.as_mut().filter(|_| entry.as_ref().is_some_and(is_refresh)) {
                    tree.refreshed(generation);
                }
                (self.version, self.entry, self.generation) = (version, entry, generation);
            }
            Record::Tree { entry } => {
                let Some((Order { action: Action::Tree(TreeAction::Plant { tree, base }), .. }, id)) =
                    order_of(&entry.prepared)
                else {
                    return Err(Error::damaged(self.path, "an entry plants no tree"));
                };
                let planted = |planting| Planted::new(id, planting, base, self.rows.items());
                self.tree = tree.as_ref().map(planted);
                self.version = entry.version;
                self.entry = Some(entry);
            }
            Record::Rows { items } => items.into_iter().for_each(|item| self.rows.push(item)),
        }
        Ok(())
    }
}

/// Whether all shares were changed, and not only rewritten.
fn is_refresh(entry: &Entry) -> bool {
    order_of(&entry.prepared).is_some_and(|(order, _)| matches!(order.action, Action::Refresh { .. }))
}

/// The version of a collection that never had a row.
fn first_version(header: &StoreHeader) -> Version {
    let bytes = Version::first_bytes(&header.collection, &header.trio, header.dim);
    Version { number: 0, hash: Digest(sha256(&bytes)) }
}

/// Reads the files, every block checked, into the order of the rows.
pub(super) fn load(
    files: &[ShareFile; 2],
    rows: &RowList,
    blocks: &[Block],
    dim: usize,
) -> Result<Matrix, Error> {
    let mut row_at = vec![None; rows.written() as usize];
    for (row, &slot) in rows.slots().iter().enumerate() {
        if let Some(place) = row_at.get_mut(slot as usize) {
            *place = Some(row);
        }
    }
    let [own, next] = files;
    let read = |file: &ShareFile, digests: Vec<(u64, Digest)>| {
        let mut words = vec![0; rows.len() * dim];
        let mut slots = row_at.iter();
        file.read(digests.into_iter(), |block| {
            for (source, row) in block.chunks_exact(dim).zip(slots.by_ref()) {
                let target = row.and_then(|row: usize| words.get_mut(row * dim..(row + 1) * dim));
                if let Some(target) = target {
                    target.copy_from_slice(source);
                }
            }
        })?;
        Ok(words)
    };
    Ok(Matrix {
        own: read(own, blocks.iter().map(|block| (block.words, block.own)).collect())?,
        next: read(next, blocks.iter().map(|block| (block.words, block.next)).collect())?,
    })
}

/// The change that lies ready, unless it is of another version.
pub(super) fn read_pending(folder: &Path, version: &Version) -> Result<Option<Waiting>, Error> {
    let path = folder.join(PENDING);
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(Error::file(&path))?,
    };
    let pending: Pending = decode(&bytes).map_err(|error| Error::damaged(&path, error))?;
    let (order, digest) =
        order_of(&pending.order).ok_or_else(|| Error::damaged(&path, "its order is none"))?;
    let base = match &order.action {
        Action::Prepare { batch, .. } => Some(batch.base),
        Action::Refresh { base } | Action::Tree(TreeAction::Plant { base, .. }) => Some(*base),
        _ => None,
    };
    if base != Some(*version) {
        erase(&path)?;
        return Ok(None);
    }
    Ok(Some(Waiting { digest, order, pending, since: None }))
}
