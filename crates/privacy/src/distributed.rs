//! Discrete Gaussian noise that no one party adds: every client adds a share, and only the sum is ever seen (Kairouz,
//! Liu and Steinke 2021, "The distributed discrete Gaussian mechanism for federated learning with secure aggregation").
//!
//! ```text
//! client i:  x_i  clipped to ‖x_i‖₂ ≤ c, times s, rounded to integers at random      -> r_i,  ‖r_i‖₂ ≤ Δ
//!            r_i + N_ℤ(0, σ²)^d                                                       -> masked, and sent
//! server:    Σ r_i + Σ N_ℤ(0, σ²)^d        of h honest survivors at least             -> opened
//! ```
//!
//! Clipping, rounding and adding are `pmirs-federated`'s; here is what they must keep to, and what it is worth.
//!
//! **Rounding** would inflate the sensitivity to `c s + √d` in the worst case. Rounding again until the result is short
//! enough (conditional rounding, proposition 22 of the paper) bounds it by
//!
//! ```text
//! Δ² = min{ c²s² + d/4 + √(2 ln 1/β) (c s + √d/2), (c s + √d)² }
//! ```
//!
//! and succeeds with probability `1 - β` at least; here `β = e^{-1/2}`, as in the paper's experiments. The bound is
//! to be checked on the integers that are sent, so that no rounding of floating point can break it.
//!
//! **The sum** of discrete Gaussians is not one, but close: at every point the logarithms of the densities of the sum of
//! `h` and of `N_ℤ(0, hσ²)` differ by at most `τ = 10 Σ_{k=1}^{h-1} exp(-2π²σ² k/(k+1))` (theorem 1, for `σ ≥ 1/2`),
//! and so the Rényi divergence at order `α` is at most (proposition 14)
//!
//! ```text
//! min{ α Δ²/2hσ² + τ d,
//!      α/2 (Δ²/hσ² + 2 Δ₁ τ/(√h σ) + τ² d),        Δ₁ ≤ Δ min{√d, Δ}, as for every integer vector
//!      α/2 (Δ/(√h σ) + √d τ)² }
//! ```
//!
//! From `σ = 2` on, `τ` is below 10⁻¹⁵, and a sum of a million components costs what a central mechanism does.
//!
//! **Who is counted.** `survivors` are the fewest clients that are honest and still there at the end: noise of clients
//! that vanish, or that tell their noise to the server, protects nobody. More survivors only add independent noise, which
//! is processing of a result that is private already.
//!
//! **Neighbours** are a sum with a member's update and one where a zero vector stands in its place.
//!
//! **No rotation.** The paper rotates updates by a random Hadamard matrix so that few bits per coordinate suffice: it
//! keeps coordinates small against a small modulus. The bound above does not need it, nor does a sum in ℤ_2³², which has
//! room for the whole clip norm in one coordinate.

use crate::PrivacyError;
use crate::accountant::{Mechanism, Target};
use crate::error::within;
use crate::sampler::{DiscreteGaussian, Variance};

/// The bias parameter `β` of conditional rounding: `ln 1/β`.
const LOG_INVERSE_BETA: f64 = 0.5;
/// The theorem on sums begins here.
const LEAST_VARIANCE: f64 = 0.25;
/// Coordinates that a vector may have.
const MOST_COMPONENTS: u32 = 1 << 28;
/// Clients that may be counted on.
const MOST_SURVIVORS: u32 = 1 << 20;

/// What is summed: its length, its bound, and the integer grid that it is put on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// `c`: updates are clipped to this L2 norm.
    pub clip: f64,
    /// `s`: integer steps per unit; the paper's `1/γ`.
    pub scale: f64,
    /// `d`: components of an update.
    pub components: u32,
}

impl Grid {
    /// `Δ²`, the squared L2 norm that no rounded update exceeds, in squared steps.
    pub fn sensitivity_squared(&self) -> f64 {
        let (norm, d) = (self.clip * self.scale, f64::from(self.components));
        let likely = norm * norm + d / 4.0 + (2.0 * LOG_INVERSE_BETA).sqrt() * (norm + d.sqrt() / 2.0);
        likely.min((norm + d.sqrt()).powi(2))
    }

    fn check(&self) -> Result<(), PrivacyError> {
        within("clip", self.clip, 1e-12..=1e12, "from 1e-12 to 1e12")?;
        within("scale", self.scale, 1e-12..=1e18, "from 1e-12 to 1e18")?;
        within("clip times scale", self.clip * self.scale, 1e-3..=1_073_741_824.0, "from 0.001 to 2^30")?;
        if !(1..=MOST_COMPONENTS).contains(&self.components) {
            return Err(PrivacyError::parameter("components", &self.components, "from 1 to 2^28"));
        }
        Ok(())
    }
}

