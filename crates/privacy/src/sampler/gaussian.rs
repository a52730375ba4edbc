//! The discrete Gaussian distribution.

use rand_core::{CryptoRng, Rng};
use zeroize::Zeroizing;

use super::bernoulli::{LARGEST_DENOMINATOR, exp_minus};
use super::bulk;
use super::laplace::DiscreteLaplace;
use crate::PrivacyError;
use crate::error::within;

/// The largest numerator of a variance, so that every product of the sampler stays within 128 bits.
const LARGEST_NUMERATOR: u64 = 1 << 46;
/// The largest denominator of a variance.
const LARGEST_SHARE: u64 = 1 << 20;

/// `σ²` as an exact ratio of integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Variance {
    numerator: u64,
    denominator: u64,
}

impl Variance {
    /// `numerator / denominator`, from 1 to 2⁴⁶ and from 1 to 2²⁰.
    pub fn new(numerator: u64, denominator: u64) -> Result<Self, PrivacyError> {
        if !(1..=LARGEST_NUMERATOR).contains(&numerator) {
            return Err(PrivacyError::parameter("variance numerator", &numerator, "from 1 to 2^46"));
        }
        if !(1..=LARGEST_SHARE).contains(&denominator) {
            return Err(PrivacyError::parameter("variance denominator", &denominator, "from 1 to 2^20"));
        }
        Ok(Self { numerator, denominator })
    }

    /// The least variance on a grid of power-of-two denominators that is not below `variance`: from 2⁻²⁰ to 2⁴⁶, about
    /// six digits of it or more.
    pub fn at_least(variance: f64) -> Result<Self, PrivacyError> {
        const LEAST: f64 = 1.0 / LARGEST_SHARE as f64;
        within("variance", variance, LEAST..=LARGEST_NUMERATOR as f64, "from 2^-20 to 2^46")?;
        let mut denominator = LARGEST_SHARE;
        while variance * denominator as f64 > LARGEST_NUMERATOR as f64 {
            denominator /= 2;
        }
        Self::new((variance * denominator as f64).ceil() as u64, denominator)
    }

    /// The ratio as a number.
    pub fn value(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// The upper integer.
    pub fn numerator(self) -> u64 {
        self.numerator
    }

    /// The lower integer.
    pub fn denominator(self) -> u64 {
        self.denominator
    }
}

/// Integers with `P(x) ∝ exp(-x² / 2σ²)`.
///
/// Added to every coordinate of an integer vector of L2 sensitivity `Δ`, it has the Rényi divergence of the continuous
/// Gaussian, `α Δ² / 2σ²` at every order `α` (Canonne, Kamath and Steinke 2020, theorem 4). Its variance
/// is at most `σ²`, and almost equal once `σ` is 1 or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscreteGaussian {
    variance: Variance,
    /// The scale `t` of the Laplace variable that is thinned out.
    scale: u64,
    laplace: DiscreteLaplace,
}

impl DiscreteGaussian {
    /// With this `σ²`.
    pub fn new(variance: Variance) -> Self {
        let scale = (variance.numerator / variance.denominator).isqrt() + 1;
        // The scale is 2^23 + 1 at most, far within what a Laplace variable takes.
        let laplace = DiscreteLaplace::of_integer_scale(scale);
        Self { variance, scale, laplace }
    }

    /// `σ²`, the distribution's parameter.
    pub fn variance(&self) -> Variance {
        self.variance
    }

    /// One draw, exactly (algorithm 3 of the paper).
    pub fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        self.draw(rng)
    }

    /// A vector of independent draws, on all cores. The same generator state gives the same vector on every machine.
    /// Draws beyond 32 bits, of probability below 2⁻⁹⁰⁰⁰ at the largest `σ`, wrap around as the sum in ℤ_2³² would.
    pub fn noise(&self, length: usize, rng: &mut impl CryptoRng) -> Zeroizing<Vec<i32>> {
        let mut noise = Zeroizing::new(vec![0; length]);
        bulk::add(&mut noise, rng, |words| self.draw(words) as i32);
        noise
    }

    /// Adds a vector of independent draws to a vector, in ℤ_2³².
    pub fn add_to(&self, vector: &mut [i32], rng: &mut impl CryptoRng) {
        bulk::add(vector, rng, |words| self.draw(words) as i32);
    }

    /// A magnitude that the sum of `count` independent draws exceeds with probability at most `2^-bits`:
    /// `σ √(2 · count · ln(2 · 2^bits))`, since the discrete Gaussian is subgaussian with its own `σ` (section 2 of the
    /// paper), and so are sums with the root of the summed variances.
    pub fn tail(&self, count: u32, bits: u32) -> f64 {
        let exponent = (f64::from(bits) + 1.0) * std::f64::consts::LN_2;
        (2.0 * self.variance.value() * f64::from(count) * exponent).sqrt()
    }

    /// A Laplace draw `y` of scale `t` is kept with probability `exp(-(|y| - σ²/t)² / 2σ²)`, which leaves
    /// `exp(-|y|/t) · exp(-(|y| - σ²/t)²/2σ²) ∝ exp(-y²/2σ²)`. With `σ² = n/d` the exponent is the ratio
    /// `(|y| t d - n)² / (2 n d t²)`: the root of the numerator stays below 2⁶³ and the denominator below 2⁹⁸.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> i64 {
        let (n, d) = (u128::from(self.variance.numerator), u128::from(self.variance.denominator));
        let t = u128::from(self.scale);
        let denominator = 2 * n * d * t * t;
        debug_assert!(denominator < LARGEST_DENOMINATOR, "the limits of a variance keep it there");
        loop {
            let y = self.laplace.draw(rng);
            let root = (u128::from(y.unsigned_abs()) * t * d).abs_diff(n);
            if exp_minus(root * root, denominator, rng) {
                return y;
            }
        }
    }
}
