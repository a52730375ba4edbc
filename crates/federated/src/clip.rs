//! From a member's update to its words, and from the sum of words to the mean update.
//!
//! ```text
//! update ─shorten─▶ coordinates ─clip to C─▶ × weight ─round by chance─▶ integers ─pack─▶ words ‖ tallies  (+ noise)
//! ```
//!
//! The clip bounds what is sent, so it comes after compression. **Robustness:** a masked word may hold
//! anything, so a clip is only what an honest member does to itself. What the protocol enforces against a
//! lying one is that it is a pinned member, that it speaks once a round, that its words are counted once; not
//! their norm, which would take zero-knowledge proofs over a million coordinates. What the clip does enforce
//! is that bad *data* of an honest member, and noise calibrated to C, stay within C; and a coordinator can
//! bound the *mean* by discarding a round whose sum is longer than survivors × C
//! ([`Aggregate::is_plausible`]).

pub use pmirs_privacy::AdaptiveClip;
use pmirs_privacy::Grid;
use rand_core::Rng;

use crate::fixed::TALLIES;
use crate::plan::Weighting;
use crate::trainer::Trained;
use crate::{Error, Round};

/// Losses are told up to this.
pub const LARGEST_LOSS: f64 = 16.0;
/// Half of what a lane of an 8-bit coordinate holds: 1 to 255 stand for -127 to 127.
const LANE_ZERO: i64 = 128;
const LANE_BITS: usize = 16;

/// A member's words, and what was done to its update.
pub struct Encoded {
    /// The vector to be masked: as private as the update.
    pub words: Vec<u32>,
    /// The update's L2 norm before it was clipped.
    pub norm: f64,
}

impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoded({} words, redacted)", self.words.len())
    }
}

/// Clips, rounds and packs a member's update; `noise` is one integer for each word, as the round's
/// [`Guarantee`](crate::private::Guarantee) draws it, and nothing where the plan has none. A round with noise takes no
/// update without.
///
/// Rounding is repeated until the integers' norm is within [`integer_norm_bound`], as differential privacy
/// asks (conditional randomised rounding, Kairouz, Liu, Steinke 2021, with β = e^(−1/2)). What one try keeps on average,
/// refusing some tries moves: towards zero, and all coordinates together by less than one step in L2 norm, whatever their
/// number (Cauchy and Schwarz: a try errs by a deviation of ½ in any direction and is refused with probability β at most,
/// which makes ½ √β / (1 − β) = 0.99).
///
/// # Errors
/// For lengths that are not the round's, that of the noise among them, and numbers that are not finite.
pub fn encode(
    round: &Round,
    rng: &mut impl Rng,
    trained: &Trained,
    noise: Option<&[i64]>,
) -> Result<Encoded, Error> {
    let (plan, layout) = (round.plan(), round.layout());
    check(layout.weights(), &trained.update)?;
    let mut coordinates = plan.compression.shorten(&round.id(), &trained.update);
    let norm = coordinates.iter().map(|value| value * value).sum::<f64>().sqrt();
    let within = norm <= plan.clip;
    let weight = plan.weighting.weight(trained.examples);
    let factor = if within { weight } else { weight * plan.clip / norm };
    for value in &mut coordinates {
        *value *= factor;
    }

    let integers = round_within(round, rng, &coordinates);
    let mut words = pack(integers, layout.coordinate_words());
    words.extend(tallies(round, trained, within).map(|tally| tally as u32));
    let expected = if plan.noise.is_none() { 0 } else { words.len() };
    let got = noise.map_or(0, <[i64]>::len);
    if got != expected {
        return Err(Error::Length { what: "the noise", expected, got });
    }
    let noise = noise.unwrap_or_default();
    words.iter_mut().zip(noise).for_each(|(word, add)| *word = word.wrapping_add(*add as u32));
    Ok(Encoded { words, norm })
}

/// What is counted of a member beside its update, in steps: numbers of 0 to 1 as ±T/2 around their middle, so that no
/// member moves a tally by more than half a unit.
fn tallies(round: &Round, trained: &Trained, within: bool) -> [i32; TALLIES] {
    let one = round.fixed().tally();
    let loss = if trained.loss.is_nan() { 1.0 } else { (trained.loss / LARGEST_LOSS).clamp(0.0, 1.0) };
    let quality =
        trained.quality.filter(|quality| !quality.is_nan()).map_or(0.5, |quality| quality.clamp(0.0, 1.0));
    // Equal weights are known, and need no tally.
    let uniform = round.plan().weighting == Weighting::Uniform;
    let weight = if uniform { 0.5 } else { round.plan().weighting.weight(trained.examples) };
    [f64::from(u8::from(within)), weight, loss, quality].map(|tally| ((tally - 0.5) * one).round() as i32)
}

/// The most that the integers of an update within `clip_scaled` = C·S measure in L2 norm, after conditional
/// rounding of so many coordinates with β = e^(−1/2): the lesser of √(c² + d/4 + c + √d/2) and c + √d
/// (Kairouz, Liu, Steinke, *The distributed discrete Gaussian mechanism for federated learning with secure
/// aggregation*, 2021).
pub fn integer_norm_bound(clip_scaled: f64, coordinates: usize) -> f64 {
    Grid { clip: clip_scaled, scale: 1.0, components: coordinates as u32 }.sensitivity_squared().sqrt()
}

