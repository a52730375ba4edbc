//! Models and masked updates while they come in, piece by piece: files that nothing depends on, emptied at start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pmirs_wire::Digest;

use crate::storage::StorageError;
use crate::storage::federation::FederationPlace;

/// The folder of what is not whole yet.
pub(crate) struct Staging {
    folder: PathBuf,
}

/// What is coming in: a member's update, or the owner's model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming {
    pub(super) place: FederationPlace,
    pub(super) member: Option<u32>,
    /// The round's name, or the model's digest.
    pub(super) of: Digest,
}

impl Staging {
    /// Makes the folder, and empties it.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, StorageError> {
        let made = || -> io::Result<()> {
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir(&folder)
        };
        made().map_err(failed(&folder))?;
        Ok(Self { folder })
    }

    /// Bytes that are there.
    pub(super) fn len(&self, incoming: Incoming) -> u64 {
        fs::metadata(self.path(incoming)).map_or(0, |about| about.len())
    }

    /// Adds a piece behind what is there.
    pub(super) fn append(&self, incoming: Incoming, piece: &[u8]) -> Result<(), StorageError> {
        let path = self.path(incoming);
        let write = || OpenOptions::new().create(true).append(true).open(&path)?.write_all(piece);
        write().map_err(failed(&path))
    }

    /// Takes all that is there away.
    pub(super) fn take(&self, incoming: Incoming) -> Result<Vec<u8>, StorageError> {
        let path = self.path(incoming);
        let bytes = fs::read(&path).map_err(failed(&path))?;
        fs::remove_file(&path).map_err(failed(&path))?;
        Ok(bytes)
    }

    /// Forgets whatever is coming in for a federation.
    pub(super) fn clear(&self, place: FederationPlace) {
        let prefix = format!("{}-", place.0);
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in
            entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        {
            if let Err(error) = fs::remove_file(entry.path()) {
                tracing::warn!(%error, "a half update stays until the next start");
            }
        }
    }

    fn path(&self, Incoming { place, member, of }: Incoming) -> PathBuf {
        let member = member.map_or_else(|| "model".to_owned(), |member| member.to_string());
        self.folder.join(format!("{}-{member}-{of}", place.0))
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |source| StorageError::Content { path, source }
}
