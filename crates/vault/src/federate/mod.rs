//! A member's part in federated learning, as far as it touches pictures, captions and models.
//!
//! ```text
//! pairs ─▶ examples ─▶ Trainer ─(update)─▶ rounds of pmirs-federated ─(weights)─▶ publish ─▶ a pack
//! ```
//!
//! `pmirs-federated` moves vectors and never learns what they mean; `pmirs-encoder` trains and never learns that
//! there are others. They meet here: [`Trainer`] is the local trainer of the former over the learner of the latter, and
//! [`Membership`] takes part in rounds over the network with it.

mod calls;
mod consent;
mod group;
mod member;
mod owner;
mod pairs;
mod publish;
mod run;
mod state;
mod trainer;

use pmirs_federated::chain::Chain;

use crate::VaultError;

pub use consent::{Consent, Prospect};
pub use group::{GroupFile, Listed};
pub use member::{Did, Membership, Taken, randomness};
pub use owner::Founding;
pub use pmirs_wire::federation::{FederationRow, Phase, Standing};

pub use pairs::{Pair, Sight, from_collection, from_table};
pub use pmirs_encoder::local::{
    Course, Examples, Judgement, Learner, LocalError, MOST_ADAPTER_WEIGHTS, Part, Plan,
};
pub use publish::{Provenance, publish};
pub use run::{Ending, Watch};
pub use trainer::{Pace, TrainFailed, Trainer, manifest, reduce};

/// What is wrong with a federation, or what its coordinator did.
fn fault(chain: &Chain, reason: &dyn std::fmt::Display) -> VaultError {
    VaultError::Federation { federation: chain.charter().name.clone(), reason: reason.to_string() }
}
