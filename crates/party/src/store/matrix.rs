//! Both components of all shares: in files that only grow, and in memory in the order of the rows.
//!
//! ```text
//! file = "pmirssh" ‖ version(1) ‖ SHA-256(StoreHeader ‖ component ‖ generation)(32) ‖ words, little endian
//! ```
//!
//! A row that is removed keeps its place in the files until they are rewritten without it, and the last row takes its place
//! in memory: all three parties do the same, so that their rows stay in the same order.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pmirs_crypto::sha256;
use pmirs_wire::split::StoreHeader;
use pmirs_wire::{Digest, encode};

use super::file::{erase, is_remnant, private};
use crate::error::Error;

const MAGIC: &[u8; 8] = b"pmirssh\x01";
const HEADER: u64 = 8 + 32;

/// One component in its file.
pub(crate) struct ShareFile {
    path: PathBuf,
    file: File,
    /// Words that count.
    words: u64,
}

impl ShareFile {
    /// Makes an empty one, in place of any of the same name.
    pub(crate) fn create(
        folder: &Path,
        header: &StoreHeader,
        component: u8,
        generation: u64,
    ) -> Result<Self, Error> {
        let path = path(folder, component, generation);
        let mut file = private()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::file(&path))?;
        let seal = seal(header, component, generation)?;
        file.write_all(MAGIC).and_then(|()| file.write_all(&seal)).map_err(Error::file(&path))?;
        Ok(Self { path, file, words: 0 })
    }

    /// Opens the one whose first `words` words count.
    pub(crate) fn open(
        folder: &Path,
        header: &StoreHeader,
        component: u8,
        generation: u64,
        words: u64,
    ) -> Result<Self, Error> {
        let path = path(folder, component, generation);
        let mut file = private().read(true).write(true).open(&path).map_err(Error::file(&path))?;
        let mut head = [0; HEADER as usize];
        file.read_exact(&mut head).map_err(Error::file(&path))?;
        if head.as_slice() != [MAGIC.as_slice(), &seal(header, component, generation)?].concat() {
            return Err(Error::damaged(&path, "it belongs to another collection, party or component"));
        }
        let length = file.metadata().map_err(Error::file(&path))?.len();
        let counted = HEADER + words * 4;
        if length < counted {
            return Err(Error::damaged(&path, format!("{length} bytes instead of {counted}")));
        }
        Ok(Self { path, file, words })
    }

    /// Appends words; on the disk when this returns. They count once the journal says so: [`Self::count`].
    pub(crate) fn append(&mut self, words: &[u32]) -> Result<Digest, Error> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = SeekFrom::Start(HEADER + self.words * 4);
        let file = &mut self.file;
        file.seek(at)
            .and_then(|_| file.write_all(&bytes))
            .and_then(|()| file.sync_data())
            .map_err(Error::file(&self.path))?;
        Ok(Digest(sha256(&bytes)))
    }

    /// Words that were appended count from now on.
    pub(crate) fn count(&mut self, words: u64) {
        self.words += words;
    }

    /// Reads the words of blocks, in order, each checked against its digest, and hands them over.
    pub(crate) fn read(
        &self,
        blocks: impl Iterator<Item = (u64, Digest)>,
        mut take: impl FnMut(&[u32]),
    ) -> Result<(), Error> {
        let mut file = BufReader::with_capacity(1 << 20, &self.file);
        file.seek(SeekFrom::Start(HEADER)).map_err(Error::file(&self.path))?;
        for (number, (words, digest)) in blocks.enumerate() {
            let mut bytes = vec![0; words as usize * 4];
            file.read_exact(&mut bytes).map_err(Error::file(&self.path))?;
            if sha256(&bytes) != digest.0 {
                return Err(Error::damaged(&self.path, format!("block {number} is not what was written")));
            }
            take(&words_of(&bytes));
        }
        Ok(())
    }
}

/// Removes what a crash left, and files of other generations: half a refresh, or what it replaced.
pub(crate) fn sweep(folder: &Path, generation: u64, pending: Option<u64>) -> Result<(), Error> {
    let keep: Vec<PathBuf> = [Some(generation), pending]
        .into_iter()
        .flatten()
        .flat_map(|generation| [0, 1].map(|component| path(folder, component, generation)))
        .collect();
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        let is_share = path.extension().is_some_and(|extension| extension == "shares");
        if is_remnant(&path) || (is_share && !keep.contains(&path)) {
            erase(&path)?;
        }
    }
    Ok(())
}

fn path(folder: &Path, component: u8, generation: u64) -> PathBuf {
    let name = if component == 0 { "own" } else { "next" };
    folder.join(format!("{name}-{generation}.shares"))
}

fn seal(header: &StoreHeader, component: u8, generation: u64) -> Result<[u8; 32], Error> {
    let header = encode(header).map_err(|error| Error::damaged(Path::new("store header"), error))?;
    Ok(sha256(&[header.as_slice(), &[component], &generation.to_be_bytes()].concat()))
}

/// Little-endian words.
pub(crate) fn words_of(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect()
}

/// Both components of every row, in the order of the rows. It prints only its size.
#[derive(Default)]
pub(crate) struct Matrix {
    pub(crate) own: Vec<u32>,
    pub(crate) next: Vec<u32>,
}

impl Matrix {
    pub(crate) fn push(&mut self, own: &[u32], next: &[u32]) {
        grow(&mut self.own, own.len());
        grow(&mut self.next, next.len());
        self.own.extend_from_slice(own);
        self.next.extend_from_slice(next);
    }

    /// The last row takes the place of this one.
    pub(crate) fn swap_remove(&mut self, row: usize, dim: usize) {
        for words in [&mut self.own, &mut self.next] {
            let Some(last) = words.len().checked_sub(dim) else { return };
            words.copy_within(last.., row * dim);
            if let Some(gone) = words.get_mut(last..) {
                gone.fill(0);
            }
            words.truncate(last);
        }
    }
}

impl std::fmt::Debug for Matrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matrix({} words redacted)", self.own.len())
    }
}

/// Room for more without doubling: a million rows take gigabytes.
fn grow(words: &mut Vec<u32>, more: usize) {
    if words.capacity() - words.len() < more {
        words.reserve_exact(more.max(words.len() / 8));
    }
}