/// The noise of one round: what each client adds, and what the sum is worth. A value of this type has been checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistributedGaussian {
    grid: Grid,
    survivors: u32,
    variance: Variance,
    distance: f64,
}

impl DistributedGaussian {
    /// With this variance per client and component, in squared steps, and so many honest survivors at least.
    pub fn new(grid: Grid, survivors: u32, variance: Variance) -> Result<Self, PrivacyError> {
        grid.check()?;
        if !(1..=MOST_SURVIVORS).contains(&survivors) {
            return Err(PrivacyError::parameter("survivors", &survivors, "from 1 to 2^20"));
        }
        if variance.value() < LEAST_VARIANCE {
            let expected = "at least 0.25 squared steps for each client (a finer grid has more)";
            return Err(PrivacyError::parameter("variance", &variance.value(), expected));
        }
        Ok(Self::unchecked(grid, survivors, variance))
    }

    fn unchecked(grid: Grid, survivors: u32, variance: Variance) -> Self {
        Self { grid, survivors, variance, distance: distance_of_sum(variance.value(), survivors) }
    }

    /// With the least noise that keeps a promise.
    pub fn for_target(grid: Grid, survivors: u32, target: &Target) -> Result<Self, PrivacyError> {
        const LARGEST: f64 = 8_388_608.0; // 2^23, whose square is the largest variance
        let largest = Variance::at_least(LARGEST * LARGEST)?;
        Self::new(grid, survivors, largest)?;
        let deviation = target.search(LEAST_VARIANCE.sqrt(), LARGEST, |deviation| {
            // A variance that rounds up costs less, never more.
            let variance = Variance::at_least(deviation * deviation).unwrap_or(largest);
            Mechanism::Distributed(Self::unchecked(grid, survivors, variance))
        })?;
        Self::new(grid, survivors, Variance::at_least(deviation * deviation)?)
    }

    /// What is summed.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// `h`, the fewest honest survivors that the promise counts on.
    pub fn survivors(&self) -> u32 {
        self.survivors
    }

    /// `σ²`, what each client adds to each component, in squared steps.
    pub fn variance(&self) -> Variance {
        self.variance
    }

    /// `√h σ / Δ`: what a central Gaussian mechanism would call its noise multiplier.
    pub fn noise_multiplier(&self) -> f64 {
        (f64::from(self.survivors) * self.variance.value() / self.grid.sensitivity_squared()).sqrt()
    }

    /// `σ / Δ`: what is left of it for a member when everybody else is in league with the server.
    pub fn noise_multiplier_alone(&self) -> f64 {
        (self.variance.value() / self.grid.sensitivity_squared()).sqrt()
    }

    /// Deviation of the noise in one component of a sum over so many clients, in the unit of the update.
    pub fn deviation_of_sum(&self, clients: u32) -> f64 {
        (f64::from(clients) * self.variance.value()).sqrt() / self.grid.scale
    }

    /// `τ`: how far the sum of the survivors' noise is from one discrete Gaussian, in each component.
    pub fn distance_from_gaussian(&self) -> f64 {
        self.distance
    }

    /// The Rényi divergence of one round at an order above 1.
    pub fn divergence(&self, order: f64) -> f64 {
        let squared = self.grid.sensitivity_squared();
        let (l2, d) = (squared.sqrt(), f64::from(self.grid.components));
        let l1 = l2 * d.sqrt().min(l2);
        let deviation = (f64::from(self.survivors) * self.variance.value()).sqrt();
        let tau = self.distance;
        let (l1, l2) = (l1 / deviation, l2 / deviation);
        let by_density = order / 2.0 * l2 * l2 + tau * d;
        let by_norms = order / 2.0 * (l2 * l2 + 2.0 * l1 * tau + tau * tau * d);
        let by_triangle = order / 2.0 * (l2 + d.sqrt() * tau).powi(2);
        by_density.min(by_norms).min(by_triangle)
    }

    /// A magnitude that the noise in one component of a sum over so many clients exceeds with probability at most
    /// `2^-bits`, in steps; for bounds on wrapping around.
    pub fn noise_tail(&self, clients: u32, bits: u32) -> f64 {
        DiscreteGaussian::new(self.variance).tail(clients, bits)
    }
}

/// `10 Σ_{k=1}^{h-1} exp(-2π²σ² k/(k+1))`
fn distance_of_sum(variance: f64, survivors: u32) -> f64 {
    let exponent = -2.0 * std::f64::consts::PI.powi(2) * variance;
    let term = |k: u32| (exponent * f64::from(k) / f64::from(k + 1)).exp();
    10.0 * (1..survivors).map(term).sum::<f64>()
}
