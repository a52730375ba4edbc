//! What happened to a collection, line by line: the journal is the collection, all else follows from it.
//!
//! ```text
//! journal = "pmirsjl" ‖ version(1) ‖ line(StoreHeader) ‖ line(Record) ...
//! line    = length(4, little endian) ‖ first 4 bytes of SHA-256(length) ‖ first 8 bytes of SHA-256(message) ‖ message
//! ```
//!
//! A line counts once it is on the disk whole. A crash leaves at most one that is not, at the end; it is cut off. The
//! length has a check of its own, so that a damaged one is not taken for such an end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use pmirs_crypto::sha256;
use pmirs_wire::split::{Record, StoreHeader};
use pmirs_wire::{Message, decode, encode};

use super::file::private;
use crate::error::Error;

pub(crate) const JOURNAL: &str = "journal";
const MAGIC: &[u8; 8] = b"pmirsjl\x01";
const LENGTH_CHECK: usize = 4;
const CHECK: usize = 8;

/// The journal, open for more.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that count.
    end: u64,
}

impl Journal {
    /// Makes one in a folder that nobody reads yet.
    pub(crate) fn create(folder: &Path, header: &StoreHeader) -> Result<Self, Error> {
        let path = folder.join(JOURNAL);
        let mut file =
            private().create_new(true).read(true).write(true).open(&path).map_err(Error::file(&path))?;
        file.write_all(MAGIC).map_err(Error::file(&path))?;
        let mut journal = Self { path, file, end: MAGIC.len() as u64 };
        journal.write(header)?;
        Ok(journal)
    }

    /// Reads all of it, cutting off a line that a crash left unfinished.
    pub(crate) fn open(folder: &Path) -> Result<(Self, StoreHeader, Vec<Record>), Error> {
        let path = folder.join(JOURNAL);
        let mut file = private().read(true).write(true).open(&path).map_err(Error::file(&path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Error::file(&path))?;
        let mut lines = Lines { path: &path, rest: &bytes };
        let header = lines.begin()?;
        let mut records = Vec::new();
        while let Some(record) = lines.next::<Record>()? {
            records.push(record);
        }
        let end = (bytes.len() - lines.rest.len()) as u64;
        if !lines.rest.is_empty() {
            tracing::warn!(cut = lines.rest.len(), "cut off what a crash left at the end of a journal");
            file.set_len(end).and_then(|()| file.sync_all()).map_err(Error::file(&path))?;
        }
        Ok((Self { path, file, end }, header, records))
    }

    /// Appends a record; on the disk when this returns.
    pub(crate) fn append(&mut self, record: &Record) -> Result<(), Error> {
        let end = self.end;
        let appended = self.write(record).and_then(|()| self.sync());
        if appended.is_err() {
            // Nobody knows what of it is on the disk, so it does not count, here or after a start.
            self.end = end;
            self.file.set_len(end).map_err(Error::file(&self.path))?;
        }
        appended
    }

    /// Appends a record that [`sync`](Self::sync) brings to the disk.
    pub(crate) fn write<M: Message>(&mut self, message: &M) -> Result<(), Error> {
        let bytes = encode(message).map_err(|error| Error::damaged(&self.path, error))?;
        let length = (bytes.len() as u32).to_le_bytes();
        let (length_check, check) = (sha256(&length), sha256(&bytes));
        let line = [
            length.as_slice(),
            length_check.get(..LENGTH_CHECK).unwrap_or_default(),
            check.get(..CHECK).unwrap_or_default(),
            &bytes,
        ]
        .concat();
        // What an earlier failure left behind the end is overwritten.
        let write = |file: &mut File, end: u64| {
            file.seek(SeekFrom::Start(end))?;
            file.write_all(&line)
        };
        write(&mut self.file, self.end).map_err(Error::file(&self.path))?;
        self.end += line.len() as u64;
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(Error::file(&self.path))
    }
}

struct Lines<'a> {
    path: &'a Path,
    rest: &'a [u8],
}

impl Lines<'_> {
    fn begin(&mut self) -> Result<StoreHeader, Error> {
        let rest = self.rest.strip_prefix(MAGIC).ok_or_else(|| Error::damaged(self.path, "not a journal"))?;
        self.rest = rest;
        self.next()?.ok_or_else(|| Error::damaged(self.path, "it has no header"))
    }

    /// The next line; nothing at the end, or where the last line is not whole.
    fn next<M: Message>(&mut self) -> Result<Option<M>, Error> {
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else { return Ok(None) };
        let Some((length_check, rest)) = rest.split_first_chunk::<LENGTH_CHECK>() else { return Ok(None) };
        if !sha256(length).starts_with(length_check) {
            // After a power cut a file may have grown by zeros that were never written.
            if self.rest.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            return Err(self.damaged());
        }
        let Some((check, rest)) = rest.split_first_chunk::<CHECK>() else { return Ok(None) };
        let Some((message, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else {
            return Ok(None);
        };
        if !sha256(message).starts_with(check) {
            // The last line may be damaged by a crash; one that others follow may not.
            return if rest.is_empty() { Ok(None) } else { Err(self.damaged()) };
        }
        self.rest = rest;
        decode(message).map(Some).map_err(|error| Error::damaged(self.path, error))
    }

    fn damaged(&self) -> Error {
        Error::damaged(
            self.path,
            format!("the line {} bytes before its end is not what was written", self.rest.len()),
        )
    }
}
