//! What a ledger comes to, for people.

use std::collections::BTreeMap;

use super::chain::Ledger;
use super::release::{Purpose, Release};
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
    /// The same by the data that it was made from.
    pub data: Vec<DataShare>,
}

/// The part of a ledger that was made from the same data.
#[derive(Debug, Clone, PartialEq)]
pub struct DataShare {
    /// Digest that names the data.
    pub data: [u8; 32],
    /// How many releases.
    pub releases: usize,
    /// When the last of them was, in milliseconds since 1970.
    pub last_ms: u64,
    /// `ε` of these alone.
    pub epsilon: f64,
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
        let shares = self.parts(adversary, |release| (release.coordinator, release.purpose));
        let shares = shares.into_iter().map(|((coordinator, purpose), Part { releases, last_ms, curve })| {
            Ok(Share { coordinator, purpose, releases, last_ms, epsilon: curve.epsilon(delta)? })
        });
        let data = self.parts(adversary, |release| release.data);
        let data = data.into_iter().map(|(data, Part { releases, last_ms, curve })| {
            Ok(DataShare { data, releases, last_ms, epsilon: curve.epsilon(delta)? })
        });
        let noises = self.releases().iter().map(|release| release.mechanism.noise_multiplier());
        Ok(Summary {
            releases: self.releases().len(),
            epsilon: self.epsilon(delta, adversary)?,
            delta,
            adversary,
            least_noise: noises.reduce(f64::min),
            shares: shares.collect::<Result<_, PrivacyError>>()?,
            data: data.collect::<Result<_, PrivacyError>>()?,
        })
    }

    /// Releases that have a key in common, added up.
    fn parts<K: Ord>(&self, adversary: Adversary, key: impl Fn(&Release) -> K) -> BTreeMap<K, Part> {
        let mut parts = BTreeMap::new();
        for release in self.releases() {
            let nothing = || Part { releases: 0, last_ms: 0, curve: RdpCurve::zero() };
            let part = parts.entry(key(release)).or_insert_with(nothing);
            part.releases += 1;
            part.last_ms = part.last_ms.max(release.at_ms);
            part.curve = part.curve.compose(&self.cost_of(release, adversary));
        }
        parts
    }
}

struct Part {
    releases: usize,
    last_ms: u64,
    curve: RdpCurve,
}
