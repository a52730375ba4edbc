//! What a release is.

use crate::accountant::{Mechanism, RdpCurve};
use crate::sampling::{Adversary, SecretRate};

/// What a release is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// An update inside the secret sum of a federated round.
    FederatedRound,
    /// A member's quality on their own held-out pairs, under noise.
    Quality,
    /// An analysis from a noised embedding.
    Shield,
    /// A count or a histogram over several members.
    Count,
}

impl Purpose {
    pub(crate) const ALL: [Self; 4] = [Self::FederatedRound, Self::Quality, Self::Shield, Self::Count];

    /// What lists call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FederatedRound => "federated round",
            Self::Quality => "quality",
            Self::Shield => "shield",
            Self::Count => "count",
        }
    }
}

/// Something that a member lets out.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// What it is for.
    pub purpose: Purpose,
    /// What protects it.
    pub mechanism: Mechanism,
    /// The secret coin that decided whether the member takes part, if there was one.
    pub sampled_at: Option<SecretRate>,
    /// Which round of its model's training, where there are rounds.
    pub round: u64,
    /// What names this one release, so that it is counted once however often it is sent: a round's digest, attempt and
    /// all.
    pub occasion: [u8; 32],
    /// SHA-256 of the bytes that leave for it, and no others.
    pub message: [u8; 32],
    /// Digest that names the data that it is made from.
    pub data: [u8; 32],
    /// Fingerprint of who asked for it.
    pub coordinator: [u8; 32],
    /// Digest of the model that it is about.
    pub model: [u8; 32],
    /// When, in milliseconds since 1970, as the caller's clock says.
    pub at_ms: u64,
}

impl Release {
    /// What it costs against an adversary. Sampling counts only against those who do not see who takes part.
    pub fn curve(&self, adversary: Adversary) -> RdpCurve {
        self.mechanism.curve(match adversary {
            Adversary::Coordinator => None,
            Adversary::Recipients => self.sampled_at,
        })
    }
}