/// What a round's sum says.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// The weighted mean of the members' updates.
    pub mean: Vec<f32>,
    /// Its L2 norm in the coordinates that were sent.
    pub norm: f64,
    /// Members whose vectors are in it.
    pub members: usize,
    /// The sum of their weights.
    pub weight: f64,
    /// The share of members whose update needed no clipping.
    pub within: f64,
    /// The members' mean loss.
    pub loss: f64,
    /// The members' mean quality, of 0 to 1; who told none counts as ½.
    pub quality: f64,
}

impl Aggregate {
    /// Reads the sum of the words of so many members.
    ///
    /// # Errors
    /// For a sum that has not the round's length.
    pub fn decode(round: &Round, sum: &[u32], members: usize) -> Result<Self, Error> {
        let layout = round.layout();
        if sum.len() != layout.words() {
            return Err(Error::Length { what: "the sum", expected: layout.words(), got: sum.len() });
        }
        let (words, tallies) = sum.split_at(layout.coordinate_words());
        let one = round.fixed().tally();
        // Every member's tally is told around its middle.
        let middle = members as f64 / 2.0;
        let tally = |at: usize| tallies.get(at).map_or(0.0, |word| f64::from(*word as i32) / one + middle);
        let mean_of = |at: usize| (tally(at) / members.max(1) as f64).clamp(0.0, 1.0);
        // Equal weights are known, and need no tally that noise could spoil.
        let uniform = round.plan().weighting == Weighting::Uniform;
        let weight = if uniform { members as f64 } else { tally(1) };
        let lanes = round.plan().compression.lanes();
        let each = 1.0 / (round.fixed().scale() * weight.max(1.0 / one));
        let mut mean = unpack(words, lanes, members);
        mean.truncate(layout.coordinates());
        let coordinates: Vec<f64> = mean.iter().map(|integer| *integer as f64 * each).collect();
        Ok(Self {
            norm: coordinates.iter().map(|value| value * value).sum::<f64>().sqrt(),
            mean: round.plan().compression.restore(&round.id(), &coordinates, layout.weights()),
            members,
            weight,
            within: mean_of(0),
            loss: mean_of(2) * LARGEST_LOSS,
            quality: mean_of(3),
        })
    }

    /// Whether honest members can have given this: a mean of updates within the clip is within it. Rounding
    /// adds at most 1 / scale to a coordinate, and noise of deviation σ more than σ (√d + 7.5) to the norm with probability
    /// 2⁻⁴⁰ (Hsu, Kakade, Zhang 2012, for subgaussian vectors).
    pub fn is_plausible(&self, round: &Round) -> bool {
        let plan = round.plan();
        let coordinates = round.layout().coordinates() as f64;
        let total = plan.noise.deviation() * (self.members as f64).sqrt() * (coordinates.sqrt() + 7.5);
        let rounding = coordinates.sqrt() / round.fixed().scale();
        let noise = total / self.weight.max(1e-9);
        self.weight > 0.0
            && self.weight <= self.members as f64 + 1e-3
            && self.norm <= plan.clip + rounding + noise + 1e-9
    }
}

fn check(expected: usize, update: &[f32]) -> Result<(), Error> {
    const WHAT: &str = "the update";
    if update.len() != expected {
        return Err(Error::Length { what: WHAT, expected, got: update.len() });
    }
    match update.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(Error::NotFinite { what: WHAT, at }),
        None => Ok(()),
    }
}

/// Rounds until the integers' norm is within the bound, which each try is with probability above 1 −
/// e^(−1/2).
fn round_within(round: &Round, rng: &mut impl Rng, coordinates: &[f64]) -> Vec<i32> {
    let bound = integer_norm_bound(round.plan().clip * round.fixed().scale(), coordinates.len()).powi(2);
    let mut integers = Vec::new();
    loop {
        round.fixed().round(rng, coordinates, &mut integers);
        // Of integers, so that the bound holds to the last one.
        let norm: u128 = integers.iter().map(|integer| u128::from(integer.unsigned_abs()).pow(2)).sum();
        if norm as f64 <= bound {
            return integers;
        }
    }
}

/// Integers into words, as many to a word as it takes.
fn pack(integers: Vec<i32>, words: usize) -> Vec<u32> {
    let lanes = integers.len().div_ceil(words.max(1));
    if lanes <= 1 {
        return integers.into_iter().map(|integer| integer as u32).collect();
    }
    let lane = |integer: &i32| (i64::from(*integer).clamp(-127, 127) + LANE_ZERO) as u32;
    let word = |pair: &[i32]| pair.iter().rev().fold(0, |word, integer| (word << LANE_BITS) | lane(integer));
    integers.chunks(lanes).map(word).collect()
}

fn unpack(words: &[u32], lanes: usize, members: usize) -> Vec<i64> {
    if lanes <= 1 {
        return words.iter().map(|word| i64::from(*word as i32)).collect();
    }
    let zero = members as i64 * LANE_ZERO;
    let lane = move |word: u32, at: usize| i64::from((word >> (at * LANE_BITS)) & 0xffff) - zero;
    words.iter().flat_map(|word| (0..lanes).map(move |at| lane(*word, at))).collect()
}
