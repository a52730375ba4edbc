//! Being chosen by a secret coin, the only kind of sampling that makes a round cheaper.
//!
//! A round in which a member takes part with probability `q` reveals less about them, *if* three things hold: the coin
//! is tossed for each member alone (Poisson sampling), it is fair to `q`, and whoever is defended against does not see
//! how it fell. A coordinator that picks the members, or that sees who uploads, knows: against it nothing is gained, and
//! [`Adversary::Coordinator`] charges the full price. Batches of fixed size, random orders and "a random tenth of those
//! who were online" are other distributions with other theorems.
//!
//! So a [`SecretRate`] comes out of a toss of a [`SecretCoin`], together with how it fell. It is owed either way: a
//! member who stays out of a round by the coin pays for the round as well.

use rand_core::CryptoRng;

use crate::PrivacyError;
use crate::error::within;

/// Against whom a promise holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Adversary {
    /// Who runs the rounds and sees who takes part; and whoever they share it with. Sampling gains nothing.
    Coordinator,
    /// Who sees the sums and models that come out, but not who took part.
    Recipients,
}

/// A coin that decides, on a member's own machine, whether they take part in a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SecretCoin {
    rate: f64,
}

impl SecretCoin {
    /// Takes part with probability `rate`, above 0 and at most 1.
    pub fn new(rate: f64) -> Result<Self, PrivacyError> {
        Ok(Self { rate: within("sampling rate", rate, 1e-9..=1.0, "from 1e-9 to 1")? })
    }

    /// Tosses the coin for one round. The bias differs from the rate by less than 2⁻⁵³.
    pub fn toss(&self, rng: &mut impl CryptoRng) -> Toss {
        let uniform = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        Toss { takes_part: uniform < self.rate, rate: SecretRate(self.rate) }
    }
}

/// How a coin fell, and what may be claimed for it.
#[derive(Debug, PartialEq)]
#[must_use = "the round is owed however the coin fell"]
pub struct Toss {
    /// Whether the member takes part in this round.
    pub takes_part: bool,
    /// The claim that goes into the ledger, whether they take part or not.
    pub rate: SecretRate,
}

/// A sampling rate that a proof may use: a coin of this bias was tossed in secret. It is not made from a number:
///
/// ```compile_fail
/// let rate = pmirs_privacy::SecretRate(0.1);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SecretRate(f64);

impl SecretRate {
    /// For plans and simulations, where no coin is tossed: the caller vouches that the sampling will be Poisson, and
    /// hidden from the adversary.
    pub fn assume_poisson_and_hidden(rate: f64) -> Result<Self, PrivacyError> {
        Ok(Self(SecretCoin::new(rate)?.rate))
    }

    /// The probability of taking part.
    pub fn value(self) -> f64 {
        self.0
    }
}
