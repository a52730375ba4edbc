//! Content as files: `content/ab/ab01…` for each blob, `content/incoming/` for those being written.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rand_core::Rng;

use super::{BlobId, Blobs, StorageError};

/// Files that are not whole yet; emptied at start.
const INCOMING: &str = "incoming";

/// Files that wait for the disk at a time. They cost no work, and a disk takes as long for one as for many.
const SYNC_THREADS: usize = 32;

/// Blobs in files of one folder.
pub(crate) struct FileBlobs {
    folder: PathBuf,
}

/// The first byte of the names of one batch, which is its folder: a batch then waits for one folder's sync.
pub(crate) struct Prefix(u8);

impl Prefix {
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        Self(rng.next_u32() as u8)
    }

    /// A fresh name with this prefix.
    pub(crate) fn name(&self, rng: &mut impl Rng) -> BlobId {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        id[0] = self.0;
        BlobId(id)
    }
}

impl FileBlobs {
    /// Makes the folders that are missing, and drops what was never finished.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, StorageError> {
        let incoming = folder.join(INCOMING);
        if incoming.exists() {
            fs::remove_dir_all(&incoming).map_err(failed(&incoming))?;
        }
        fs::create_dir_all(&incoming).map_err(failed(&incoming))?;
        for prefix in 0..=u8::MAX {
            let shelf = folder.join(format!("{prefix:02x}"));
            if !shelf.exists() {
                fs::create_dir(&shelf).map_err(failed(&shelf))?;
            }
        }
        sync_folder(&folder)?;
        Ok(Self { folder })
    }

    fn path(&self, blob: BlobId) -> PathBuf {
        let name = blob.to_string();
        self.shelf(blob).join(name)
    }

    fn shelf(&self, blob: BlobId) -> PathBuf {
        let [prefix, ..] = blob.0;
        self.folder.join(format!("{prefix:02x}"))
    }
}

impl Blobs for FileBlobs {
    /// All files are written before the first is synced, and many are synced at a time, so that one journal
    /// commit of the file system serves them all.
    fn put(&self, blobs: &[(BlobId, &[u8])]) -> Result<(), StorageError> {
        let mut written = Vec::with_capacity(blobs.len());
        for &(blob, bytes) in blobs {
            let path = self.folder.join(INCOMING).join(blob.to_string());
            let file = write_new(&path, bytes).map_err(failed(&path))?;
            written.push((blob, path, file));
        }
        sync_files(&written.iter().map(|(_, path, file)| (path.as_path(), file)).collect::<Vec<_>>())?;
        let mut shelves = Vec::new();
        for (blob, path, _) in written {
            fs::rename(&path, self.path(blob)).map_err(failed(&path))?;
            shelves.push(self.shelf(blob));
        }
        shelves.sort_unstable();
        shelves.dedup();
        shelves.iter().try_for_each(|shelf| sync_folder(shelf))
    }

    fn get(&self, blob: BlobId) -> Result<Vec<u8>, StorageError> {
        let path = self.path(blob);
        fs::read(&path).map_err(failed(&path))
    }

    fn get_part(&self, blob: BlobId, from: u64, most: usize) -> Result<Vec<u8>, StorageError> {
        let path = self.path(blob);
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(from))?;
            let mut part = Vec::new();
            file.take(most as u64).read_to_end(&mut part)?;
            Ok(part)
        };
        read().map_err(failed(&path))
    }

    fn remove(&self, blobs: &[BlobId]) -> Result<(), StorageError> {
        for &blob in blobs {
            let path = self.path(blob);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path)(error)),
                _ => {}
            }
        }
        Ok(())
    }

    fn visit(
        &self,
        visit: &mut dyn FnMut(&[BlobId]) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        for prefix in 0..=u8::MAX {
            let shelf = self.folder.join(format!("{prefix:02x}"));
            let mut names = Vec::new();
            for entry in fs::read_dir(&shelf).map_err(failed(&shelf))? {
                let entry = entry.map_err(failed(&shelf))?;
                // A file of another name is not ours to remove; `inspect` reports it.
                names.extend(entry.file_name().to_str().and_then(parse));
            }
            visit(&names)?;
        }
        Ok(())
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    Ok(file)
}

/// Waits until all have reached the disk, most of them together.
fn sync_files(files: &[(&Path, &File)]) -> Result<(), StorageError> {
    let sync = |files: &[(&Path, &File)]| {
        files.iter().try_for_each(|(path, file)| file.sync_all().map_err(failed(path)))
    };
    if files.len() <= 1 {
        return sync(files);
    }
    std::thread::scope(|scope| {
        let share = files.len().div_ceil(SYNC_THREADS);
        let threads: Vec<_> = files.chunks(share).map(|files| scope.spawn(move || sync(files))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn sync_folder(folder: &Path) -> Result<(), StorageError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder))
}

fn parse(name: &str) -> Option<BlobId> {
    let blob = BlobId(u128::from_str_radix(name, 16).ok()?.to_be_bytes());
    (blob.to_string() == name).then_some(blob)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |source| StorageError::Content { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(blobs: &FileBlobs) -> Vec<BlobId> {
        let mut all = Vec::new();
        blobs
            .visit(&mut |names| {
                all.extend_from_slice(names);
                Ok(())
            })
            .unwrap();
        all
    }

    #[test]
    fn blobs_come_back_and_go_away() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(folder.path().join("content")).unwrap();
        let (one, two) = (BlobId([1; 16]), BlobId([0xfe; 16]));
        blobs.put(&[(one, b"one"), (two, b"two")]).unwrap();
        assert_eq!(blobs.get(one).unwrap(), b"one");
        assert_eq!(blobs.get(two).unwrap(), b"two");
        assert_eq!(all(&blobs), [one, two]);
        blobs.remove(&[one, BlobId([7; 16])]).unwrap();
        assert!(blobs.get(one).is_err());
        assert_eq!(all(&blobs), [two]);
    }

    #[test]
    fn what_was_never_finished_is_gone_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("content");
        drop(FileBlobs::open(content.clone()).unwrap());
        fs::write(content.join(INCOMING).join("half"), b"ha").unwrap();
        let blobs = FileBlobs::open(content.clone()).unwrap();
        assert_eq!(fs::read_dir(content.join(INCOMING)).unwrap().count(), 0);
        assert_eq!(all(&blobs), []);
    }
}
