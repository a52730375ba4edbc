//! Retrieval quality of a model pack, on anybody's data.
//!
//! - [`captions()`]: do sentences find their pictures, and pictures their sentences?
//! - [`folders()`]: does a picture lie nearest to the name of its own folder?

mod captions;
mod error;
mod folders;
mod pictures;

pub use captions::{CaptionReport, Recall, captions};
pub use error::EvalError;
pub use folders::{FolderReport, Selection, folders};

/// Told how far an evaluation is: pictures done, of how many.
pub type Watch<'a> = &'a mut dyn FnMut(usize, usize);

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
