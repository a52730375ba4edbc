//! Contact sheets: what each query shows first, as a page of thumbnails to look at.

use std::path::{Path, PathBuf};

use pmirs_encoder::{Embedding, Encoder, Limits, Picture};
use serde::Serialize;

use super::captions::Table;
use super::{EvalError, Watch, dot, files, model_name, pictures};
use crate::plot::{Anchor, PlotError, Svg, render, width_of};

/// How much a sheet may hold.
const MOST_QUERIES: usize = 50;
const MOST_COLUMNS: usize = 20;
const LONGEST_QUERY: usize = 200;

/// Lengths in pixels.
const MARGIN: u32 = 16;
const WORDS: u32 = 190;
const CELL: (u32, u32) = (200, 150);
const GAP: u32 = 10;
/// Below a thumbnail: its score.
const BELOW: u32 = 20;
const TEXT: f64 = 17.0;
const SMALL: f64 = 12.0;

/// A page, and what is on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// What is on it.
    pub report: SheetReport,
    /// The page itself.
    pub page: Picture,
}

/// What is on a contact sheet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SheetReport {
    /// The model pack, name and version.
    pub model: String,
    /// Pictures searched.
    pub images: usize,
    /// One row per query.
    pub rows: Vec<SheetRow>,
}

/// A query and what it found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SheetRow {
    /// Its words.
    pub query: String,
    /// Best first.
    pub hits: Vec<SheetHit>,
}

/// A picture that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SheetHit {
    /// Its file's name.
    pub name: String,
    /// The cosine.
    pub score: f32,
}

/// Searches the pictures below a folder, or those of a table of captions, for each query, and lays out the best
/// `columns` of each.
///
/// # Errors
/// When there are no pictures, one cannot be read, there are too many queries or columns, or the encoder fails.
pub fn sheet(
    encoder: &Encoder,
    source: &Path,
    queries: &[String],
    columns: usize,
    watch: Watch<'_>,
) -> Result<Sheet, EvalError> {
    EvalError::unless_within("the number of queries", queries.len(), 1..=MOST_QUERIES)?;
    EvalError::unless_within("the number of columns", columns, 1..=MOST_COLUMNS)?;
    for query in queries {
        EvalError::unless_within("a query's length", query.chars().count(), 1..=LONGEST_QUERY)?;
    }
    let paths = if source.is_file() { Table::read(source)?.images } else { files::pictures_below(source)? };
    let embedded = pictures::embed(encoder, &paths, watch)?;
    let words: Vec<&str> = queries.iter().map(String::as_str).collect();
    let wanted = encoder.embed_texts(&words)?;
    let best: Vec<Vec<(usize, f32)>> =
        wanted.iter().map(|query| nearest(query, &embedded, columns)).collect();

    let name = |at: usize| paths.get(at).map(|path| files::file_name(path)).unwrap_or_default();
    let rows = queries.iter().zip(&best).map(|(query, best)| SheetRow {
        query: query.clone(),
        hits: best.iter().map(|&(at, score)| SheetHit { name: name(at), score }).collect(),
    });
    let rows: Vec<SheetRow> = rows.collect();
    let page = lay_out(&rows, &best, &paths, columns)?;
    Ok(Sheet { report: SheetReport { model: model_name(encoder), images: paths.len(), rows }, page })
}

fn nearest(query: &Embedding, pictures: &[Embedding], count: usize) -> Vec<(usize, f32)> {
    let mut scored: Vec<(usize, f32)> =
        pictures.iter().map(|picture| dot(query.as_slice(), picture.as_slice())).enumerate().collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.truncate(count);
    scored
}

