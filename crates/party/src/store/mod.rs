//! A collection on the disk of one party: journal, shares, and what lies ready.
//!
//! The journal's line is the moment of a change. Shares are written and synced before it, so that whatever the journal
//! counts is there; what it does not count is written over. A change lies ready in a file of its own until P0 decides.

#[cfg(test)]
mod crashes;
pub(crate) mod file;
mod journal;
mod matrix;
mod replay;
mod rows;
pub(crate) mod tree;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pmirs_crypto::{ShareSeed, sha256};
use pmirs_mpc::Shares;
use pmirs_wire::split::{
    Action, Batch, Component, Entry, Membership, Order, Parts, Pending, PendingKind, Record, SignedOrder,
    SignedStatement, State, StoreHeader, TreeAction, Version,
};
use pmirs_wire::{Bytes, CollectionId, Digest, ItemId, decode, encode};

use self::file::{erase, erase_folder, private_folder, sync_folder, write_whole};
use self::journal::{JOURNAL, Journal};
pub(crate) use self::matrix::{Matrix, ShareFile, words_of};
use self::replay::{Replay, load, read_pending};
use self::rows::RowList;
use self::tree::{Planted, Upload};
use crate::error::Error;
use crate::members::{Members, takes_away};

const PENDING: &str = "pending";
/// What is public of a model whose weights the rows are.
const MANIFEST: &str = "manifest";
/// Bytes of one component up to which its file is rewritten whenever rows went; larger ones wait until [`DEAD`] did.
const QUICKLY_WRITTEN: u64 = 32 << 20;
/// One row of so many is gone.
const DEAD: u64 = 8;
/// Items in one line of a repaired journal.
const ROWS_PER_LINE: usize = 64 << 10;

/// One collection at one party.
pub(crate) struct Collection {
    folder: PathBuf,
    header: StoreHeader,
    journal: Journal,
    pub(crate) members: Members,
    /// All statements, for a party that lost them.
    pub(crate) statements: Vec<SignedStatement>,
    version: Version,
    /// What led to this version, for a party that missed it.
    entry: Option<Entry>,
    rows: RowList,
    matrix: Matrix,
    files: [ShareFile; 2],
    generation: u64,
    /// The largest number that files of shares had so far.
    attempts: AtomicU64,
    waiting: Option<Waiting>,
    /// Whether somebody went since all shares were fresh last.
    stale: bool,
    pub(super) tree: Option<Planted>,
    pub(super) upload: Option<Upload>,
}

/// A change that lies ready.
pub(crate) struct Waiting {
    /// The digest of its order.
    pub(crate) digest: Digest,
    pub(crate) order: Order,
    pub(crate) pending: Pending,
    /// When it came, unless the server started since.
    pub(crate) since: Option<Instant>,
}

/// Everything of a collection that a repair brings, before it is anything.
pub(crate) struct Restored {
    pub(crate) statements: Vec<SignedStatement>,
    pub(crate) version: Version,
    pub(crate) items: Vec<ItemId>,
    pub(crate) matrix: Matrix,
}

impl Collection {
    /// Makes a collection; on the disk when this returns.
    pub(crate) fn create(root: &Path, header: &StoreHeader, first: SignedStatement) -> Result<Self, Error> {
        let (folder, half) = folders(root, &header.collection);
        erase_folder(&half)?;
        private_folder(&half)?;
        let mut journal = Journal::create(&half, header)?;
        journal.append(&Record::Statement(first))?;
        for component in [0, 1] {
            ShareFile::create(&half, header, component, 0)?.append(&[])?;
        }
        settle(root, &half, &folder)?;
        Self::open(root, header, header.collection)
    }

    /// Makes a collection out of what the two other parties gave back, in place of what is left of it.
    pub(crate) fn restore(root: &Path, header: &StoreHeader, restored: Restored) -> Result<Self, Error> {
        let (folder, half) = folders(root, &header.collection);
        erase_folder(&half)?;
        private_folder(&half)?;
        let mut journal = Journal::create(&half, header)?;
        for statement in restored.statements {
            journal.write(&Record::Statement(statement))?;
        }
        for items in restored.items.chunks(ROWS_PER_LINE) {
            journal.write(&Record::Rows { items: items.to_vec() })?;
        }
        let own = ShareFile::create(&half, header, 0, 0)?.append(&restored.matrix.own)?;
        let next = ShareFile::create(&half, header, 1, 0)?.append(&restored.matrix.next)?;
        let (version, rows) = (restored.version, restored.items.len() as u64);
        journal.append(&Record::Rewritten { entry: None, version, generation: 0, rows, own, next })?;
        erase_folder(&folder)?;
        settle(root, &half, &folder)?;
        Self::open(root, header, header.collection)
    }

