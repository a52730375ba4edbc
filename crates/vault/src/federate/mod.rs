//! A member's part in federated learning, as far as it touches pictures, captions and models.
//!
//! ```text
//! pairs ─▶ examples ─▶ Trainer ─(update)─▶ rounds of pmirs-federated ─(weights)─▶ publish ─▶ a pack
//! ```
//!
//! `pmirs-federated` moves vectors and never learns what they mean; `pmirs-encoder` trains and never learns that
//! there are others. They meet here: [`Trainer`] is the local trainer of the former over the learner of the latter.

mod pairs;
mod publish;
mod trainer;

pub use pairs::{Pair, Sight, from_collection, from_table};
pub use pmirs_encoder::local::{
    Course, Examples, Judgement, Learner, LocalError, MOST_ADAPTER_WEIGHTS, Part, Plan,
};
pub use publish::{Provenance, publish};
pub use trainer::{Pace, TrainFailed, Trainer, manifest, reduce};
