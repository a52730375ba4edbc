//! What a person agrees to before anything is trained for others.

use pmirs_federated::chain::Chain;
use pmirs_federated::private::{Occasion, release};
use pmirs_wire::{Digest, Message};
use serde::{Deserialize, Serialize};

use crate::privacy::Limits;
use crate::{Vault, VaultError};

/// What was agreed: on which data, within which limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consent {
    /// What the person calls the data: a collection's name, or a table's path.
    pub source: String,
    /// The digest that names it in the ledger.
    pub data: Digest,
    /// The largest ε of everything that is let out, at `delta`; infinite without a limit.
    pub epsilon: f64,
    /// δ.
    pub delta: f64,
    /// The least noise multiplier of any round.
    pub least_noise: f64,
    /// When, in milliseconds since 1970.
    pub agreed_ms: u64,
}

impl Message for Consent {
    const NAME: &'static str = "consent";
    const MAX_BYTES: usize = 16 << 10;
}

impl Consent {
    /// As the ledger holds to them.
    pub fn limits(&self) -> Limits {
        Limits { epsilon: self.epsilon, delta: self.delta, least_noise: self.least_noise }
    }
}

/// What a federation would let out of this home, for a person to read before they consent.
#[derive(Debug, Clone, PartialEq)]
pub struct Prospect {
    /// What it is called.
    pub name: String,
    /// Its name: the digest of its charter.
    pub id: Digest,
    /// The model that it starts from, and what of it trains.
    pub base: String,
    /// What of it trains.
    pub part: String,
    /// How many numbers that are.
    pub weights: usize,
    /// Members of the group.
    pub members: usize,
    /// Fewest whose sum may be revealed.
    pub quorum: u32,
    /// Rounds that are left.
    pub rounds: u32,
    /// Bytes that leave with each update.
    pub upload_bytes: usize,
    /// Largest norm of an update.
    pub clip: f64,
    /// The noise multiplier of the fewest honest members, if there is noise.
    pub noise_multiplier: Option<f64>,
    /// ε at `delta` of the rounds that are left, if there is noise.
    pub epsilon: Option<f64>,
    /// δ.
    pub delta: f64,
    /// ε of all that this home has let out, with them; infinite without noise.
    pub total_epsilon: f64,
    /// Twelve words for the group and all terms: the same for all members.
    pub words: String,
}

/// Works out what taking part in all rounds that are left costs.
///
/// # Errors
/// [`VaultError::Privacy`], with both numbers, where the limits forbid even that.
pub(super) fn prospect(vault: &Vault, chain: &Chain, consent: &Consent) -> Result<Prospect, VaultError> {
    let round = chain.round(0).map_err(|error| super::fault(chain, &error))?;
    let (charter, delta) = (chain.charter(), consent.delta);
    let rounds = charter.terms.rounds - chain.next().min(charter.terms.rounds);
    let occasion =
        Occasion { coordinator: charter.coordinator.0, data: consent.data.0, at_ms: consent.agreed_ms };
    let total = vault.privacy().allows(&consent.limits(), &release(&round, &occasion, &[]), rounds)?;
    let guarantee = round.guarantee();
    let epsilon = guarantee.map(|guarantee| guarantee.epsilon(rounds, delta)).transpose()?;
    Ok(Prospect {
        name: charter.name.clone(),
        id: chain.id(),
        base: charter.base.clone(),
        part: charter.part.clone(),
        weights: charter.manifest.weights(),
        members: chain.group().len(),
        quorum: charter.terms.quorum,
        rounds,
        upload_bytes: pmirs_federated::message::upload_len(&round),
        clip: chain.clip(),
        noise_multiplier: guarantee.map(pmirs_federated::private::Guarantee::noise_multiplier),
        epsilon,
        delta,
        total_epsilon: total,
        words: pmirs_crypto::head_words(&chain.id().0),
    })
}