    /// Opens a collection and checks every byte of it.
    pub(crate) fn open(root: &Path, expected: &StoreHeader, id: CollectionId) -> Result<Self, Error> {
        let (folder, _) = folders(root, &id);
        let (journal, header, records) = Journal::open(&folder)?;
        let path = folder.join(JOURNAL);
        let fits = header.collection == id && header.trio == expected.trio && header.place == expected.place;
        if !fits {
            return Err(Error::damaged(
                &path,
                "it belongs to another collection, other parties, or another place",
            ));
        }
        let mut replay = Replay::new(&path, &header);
        for record in records {
            replay.apply(record)?;
        }
        let Replay { members, statements, version, entry, rows, blocks, generation, stale, tree, .. } =
            replay;
        let members = members.ok_or_else(|| Error::damaged(&path, "it says nothing of members"))?;
        let dim = header.dim as usize;
        let words = rows.written() * dim as u64;
        let files = [
            ShareFile::open(&folder, &header, 0, generation, words)?,
            ShareFile::open(&folder, &header, 1, generation, words)?,
        ];
        let matrix = load(&files, &rows, &blocks, dim)?;
        let waiting = read_pending(&folder, &version)?;
        let kept = waiting.as_ref().and_then(|waiting| match waiting.pending.kind {
            PendingKind::Refresh { generation, .. } => Some(generation),
            PendingKind::Batch(_) | PendingKind::Tree => None,
        });
        matrix::sweep(&folder, generation, kept)?;
        let tree = tree::found(&folder, tree, waiting.as_ref())?;
        let mut collection = Self {
            folder,
            header,
            journal,
            members,
            statements,
            version,
            entry,
            rows,
            matrix,
            files,
            generation,
            attempts: AtomicU64::new(kept.unwrap_or(generation).max(generation)),
            waiting,
            stale,
            tree,
            upload: None,
        };
        // A crash may have come between a removal and this.
        collection.forget_removed()?;
        Ok(collection)
    }

