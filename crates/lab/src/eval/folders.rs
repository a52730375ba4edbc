use std::path::{Path, PathBuf};

use pmirs_encoder::{Embedding, Encoder};
use serde::Serialize;

use super::files::Class;
use super::{EvalError, Watch, dot, files, pictures};

/// A class is the mean of these phrases about its name.
const PHRASES: [&str; 4] = ["a photo of a {}", "a picture of a {}", "a {}", "a close-up photo of the {}"];

/// How often a picture lies nearest to the name of its own folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FolderReport {
    /// Folders that hold pictures.
    pub classes: usize,
    /// Pictures that were judged.
    pub images: usize,
    /// The share of them that lie nearest to their own class.
    pub accuracy: f64,
    /// Class by class, in the order of their names.
    pub by_class: Vec<ClassReport>,
}

/// How the pictures of one class fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassReport {
    /// The folder's name.
    pub class: String,
    /// Its pictures.
    pub images: usize,
    /// How many of them lie nearest to it.
    pub right: usize,
    /// The class that most of the others lie nearest to.
    pub taken_for: Option<String>,
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
    let mut classes = files::classes(root, selection)?;
    classes.retain(|class| !class.pictures.is_empty());
    let names =
        classes.iter().map(|class| embed_name(encoder, &class.words())).collect::<Result<Vec<_>, _>>()?;
    let paths: Vec<PathBuf> = classes.iter().flat_map(|class| class.pictures.iter().cloned()).collect();
    let truth = classes.iter().enumerate().flat_map(|(at, class)| class.pictures.iter().map(move |_| at));
    let pictures = pictures::embed(encoder, &paths, watch)?;
    // Per class, how many of its pictures lie nearest to each.
    let mut nearest_to = vec![vec![0; names.len()]; classes.len()];
    for (picture, class) in pictures.iter().zip(truth) {
        let count = nearest_to.get_mut(class).zip(nearest(picture, &names));
        if let Some(count) = count.and_then(|(counts, named)| counts.get_mut(named)) {
            *count += 1;
        }
    }
    let by_class: Vec<ClassReport> =
        nearest_to.iter().enumerate().map(|(class, counts)| class_report(&classes, class, counts)).collect();
    let right: usize = by_class.iter().map(|class| class.right).sum();
    let accuracy = right as f64 / paths.len() as f64;
    Ok(FolderReport { classes: classes.len(), images: paths.len(), accuracy, by_class })
}

fn class_report(classes: &[Class], class: usize, counts: &[usize]) -> ClassReport {
    let name = |at: usize| classes.get(at).map(|class| class.name.clone()).unwrap_or_default();
    let others = counts.iter().enumerate().filter(|&(at, &count)| at != class && count > 0);
    ClassReport {
        class: name(class),
        images: counts.iter().sum(),
        right: counts.get(class).copied().unwrap_or_default(),
        taken_for: others.max_by_key(|&(_, count)| count).map(|(at, _)| name(at)),
    }
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
    fn the_nearest_name_wins() {
        let names: Vec<Embedding> =
            [[1.0, 0.0], [0.0, 1.0]].map(|row| Embedding::from_values(row.to_vec()).unwrap()).into();
        let picture = Embedding::from_values(vec![0.3, 0.9]).unwrap();
        assert_eq!(nearest(&picture, &names), Some(1));
    }
}
