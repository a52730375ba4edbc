use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pmirs_encoder::{Embedding, Encoder};
use pmirs_vault::add::{CaptionRow, caption_rows};
use rayon::prelude::*;
use serde::Serialize;

use super::ranking::{Outcome, RecallAt, Retrieval};
use super::{EvalError, Step, Watch, dot, model_name, pictures};
use crate::plot::{Axis, Figure, Panel, Point, Series};

/// Sentences embedded together.
const BATCH: usize = 256;

/// How well captions and pictures find each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CaptionReport {
    /// The model pack, name and version.
    pub model: String,
    /// Pictures.
    pub images: usize,
    /// Captions, several to a picture.
    pub captions: usize,
    /// Each caption against all pictures.
    pub text_to_image: Retrieval,
    /// Each picture against all captions; any of its own counts.
    pub image_to_text: Retrieval,
}

/// Evaluates a model pack on a table as `pmirs add --captions` takes it ([`caption_rows`]). Image
/// paths are relative to the table's folder or to `images/` in it. The intervals are drawn with `seed`.
///
/// A wrong item with a score equal to a right one's counts as standing before it.
///
/// # Errors
/// When the table, a row of it or a picture cannot be read; when the encoder fails.
pub fn captions(
    encoder: &Encoder,
    table: &Path,
    seed: u64,
    watch: Watch<'_>,
) -> Result<CaptionReport, EvalError> {
    let Table { images, captions } = Table::read(table)?;
    let pictures = pictures::embed(encoder, &images, watch)?;
    let mut sentences = Vec::with_capacity(captions.len());
    for batch in captions.chunks(BATCH) {
        let texts: Vec<&str> = batch.iter().map(|caption| caption.text.as_str()).collect();
        sentences.extend(encoder.embed_texts(&texts)?);
        watch(Step { what: "embedding captions", done: sentences.len(), total: captions.len() });
    }
    let owner: Vec<usize> = captions.iter().map(|caption| caption.image).collect();
    let to_image = rank_pictures(&sentences, &pictures, &owner);
    let to_text = rank_sentences(&sentences, &pictures, &owner);
    Ok(CaptionReport {
        model: model_name(encoder),
        images: images.len(),
        captions: captions.len(),
        text_to_image: Retrieval::of(&to_image, images.len(), images.len(), seed),
        image_to_text: Retrieval::of(&to_text, images.len(), captions.len(), seed),
    })
}

impl CaptionReport {
    /// The figure of this report.
    pub fn figure(&self) -> Figure {
        let points = |found: &Retrieval| -> Vec<Point> {
            let point = |at: &RecallAt| Point::new(at.k as f64, at.recall).with_bar(at.ci95[0], at.ci95[1]);
            found.curve.iter().map(point).collect()
        };
        let panel =
            Panel::new(Axis::log("first k of the list"), Axis::linear("recall at k").between(0.0, 1.0))
                .with(Series::line("words to picture", points(&self.text_to_image)))
                .with(Series::line("picture to words", points(&self.image_to_text)));
        Figure::new(format!("{} pictures, {} captions, {}", self.images, self.captions, self.model))
            .with(panel)
    }
}

/// For each sentence, where its own picture stands among all.
fn rank_pictures(sentences: &[Embedding], pictures: &[Embedding], owner: &[usize]) -> Vec<Outcome> {
    sentences
        .par_iter()
        .zip(owner)
        .map(|(sentence, &own)| {
            let scores: Vec<(bool, f32)> = pictures
                .iter()
                .enumerate()
                .map(|(at, picture)| (at == own, dot(sentence.as_slice(), picture.as_slice())))
                .collect();
            Outcome { picture: own, ranks: ranks_of_right(&scores) }
        })
        .collect()
}

/// For each picture, where its own sentences stand among all.
fn rank_sentences(sentences: &[Embedding], pictures: &[Embedding], owner: &[usize]) -> Vec<Outcome> {
    pictures
        .par_iter()
        .enumerate()
        .map(|(image, picture)| {
            let scores: Vec<(bool, f32)> = sentences
                .iter()
                .zip(owner)
                .map(|(sentence, &own)| (own == image, dot(sentence.as_slice(), picture.as_slice())))
                .collect();
            Outcome { picture: image, ranks: ranks_of_right(&scores) }
        })
        .collect()
}

/// The places of right items in a list ordered by score, from 0; wrong ones of an equal score go first.
fn ranks_of_right(scores: &[(bool, f32)]) -> Vec<usize> {
    let mut right: Vec<f32> = scores.iter().filter(|(right, _)| *right).map(|&(_, score)| score).collect();
    right.sort_by(|a, b| b.total_cmp(a));
    let wrong_before = |own: f32| scores.iter().filter(|&&(right, score)| !right && score >= own).count();
    right.iter().enumerate().map(|(before, &own)| before + wrong_before(own)).collect()
}

struct Caption {
    image: usize,
    text: String,
}

/// A table of captions.
pub(super) struct Table {
    /// In the order in which they first appear.
    pub(super) images: Vec<PathBuf>,
    captions: Vec<Caption>,
}

impl Table {
    pub(super) fn read(path: &Path) -> Result<Self, EvalError> {
        let at = |line: u64, reason: &str| EvalError::Row {
            path: path.to_owned(),
            line,
            reason: reason.to_owned(),
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut table = Self { images: Vec::new(), captions: Vec::new() };
        for CaptionRow { line, image: name, text } in caption_rows(path)? {
            if text.is_empty() {
                return Err(at(line, "the caption is empty"));
            }
            let next = table.images.len();
            let image = *known.entry(name.clone()).or_insert(next);
            if image == next {
                let found = locate(folder, &name);
                table.images.push(found.ok_or_else(|| at(line, &format!("there is no image '{name}'")))?);
            }
            table.captions.push(Caption { image, text });
        }
        if table.captions.is_empty() {
            return Err(at(1, "there is no caption below the header"));
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
        let first = |outcomes: Vec<Outcome>| outcomes.iter().map(|it| it.ranks[0]).collect::<Vec<_>>();
        assert_eq!(first(rank_pictures(&sentences, &pictures, &owner)), [0, 1, 2]);
        assert_eq!(first(rank_sentences(&sentences, &pictures, &owner)), [1, 0, 2]);
    }

    #[test]
    fn right_items_stand_behind_each_other_and_behind_equal_wrong_ones() {
        let scores = [(true, 0.5), (false, 0.9), (true, 0.7), (false, 0.5), (true, 0.1), (false, 0.2)];
        assert_eq!(ranks_of_right(&scores), [1, 3, 5]);
        assert!(ranks_of_right(&[(false, 1.0)]).is_empty());
    }

    #[test]
    fn a_bad_table_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.tsv");
        let error = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Table::read(&path).err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(error("picture\ttext\n").contains("line 1: there is no column 'image'"));
        assert!(
            error("image\tcaption\nabsent.jpg\ta dog\n").contains("line 2: there is no image 'absent.jpg'")
        );
        assert!(error("image\tcaption\n\nno tab here\n").contains("line 3: the caption is empty"));
        assert!(error("image\tcaption\n").contains("no caption"));
        assert!(Table::read(&folder.path().join("none.tsv")).is_err());
    }
}
