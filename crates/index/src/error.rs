use crate::{MAX_DIM, MAX_SCALE};

/// What can be wrong with a vector or a row number that a caller hands in.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// A matrix or a vector of a dimension that the exact integer score does not cover.
    #[error("a vector has between 1 and {MAX_DIM} dimensions, got {got}")]
    DimensionOutOfRange {
        /// The dimension asked for.
        got: usize,
    },
    /// A vector of another dimension than the matrix.
    #[error("the matrix has {expected} dimensions, the vector {got}")]
    DimensionMismatch {
        /// The vector's dimension.
        got: usize,
        /// The matrix's dimension.
        expected: usize,
    },
    /// A coordinate that is infinite or not a number.
    #[error("coordinate {position} is {value}, not a finite number")]
    NotFinite {
        /// Where in the vector, from 0.
        position: usize,
        /// What stood there.
        value: f32,
    },
    /// A scale that is negative, not finite, or large enough for scores to overflow.
    #[error("a vector's scale lies between 0 and {MAX_SCALE:e}, got {got:e}")]
    ScaleOutOfRange {
        /// The scale.
        got: f32,
    },
    /// A row that the matrix does not have.
    #[error("row {row} does not exist, the matrix has {len}")]
    NoSuchRow {
        /// The row asked for, from 0.
        row: u32,
        /// How many rows there are.
        len: usize,
    },
    /// Row numbers that do not ascend where they must.
    #[error("row numbers must ascend, each once")]
    NotAscending,
    /// Rows are numbered in 32 bits, and all numbers are taken.
    #[error("the matrix is full: rows are numbered in 32 bits")]
    Full,
}
