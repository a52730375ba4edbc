//! The tree of a collection: what lies on the disk as its owner dealt it, and in memory under slots of this run.
//!
//! ```text
//! file = "pmirstr" ‖ version(1) ‖ SHA-256(StoreHeader ‖ component ‖ label)(32) ‖ words, little endian
//!        ‖ SHA-256 of each piece of 4 MiB, then SHA-256 of all these(32)
//! ```
//!
//! On the disk cells lie in the order of the owner. Searches work on [`Slots`], which the three make together by a shuffle,
//! and which are never written: who starts again has none, and the next search of all three makes new ones.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};

use pmirs_crypto::sha256;
use pmirs_mpc::Shares;
use pmirs_wire::split::{
    Batch, Entry, PendingKind, Planting, Record, StoreHeader, TreePlan, TreeState, Version,
};
use pmirs_wire::{Digest, ItemId, encode};

use super::file::{erase, private, sync_folder};
use super::matrix::words_of;
use super::{Collection, Waiting};
use crate::error::Error;

const MAGIC: &[u8; 8] = b"pmirstr\x01";
const HEADER: usize = 8 + 32;
const DIGEST: usize = 32;
/// Bytes that are checked together.
const PIECE: usize = 4 << 20;
const ENDING: &str = "tree";
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
    /// The generation of the shares that its files are of.
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
    pub(super) fn new(
        id: Digest,
        planting: &Planting,
        base: Version,
        items: &[ItemId],
        generation: u64,
    ) -> Self {
        let numbers = items.iter().zip(1..).map(|(item, number)| (*item, number)).collect();
        Self {
            id,
            plan: planting.plan,
            base,
            items: items.to_vec(),
            numbers,
            removed: Vec::new(),
            added: HashSet::new(),
            generation,
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
        let queries = self.slots().map(|slots| slots.queries.load(std::sync::atomic::Ordering::Relaxed));
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
        self.tree.as_ref().map(|tree| Source::new(&self.folder, &self.header, tree))
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
            Some(upload) => upload.finish(&self.folder, &self.header, &label(order, self.generation)),
            None => Ok(()),
        }
    }

    pub(super) fn commit_tree(
        &mut self,
        planting: Option<&Planting>,
        id: Digest,
        entry: Entry,
    ) -> Result<(), Error> {
        if planting.is_some() && !is_there(&self.folder, &label(&id, self.generation)) {
            return Err(Error::damaged(&self.folder, "the tree that lay ready is gone"));
        }
        self.journal.append(&Record::Tree { entry: entry.clone() })?;
        let (base, rows, generation) = (self.version, self.rows.items(), self.generation);
        self.tree = planting.map(|planting| Planted::new(id, planting, base, rows, generation));
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
    generation: u64,
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
        keep.push(label(&waiting.digest, generation));
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
    let id: String = tree.0.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{id}-{generation}")
}

/// Pieces of a tree on their way, both components.
pub(crate) struct Upload {
    id: Digest,
    words: u64,
    files: [Half; 2],
}

/// One component, as far as it was written.
struct Half {
    path: PathBuf,
    file: File,
    checks: Checks,
}

/// The digests of pieces, and of what is in none yet.
#[derive(Default)]
struct Checks {
    digests: Vec<u8>,
    rest: Vec<u8>,
}

impl Upload {
    fn begin(folder: &Path, id: Digest) -> Result<Self, Error> {
        let half = |component| {
            let path = path(folder, UPLOAD, component);
            let mut file =
                private().create(true).truncate(true).write(true).open(&path).map_err(Error::file(&path))?;
            // The head is written when it is known whose tree it is.
            file.write_all(&[0; HEADER]).map_err(Error::file(&path))?;
            Ok::<_, Error>(Half { path, file, checks: Checks::default() })
        };
        Ok(Self { id, words: 0, files: [half(0)?, half(1)?] })
    }

    /// Whether a piece follows what is here.
    pub(crate) fn expects(&self, id: &Digest, at: u64) -> bool {
        self.id == *id && self.words == at
    }

    pub(crate) fn id(&self) -> Digest {
        self.id
    }

    pub(crate) fn words(&self) -> u64 {
        self.words
    }

    fn push(&mut self, own: &[u32], next: &[u32]) -> Result<(), Error> {
        for (half, words) in self.files.iter_mut().zip([own, next]) {
            half.push(words)?;
        }
        self.words += own.len() as u64;
        Ok(())
    }

