use std::path::PathBuf;

use crate::{EncoderError, PackError, TokenizerError};

/// Why files could not be made a pack.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A part of the model is not there.
    #[error("no {what} found: expected {expected}")]
    Missing {
        /// The part.
        what: &'static str,
        /// What it would look like.
        expected: &'static str,
    },
    /// A part is there several times.
    #[error("several files could be the {what}: {}", list(found))]
    Ambiguous {
        /// The part.
        what: String,
        /// The candidates.
        found: Vec<PathBuf>,
    },
    /// A file breaks its format.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// Where and why.
        reason: String,
    },
    /// A field has a value that this program does not know how to follow.
    #[error("{file}: {field} is {got}, expected {expected}")]
    Field {
        /// The file.
        file: String,
        /// The field, dotted.
        field: String,
        /// What it says.
        got: String,
        /// What can be followed.
        expected: String,
    },
    /// The towers do not belong together.
    #[error("the image tower gives {image} numbers, the text tower {text}: they do not belong together")]
    Dimensions {
        /// Length of an image vector.
        image: usize,
        /// Length of a text vector.
        text: usize,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the pack cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is larger than the limit for its kind.
    #[error("{} has {got} bytes, more than the limit of {limit}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// A folder holds more files than a model has.
    #[error("{} holds more than {limit} files: name the model's own folder or its files", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// The folder to calibrate with holds no picture that can be read.
    #[error("{} holds no picture that can be read", folder.display())]
    NoPictures {
        /// The folder.
        folder: PathBuf,
    },
    /// The model does not run.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
}

impl From<PackError> for ImportError {
    fn from(error: PackError) -> Self {
        Self::Encoder(error.into())
    }
}

impl From<TokenizerError> for ImportError {
    fn from(error: TokenizerError) -> Self {
        Self::Encoder(error.into())
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
