use std::path::PathBuf;

use crate::world::WorldError;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The client library failed.
    #[error(transparent)]
    Vault(#[from] pmirs_vault::VaultError),
    /// The embedded server failed.
    #[error(transparent)]
    Cloud(#[from] pmirs_cloud::Error),
    /// The encoder failed.
    #[error(transparent)]
    Encoder(#[from] pmirs_encoder::EncoderError),
    /// The three parties failed.
    #[error("under sharing: {0}")]
    Split(pmirs_mpc::Error),
    /// A request was not answered, or not as it should be.
    #[error("{request}: {reason}")]
    Asked {
        /// Which request.
        request: String,
        /// What came instead.
        reason: String,
    },
    /// A message could not be encoded.
    #[error(transparent)]
    Encode(#[from] pmirs_wire::EncodeError),
    /// The database could not be filled.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// The three servers did not start, or do not answer.
    #[error("the three servers: {0}")]
    Party(String),
    /// The system gives no threads.
    #[error("no threads to measure with: {0}")]
    Threads(String),
    /// A picture could not be made or read.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder holds too little to measure with.
    #[error("{} holds {got} pictures, {needed} are needed", folder.display())]
    TooFew {
        /// Which folder.
        folder: PathBuf,
        /// Pictures found.
        got: usize,
        /// Pictures needed.
        needed: usize,
    },
}

impl BenchError {
    pub(super) fn asked(request: &str, reason: &dyn std::fmt::Display) -> Self {
        Self::Asked { request: request.to_owned(), reason: reason.to_string() }
    }

    pub(super) fn party(reason: impl std::fmt::Display) -> Self {
        Self::Party(reason.to_string())
    }

    pub(super) fn file(path: &std::path::Path, reason: &dyn std::fmt::Display) -> Self {
        Self::File { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl From<WorldError> for BenchError {
    fn from(error: WorldError) -> Self {
        match error {
            WorldError::Folder { path, reason } => Self::File { path, reason },
            WorldError::Cloud(error) => Self::Cloud(error),
            WorldError::Vault(error) => Self::Vault(error),
        }
    }
}
