//! A clip norm that follows the updates (Andrew et al. 2021, "Differentially private learning with adaptive clipping").
//!
//! Every client tells, inside the secret sum and under its noise, whether its update was within the clip norm. The noisy share of those that
//! were moves the norm towards the wanted quantile of the updates' norms, geometrically:
//!
//! ```text
//! C' = C · exp(-η (b̃ - γ))          b̃: noisy share within the norm, γ: wanted quantile, η: learning rate
//! ```

use crate::PrivacyError;
use crate::error::within;

/// How a clip norm is steered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveClip {
    quantile: f64,
    rate: f64,
    least: f64,
    largest: f64,
}

impl AdaptiveClip {
    /// The paper's settings: the median, learning rate 0.2; within bounds that are public beforehand.
    pub fn median(least: f64, largest: f64) -> Result<Self, PrivacyError> {
        Self::new(0.5, 0.2, least, largest)
    }

    /// Towards this quantile of the updates' norms, at this learning rate, never outside the bounds.
    pub fn new(quantile: f64, rate: f64, least: f64, largest: f64) -> Result<Self, PrivacyError> {
        within("quantile", quantile, 0.0..=1.0, "from 0 to 1")?;
        within("learning rate", rate, 0.0..=10.0, "from 0 to 10")?;
        within("least clip", least, 1e-12..=1e12, "from 1e-12 to 1e12")?;
        within("largest clip", largest, least..=1e12, "from the least clip to 1e12")?;
        Ok(Self { quantile, rate, least, largest })
    }

    /// The next round's clip norm, from this round's and the noisy share of updates that were within it.
    ///
    /// It is a function of what was released already, and costs nothing more. A share outside [0, 1], which noise can
    /// give, counts as the nearer end; one that is not a number changes nothing.
    pub fn next(&self, clip: f64, share_within: f64) -> f64 {
        let share = if share_within.is_nan() { self.quantile } else { share_within.clamp(0.0, 1.0) };
        (clip * (-self.rate * (share - self.quantile)).exp()).clamp(self.least, self.largest)
    }
}
