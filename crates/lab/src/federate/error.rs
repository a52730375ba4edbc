//! Why a simulation ends early.

use std::path::{Path, PathBuf};

use pmirs_federated::simulate::Failed;
use pmirs_vault::VaultError;
use pmirs_vault::federate::{LocalError, TrainFailed};

use crate::plot::PlotError;

/// Why a federation cannot be simulated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
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
    /// A file cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A round failed.
    #[error(transparent)]
    Round(#[from] Failed),
    /// A plan that no federation can have, such as one without room for its noise.
    #[error(transparent)]
    Plan(#[from] pmirs_federated::Error),
    /// The model, or what was learned.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A picture or a table.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A figure could not be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
}

impl SimulateError {
    pub(super) fn file(path: &Path, reason: &dyn std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl From<TrainFailed> for SimulateError {
    fn from(error: TrainFailed) -> Self {
        match error {
            TrainFailed::Vault(error) => Self::Vault(error),
            TrainFailed::Local(error) => Self::Local(error),
            other => Self::Setting { what: "training", got: other.to_string(), expected: "to go on".into() },
        }
    }
}
