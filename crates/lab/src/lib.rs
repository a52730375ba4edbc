//! Evaluation, attacks and benchmarks: where PMIRS measures itself.
//!
//! - [`eval`]: retrieval quality of a model pack on captions and on class folders.
//! - [`attack`]: what breaks the veil, run on real and drawn embeddings.
//! - [`federate`]: federations of simulated members, on real pictures and captions.
//! - [`mod@bench`]: speed, with the machine's own limits measured beside it.
//! - [`plot`]: what was measured, as figures.

pub mod attack;
pub mod bench;
pub mod eval;
pub mod federate;
pub mod plot;
mod world;
