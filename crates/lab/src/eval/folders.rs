use std::fs;
use std::path::{Path, PathBuf};

use pmirs_encoder::{Embedding, Encoder};
use serde::Serialize;

use super::{EvalError, Watch, dot, pictures};

/// A class is the mean of these phrases about its name.
const PHRASES: [&str; 4] = ["a photo of a {}", "a picture of a {}", "a {}", "a close-up photo of the {}"];

/// The endings of pictures.
const PICTURES: [&str; 7] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tiff"];

/// How often a picture lies nearest to the name of its own folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FolderReport {
    /// Folders that hold pictures.
    pub classes: usize,
    /// Pictures that were judged.
    pub images: usize,
    /// The share of them that lie nearest to their own class.
    pub accuracy: f64,
}

/// Which pictures to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// Those that the compact model's training leaves out, by the rule of
    /// [`is_held_out`](pmirs_encoder::compact::train::is_held_out).
    HeldOut,
}

/// Evaluates a model pack on folders of pictures: a folder's name, with `_` as a blank, is its class.
///
/// # Errors
/// When a folder or a picture cannot be read, or there is none; when the encoder fails.
pub fn folders(
    encoder: &Encoder,
    root: &Path,
    selection: Selection,
    watch: Watch<'_>,
) -> Result<FolderReport, EvalError> {
    let classes = read_classes(root, selection)?;
    let names =
        classes.iter().map(|class| embed_name(encoder, &class.name)).collect::<Result<Vec<_>, _>>()?;
    let paths: Vec<PathBuf> = classes.iter().flat_map(|class| class.pictures.iter().cloned()).collect();
    let truth = classes.iter().enumerate().flat_map(|(at, class)| class.pictures.iter().map(move |_| at));
    let pictures = pictures::embed(encoder, &paths, watch)?;
    let right =
        pictures.iter().zip(truth).filter(|(picture, class)| nearest(picture, &names) == Some(*class));
    let accuracy = right.count() as f64 / paths.len() as f64;
    Ok(FolderReport { classes: classes.len(), images: paths.len(), accuracy })
}

struct Class {
    name: String,
    pictures: Vec<PathBuf>,
}

fn read_classes(root: &Path, selection: Selection) -> Result<Vec<Class>, EvalError> {
    let mut classes = Vec::new();
    for folder in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        let name = file_name(&folder);
        let mut pictures: Vec<PathBuf> =
            entries(&folder)?.into_iter().filter(|path| is_picture(path)).collect();
        if selection == Selection::HeldOut {
            pictures.retain(|path| pmirs_encoder::compact::train::is_held_out(&name, &file_name(path)));
        }
        if !pictures.is_empty() {
            classes.push(Class { name: name.replace('_', " ").to_lowercase(), pictures });
        }
    }
    if classes.is_empty() {
        return Err(EvalError::file(root, &"it holds no folders of pictures"));
    }
    Ok(classes)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|it| it.path())).collect::<Result<Vec<_>, _>>())
        .map_err(|error| EvalError::file(folder, &error))?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| PICTURES.contains(&ending.as_str()))
}

fn embed_name(encoder: &Encoder, name: &str) -> Result<Embedding, EvalError> {
    let phrases: Vec<String> = PHRASES.iter().map(|phrase| phrase.replace("{}", name)).collect();
    let phrases: Vec<&str> = phrases.iter().map(String::as_str).collect();
    let embeddings = encoder.embed_texts(&phrases)?;
    let mut sum = vec![0.0; encoder.info().dim];
    for embedding in &embeddings {
        for (total, value) in sum.iter_mut().zip(embedding.as_slice()) {
            *total += value;
        }
    }
    Ok(Embedding::from_values(sum)?)
}

/// The class whose name lies nearest.
fn nearest(picture: &Embedding, names: &[Embedding]) -> Option<usize> {
    let score = |at: usize| names.get(at).map_or(f32::MIN, |name| dot(picture.as_slice(), name.as_slice()));
    (0..names.len()).max_by(|&a, &b| score(a).total_cmp(&score(b)))
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
        let classes = read_classes(root.path(), Selection::All).unwrap();
        let names: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names, ["leopards", "water lilly"]);
        assert!(read_classes(&root.path().join("empty"), Selection::All).is_err());
    }

    #[test]
    fn the_nearest_name_wins() {
        let names: Vec<Embedding> =
            [[1.0, 0.0], [0.0, 1.0]].map(|row| Embedding::from_values(row.to_vec()).unwrap()).into();
        let picture = Embedding::from_values(vec![0.3, 0.9]).unwrap();
        assert_eq!(nearest(&picture, &names), Some(1));
    }
}
