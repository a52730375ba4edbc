//! Model packs: a folder (or bytes compiled into the program) with `model.toml`, weights and a vocabulary.
//!
//! Every file is pinned by SHA-256. A file is checked when it is read, not when the pack is opened, so that
//! a text query hashes only what the text tower needs.

mod manifest;
mod public;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use manifest::{
    AdapterSpec, CostSpec, FORMAT, ImageSpec, LineageSpec, PackKind, PackManifest, Padding, Pooling,
    Resample, ResizeMode, ScoreSpec, TextSpec,
};

pub use public::PublicPart;

use crate::PackError;

/// Name of the manifest inside a pack.
pub const MANIFEST: &str = "model.toml";

const MAX_MANIFEST_BYTES: u64 = 1 << 20;
const MAX_FILE_BYTES: u64 = 8 << 30;

/// Files compiled into the program: name and bytes.
pub type EmbeddedFiles = &'static [(&'static str, &'static [u8])];

/// An opened model pack: a checked manifest and the place where its files lie.
#[derive(Clone, Debug)]
pub struct Pack {
    manifest: PackManifest,
    digest: Option<[u8; 32]>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    Embedded(EmbeddedFiles),
    /// Files that came from elsewhere.
    Memory(Arc<BTreeMap<String, Vec<u8>>>),
}

impl Pack {
    /// Opens the pack in `folder`; reads `model.toml` and nothing else.
    ///
    /// # Errors
    /// When `model.toml` is missing, too large or wrong, naming the field.
    pub fn open(folder: &Path) -> Result<Self, PackError> {
        Self::from_place(Place::Folder(folder.to_path_buf()))
    }

    /// Opens a pack whose files are compiled into the program.
    ///
    /// # Errors
    /// As [`Pack::open`].
    pub fn from_embedded(files: EmbeddedFiles) -> Result<Self, PackError> {
        Self::from_place(Place::Embedded(files))
    }

    fn from_place(place: Place) -> Result<Self, PackError> {
        let bytes = place.read(MANIFEST, MAX_MANIFEST_BYTES)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| PackError::Toml(error.to_string()))?;
        let manifest = PackManifest::parse(text)?;
        let digest = pmirs_crypto::sha256(manifest.to_toml()?.as_bytes());
        Ok(Self { manifest, digest: Some(digest), place })
    }

    /// What `model.toml` says.
    pub fn manifest(&self) -> &PackManifest {
        &self.manifest
    }

    /// SHA-256 of `model.toml` in its canonical text: it pins every file, and so the whole pack. Two packs of one name and
    /// version that differ in it are two models. None for the public part of a pack.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.digest
    }

    /// The bytes of `file`, after checking them against the SHA-256 that the manifest pins.
    ///
    /// # Errors
    /// When the file is missing, not pinned, too large, or not the one that was pinned.
    pub fn read(&self, file: &str) -> Result<Cow<'static, [u8]>, PackError> {
        let expected =
            self.manifest.sha256.get(file).ok_or_else(|| PackError::Missing { file: file.into() })?;
        let bytes = self.place.read(file, MAX_FILE_BYTES)?;
        let got = sha256_hex(&bytes);
        if !got.eq_ignore_ascii_case(expected) {
            return Err(PackError::Checksum { file: file.into(), expected: expected.clone(), got });
        }
        Ok(bytes)
    }

    /// Total size of the pinned files and the manifest, in bytes.
    ///
    /// # Errors
    /// When a file is missing.
    pub fn bytes(&self) -> Result<u64, PackError> {
        let files = self.manifest.sha256.keys().map(String::as_str);
        files.chain([MANIFEST]).map(|file| self.place.size(file)).sum()
    }
}

impl Place {
    fn read(&self, file: &str, limit: u64) -> Result<Cow<'static, [u8]>, PackError> {
        let got = self.size(file)?;
        if got > limit {
            return Err(PackError::TooLarge { file: file.into(), got, limit });
        }
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file);
                std::fs::read(&path).map(Cow::Owned).map_err(|source| PackError::Read { path, source })
            }
            Self::Embedded(files) => embedded(files, file).map(Cow::Borrowed),
            Self::Memory(files) => in_memory(files, file).cloned().map(Cow::Owned),
        }
    }

    fn size(&self, file: &str) -> Result<u64, PackError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file);
                let size = std::fs::metadata(&path).map(|metadata| metadata.len());
                size.map_err(|source| PackError::Read { path, source })
            }
            Self::Embedded(files) => embedded(files, file).map(|bytes| bytes.len() as u64),
            Self::Memory(files) => in_memory(files, file).map(|bytes| bytes.len() as u64),
        }
    }
}

/// The bytes are not worth printing, and there are megabytes of them.
impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "Folder({})", folder.display()),
            Self::Embedded(files) => write!(f, "Embedded({} files)", files.len()),
            Self::Memory(files) => write!(f, "Memory({} files)", files.len()),
        }
    }
}

fn embedded(files: EmbeddedFiles, name: &str) -> Result<&'static [u8], PackError> {
    let found = files.iter().find(|(file, _)| *file == name);
    found.map(|(_, bytes)| *bytes).ok_or_else(|| PackError::Missing { file: name.into() })
}

fn in_memory<'a>(files: &'a BTreeMap<String, Vec<u8>>, name: &str) -> Result<&'a Vec<u8>, PackError> {
    files.get(name).ok_or_else(|| PackError::Missing { file: name.into() })
}

/// SHA-256 in lower-case hexadecimal, as `model.toml` pins it.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&pmirs_crypto::sha256(bytes))
}

/// A digest in lower-case hexadecimal.
pub fn hex(digest: &[u8; 32]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest {
        text.extend(
            [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()),
        );
    }
    text
}
