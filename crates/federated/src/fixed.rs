//! Numbers as words modulo 2³², so finely that their sum over all members almost surely does not wrap around.
//!
//! # The scale
//!
//! A coordinate x becomes ⌊xS + u⌋ with u uniform in [0, 1), which is xS in expectation. With |x| ≤ B, n
//! members and noise of standard deviation σ per member, a coordinate of the sum is at most
//!
//! ```text
//! n (B S + 1)  +  |Z|        Z: the sum of n members' noise, with variance v = n σ² S²
//! ```
//!
//! The first term is certain: it assumes nothing of how updates are distributed. For noise that is discrete
//! Gaussian or Skellam, log E[exp(λZ)] ≤ v (cosh λ − 1), and Bernstein's form of Chernoff's bound gives
//!
//! ```text
//! P[|Z| ≥ m] ≤ 2 exp(−m² / (2 (v + m/3)))  ≤  2⁻⁴⁰ / words      for  m = L/3 + √(L²/9 + 2Lv),  L = ln(2 · words · 2⁴⁰)
//! ```
//!
//! so that, over all words of the vector, the sum leaves [−2³¹, 2³¹) with probability at most 2⁻⁴⁰ if
//! n (B S + 1) + m < 2³¹. S is the largest power of two for which it is: multiplying by it is exact, and every
//! machine computes the same.
//!
//! # The tallies
//!
//! Behind the coordinates lie [`TALLIES`] words: what is counted and not learned from. Each is a number of 0 to 1, told
//! as ±½ around its middle, in units of 1/T. Without noise T is [`TALLY_ONE`]. With noise a member's tallies are part of
//! what it gives away, so T is a fixed share of the coordinates' sensitivity: they raise that of the whole by 2.5 in a
//! hundred, and each is told with a deviation of about 4 z members (z: the round's noise multiplier).

use rand_core::Rng;

use pmirs_privacy::Variance;

use crate::compress::Compression;
use crate::{Error, clip};

/// A sum wraps around with probability at most 2 to the minus this.
pub const WRAP_BITS: f64 = 40.0;
/// Words behind the coordinates of an update: members within the clip, weight, loss, quality.
pub const TALLIES: usize = 4;
/// What 1 is in a tally without noise: of all members less than 2²⁸.
pub const TALLY_ONE: f64 = 65536.0;
/// Half of T as a share of the coordinates' sensitivity Δ: with three tallies of ±T/2 that can move (under noise the
/// weight is always 1), the sensitivity of all words is Δ √(1 + 3 · 0.129²) = 1.025 Δ.
const TALLY_SHARE: f64 = 0.129;
/// Scales are 2 to the plus or minus this at most.
const MOST_EXPONENT: i32 = 100;
/// The largest deviation of noise, in steps: what the sampler takes.
const MOST_DEVIATION: f64 = 8_388_608.0;

/// How an update lies in the vector that is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    weights: usize,
    coordinates: usize,
    lanes: usize,
}

impl Layout {
    pub(crate) fn of(weights: usize, compression: &Compression) -> Self {
        Self { weights, coordinates: compression.coordinates(weights), lanes: compression.lanes() }
    }

    /// Weights of the model that train.
    pub fn weights(&self) -> usize {
        self.weights
    }

    /// Numbers that are left of them by compression.
    pub fn coordinates(&self) -> usize {
        self.coordinates
    }

    /// Words that hold the coordinates; [`TALLIES`] follow.
    pub fn coordinate_words(&self) -> usize {
        self.coordinates.div_ceil(self.lanes)
    }

    /// Words of the whole vector.
    pub fn words(&self) -> usize {
        self.coordinate_words() + TALLIES
    }
}

/// What the words of a round must have room for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Members whose vectors are added up.
    pub members: u32,
    /// The L2 norm that no update exceeds.
    pub clip: f64,
    /// What no coordinate exceeds.
    pub largest: f64,
    /// The standard deviation of one member's noise, in the update's units.
    pub deviation: f64,
    /// How an update lies in its words.
    pub layout: Layout,
}

/// The scale of a round's fixed-point numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fixed {
    scale: f64,
    largest: f64,
    tally: f64,
    variance: Option<Variance>,
}

