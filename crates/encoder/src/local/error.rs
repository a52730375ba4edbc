//! Why a member's training ends early.

use std::path::PathBuf;

use super::Part;
use crate::compact::train::TrainError;
use crate::{EncoderError, PackError};

/// Why local training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The model has no such part.
    #[error("{model} cannot train {part}: {reason}")]
    Unfit {
        /// The model's name.
        model: String,
        /// What was to train.
        part: Part,
        /// Why it cannot.
        reason: String,
    },
    /// A vector of another length than the part has weights.
    #[error("the weights are {got} numbers, expected {expected}")]
    Length {
        /// Weights that train.
        expected: usize,
        /// Numbers given.
        got: usize,
    },
    /// There is nothing to learn from.
    #[error("{got} pictures with captions, expected at least {expected}")]
    TooFew {
        /// Fewest that say anything.
        expected: usize,
        /// What there is.
        got: usize,
    },
    /// The numbers ran away.
    #[error("the loss became {loss} at step {step} of the round")]
    Diverged {
        /// The loss.
        loss: f32,
        /// The local step.
        step: u32,
    },
    /// A file of the new pack cannot be written.
    #[error("{path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The tensor engine failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The model is at fault.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A picture or a sentence cannot be embedded.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
}
