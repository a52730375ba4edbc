//! The ledger's file: one writer at a time, appended to, on the disk before it counts.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pmirs_privacy::ledger::MAX_LEDGER;

use crate::VaultError;

/// The file, locked against every other process until it is dropped.
pub(super) struct LedgerFile {
    file: File,
    path: PathBuf,
}

impl LedgerFile {
    /// Opens the file for reading and writing, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, VaultError> {
        let open = || -> std::io::Result<File> {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(path)?;
            file.lock()?;
            Ok(file)
        };
        let file = open().map_err(|error| VaultError::file(path, &error))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Opens it for reading, if there is one.
    pub(super) fn open_existing(path: &Path) -> Result<Option<Self>, VaultError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(VaultError::file(path, &error)),
        };
        file.lock_shared().map_err(|error| VaultError::file(path, &error))?;
        Ok(Some(Self { file, path: path.to_owned() }))
    }

    /// Everything in it, or one byte more than a ledger may have.
    pub(super) fn read(&mut self) -> Result<Vec<u8>, VaultError> {
        let mut bytes = Vec::new();
        let read = (&self.file).take(MAX_LEDGER as u64 + 1).read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(|error| VaultError::file(&self.path, &error))
    }

    /// Cuts the file off at `end` and writes a record there; `whole` is the ledger with it, for a file that has not even
    /// a header. Returns once all of it is on the disk, the file's name included.
    pub(super) fn append(&mut self, end: usize, whole: &[u8], record: &[u8]) -> Result<(), VaultError> {
        let bytes = if end == 0 { whole } else { record };
        let mut write = || -> std::io::Result<()> {
            self.file.set_len(end as u64)?;
            self.file.seek(SeekFrom::Start(end as u64))?;
            self.file.write_all(bytes)?;
            self.file.sync_all()?;
            let folder = self.path.parent().filter(|_| end == 0);
            folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().map_err(|error| VaultError::file(&self.path, &error))
    }
}
