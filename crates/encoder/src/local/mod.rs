//! A member's training: some steps on its own pictures and captions, from weights that it was given to weights
//! that it gives back.
//!
//! Numbers only: this module knows nothing of rounds, members or masks. A [`Learner`] is a model of which some
//! [`Part`] trains, as one flat vector; [`Examples`] are pictures with captions, reduced to what the frozen rest
//! makes of them, so that no picture is looked at twice; [`Learner::train`] goes from one vector to the next, the
//! same on every run with the same seed; [`Learner::judge`] says how good one is; [`Learner::publish`] makes a pack
//! of it.
//!
//! ```text
//! pictures, captions ─reduce─▶ Examples ─batches─▶ objective ─▶ update         part    frozen
//!                                  │                                           all     nothing
//!                                  └──────────────▶ judge                      heads   the trunk
//!                                                                              adapter both towers
//! ```
//!
//! The vector holds a head's weights in coordinates of one size (`scale`), so that a step, a clip and noise of one
//! size fit all of them.

mod adapter;
mod batches;
mod error;
mod examples;
mod judge;
mod learner;
mod network;
mod objective;
mod part;
mod publish;
mod scale;
mod task;

pub use error::LocalError;
pub use examples::Examples;
pub use judge::Judgement;
pub use learner::{Course, Learned, Learner, Plan};
pub use part::{MOST_ADAPTER_WEIGHTS, Part};
pub use publish::Provenance;
pub use task::Vectors;
