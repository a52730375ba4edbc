//! What a release was protected by.

use super::curve::RdpCurve;
use super::sampled;
use crate::PrivacyError;
use crate::distributed::DistributedGaussian;
use crate::error::within;
use crate::sampling::SecretRate;

/// A mechanism as far as its cost depends on it.
#[derive(Debug, Clone, PartialEq)]
pub enum Mechanism {
    /// Gaussian noise of deviation `noise_multiplier` times the L2 sensitivity, discrete or continuous.
    Gaussian {
        /// `σ/Δ`.
        noise_multiplier: f64,
    },
    /// A sum of updates, each with its share of discrete Gaussian noise.
    Distributed(DistributedGaussian),
    /// Anything of pure `ε`-differential privacy: discrete Laplace, PrivUnit, randomised response.
    Pure {
        /// `ε`.
        epsilon: f64,
    },
    /// No noise at all: whatever it reveals, no promise is left.
    Unprotected,
}

impl Mechanism {
    /// Gaussian noise of this multiplier, `σ/Δ`.
    pub fn gaussian(noise_multiplier: f64) -> Result<Self, PrivacyError> {
        within("noise multiplier", noise_multiplier, 1e-2..=1e8, "from 0.01 to 1e8")?;
        Ok(Self::Gaussian { noise_multiplier })
    }

    /// Something of pure `ε`-differential privacy.
    pub fn pure(epsilon: f64) -> Result<Self, PrivacyError> {
        within("epsilon", epsilon, 1e-9..=1e3, "from 1e-9 to 1000")?;
        Ok(Self::Pure { epsilon })
    }

    /// Refuses what was put together past the constructors.
    pub(crate) fn check(&self) -> Result<(), PrivacyError> {
        match self {
            Self::Gaussian { noise_multiplier } => Self::gaussian(*noise_multiplier).map(drop),
            Self::Distributed(_) | Self::Unprotected => Ok(()),
            Self::Pure { epsilon } => Self::pure(*epsilon).map(drop),
        }
    }

    /// What errors and ledgers call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gaussian { .. } => "gaussian",
            Self::Distributed(_) => "distributed discrete gaussian",
            Self::Pure { .. } => "pure",
            Self::Unprotected => "none",
        }
    }

    /// Deviation of the noise over the sensitivity, 0 without noise. Of a pure mechanism, that of the Laplace noise with its `ε`: `√2/ε`.
    pub fn noise_multiplier(&self) -> f64 {
        match self {
            Self::Gaussian { noise_multiplier } => *noise_multiplier,
            Self::Distributed(noise) => noise.noise_multiplier(),
            Self::Pure { epsilon } => std::f64::consts::SQRT_2 / epsilon,
            Self::Unprotected => 0.0,
        }
    }

    /// Rényi divergence of one release at an order above 1, for a member who surely takes part.
    pub fn divergence(&self, order: f64) -> f64 {
        match self {
            Self::Gaussian { noise_multiplier: z } => order / (2.0 * z * z),
            Self::Distributed(noise) => noise.divergence(order),
            Self::Pure { epsilon } => pure(*epsilon, order),
            Self::Unprotected => f64::INFINITY,
        }
    }

    /// The cost of one release.
    ///
    /// Without a rate, the member surely takes part, or the adversary knows whether they do. With one, they take part by
    /// a coin that the adversary does not see fall. A sum in which members share the noise costs the same either way: who
    /// stays out adds none, so the coin shows in how noisy the sum is, and no theorem on sampling covers that.
    pub fn curve(&self, sampled_at: Option<SecretRate>) -> RdpCurve {
        match sampled_at.map(SecretRate::value).filter(|&rate| rate < 1.0) {
            None => RdpCurve::from_fn(|order| self.divergence(order)),
            Some(_) if matches!(self, Self::Distributed(_)) => self.curve(None),
            Some(rate) => RdpCurve::from_fn(|order| match self {
                Self::Gaussian { noise_multiplier } => sampled::gaussian(*noise_multiplier, rate, order),
                Self::Unprotected => f64::INFINITY,
                other => sampled::any(|order| other.divergence(order), rate, order),
            }),
        }
    }
}

/// `ln( (sinh(αε) - sinh((α-1)ε)) / sinh ε ) / (α - 1)`, what randomised response of this `ε` attains (Mironov 2017,
/// proposition 5) and nothing `ε`-private exceeds: of all likelihood ratios between `e^-ε` and `e^ε` with mean 1, the two
/// ends alone have the largest mean of any convex function (Bun and Steinke 2016, section 3).
///
/// In terms of `p = e^ε/(1 + e^ε)`: `p^α (1-p)^(1-α) + (1-p)^α p^(1-α) = e^((α-1)ε) p + e^(-(α-1)ε) (1-p)`.
fn pure(epsilon: f64, order: f64) -> f64 {
    let exponent = (order - 1.0) * epsilon;
    let log_p = -(-epsilon).exp().ln_1p();
    let sum = crate::special::log_add(exponent + log_p, -exponent - epsilon + log_p);
    (sum / (order - 1.0)).min(epsilon)
}
