//! What breaks the veil, run on drawn and on real embeddings.
//!
//! Each attack is given what a curious cloud holds (veiled documents and queries as int8), what it can buy
//! (public vectors of the same model) and what leaks to it (known pairs of an embedding and its veiling). It
//! knows the scheme and its parameters, never the key. Success is measured against the truth:
//!
//! | module | attack | source |
//! |---|---|---|
//! | [`known_pairs`] | least squares from pairs, blind and block by block | design, section 5 (a) |
//! | [`quadric`] | unit length puts every document on one quadric, linear in its matrix | (b) |
//! | [`alignment`] | principal axes matched with public vectors, signs, then iterative refinement | (c) |
//! | [`noise`] | the span of documents and of queries gives the noise away | (d) |
//! | [`inversion`] | not the veil: a picture from one member's update of a model | Phong et al. 2018 |
//! | [`cbc`] | not the veil: what AES-128-CBC without authentication loses | section 3 |
//!
//! [`table()`] runs all of them over growing material on every [`Variant`] of the veil; [`audit()`] runs them on
//! a given collection; [`jitter`] finds the largest jitter that a collection's ranking bears. All of them are
//! seeded, so that a figure can be printed again.

pub mod alignment;
pub mod audit;
pub mod capture;
pub mod cbc;
pub mod drawn;
pub mod inversion;
pub mod jitter;
pub mod known_pairs;
mod linear;
pub mod noise;
pub mod npy;
pub mod quadric;
pub mod recovery;
pub mod table;

#[cfg(test)]
mod tests;

pub use audit::{Audit, Verdict, audit};
pub use capture::{Capture, Variant};
pub use recovery::Recovery;
pub use table::{Attack, Effort, Material, Row, markdown, table};

/// Why an attack could not be run.
#[derive(Debug, thiserror::Error)]
pub enum AttackError {
    /// The embeddings do not suit the experiment.
    #[error("embeddings: {reason}")]
    Embeddings {
        /// What is wrong with them, with got and expected.
        reason: String,
    },
    /// An embeddings file could not be read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The veil refused the parameters or a vector.
    #[error(transparent)]
    Veil(#[from] pmirs_veil::VeilError),
    /// The index refused a vector.
    #[error(transparent)]
    Index(#[from] pmirs_index::IndexError),
    /// A decomposition did not converge.
    #[error("{0} did not converge")]
    Numeric(&'static str),
}
