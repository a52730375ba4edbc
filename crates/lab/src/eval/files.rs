//! Tables, folders of folders, and what of them is a picture.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{EvalError, Selection};

/// The largest table or description that is read.
const MOST_TEXT: u64 = 64 << 20;

/// The endings of pictures.
const PICTURES: [&str; 7] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff"];

/// A class folder.
pub(super) struct Class {
    /// The folder's own name.
    pub(super) name: String,
    /// In the order of their names; empty where the selection leaves none.
    pub(super) pictures: Vec<PathBuf>,
}

impl Class {
    /// The folder's name as words.
    pub(super) fn words(&self) -> String {
        self.name.replace('_', " ").to_lowercase()
    }
}

/// The folders in `root` with the selected pictures right in them, in the order of their names.
pub(super) fn classes(root: &Path, selection: Selection) -> Result<Vec<Class>, EvalError> {
    let mut classes = Vec::new();
    for folder in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        let name = file_name(&folder);
        let mut pictures: Vec<PathBuf> =
            entries(&folder)?.into_iter().filter(|path| is_picture(path)).collect();
        if selection == Selection::HeldOut {
            pictures.retain(|path| pmirs_encoder::compact::train::is_held_out(&name, &file_name(path)));
        }
        classes.push(Class { name, pictures });
    }
    if classes.iter().all(|class| class.pictures.is_empty()) {
        return Err(EvalError::file(root, &"it holds no folders of pictures"));
    }
    Ok(classes)
}

/// All pictures below `folder`, in the order of their paths.
pub(super) fn pictures_below(folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder)? {
            // A link to a folder is not followed, so that no circle is walked.
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if is_picture(&path) {
                found.push(path);
            }
        }
    }
    if found.is_empty() {
        return Err(EvalError::file(folder, &"it holds no pictures"));
    }
    found.sort();
    Ok(found)
}

/// A text file, up to a limit that is checked while it is read.
pub(super) fn text(path: &Path) -> Result<String, EvalError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MOST_TEXT + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(EvalError::file(path, &error)),
        Ok(size) if size as u64 > MOST_TEXT => {
            Err(EvalError::file(path, &format!("it is larger than {} MiB", MOST_TEXT >> 20)))
        }
        Ok(_) => Ok(text),
    }
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|it| it.path())).collect::<Result<Vec<_>, _>>())
        .map_err(|error| EvalError::file(folder, &error))?;
    paths.sort();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| PICTURES.contains(&ending.as_str())) && !path.is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_folders_with_pictures() {
        let root = tempfile::tempdir().unwrap();
        for (folder, file) in [("water_lilly", "a.jpg"), ("Leopards", "b.PNG"), ("empty", "notes.txt")] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join(file), b"x").unwrap();
        }
        let found = classes(root.path(), Selection::All).unwrap();
        let words: Vec<(String, usize)> =
            found.iter().map(|class| (class.words(), class.pictures.len())).collect();
        assert_eq!(words, [("leopards".into(), 1), ("empty".into(), 0), ("water lilly".into(), 1)]);
        assert!(classes(&root.path().join("empty"), Selection::All).is_err());

        let below: Vec<String> =
            pictures_below(root.path()).unwrap().iter().map(|path| file_name(path)).collect();
        assert_eq!(below, ["b.PNG", "a.jpg"]);
        assert!(pictures_below(&root.path().join("empty")).is_err());
    }
}
