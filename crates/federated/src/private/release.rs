//! A round as an entry of a member's ledger.

use pmirs_crypto::sha256;
use pmirs_privacy::Mechanism;
use pmirs_privacy::ledger::{Purpose, Release};

use super::Guarantee;
use crate::Round;

/// What a round does not know of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occasion {
    /// Fingerprint of who runs the rounds.
    pub coordinator: [u8; 32],
    /// Digest that names the data that the member trained on.
    pub data: [u8; 32],
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What a member writes into its ledger before this upload leaves: what the round costs, and which bytes may leave for it.
/// An upload of a round without noise is a release without a guarantee.
pub fn release(round: &Round, occasion: &Occasion, upload: &[u8]) -> Release {
    let plan = round.plan();
    Release {
        purpose: Purpose::FederatedRound,
        mechanism: round.guarantee().map_or(Mechanism::Unprotected, Guarantee::mechanism),
        sampled_at: None,
        round: u64::from(plan.number),
        occasion: round.id().0,
        message: sha256(upload),
        data: occasion.data,
        coordinator: occasion.coordinator,
        model: plan.model.0,
        at_ms: occasion.at_ms,
    }
}
