//! Files that are written whole or not at all, and files that are erased.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

const NEW: &str = "new";
const GONE: &str = "gone";

/// Options for a file that only its owner reads.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a folder, and those above it, that only its owner enters.
pub(crate) fn private_folder(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(Error::file(path))
}

/// Writes a file that only its owner reads, whole or not at all; on the disk when this returns.
pub(crate) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let (path, half) = (folder.join(name), folder.join(format!("{name}.{NEW}")));
    let write = || -> io::Result<()> {
        let mut file = private().create(true).truncate(true).write(true).open(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half, &path)?;
        sync_folder(folder)
    };
    write().map_err(Error::file(&path))
}

/// Names of a folder, on the disk when this returns.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Overwrites a file with zeros and removes it; one that is not there is no error. It loses its name first, so that a
/// crash leaves no half of it under that name; [`is_remnant`] tells what a crash may leave.
///
/// What held the old bytes before may still hold them: a solid-state disk writes elsewhere, and so do file systems that
/// copy on write and backups. Only an operator who encrypts the disk and changes its key ends that.
pub(crate) fn erase(path: &Path) -> Result<(), Error> {
    let gone = if is_remnant(path) { path.to_owned() } else { path.with_added_extension(GONE) };
    let overwrite = || -> io::Result<()> {
        fs::rename(path, &gone)?;
        let mut file = OpenOptions::new().write(true).open(&gone)?;
        let mut left = file.metadata()?.len();
        file.seek(SeekFrom::Start(0))?;
        let zeros = vec![0; 1 << 20];
        while left > 0 {
            let part = zeros.get(..left.min(zeros.len() as u64) as usize).unwrap_or_default();
            file.write_all(part)?;
            left -= part.len() as u64;
        }
        file.sync_all()?;
        fs::remove_file(&gone)
    };
    match overwrite() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(error)),
        _ => Ok(()),
    }
}

/// Whether a crash left this file: half written, or half erased.
pub(crate) fn is_remnant(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == GONE || extension == NEW)
}

/// Erases every file of a folder, then the folder.
pub(crate) fn erase_folder(folder: &Path) -> Result<(), Error> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed.map_err(Error::file(folder))?,
    };
    let paths: Vec<PathBuf> = listed
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()
        .map_err(Error::file(folder))?;
    for path in paths {
        erase(&path)?;
    }
    fs::remove_dir(folder).map_err(Error::file(folder))
}