/// Words and scores are drawn as a figure is; thumbnails are laid over it.
fn lay_out(
    rows: &[SheetRow],
    best: &[Vec<(usize, f32)>],
    paths: &[PathBuf],
    columns: usize,
) -> Result<Picture, EvalError> {
    let width = 2 * MARGIN + WORDS + columns as u32 * (CELL.0 + GAP) - GAP;
    let height = 2 * MARGIN + rows.len() as u32 * (CELL.1 + BELOW + GAP) - GAP;
    let corner = |row: usize, column: usize| {
        (MARGIN + WORDS + column as u32 * (CELL.0 + GAP), MARGIN + row as u32 * (CELL.1 + BELOW + GAP))
    };
    let mut svg = Svg::new(f64::from(width), f64::from(height));
    for (at, row) in rows.iter().enumerate() {
        let top = f64::from(corner(at, 0).1);
        for (line, words) in wrapped(&row.query, f64::from(WORDS - MARGIN)).iter().enumerate() {
            let base = top + TEXT * (1.0 + 1.25 * line as f64);
            svg.text(f64::from(MARGIN), base, TEXT, Anchor::Start, "#222222", words);
        }
        for (column, hit) in row.hits.iter().enumerate() {
            let (left, top) = corner(at, column);
            let middle = f64::from(left) + f64::from(CELL.0) / 2.0;
            let base = f64::from(top + CELL.1) + SMALL + 3.0;
            svg.text(middle, base, SMALL, Anchor::Middle, "#555555", &format!("{:.2}", hit.score));
        }
    }
    let mut page = Page::of(&render(&svg.finish(), 1.0)?);
    for (row, best) in best.iter().enumerate() {
        for (column, (at, _)) in best.iter().enumerate() {
            let Some(path) = paths.get(*at) else { continue };
            page.lay(&thumbnail(path)?, corner(row, column));
        }
    }
    page.finish()
}

/// The words of a query in lines that fit.
fn wrapped(words: &str, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width_of(&format!("{line} {word}"), TEXT) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    // As many lines as stand beside a thumbnail.
    lines.truncate(7);
    lines
}

/// A picture that fits into a cell.
fn thumbnail(path: &Path) -> Result<Picture, EvalError> {
    let picture = pictures::read(path)?;
    let (width, height) = (u64::from(picture.width()), u64::from(picture.height()));
    let (most_width, most_height) = (u64::from(CELL.0), u64::from(CELL.1));
    // The longer side at which both sides fit.
    let longer = if width * most_height > height * most_width {
        most_width * width.max(height) / width
    } else {
        most_height * width.max(height) / height
    };
    let failed = |error: pmirs_encoder::PictureError| EvalError::file(path, &error);
    let jpeg = picture.thumbnail(longer.max(1) as u32).map_err(failed)?;
    Picture::decode(&jpeg, &Limits::default()).map_err(failed)
}

/// Pixels under way.
struct Page {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Page {
    fn of(picture: &Picture) -> Self {
        Self { width: picture.width(), height: picture.height(), rgb: picture.rgb().to_vec() }
    }

    /// Lays a thumbnail into the middle of a cell.
    fn lay(&mut self, picture: &Picture, (left, top): (u32, u32)) {
        let left = left + CELL.0.saturating_sub(picture.width()) / 2;
        let top = top + CELL.1.saturating_sub(picture.height()) / 2;
        let row_bytes = 3 * picture.width() as usize;
        for (row, pixels) in picture.rgb().chunks_exact(row_bytes).enumerate() {
            let start = 3 * ((top as usize + row) * self.width as usize + left as usize);
            if let Some(place) = self.rgb.get_mut(start..start + row_bytes) {
                place.copy_from_slice(pixels);
            }
        }
    }

    fn finish(self) -> Result<Picture, EvalError> {
        Picture::from_rgb(self.width, self.height, self.rgb)
            .map_err(|error| PlotError::Pixels(error.to_string()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_fit_and_lie_in_the_middle_of_their_cells() {
        let folder = tempfile::tempdir().unwrap();
        for (width, height) in [(400, 100), (100, 400), (30, 30), (1, 900)] {
            let path = folder.path().join("picture.png");
            let grey = Picture::from_rgb(width, height, vec![90; 3 * (width * height) as usize]).unwrap();
            std::fs::write(&path, grey.to_png().unwrap()).unwrap();
            let small = thumbnail(&path).unwrap();
            assert!(small.width() <= CELL.0 && small.height() <= CELL.1, "{small:?} of {width} x {height}");
            let fills = small.width() == CELL.0 || small.height() == CELL.1;
            assert!(fills || (small.width(), small.height()) == (width, height), "{small:?}");

            let white = Picture::from_rgb(CELL.0 + 20, CELL.1 + 20, vec![255; 3 * (220 * 170)]).unwrap();
            let mut page = Page::of(&white);
            page.lay(&small, (10, 10));
            let page = page.finish().unwrap();
            let dark = page.rgb().chunks_exact(3).filter(|pixel| pixel[0] < 128).count();
            assert_eq!(dark, (small.width() * small.height()) as usize);
        }
    }

    #[test]
    fn long_queries_are_wrapped() {
        let lines = wrapped("a child with a ball on the beach in summer", 150.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| width_of(line, TEXT) <= 150.0), "{lines:?}");
        assert_eq!(lines.join(" "), "a child with a ball on the beach in summer");
    }
}
