//! Scoring kernels and top-k over int8 vectors, plaintext or veiled.
//!
//! A [`Matrix`] holds one row per item. A search takes the dot product of the query with every row, exactly
//! in 32-bit integers, scales it back to a float and keeps the best `k`. The kernel is chosen when the
//! program runs (AVX-512 VNNI, AVX2, NEON or plain Rust, see [`kernel_name`]) and reads rows as fast as
//! memory delivers them. Results do not depend on the kernel or on the number of threads: dot products are
//! exact, and equal scores are ordered by row number.
//!
//! ```
//! use pmirs_index::{Matrix, quantise};
//!
//! let mut matrix = Matrix::new(3)?;
//! let north = matrix.push(&quantise(&[0.0, 1.0, 0.0])?)?;
//! let east = matrix.push(&quantise(&[1.0, 0.0, 0.0])?)?;
//!
//! let query = quantise(&[0.6, 0.8, 0.0])?;
//! let hits = matrix.top_k(&query, 2, 1)?;
//! assert_eq!([hits[0].row, hits[1].row], [north, east]);
//! assert!((hits[0].score - 0.8).abs() < 0.01);
//! # Ok::<(), pmirs_index::IndexError>(())
//! ```
//!
//! The crate does no I/O and reads no clock. A matrix is changed through `&mut`: a server that appends and
//! removes while it searches keeps each one behind a readers-writer lock. Neither [`Matrix::push`] nor
//! [`Matrix::swap_remove`] ever moves more than one segment of 4,096 rows, so the writer's turn is short.

mod best;
mod error;
mod kernel;
mod matrix;
mod quantise;
mod search;
mod tree;

pub use best::Hit;
pub use error::IndexError;
pub use kernel::kernel_name;
pub use matrix::Matrix;
pub use quantise::{MAX_SCALE, Quantised, quantise};
pub use tree::{Tree, TreeShape};

/// The most dimensions a vector may have. At 2^16 the largest dot product of int8 vectors is
/// 2^16 · 2^7 · 2^7 = 2^30, so an `i32` always holds it exactly.
pub const MAX_DIM: usize = 1 << 16;
