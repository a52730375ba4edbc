//! Which files there are.

use std::fs;
use std::path::{Path, PathBuf};

use pmirs_wire::sealed::ItemKind;

use super::Skipped;
use crate::VaultError;
use crate::collection::kind_of;

/// How deep folders may nest.
const MAX_DEPTH: usize = 64;

/// A file to add.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// Relative to the folder that was added, with `/` between parts on every system.
    pub(super) name: String,
    pub(super) kind: ItemKind,
    pub(super) media_type: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) files: Vec<File>,
    pub(super) ignored: u64,
    pub(super) unreadable: Vec<Skipped>,
}

/// Finds all pictures and texts under `paths`, in a fixed order. Hidden entries and links below a folder are
/// passed over: a link could lead out of what the person meant to add, or around in a circle.
pub(super) fn walk(paths: &[PathBuf]) -> Result<Walk, VaultError> {
    let mut walk = Walk::default();
    for path in paths {
        let about = fs::metadata(path).map_err(|error| VaultError::file(path, &error))?;
        if about.is_dir() {
            walk.folder(path, path, 0);
        } else if !about.is_file() {
            walk.unreadable(path, &"neither a file nor a folder");
        } else {
            let before = walk.files.len();
            walk.file(path, path.file_name().map_or(path.as_path(), Path::new));
            if walk.files.len() == before {
                walk.ignored -= 1;
                let reason = "neither a picture nor a text that PMIRS reads".to_owned();
                walk.unreadable.push(Skipped { path: path.clone(), reason });
            }
        }
    }
    Ok(walk)
}

impl Walk {
    fn folder(&mut self, root: &Path, folder: &Path, depth: usize) {
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) if depth < MAX_DEPTH => entries,
            Ok(_) => return self.unreadable(folder, &"folders nest too deep"),
            Err(error) => return self.unreadable(folder, &error),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.folder(root, &path, depth + 1),
                Ok(kind) if kind.is_file() => self.file(&path, path.strip_prefix(root).unwrap_or(&path)),
                Ok(_) => self.ignored += 1,
                Err(error) => self.unreadable(&path, &error),
            }
        }
    }

    fn file(&mut self, path: &Path, relative: &Path) {
        let Some((kind, media_type)) = kind_of(path) else {
            self.ignored += 1;
            return;
        };
        let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        self.files.push(File { path: path.to_owned(), name: parts.join("/"), kind, media_type });
    }

    fn unreadable(&mut self, path: &Path, reason: &dyn std::fmt::Display) {
        self.unreadable.push(Skipped { path: path.to_owned(), reason: reason.to_string() });
    }
}
