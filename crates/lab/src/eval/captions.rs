use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pmirs_encoder::{Embedding, Encoder};
use rayon::prelude::*;
use serde::Serialize;

use super::{EvalError, Watch, dot, pictures};

/// Sentences embedded together.
const BATCH: usize = 256;

/// How well captions and pictures find each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaptionReport {
    /// Pictures.
    pub images: usize,
    /// Captions, several to a picture.
    pub captions: usize,
    /// Each caption against all pictures.
    pub text_to_image: Recall,
    /// Each picture against all captions; any of its own counts.
    pub image_to_text: Recall,
}

/// The share of queries whose match is among the first 1, 5 and 10.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Recall {
    /// Among the first one.
    pub r1: f64,
    /// Among the first five.
    pub r5: f64,
    /// Among the first ten.
    pub r10: f64,
}

impl Recall {
    /// From ranks counted from 0. A wrong item with an equal score counts as better than the right one.
    fn of(ranks: &[usize]) -> Self {
        let within = |k| ranks.iter().filter(|&&rank| rank < k).count() as f64 / ranks.len().max(1) as f64;
        Self { r1: within(1), r5: within(5), r10: within(10) }
    }
}

/// Evaluates a model pack on a table with tab-separated columns `image` and `caption` under a header. Image
/// paths are relative to the table's folder or to `images/` in it.
///
/// # Errors
/// When the table, a row of it or a picture cannot be read; when the encoder fails.
pub fn captions(encoder: &Encoder, table: &Path, watch: Watch<'_>) -> Result<CaptionReport, EvalError> {
    let Table { images, captions } = Table::read(table)?;
    let pictures = pictures::embed(encoder, &images, watch)?;
    let mut sentences = Vec::with_capacity(captions.len());
    for batch in captions.chunks(BATCH) {
        let texts: Vec<&str> = batch.iter().map(|caption| caption.text.as_str()).collect();
        sentences.extend(encoder.embed_texts(&texts)?);
    }
    let owner: Vec<usize> = captions.iter().map(|caption| caption.image).collect();
    let to_image = rank_texts(&sentences, &pictures, &owner);
    let to_text = rank_images(&sentences, &pictures, &owner);
    Ok(CaptionReport {
        images: images.len(),
        captions: captions.len(),
        text_to_image: Recall::of(&to_image),
        image_to_text: Recall::of(&to_text),
    })
}

/// For each sentence, how many pictures come before its own.
fn rank_texts(sentences: &[Embedding], pictures: &[Embedding], owner: &[usize]) -> Vec<usize> {
    sentences
        .par_iter()
        .zip(owner)
        .map(|(sentence, &own)| {
            let scores: Vec<f32> =
                pictures.iter().map(|picture| dot(sentence.as_slice(), picture.as_slice())).collect();
            let right = scores.get(own).copied().unwrap_or(f32::MIN);
            scores.iter().enumerate().filter(|&(at, &score)| at != own && score >= right).count()
        })
        .collect()
}

/// For each picture, how many foreign captions come before the best of its own.
fn rank_images(sentences: &[Embedding], pictures: &[Embedding], owner: &[usize]) -> Vec<usize> {
    pictures
        .par_iter()
        .enumerate()
        .map(|(image, picture)| {
            let scores: Vec<(bool, f32)> = sentences
                .iter()
                .zip(owner)
                .map(|(sentence, &own)| (own == image, dot(sentence.as_slice(), picture.as_slice())))
                .collect();
            let best = scores.iter().filter(|(own, _)| *own).map(|&(_, s)| s).fold(f32::MIN, f32::max);
            scores.iter().filter(|&&(own, score)| !own && score >= best).count()
        })
        .collect()
}

struct Caption {
    image: usize,
    text: String,
}

struct Table {
    images: Vec<PathBuf>,
    captions: Vec<Caption>,
}

impl Table {
    fn read(path: &Path) -> Result<Self, EvalError> {
        let text = std::fs::read_to_string(path).map_err(|error| EvalError::file(path, &error))?;
        let at = |line: usize, reason: &str| EvalError::Row {
            path: path.to_owned(),
            line: line as u64 + 1,
            reason: reason.to_owned(),
        };
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, header)| header.trim_end() != "image\tcaption") {
            return Err(at(0, "expected the header 'image<TAB>caption'"));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut table = Self { images: Vec::new(), captions: Vec::new() };
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let (name, text) = line.split_once('\t').ok_or_else(|| at(number, "expected two columns"))?;
            if text.trim().is_empty() {
                return Err(at(number, "the caption is empty"));
            }
            let next = table.images.len();
            let image = *known.entry(name).or_insert(next);
            if image == next {
                let found = locate(folder, name);
                table.images.push(found.ok_or_else(|| at(number, &format!("there is no image '{name}'")))?);
            }
            table.captions.push(Caption { image, text: text.trim().to_owned() });
        }
        if table.captions.is_empty() {
            return Err(at(0, "there is no caption below the header"));
        }
        Ok(table)
    }
}

fn locate(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join("images").join(name)].into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(rows: &[[f32; 2]]) -> Vec<Embedding> {
        rows.iter().map(|row| Embedding::from_values(row.to_vec()).unwrap()).collect()
    }

    #[test]
    fn ranks_count_what_comes_before_and_ties_against_us() {
        let pictures = vectors(&[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]);
        let sentences = vectors(&[[1.0, 0.1], [0.1, 1.0], [1.0, 0.0]]);
        let owner = [0, 1, 2];
        assert_eq!(rank_texts(&sentences, &pictures, &owner), [0, 1, 2]);
        assert_eq!(rank_images(&sentences, &pictures, &owner), [1, 0, 2]);
        let recall = Recall::of(&[0, 1, 2, 9]);
        assert_eq!((recall.r1, recall.r5, recall.r10), (0.25, 0.75, 1.0));
    }

    #[test]
    fn a_bad_table_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.tsv");
        let error = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Table::read(&path).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(error("picture\ttext\n").contains("line 1: expected the header"));
        assert!(
            error("image\tcaption\nabsent.jpg\ta dog\n").contains("line 2: there is no image 'absent.jpg'")
        );
        assert!(error("image\tcaption\n\nno tab here\n").contains("line 3: expected two columns"));
        assert!(error("image\tcaption\n").contains("no caption"));
        assert!(Table::read(&folder.path().join("none.tsv")).is_err());
    }
}
