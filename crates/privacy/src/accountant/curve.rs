//! Rényi divergence at a fixed set of orders.

use crate::PrivacyError;
use crate::error::within;

const COUNT: usize = 99 + 53 + 8;

/// The orders `α` at which divergences are kept: 1.1 to 10.9 by tenths, 11 to 63, and powers of two with a few between
/// up to 4,096, for very small privacy losses.
pub const ORDERS: [f64; COUNT] = orders();

#[expect(clippy::indexing_slicing, reason = "evaluated when compiled, where an error is one of compilation")]
const fn orders() -> [f64; COUNT] {
    const LARGE: [f64; 8] = [80.0, 128.0, 192.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];
    let mut orders = [0.0; COUNT];
    let mut i = 0;
    while i < COUNT {
        orders[i] = match i {
            0..99 => 1.0 + (i + 1) as f64 / 10.0,
            99..152 => (i - 88) as f64,
            _ => LARGE[i - 152],
        };
        i += 1;
    }
    orders
}

/// An upper bound on the Rényi divergence between the outputs with and without one member, at each of [`ORDERS`].
#[derive(Debug, Clone, PartialEq)]
pub struct RdpCurve(Vec<f64>);

impl RdpCurve {
    /// Of a release that reveals nothing.
    pub fn zero() -> Self {
        Self(vec![0.0; COUNT])
    }

    /// From a bound for each order; anything that is not a number counts as no bound.
    pub(crate) fn from_fn(bound: impl Fn(f64) -> f64) -> Self {
        let checked = |value: f64| if value.is_nan() { f64::INFINITY } else { value.max(0.0) };
        Self(ORDERS.iter().map(|&order| checked(bound(order))).collect())
    }

    /// The divergence at each of [`ORDERS`].
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Of both releases, the second of which may depend on the first (adaptive composition, Mironov 2017,
    /// proposition 1).
    #[must_use]
    pub fn compose(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a + b).collect())
    }

    /// Of so many such releases.
    #[must_use]
    pub fn times(&self, releases: u32) -> Self {
        // Not 0 · ∞, which is not a number.
        if releases == 0 {
            Self::zero()
        } else {
            Self(self.0.iter().map(|a| a * f64::from(releases)).collect())
        }
    }

    /// The least `ε` at this `δ` (Canonne, Kamath and Steinke 2020, proposition 12; Balle et al. 2020, equation 20):
    /// `ε = D_α + ln(1 - 1/α) - ln(δ α) / (α - 1)`, minimised over the orders; infinite where nothing is kept.
    pub fn epsilon(&self, delta: f64) -> Result<f64, PrivacyError> {
        within("delta", delta, f64::MIN_POSITIVE..=0.5, "above 0 and at most 0.5")?;
        let epsilon = |(&order, &divergence): (&f64, &f64)| {
            if total_variation(divergence) <= delta {
                return 0.0;
            }
            divergence + (-1.0 / order).ln_1p() - (delta * order).ln() / (order - 1.0)
        };
        Ok(ORDERS.iter().zip(&self.0).map(epsilon).fold(f64::INFINITY, f64::min).max(0.0))
    }

    /// The least `δ` at this `ε`, by the same bounds.
    pub fn delta(&self, epsilon: f64) -> Result<f64, PrivacyError> {
        within("epsilon", epsilon, 0.0..=1e4, "from 0 to 10000")?;
        let delta = |(&order, &divergence): (&f64, &f64)| {
            let exponent = (order - 1.0) * (divergence - epsilon + (-1.0 / order).ln_1p()) - order.ln();
            exponent.exp().min(total_variation(divergence))
        };
        Ok(ORDERS.iter().zip(&self.0).map(delta).fold(1.0, f64::min))
    }
}

/// Every order's divergence is at least that of Kullback and Leibler, and `TV ≤ √(1 - exp(-KL))` (Bretagnolle and Huber
/// 1978).
fn total_variation(divergence: f64) -> f64 {
    (-(-divergence).exp_m1()).sqrt()
}
