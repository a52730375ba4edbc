//! Both components of a tree on the disk.
//!
//! ```text
//! file = "pmirstr" ‖ version(1) ‖ SHA-256(StoreHeader ‖ component ‖ label)(32) ‖ words, little endian
//!        ‖ SHA-256 of each piece of 4 MiB, then SHA-256 of all these(32)
//! ```
//!
//! What is uploaded lies in files without a head until an order plants it; then they get one, and their name.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pmirs_crypto::sha256;
use pmirs_mpc::Shares;
use pmirs_wire::split::StoreHeader;
use pmirs_wire::{Digest, encode};

use super::UPLOAD;
use crate::error::Error;
use crate::store::file::{erase, private, sync_folder};
use crate::store::matrix::words_of;

const MAGIC: &[u8; 8] = b"pmirstr\x01";
const HEADER: usize = 8 + 32;
/// Bytes that are checked together.
const PIECE: usize = 4 << 20;
const ENDING: &str = "tree";

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
    pub(super) fn begin(folder: &Path, id: Digest) -> Result<Self, Error> {
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

    pub(super) fn push(&mut self, own: &[u32], next: &[u32]) -> Result<(), Error> {
        for (half, words) in self.files.iter_mut().zip([own, next]) {
            half.push(words)?;
        }
        self.words += own.len() as u64;
        Ok(())
    }

    /// Gives the whole its name; on the disk when this returns.
    pub(super) fn finish(self, folder: &Path, header: &StoreHeader, label: &str) -> Result<(), Error> {
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
            file.seek(SeekFrom::Start(0))?;
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
pub(super) fn write(
    folder: &Path,
    header: &StoreHeader,
    label: &str,
    words: &Shares<u32>,
) -> Result<(), Error> {
    let mut upload = Upload::begin(folder, Digest([0; 32]))?;
    upload.push(words.own(), words.next())?;
    upload.finish(folder, header, label)
}

/// Whether both files are there.
pub(super) fn is_there(folder: &Path, label: &str) -> bool {
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
    pub(super) fn new(folder: &Path, header: &StoreHeader, label: String, words: usize) -> Self {
        Self { folder: folder.to_owned(), header: header.clone(), label, words }
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
        if expected.finish() != checks {
            return Err(damaged());
        }
        Ok(words_of(words))
    }
}

/// Erases files of trees that none of these labels names.
pub(super) fn sweep(folder: &Path, keep: &[String]) -> Result<(), Error> {
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
