//! The Gaussian mechanism with as much noise as `(ε, δ)` needs, and no more (Balle and Wang 2018, "Improving the
//! Gaussian mechanism for differential privacy").
//!
//! The textbook's `σ = Δ √(2 ln(1.25/δ)) / ε` holds for `ε < 1` alone and is up to twice too large there. The exact
//! curve (theorem 8 of the paper), for a noise multiplier `z = σ/Δ`, is
//!
//! ```text
//! δ(ε) = Φ(1/2z - εz) - e^ε Φ(-1/2z - εz)
//! ```
//!
//! The curve is that of the continuous Gaussian. What is released must not be drawn in floating point (see the samplers
//! of this crate for why): put the value on an integer grid and add a [`DiscreteGaussian`](crate::DiscreteGaussian).

use crate::PrivacyError;
use crate::error::within;
use crate::special::{bisect, log_normal_cdf};

/// Noise multipliers that are searched.
const RANGE: std::ops::RangeInclusive<f64> = 1e-4..=1e8;

/// The `δ` at which Gaussian noise of this multiplier, `σ/Δ`, is `(ε, δ)`-differentially private.
pub fn delta(noise_multiplier: f64, epsilon: f64) -> Result<f64, PrivacyError> {
    within("noise multiplier", noise_multiplier, RANGE, "from 1e-4 to 1e8")?;
    within("epsilon", epsilon, 0.0..=1e4, "from 0 to 10000")?;
    Ok(delta_of(noise_multiplier, epsilon))
}

/// The least noise multiplier, `σ/Δ`, for `(ε, δ)`-differential privacy; rounded up in its last digits.
pub fn noise_multiplier(epsilon: f64, delta: f64) -> Result<f64, PrivacyError> {
    within("epsilon", epsilon, 1e-6..=1e4, "from 1e-6 to 10000")?;
    within("delta", delta, f64::MIN_POSITIVE..=0.5, "above 0 and at most 0.5")?;
    let largest = *RANGE.end();
    if delta_of(largest, epsilon) > delta {
        return Err(PrivacyError::Unreachable { epsilon, delta, largest });
    }
    Ok(bisect(*RANGE.start(), largest, |z| delta_of(z, epsilon) <= delta))
}

/// The least `ε` at this `δ` for Gaussian noise of this multiplier, `σ/Δ`; rounded up in its last digits.
pub fn epsilon(noise_multiplier: f64, delta: f64) -> Result<f64, PrivacyError> {
    within("noise multiplier", noise_multiplier, RANGE, "from 1e-4 to 1e8")?;
    within("delta", delta, f64::MIN_POSITIVE..=0.5, "above 0 and at most 0.5")?;
    if delta_of(noise_multiplier, 0.0) <= delta {
        return Ok(0.0);
    }
    let mut high = 1.0;
    while delta_of(noise_multiplier, high) > delta {
        high *= 2.0;
    }
    Ok(bisect(1e-12, high, |epsilon| delta_of(noise_multiplier, epsilon) <= delta))
}

/// `e^a - e^b` as `e^a (1 - e^(b-a))`, since both terms may be tiny, and `e^ε` too large for a number.
fn delta_of(z: f64, epsilon: f64) -> f64 {
    let gain = log_normal_cdf(0.5 / z - epsilon * z);
    let loss = epsilon + log_normal_cdf(-0.5 / z - epsilon * z);
    if loss >= gain { 0.0 } else { gain.exp() * -(loss - gain).exp_m1() }
}
