//! How much noise a promise needs.

use super::curve::RdpCurve;
use super::mechanism::Mechanism;
use crate::PrivacyError;
use crate::error::within;
use crate::sampling::SecretRate;
use crate::special::bisect;

/// A promise over several rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// `ε` of all rounds together.
    pub epsilon: f64,
    /// At this `δ`.
    pub delta: f64,
    /// How many rounds.
    pub rounds: u32,
    /// With which secret coin a member takes part in each; none if they take part in every round, or if the adversary
    /// sees who does.
    pub sampled_at: Option<SecretRate>,
}

impl Target {
    /// Whether so many releases of this mechanism keep the promise.
    pub fn holds(&self, mechanism: &Mechanism) -> Result<bool, PrivacyError> {
        self.check()?;
        Ok(self.kept_by(&mechanism.curve(self.sampled_at)))
    }

    /// The least Gaussian noise multiplier, `σ/Δ`, that keeps the promise; rounded up in its last digits.
    pub fn gaussian(&self) -> Result<f64, PrivacyError> {
        self.search(1e-2, 1e7, |noise_multiplier| Mechanism::Gaussian { noise_multiplier })
    }

    /// The least value of a parameter that keeps the promise, for a mechanism whose cost falls as it grows.
    pub(crate) fn search(
        &self,
        least: f64,
        largest: f64,
        mechanism: impl Fn(f64) -> Mechanism,
    ) -> Result<f64, PrivacyError> {
        self.check()?;
        let holds = |noise: f64| self.kept_by(&mechanism(noise).curve(self.sampled_at));
        if !holds(largest) {
            return Err(PrivacyError::Unreachable { epsilon: self.epsilon, delta: self.delta, largest });
        }
        if holds(least) { Ok(least) } else { Ok(bisect(least, largest, holds)) }
    }

    fn kept_by(&self, one: &RdpCurve) -> bool {
        one.times(self.rounds).epsilon(self.delta).is_ok_and(|epsilon| epsilon <= self.epsilon)
    }

    fn check(&self) -> Result<(), PrivacyError> {
        within("epsilon", self.epsilon, 1e-6..=1e4, "from 1e-6 to 10000")?;
        within("delta", self.delta, f64::MIN_POSITIVE..=0.5, "above 0 and at most 0.5")?;
        within("rounds", f64::from(self.rounds), 1.0..=1e9, "from 1 to 1e9")?;
        Ok(())
    }
}
