//! Retrieval quality of a model pack, on anybody's data.
//!
//! - [`captions()`]: do sentences find their pictures, and pictures their sentences?
//! - [`folders()`]: does a picture lie nearest to the name of its own folder?
//! - [`phrases()`]: which of a repository's phrases are right for a picture, by the paper's adaptive threshold, and
//!   does protection change the answer?
//! - [`sheet()`]: what a query shows first, as a page of thumbnails to look at.

mod captions;
mod error;
mod files;
mod folders;
mod phrases;
mod pictures;
mod ranking;
mod sheet;

pub use captions::{CaptionReport, captions};
pub use error::EvalError;
pub use folders::{ClassReport, FolderReport, Selection, folders};
pub use phrases::{
    Cutoff, Fitted, NoMatch, PhraseOptions, PhraseReport, PhraseRow, Share, SummaryRow, phrases,
};
pub use ranking::{Intervals, RecallAt, Retrieval};
pub use sheet::{Sheet, SheetHit, SheetReport, SheetRow, sheet};

/// Told how far an evaluation is.
pub type Watch<'a> = &'a mut dyn FnMut(Step);

/// How far an evaluation is with what it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What it is doing.
    pub what: &'static str,
    /// How much of that is done.
    pub done: usize,
    /// Of how much.
    pub total: usize,
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn model_name(encoder: &pmirs_encoder::Encoder) -> String {
    format!("{} {}", encoder.info().name, encoder.info().version)
}