    pub(crate) fn header(&self) -> &StoreHeader {
        &self.header
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn entry(&self) -> Option<&Entry> {
        self.entry.as_ref()
    }

    pub(crate) fn dim(&self) -> usize {
        self.header.dim as usize
    }

    pub(crate) fn items(&self) -> &[ItemId] {
        self.rows.items()
    }

    /// Both components of every row, for a scan.
    pub(crate) fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    pub(crate) fn waiting(&self) -> Option<&Waiting> {
        self.waiting.as_ref()
    }

    /// What the version would be after an order.
    pub(crate) fn version_after(&self, order: &Digest) -> Version {
        let hash = Digest(sha256(&self.version.next_bytes(order)));
        Version { number: self.version.number.wrapping_add(1), hash }
    }

    pub(crate) fn state(&self) -> State {
        State {
            version: self.version,
            rows: self.rows.len() as u64,
            dim: self.header.dim,
            statement: self.members.number(),
            statement_hash: self.members.hash(),
            pending: self.waiting.as_ref().map(|waiting| waiting.digest),
            decision: self.entry.as_ref().and_then(|entry| encode(entry).ok()).map(Into::into),
        }
    }

    /// Who the members are, and whether shares are as old as somebody who went.
    pub(crate) fn membership(&self) -> Membership {
        // There is a first one at least.
        let statement = self.statements.last().cloned();
        let none = || SignedStatement { statement: Bytes::default(), signature: Bytes::default() };
        Membership { statement: statement.unwrap_or_else(none), stale: self.stale }
    }

    /// What is wrong with a batch, if anything.
    pub(crate) fn fault_of(&self, batch: &Batch) -> Option<String> {
        let mut removed = HashSet::new();
        for item in &batch.remove {
            if !self.rows.contains(item) {
                return Some(format!("remove: item {item} is not there"));
            }
            if !removed.insert(item) {
                return Some(format!("remove: item {item} is named twice"));
            }
        }
        let mut added = HashSet::new();
        for item in &batch.add {
            let there = self.rows.contains(item) && !removed.contains(item);
            if there || !added.insert(item) {
                return Some(format!("add: item {item} is there already"));
            }
        }
        let after = self.rows.len() - removed.len() + added.len();
        (after > pmirs_wire::limits::SPLIT_COLLECTION)
            .then(|| "the collection would have too many rows".to_owned())
    }

    /// A new statement; on the disk when this returns.
    pub(crate) fn govern(&mut self, signed: SignedStatement, members: Members) -> Result<(), Error> {
        self.journal.append(&Record::Statement(signed.clone()))?;
        self.statements.push(signed);
        self.stale |= takes_away(&self.members, &members);
        self.members = members;
        Ok(())
    }

    /// Lays a change ready, in place of any other; on the disk when this returns.
    pub(crate) fn prepare(&mut self, order: Order, digest: Digest, pending: Pending) -> Result<(), Error> {
        let bytes = encode(&pending).map_err(|error| Error::damaged(&self.folder, error))?;
        write_whole(&self.folder, PENDING, &bytes)?;
        self.waiting = Some(Waiting { digest, order, pending, since: Some(Instant::now()) });
        Ok(())
    }

    /// Makes the change that lies ready part of the collection; on the disk when this returns.
    pub(crate) fn commit(&mut self, entry: Entry) -> Result<(), Error> {
        self.commit_waiting(entry)?;
        // The change is made, whatever becomes of this.
        if let Err(error) = self.forget_removed() {
            tracing::error!(%error, "shares of removed rows were not erased");
        }
        Ok(())
    }

    fn commit_waiting(&mut self, entry: Entry) -> Result<(), Error> {
        let Some(waiting) = self.waiting.take() else { return Ok(()) };
        let done = match (&waiting.order.action, &waiting.pending.kind) {
            (Action::Prepare { batch, .. }, PendingKind::Batch(parts)) => {
                self.commit_batch(batch, parts.as_ref(), entry)
            }
            (Action::Tree(TreeAction::Plant { tree, .. }), PendingKind::Tree) => {
                self.commit_tree(tree.as_ref(), waiting.digest, entry)
            }
            (_, &PendingKind::Refresh { generation, own, next }) => {
                self.commit_refresh(generation, [own, next], entry)
            }
            _ => Err(Error::damaged(&self.folder.join(PENDING), "it is no change")),
        };
        if let Err(error) = done {
            self.waiting = Some(waiting);
            return Err(error);
        }
        // The change is made, whatever becomes of this: what a crash leaves is of an older version, and goes at the start.
        let erased = erase(&self.folder.join(PENDING));
        let swept = erased.and_then(|()| matrix::sweep(&self.folder, self.generation, None));
        if let Err(error) = swept.and_then(|()| self.sweep_trees()) {
            tracing::error!(%error, "old shares were not erased");
        }
        Ok(())
    }

    /// Shares of removed rows must not outlive them for long: files without them take the place of those that have them,
    /// which are erased. At once where that is quick, and else when enough rows are gone to be worth it.
    fn forget_removed(&mut self) -> Result<(), Error> {
        let (rows, written) = (self.rows.len() as u64, self.rows.written());
        let dead = written.saturating_sub(rows);
        let bytes = written.saturating_mul(u64::from(self.header.dim) * 4);
        if dead == 0 || (bytes > QUICKLY_WRITTEN && dead.saturating_mul(DEAD) < written) {
            return Ok(());
        }
        let (generation, [own, next]) = self.write_beside(&self.matrix, None)?;
        let files = self.files_of(generation)?;
        let (entry, version) = (self.entry.clone(), self.version);
        self.journal.append(&Record::Rewritten { entry, version, generation, rows, own, next })?;
        self.files = files;
        self.rows.rewritten();
        self.generation = generation;
        let kept = self.waiting.as_ref().and_then(|waiting| match waiting.pending.kind {
            PendingKind::Refresh { generation, .. } => Some(generation),
            PendingKind::Batch(_) | PendingKind::Tree => None,
        });
        matrix::sweep(&self.folder, generation, kept)
    }

    /// Files of this generation, as large as the rows that are here.
    fn files_of(&self, generation: u64) -> Result<[ShareFile; 2], Error> {
        let words = self.rows.len() as u64 * u64::from(self.header.dim);
        let open = |component| ShareFile::open(&self.folder, &self.header, component, generation, words);
        Ok([open(0)?, open(1)?])
    }

    fn commit_batch(&mut self, batch: &Batch, parts: Option<&Parts>, entry: Entry) -> Result<(), Error> {
        let words = batch.add.len() * self.dim();
        let own = parts.map(|parts| component_words(&parts.own, words)).unwrap_or_default();
        let next = parts.map(|parts| component_words(&parts.next, words)).unwrap_or_default();
        if own.len() != words || next.len() != words {
            return Err(Error::damaged(&self.folder.join(PENDING), "its parts are not of its size"));
        }
        let [own_file, next_file] = &mut self.files;
        let (own_digest, next_digest) = (own_file.append(&own)?, next_file.append(&next)?);
        let record = Record::Batch { entry: entry.clone(), own: own_digest, next: next_digest };
        self.journal.append(&record)?;
        own_file.count(words as u64);
        next_file.count(words as u64);
        let dim = self.dim();
        for item in &batch.remove {
            if let Some(row) = self.rows.swap_remove(item) {
                self.matrix.swap_remove(row, dim);
            }
        }
        batch.add.iter().for_each(|item| self.rows.push(*item));
        if let Some(tree) = &mut self.tree {
            tree.follow(batch);
        }
        self.matrix.push(&own, &next);
        self.version = entry.version;
        self.entry = Some(entry);
        Ok(())
    }

    fn commit_refresh(
        &mut self,
        generation: u64,
        [own, next]: [Digest; 2],
        entry: Entry,
    ) -> Result<(), Error> {
        let rows = self.rows.len() as u64;
        let words = rows * u64::from(self.header.dim);
        let files = self.files_of(generation)?;
        let mut matrix = Matrix::default();
        files[0].read(std::iter::once((words, own)), |words| matrix.own.extend_from_slice(words))?;
        files[1].read(std::iter::once((words, next)), |words| matrix.next.extend_from_slice(words))?;
        let version = entry.version;
        self.journal.append(&Record::Rewritten {
            entry: Some(entry.clone()),
            version,
            generation,
            rows,
            own,
            next,
        })?;
        self.files = files;
        self.matrix = matrix;
        self.rows.rewritten();
        (self.generation, self.version, self.entry) = (generation, version, Some(entry));
        self.stale = false;
        self.tree_refreshed();
        Ok(())
    }

    /// Writes new shares of all rows beside the present ones; on the disk when this returns.
    pub(crate) fn write_refreshed(
        &self,
        matrix: &Matrix,
        tree: Option<&Shares<u32>>,
    ) -> Result<PendingKind, Error> {
        let (generation, [own, next]) = self.write_beside(matrix, tree)?;
        Ok(PendingKind::Refresh { generation, own, next })
    }

    /// Writes shares of all rows, and of the tree where these change, to files of a new generation.
    fn write_beside(&self, matrix: &Matrix, tree: Option<&Shares<u32>>) -> Result<(u64, [Digest; 2]), Error> {
        // Each attempt has files of its own: another one may lie ready, and P0 may be about to decide on it.
        let generation = self.attempts.fetch_add(1, Ordering::Relaxed) + 1;
        let own = ShareFile::create(&self.folder, &self.header, 0, generation)?.append(&matrix.own)?;
        let next = ShareFile::create(&self.folder, &self.header, 1, generation)?.append(&matrix.next)?;
        self.write_tree(tree, generation)?;
        sync_folder(&self.folder).map_err(Error::file(&self.folder))?;
        Ok((generation, [own, next]))
    }

    /// Keeps what is public of a model; on the disk when this returns.
    pub(crate) fn describe(&self, manifest: &[u8]) -> Result<(), Error> {
        write_whole(&self.folder, MANIFEST, manifest)
    }

    /// What is public of a model, if it was described.
    pub(crate) fn manifest(&self) -> Result<Option<Vec<u8>>, Error> {
        let path = self.folder.join(MANIFEST);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    /// Erases all of it.
    pub(crate) fn delete(&mut self) -> Result<(), Error> {
        // The journal first: without it nothing else is a collection.
        erase(&self.folder.join(JOURNAL))?;
        erase_folder(&self.folder)
    }
}

/// Whether a component has so many words.
pub(crate) fn has_words(component: &Component, words: usize) -> bool {
    match component {
        Component::Seed(seed) => seed.0.len() == 32,
        Component::Words(bytes) => bytes.0.len() == words * 4,
    }
}

/// The words of a component; fewer or more where it is not of this size.
pub(crate) fn component_words(component: &Component, words: usize) -> Vec<u32> {
    match component {
        Component::Seed(seed) => <&[u8; 32]>::try_from(seed.0.as_slice())
            .map(|seed| ShareSeed::from_secret(seed).expand(words))
            .unwrap_or_default(),
        Component::Words(bytes) if bytes.0.len() == words * 4 => words_of(&bytes.0),
        Component::Words(_) => Vec::new(),
    }
}

/// The order inside its signature.
pub(crate) fn order_of(signed: &SignedOrder) -> Option<(Order, Digest)> {
    Some((decode(&signed.order.0).ok()?, Digest(sha256(&signed.order.0))))
}

/// Collections that a root holds.
pub(crate) fn list(root: &Path) -> Result<Vec<CollectionId>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).map_err(Error::file(root))? {
        let path = entry.map_err(Error::file(root))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match name.parse() {
            Ok(id) if path.join(JOURNAL).exists() => found.push(id),
            // Half a creation or half a deletion.
            _ if path.is_dir() => erase_folder(&path)?,
            _ => {}
        }
    }
    Ok(found)
}

fn folders(root: &Path, id: &CollectionId) -> (PathBuf, PathBuf) {
    (root.join(id.to_string()), root.join(format!("{id}.new")))
}

/// Gives a folder its name, on the disk when this returns.
fn settle(root: &Path, half: &Path, folder: &Path) -> Result<(), Error> {
    sync_folder(half).map_err(Error::file(half))?;
    std::fs::rename(half, folder).map_err(Error::file(folder))?;
    sync_folder(root).map_err(Error::file(root))
}
