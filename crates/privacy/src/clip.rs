//! A clip norm that follows the updates (Andrew et al. 2021, "Differentially private learning with adaptive clipping").
//!
//! Every client tells, inside the secret sum, whether its update was within the clip norm. The noisy share of those that
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

/// What a client adds to the sum for the share: half a unit for a norm within the clip, minus half a unit for one
/// beyond. Centred, so that one client moves the sum by half a unit only.
pub fn within_clip(update_norm: f64, clip: f64) -> f64 {
    if update_norm <= clip { 0.5 } else { -0.5 }
}

/// The share within the clip, from the noisy sum of [`within_clip`] over so many clients.
pub fn share_within(noisy_sum: f64, clients: u32) -> f64 {
    noisy_sum / f64::from(clients.max(1)) + 0.5
}

/// The clip norm of an update of norm `clip` at most and a count that travels as one more component, of `weight` units
/// instead of one: `√(clip² + (weight/2)²)`. All components of a sum carry the same noise, so that the weight decides
/// how precise the count is: its noise has the component's deviation over `weight`.
pub fn joint_clip(clip: f64, weight: f64) -> f64 {
    clip.hypot(weight / 2.0)
}

/// The noise multiplier for the updates such that they and the count together cost what one release of noise multiplier
/// `z` does, where the count's noise has deviation `count_deviation`: `z_Δ = (z⁻² - (2σ_b)⁻²)^(-1/2)` (theorem 1 of the
/// paper).
pub fn noise_beside_count(z: f64, count_deviation: f64) -> Result<f64, PrivacyError> {
    within("noise multiplier", z, 1e-6..=1e8, "from 1e-6 to 1e8")?;
    within("count deviation", count_deviation, 1e-6..=1e12, "from 1e-6 to 1e12")?;
    let left = z.powi(-2) - (2.0 * count_deviation).powi(-2);
    if left > 0.0 {
        Ok(left.powf(-0.5))
    } else {
        Err(PrivacyError::parameter(
            "count deviation",
            &count_deviation,
            "more than half the noise multiplier",
        ))
    }
}
