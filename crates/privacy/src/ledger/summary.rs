//! What a ledger comes to, for people.

use std::collections::BTreeMap;

use super::chain::Ledger;
use super::release::Purpose;
use crate::PrivacyError;
use crate::accountant::RdpCurve;
use crate::sampling::Adversary;

/// What a member let out, in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How many releases.
    pub releases: usize,
    /// `ε` of all of them together.
    pub epsilon: f64,
    /// At this `δ`.
    pub delta: f64,
    /// Against whom.
    pub adversary: Adversary,
    /// The least noise multiplier among them; none without releases.
    pub least_noise: Option<f64>,
    /// The same by who asked, and for what.
    pub shares: Vec<Share>,
}

/// The part of a ledger that one asker had for one purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Fingerprint of who asked.
    pub coordinator: [u8; 32],
    /// What for.
    pub purpose: Purpose,
    /// How many releases.
    pub releases: usize,
    /// When the last of them was, in milliseconds since 1970.
    pub last_ms: u64,
    /// `ε` of these alone. Shares do not add up to the whole: together they cost less than one by one.
    pub epsilon: f64,
}

impl Ledger {
    /// The sum of all entries at this `δ`, against this adversary.
    pub fn summary(&self, delta: f64, adversary: Adversary) -> Result<Summary, PrivacyError> {
        let mut parts: BTreeMap<([u8; 32], Purpose), (usize, u64, RdpCurve)> = BTreeMap::new();
        for release in self.releases() {
            let fresh = || (0, 0, RdpCurve::zero());
            let part = parts.entry((release.coordinator, release.purpose)).or_insert_with(fresh);
            *part =
                (part.0 + 1, part.1.max(release.at_ms), part.2.compose(&self.cost_of(release, adversary)));
        }
        let share = |((coordinator, purpose), (releases, last_ms, curve)): (_, (_, _, RdpCurve))| {
            Ok(Share { coordinator, purpose, releases, last_ms, epsilon: curve.epsilon(delta)? })
        };
        let noises = self.releases().iter().map(|release| release.mechanism.noise_multiplier());
        Ok(Summary {
            releases: self.releases().len(),
            epsilon: self.epsilon(delta, adversary)?,
            delta,
            adversary,
            least_noise: noises.reduce(f64::min),
            shares: parts.into_iter().map(share).collect::<Result<_, PrivacyError>>()?,
        })
    }
}
