use std::path::{Path, PathBuf};

/// Why an evaluation cannot be made. Each names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A file or folder cannot be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A row of a table is not what it should be.
    #[error("{} line {line}: {reason}", path.display())]
    Row {
        /// The table.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The encoder failed.
    #[error(transparent)]
    Encoder(#[from] pmirs_encoder::EncoderError),
}

impl EvalError {
    pub(super) fn file(path: &Path, reason: &dyn std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }
}