impl Fixed {
    /// The finest scale for a load. Two lanes to a word leave 8 bits to a coordinate, and no noise.
    ///
    /// # Errors
    /// [`Error::Plan`] where not even 1 bit of `largest` is left.
    pub fn new(load: &Load) -> Result<Self, Error> {
        let Load { members, largest, deviation, .. } = *load;
        let wrong =
            |got: String, expected: &str| Error::Plan { field: "clip", got, expected: expected.into() };
        if load.layout.lanes > 1 {
            let scale = 127.0 / largest;
            if members > 257 || deviation > 0.0 {
                return Err(wrong(
                    format!("{members} members"),
                    "at most 257 members and no noise for 8 bits",
                ));
            }
            // The scales that whole words may have: below them 127 / largest is not even finite.
            if !(2_f64.powi(-MOST_EXPONENT)..=2_f64.powi(MOST_EXPONENT)).contains(&scale) {
                return Err(wrong(largest.to_string(), "a largest coordinate that 8 bits can be told of"));
            }
            return Ok(Self { scale, largest, tally: TALLY_ONE, variance: None });
        }
        let powers = (-MOST_EXPONENT..=MOST_EXPONENT).rev().map(|exponent| 2_f64.powi(exponent));
        let fitting = powers.map(|scale| Self::at(load, scale)).find(|fixed| fixed.fits(load));
        fitting.filter(|fixed| fixed.scale * largest >= 1.0).ok_or_else(|| {
            wrong(format!("{largest}, noise {deviation}, {members} members"), "room for 1 bit in 32")
        })
    }

    fn at(load: &Load, scale: f64) -> Self {
        let Load { clip, largest, deviation, layout, .. } = *load;
        if deviation == 0.0 {
            return Self { scale, largest, tally: TALLY_ONE, variance: None };
        }
        let sensitivity = clip::integer_norm_bound(clip * scale, layout.coordinates);
        let tally = 2.0 * (TALLY_SHARE * sensitivity).floor().max(1.0);
        Self { scale, largest, tally, variance: Variance::at_least((deviation * scale).powi(2)).ok() }
    }

    /// Whether sums of the load stay within 32 bits.
    fn fits(&self, load: &Load) -> bool {
        let drawable = load.deviation == 0.0 || load.deviation * self.scale <= MOST_DEVIATION;
        let largest = (self.largest * self.scale + 1.0).max(self.tally / 2.0);
        let variance = self.variance.map_or((load.deviation * self.scale).powi(2), Variance::value);
        drawable && bound(f64::from(load.members), largest, variance, load.layout.words()) < 2_f64.powi(31)
    }

    /// S: words for one unit.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// B: the largest coordinate.
    pub fn largest(&self) -> f64 {
        self.largest
    }

    /// T: what 1 is in a tally.
    pub fn tally(&self) -> f64 {
        self.tally
    }

    /// The variance of one member's noise in every word, in squared steps; none without noise, and none for noise too
    /// small to be drawn.
    pub fn variance(&self) -> Option<Variance> {
        self.variance
    }

    /// Rounds coordinates up or down by chance, so that each is right on average; those beyond the largest
    /// are cut to it.
    pub(crate) fn round(&self, rng: &mut impl Rng, coordinates: &[f64], integers: &mut Vec<i32>) {
        integers.clear();
        integers.reserve_exact(coordinates.len() + TALLIES);
        let mut draws = [0; 4 * 256];
        for block in coordinates.chunks(256) {
            rng.fill_bytes(&mut draws);
            let rounded = block.iter().zip(draws.as_chunks::<4>().0).map(|(coordinate, draw)| {
                let chance = f64::from(u32::from_le_bytes(*draw)) / 2_f64.powi(32);
                let cut = coordinate.clamp(-self.largest, self.largest);
                floor(cut * self.scale + chance)
            });
            integers.extend(rounded);
        }
    }
}

/// The whole number below: without a call into the library, which processors of the oldest kind would need.
fn floor(value: f64) -> i32 {
    let cut = value as i32;
    cut.saturating_sub(i32::from(f64::from(cut) > value))
}