    /// Gives the whole its name; on the disk when this returns.
    fn finish(self, folder: &Path, header: &StoreHeader, label: &str) -> Result<(), Error> {
        for (half, component) in self.files.into_iter().zip(0..) {
            half.finish(folder, header, label, component)?;
        }
        sync_folder(folder).map_err(Error::file(folder))
    }
}

impl Half {
    fn push(&mut self, words: &[u32]) -> Result<(), Error> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.checks.push(&bytes);
        self.file.write_all(&bytes).map_err(Error::file(&self.path))
    }

    fn finish(self, folder: &Path, header: &StoreHeader, label: &str, component: u8) -> Result<(), Error> {
        let Self { path: from, mut file, checks } = self;
        let head = [MAGIC.as_slice(), &seal(header, component, label)?].concat();
        let finish = || {
            file.write_all(&checks.finish())?;
            std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(0))?;
            file.write_all(&head)?;
            file.sync_all()?;
            fs::rename(&from, path(folder, label, component))
        };
        finish().map_err(Error::file(&from))
    }
}

impl Checks {
    fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some((piece, rest)) = self.rest.split_at_checked(PIECE) {
            self.digests.extend(sha256(piece));
            self.rest = rest.to_vec();
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if !self.rest.is_empty() {
            self.digests.extend(sha256(&self.rest));
        }
        let all = sha256(&self.digests);
        self.digests.extend(all);
        self.digests
    }
}

/// Writes the files of a tree whole; on the disk when this returns.
fn write(folder: &Path, header: &StoreHeader, label: &str, words: &Shares<u32>) -> Result<(), Error> {
    let mut upload = Upload::begin(folder, Digest([0; 32]))?;
    upload.push(words.own(), words.next())?;
    upload.finish(folder, header, label)
}

/// Whether both files are there.
fn is_there(folder: &Path, label: &str) -> bool {
    [0, 1].iter().all(|component| path(folder, label, *component).exists())
}

/// Where the files of a tree are, to be read without holding the collection.
pub(crate) struct Source {
    folder: PathBuf,
    header: StoreHeader,
    label: String,
    words: usize,
}

impl Source {
    fn new(folder: &Path, header: &StoreHeader, planted: &Planted) -> Self {
        let words = planted.plan.words(header.dim as usize);
        Self { folder: folder.to_owned(), header: header.clone(), label: planted.label(), words }
    }

    /// Both components, every byte checked.
    pub(crate) fn read(&self) -> Result<Shares<u32>, Error> {
        let (own, next) = (self.component(0)?, self.component(1)?);
        Shares::new(own, next).map_err(|error| Error::damaged(&self.folder, error.to_string()))
    }

    fn component(&self, component: u8) -> Result<Vec<u32>, Error> {
        let path = path(&self.folder, &self.label, component);
        let mut bytes = Vec::new();
        File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(Error::file(&path))?;
        let damaged = || Error::damaged(&path, "it is not the tree that was written");
        let (head, rest) = bytes.split_at_checked(HEADER).ok_or_else(damaged)?;
        if head != [MAGIC.as_slice(), &seal(&self.header, component, &self.label)?].concat() {
            return Err(Error::damaged(&path, "it belongs to another tree, party or component"));
        }
        let (words, checks) = rest.split_at_checked(self.words * 4).ok_or_else(damaged)?;
        let mut expected = Checks::default();
        words.chunks(PIECE).for_each(|piece| expected.digests.extend(sha256(piece)));
        if expected.finish() != checks || checks.len() < DIGEST {
            return Err(damaged());
        }
        Ok(words_of(words))
    }
}

/// Erases files of trees that none of these labels names.
fn sweep(folder: &Path, keep: &[String]) -> Result<(), Error> {
    let keep: Vec<PathBuf> =
        keep.iter().flat_map(|label| [0, 1].map(|component| path(folder, label, component))).collect();
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        if path.extension().is_some_and(|extension| extension == ENDING) && !keep.contains(&path) {
            erase(&path)?;
        }
    }
    Ok(())
}

fn path(folder: &Path, label: &str, component: u8) -> PathBuf {
    let name = if component == 0 { "own" } else { "next" };
    folder.join(format!("{label}-{name}.{ENDING}"))
}

fn seal(header: &StoreHeader, component: u8, label: &str) -> Result<[u8; 32], Error> {
    let header = encode(header).map_err(|error| Error::damaged(Path::new("store header"), error))?;
    Ok(sha256(&[header.as_slice(), &[component], label.as_bytes()].concat()))
}
