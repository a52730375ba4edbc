//! The discrete Laplace distribution.

use rand_core::{CryptoRng, Rng};

use super::bernoulli::{below, exp_minus, exp_minus_one};
use crate::PrivacyError;

/// Scales are ratios of integers up to this.
const LARGEST: u64 = 1 << 40;

/// Integers with `P(x) = (e^{1/b} - 1) / (e^{1/b} + 1) · exp(-|x| / b)` for a scale `b = numerator / denominator`.
///
/// Added to an integer of sensitivity `Δ` it is `Δ/b`-differentially private (Canonne, Kamath and Steinke 2020, section
/// 5.1; Ghosh, Roughgarden and Sundararajan 2012).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscreteLaplace {
    numerator: u64,
    denominator: u64,
}

impl DiscreteLaplace {
    /// With scale `numerator / denominator`, both from 1 to 2⁴⁰.
    pub fn new(numerator: u64, denominator: u64) -> Result<Self, PrivacyError> {
        for (parameter, got) in [("numerator", numerator), ("denominator", denominator)] {
            if !(1..=LARGEST).contains(&got) {
                return Err(PrivacyError::parameter(parameter, &got, "from 1 to 2^40"));
            }
        }
        Ok(Self { numerator, denominator })
    }

    pub(crate) fn of_integer_scale(scale: u64) -> Self {
        debug_assert!((1..=LARGEST).contains(&scale), "a scale in range");
        Self { numerator: scale, denominator: 1 }
    }

    /// One draw, exactly (algorithm 2 of the paper).
    ///
    /// A geometric variable of ratio `exp(-1/numerator)` is made of its remainder and its quotient by `numerator`, which
    /// are independent; a quotient by `denominator` and a sign make it two-sided, and one of the two zeros is refused.
    pub fn sample(&self, rng: &mut impl CryptoRng) -> i64 {
        self.draw(rng)
    }

    pub(crate) fn draw(&self, rng: &mut impl Rng) -> i64 {
        loop {
            let remainder = below(self.numerator, rng);
            if !exp_minus(u128::from(remainder), u128::from(self.numerator), rng) {
                continue;
            }
            let magnitude = (remainder + self.numerator * quotient(rng)) / self.denominator;
            let negative = rng.next_u32() & 1 == 1;
            if magnitude != 0 || !negative {
                return if negative { -(magnitude as i64) } else { magnitude as i64 };
            }
        }
    }
}

/// Geometric of ratio `exp(-1)`. It ends at 4,096, which keeps every product in range; the part of the distribution
/// that this leaves out has a weight of `exp(-4096)`, below 2⁻⁵⁹⁰⁹.
fn quotient(rng: &mut impl Rng) -> u64 {
    (0..4096).take_while(|_| exp_minus_one(rng)).count() as u64
}
