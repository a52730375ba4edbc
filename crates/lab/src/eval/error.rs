use std::path::{Path, PathBuf};

use crate::plot::PlotError;
use crate::world::WorldError;

/// Why an evaluation cannot be made. Each names the file, and the line or field where there is one.
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
    /// A field of a description is not what it should be.
    #[error("{}: {field}: {reason}", path.display())]
    Field {
        /// The description.
        path: PathBuf,
        /// Where in it.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A setting that the caller chose is out of its range.
    #[error("{what} is {got}, expected {expected}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// What was given.
        got: String,
        /// What is taken.
        expected: String,
    },
    /// The encoder failed.
    #[error(transparent)]
    Encoder(#[from] pmirs_encoder::EncoderError),
    /// The client library failed.
    #[error(transparent)]
    Vault(#[from] pmirs_vault::VaultError),
    /// The embedded server failed.
    #[error(transparent)]
    Cloud(#[from] pmirs_cloud::Error),
    /// A page of thumbnails or a figure could not be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

impl EvalError {
    pub(super) fn file(path: &Path, reason: &dyn std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Refuses a number outside its range.
    pub(super) fn unless_within(
        what: &'static str,
        got: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> Result<(), Self> {
        if range.contains(&got) {
            return Ok(());
        }
        let expected = format!("{} to {}", range.start(), range.end());
        Err(Self::Setting { what, got: got.to_string(), expected })
    }
}

impl From<WorldError> for EvalError {
    fn from(error: WorldError) -> Self {
        match error {
            WorldError::Folder { path, reason } => Self::File { path, reason },
            WorldError::Cloud(error) => Self::Cloud(error),
            WorldError::Vault(error) => Self::Vault(error),
        }
    }
}
