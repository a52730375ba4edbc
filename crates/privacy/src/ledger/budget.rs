//! What a member allows.

use crate::PrivacyError;
use crate::error::within;
use crate::sampling::Adversary;

/// A member's terms, for everything that they ever let out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// The largest `ε` of all releases together; infinite for a member who sets no limit, and then alone takes part in
    /// what has no noise.
    pub epsilon: f64,
    /// At this `δ`.
    pub delta: f64,
    /// The least noise multiplier of any single release, whatever is left of the budget: deviation of the noise over
    /// what the member can move.
    pub least_noise: f64,
    /// Against whom.
    pub adversary: Adversary,
}

impl Budget {
    /// Whether so much may be spent. Costs are sums of floats, which differ in their last digits with the order of
    /// addition: a plan that uses a budget up exactly must not fail in its last round for that.
    pub(crate) fn holds(&self, epsilon: f64) -> bool {
        const LAST_DIGITS: f64 = 1e-9;
        epsilon <= self.epsilon * (1.0 + LAST_DIGITS)
    }

    /// Refuses terms that say nothing.
    pub fn check(&self) -> Result<(), PrivacyError> {
        if self.epsilon != f64::INFINITY {
            within("budget epsilon", self.epsilon, 0.0..=1e4, "from 0 to 10000, or infinite")?;
        }
        within("budget delta", self.delta, f64::MIN_POSITIVE..=0.5, "above 0 and at most 0.5")?;
        within("least noise", self.least_noise, 0.0..=1e8, "from 0 to 1e8")?;
        Ok(())
    }
}

/// An `ε`; releases without noise have none that bounds them.
fn or_no_limit(epsilon: f64) -> String {
    if epsilon.is_finite() { format!("{epsilon:.3}") } else { "no bound at all".to_owned() }
}

/// Why a release was not written, and must not leave.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It would cost more than is left.
    #[error(
        "it would bring epsilon from {} to {} at delta {delta:e}, and the limit is {budget}",
        or_no_limit(*spent),
        or_no_limit(*would_be)
    )]
    OverBudget {
        /// `ε` of all releases until now.
        spent: f64,
        /// `ε` with this one.
        would_be: f64,
        /// The most that it may be.
        budget: f64,
        /// At this `δ`.
        delta: f64,
    },
    /// It has less noise than the member demands of each release.
    #[error("noise multiplier {got:.4}, but this member demands {demanded} at least")]
    TooLittleNoise {
        /// Of this release.
        got: f64,
        /// The least that was demanded.
        demanded: f64,
    },
    /// The occasion was answered before, with other bytes: two answers differ by what they hide.
    #[error("entry {entry} of the privacy ledger already answers this occasion, with another message")]
    OtherMessage {
        /// Which entry.
        entry: u64,
    },
    /// Somebody else's identity.
    #[error("this privacy ledger belongs to another identity")]
    OtherMember,
    /// No room for another entry.
    #[error("the privacy ledger is full: {limit} entries")]
    Full {
        /// Entries that a ledger may have.
        limit: u64,
    },
    /// Terms that say nothing, or a mechanism that was put together past its checks.
    #[error(transparent)]
    Parameter(#[from] PrivacyError),
}
