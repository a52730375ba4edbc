//! What a round's noise is worth: the mechanism that a plan amounts to, a member's share of its noise, and its cost.
//!
//! # The mechanism
//!
//! A round lets out one thing: the sum of all words of its survivors, coordinates and tallies. Every member adds an
//! independent discrete Gaussian to every word before it masks them, so the sum is
//!
//! ```text
//! Σ_i (r_i, b_i) + N_ℤ(0, σ²)^words          r_i: coordinates on the grid,  ‖r_i‖₂ ≤ Δ   (checked on the integers)
//!                                            b_i: within, loss, quality, each at most T/2 from its middle, which is 0
//! ```
//!
//! and one member moves it by √(Δ² + 3T²/4) at most. That is the [`DistributedGaussian`] of `pmirs-privacy` over all
//! words, with the clip √(C² + 3(T/2S)²), whose bound covers both parts. Compression comes before the clip, and what
//! comes after the sum (mean, optimiser, the next clip by the count of those within) only looks at it: neither costs
//! anything. Two coordinates to a word have no room for noise, and such a plan is refused, as are weights by examples.
//!
//! # Who is protected, and how far
//!
//! - **Neighbours**: a member's words are in the sum, or zeros in their place. All of a member's data at once, that is.
//!   That it takes part is no secret.
//! - **Who is counted on**: [`Round::fewest_honest`] members who add their noise, over all rosters that the plan allows.
//!   The graph proves that a sum has them, with the rest of its bound; a quorum of named survivors alone does not.
//!   Members that work for the coordinator may leave theirs out or tell it, and those who vanish take theirs along.
//! - **No amplification by sampling.** The coordinator sees who takes part, and so does every member, on the roster. It
//!   also chooses, and a choice that the adversary makes or sees amplifies nothing, however random it claims to be. What
//!   does count is that a member pays for those rounds alone in which it uploaded: [`Goal::rounds`] are the rounds of one
//!   member, fewer than those of the federation where cohorts take turns.
//! - **Every upload is a release**, also in a round that the coordinator says has failed. Another attempt has another
//!   name, takes fresh noise and costs again; the same attempt is answered with the same bytes.
//! - The masks themselves can fail with probability 2⁻⁴⁰ a round (see [`graph`](crate::graph)), which adds to δ.

mod calibrate;
mod release;

use pmirs_crypto::Prg;
use pmirs_privacy::{DiscreteGaussian, DistributedGaussian, Grid, Mechanism, PrivacyError, RdpCurve};
use rand_core::CryptoRng;

pub use calibrate::{Goal, calibrate};
pub use release::{Occasion, release};

use crate::fixed::{Fixed, Layout};
use crate::plan::RoundPlan;
use crate::{Error, Round};

/// Tallies that a member moves under noise: within, loss, quality.
const MOVING_TALLIES: f64 = 3.0;

/// What a round with noise promises every member. [`Round::new`] makes it, so a round that exists keeps its promise if
/// members do as [`clip::encode`](crate::clip::encode) does.
#[derive(Debug, Clone, PartialEq)]
pub struct Guarantee {
    mechanism: DistributedGaussian,
}

impl Guarantee {
    pub(crate) fn of(
        plan: &RoundPlan,
        group: usize,
        layout: Layout,
        fixed: &Fixed,
    ) -> Result<Option<Self>, Error> {
        if plan.noise.is_none() {
            return Ok(None);
        }
        let wrong = |expected: String| {
            let got = plan.noise.deviation().to_string();
            Error::Plan { field: "noise", got, expected }
        };
        let variance = fixed.variance().ok_or_else(|| wrong("noise that can be drawn on the grid".into()))?;
        let mechanism =
            DistributedGaussian::new(grid(plan, layout, fixed), plan.fewest_honest(group) as u32, variance);
        mechanism.map(|mechanism| Some(Self { mechanism })).map_err(|error| wrong(error.to_string()))
    }

    /// The mechanism, for accounts.
    pub fn mechanism(&self) -> Mechanism {
        Mechanism::Distributed(self.mechanism)
    }

    /// Deviation of the noise of the fewest honest survivors over the most that one member moves.
    pub fn noise_multiplier(&self) -> f64 {
        self.mechanism.noise_multiplier()
    }

    /// The cost of one upload.
    pub fn curve(&self) -> RdpCurve {
        self.mechanism().curve(None)
    }

    /// ε at this δ of a member who uploads in so many rounds like this one.
    ///
    /// # Errors
    /// For a δ that is none.
    pub fn epsilon(&self, rounds: u32, delta: f64) -> Result<f64, PrivacyError> {
        self.curve().times(rounds).epsilon(delta)
    }

    /// A member's share of the noise, one integer for each word: fresh for every attempt of every round.
    pub fn noise(&self, rng: &mut impl CryptoRng) -> Vec<i64> {
        let gaussian = DiscreteGaussian::new(self.mechanism.variance());
        let words = self.mechanism.grid().components as usize;
        gaussian.noise(words, rng).iter().copied().map(i64::from).collect()
    }
}

/// A simulated member's noise, which follows from the simulation's seed: nothing for a round without.
pub fn simulated_noise(round: &Round, member: u32, seed: &[u8; 32]) -> Option<Vec<i64>> {
    let label = [b"noise".as_slice(), &round.id().0, &member.to_be_bytes()].concat();
    Some(round.guarantee()?.noise(&mut Prg::new(seed, &label)))
}

/// All words on one grid: the clip that an update and its tallies have together.
pub(crate) fn grid(plan: &RoundPlan, layout: Layout, fixed: &Fixed) -> Grid {
    let tally = fixed.tally() / 2.0 / fixed.scale();
    let clip = plan.clip.hypot(tally * MOVING_TALLIES.sqrt());
    Grid { clip, scale: fixed.scale(), components: layout.words() as u32 }
}