/// What a word of the sum stays below, all but with probability 2⁻⁴⁰ / words; `largest` and `variance` are one member's,
/// in steps.
fn bound(members: f64, largest: f64, variance: f64, words: usize) -> f64 {
    let variance = members * variance;
    let odds = (2.0 * words as f64).ln() + WRAP_BITS * std::f64::consts::LN_2;
    let noise =
        if variance > 0.0 { odds / 3.0 + (odds * odds / 9.0 + 2.0 * odds * variance).sqrt() } else { 0.0 };
    members * largest + noise
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    /// A million words, uncompressed.
    fn fixed(members: u32, largest: f64, deviation: f64) -> Result<Fixed, Error> {
        let layout = Layout { weights: 1_000_000, coordinates: 1_000_000, lanes: 1 };
        Fixed::new(&Load { members, clip: largest, largest, deviation, layout })
    }

    #[test]
    fn the_worst_updates_do_not_wrap_and_twice_the_scale_might() {
        for (members, largest) in [(8, 1.0), (100, 0.5), (1000, 20.0), (4096, 1e-3)] {
            let fixed = fixed(members, largest, 0.0).unwrap();
            let worst = f64::from(members) * (largest * fixed.scale() + 1.0);
            assert!(worst < 2_f64.powi(31), "{members} x {largest}");
            assert!(2.0 * worst >= 2_f64.powi(31) * 0.99, "{members} x {largest} wastes a bit");
        }
    }

    #[test]
    fn noise_costs_room_by_its_tail() {
        let quiet = fixed(100, 1.0, 0.0).unwrap();
        let loud = fixed(100, 1.0, 5.0).unwrap();
        assert!(loud.scale() < quiet.scale());
        // Twelve standard deviations, where the normal tail is below 2^-107: the bound pays for Skellam's
        // heavier one.
        let total = 10.0 * 5.0 * loud.scale();
        assert!(100.0 * loud.scale() + 8.0 * total < 2_f64.powi(31));
        assert!(fixed(100, 1.0, 1e9).is_err());
    }

    /// Skellam noise of a small variance is where a normal bound would be wrong: its exact tail against ours.
    #[test]
    fn the_bound_covers_the_exact_tail_of_skellam_noise() {
        for variance in [0.01_f64, 1.0, 30.0] {
            let odds = 2_f64.ln() + WRAP_BITS * std::f64::consts::LN_2;
            let margin = (odds / 3.0 + (odds * odds / 9.0 + 2.0 * odds * variance).sqrt()).floor() as usize;
            // X - Y with X, Y Poisson of mean v/2.
            let mean = variance / 2.0;
            let poisson: Vec<f64> = (0..400)
                .scan(-mean, |log, count| {
                    let now = *log;
                    *log += mean.ln() - f64::from(count + 1).ln();
                    Some(now.exp())
                })
                .collect();
            let tail: f64 =
                (0..400 - margin).map(|low| poisson[low] * poisson[low + margin..].iter().sum::<f64>()).sum();
            assert!(2.0 * tail <= 2_f64.powf(-WRAP_BITS), "variance {variance}: {tail:e} beyond {margin}");
        }
    }

    #[test]
    fn whole_numbers_below() {
        for value in [0.0, 0.5, 1.0, -0.0, -0.25, -1.0, -1.5, 2e9, -2e9 - 0.5] {
            assert_eq!(floor(value), value.floor() as i32, "{value}");
        }
    }

    #[test]
    fn rounding_is_right_on_average_and_within_one() {
        let fixed = fixed(1000, 1.0, 0.0).unwrap();
        let value = 0.3 / fixed.scale() + 5.0 / fixed.scale();
        let mut integers = Vec::new();
        fixed.round(&mut ChaCha20Rng::seed_from_u64(1), &vec![value; 100_000], &mut integers);
        assert!(integers.iter().all(|integer| [5, 6].contains(integer)));
        let up = integers.iter().filter(|integer| **integer == 6).count();
        assert!((29_000..31_000).contains(&up), "{up}");
        fixed.round(&mut ChaCha20Rng::seed_from_u64(1), &[-2.0, 2.0], &mut integers);
        let scale = fixed.scale() as i32;
        assert!(integers == [-scale, scale], "cut to the largest");
    }
}
