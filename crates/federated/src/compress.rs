//! Updates made shorter in a way that a masked sum allows: every member drops and mixes the same coordinates,
//! which all derive from the round's name. Off by default.
//!
//! Top-k does not fit: which coordinates are a member's largest would have to be told, and sums need common
//! places.

use pmirs_crypto::Prg;
use pmirs_wire::Digest;
use rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::sample;

/// Most signs of a low-rank matrix: 8 MiB of it.
const MAX_SIGNS: usize = 1 << 20;

/// How updates are made shorter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Compression {
    /// Not at all.
    None,
    /// A random share of the coordinates, another in each round; the mean is scaled up, so that it is right
    /// on average.
    Subset {
        /// The share that is kept, above 0 and at most 1.
        keep: f64,
    },
    /// Eight bits a coordinate and two coordinates a word: each sits in 16 bits, of which sums of at most 257
    /// members need all.
    EightBit {
        /// The largest coordinate; beyond it, coordinates are cut.
        largest: f64,
    },
    /// Every `columns` weights in a row become `rank` numbers, by a random matrix of signs (a shared random
    /// subspace, the structured updates of Konečný et al. 2016); right on average.
    LowRank {
        /// Weights of one row.
        columns: u32,
        /// Numbers that are left of it.
        rank: u32,
    },
}

impl Compression {
    /// Whether so many weights can be made shorter like this, in memory that a plan may ask for.
    pub(crate) fn check(&self, weights: usize) -> Result<(), Error> {
        let sound = match *self {
            Self::None => true,
            Self::Subset { keep } => keep > 0.0 && keep <= 1.0,
            Self::EightBit { largest } => largest.is_finite() && largest > 0.0,
            Self::LowRank { columns, rank } => {
                let signs = columns as usize * rank as usize;
                (1..=columns).contains(&rank) && signs <= MAX_SIGNS && self.coordinates(weights) <= weights
            }
        };
        let expected = format!(
            "a share in (0, 1], a positive bound, or a rank of 1 to columns, with at most {MAX_SIGNS} signs and no more \
             numbers than weights"
        );
        if sound {
            Ok(())
        } else {
            Err(Error::Plan { field: "compression", got: format!("{self:?}"), expected })
        }
    }

    /// Coordinates that share a word.
    pub fn lanes(&self) -> usize {
        if matches!(self, Self::EightBit { .. }) { 2 } else { 1 }
    }

    /// Numbers that are left of so many weights.
    pub fn coordinates(&self, weights: usize) -> usize {
        match *self {
            Self::None | Self::EightBit { .. } => weights,
            Self::Subset { keep } => ((weights as f64 * keep).ceil() as usize).clamp(1, weights.max(1)),
            Self::LowRank { columns, rank } => weights.div_ceil(columns as usize) * rank as usize,
        }
    }

    /// The largest coordinate of an update within the clip.
    pub(crate) fn largest_coordinate(&self, clip: f64) -> f64 {
        if let Self::EightBit { largest } = *self { largest.min(clip) } else { clip }
    }

    /// The coordinates of an update.
    pub(crate) fn shorten(&self, round: &Digest, update: &[f32]) -> Vec<f64> {
        match *self {
            Self::None | Self::EightBit { .. } => update.iter().copied().map(f64::from).collect(),
            Self::Subset { .. } => {
                let kept = self.kept(round, update.len());
                kept.iter().filter_map(|at| update.get(*at as usize)).copied().map(f64::from).collect()
            }
            Self::LowRank { columns, rank } => {
                let signs = Signs::draw(round, columns, rank);
                update.chunks(columns as usize).flat_map(|row| signs.project(row)).collect()
            }
        }
    }

    /// The update that coordinates stand for.
    pub(crate) fn restore(&self, round: &Digest, coordinates: &[f64], weights: usize) -> Vec<f32> {
        match *self {
            Self::None | Self::EightBit { .. } => coordinates.iter().map(|value| *value as f32).collect(),
            Self::Subset { .. } => {
                let mut update = vec![0.0; weights];
                let up = weights as f64 / coordinates.len().max(1) as f64;
                for (at, value) in self.kept(round, weights).into_iter().zip(coordinates) {
                    if let Some(slot) = update.get_mut(at as usize) {
                        *slot = (value * up) as f32;
                    }
                }
                update
            }
            Self::LowRank { columns, rank } => {
                let signs = Signs::draw(round, columns, rank);
                let rows = coordinates.chunks(rank as usize);
                let mut update: Vec<f32> = rows.flat_map(|row| signs.lift(row)).collect();
                update.truncate(weights);
                update
            }
        }
    }

    fn kept(&self, round: &Digest, weights: usize) -> Vec<u32> {
        let all: Vec<u32> = (0..weights as u32).collect();
        sample(&mut Prg::new(&round.0, b"pmirs/federated/subset/v1"), &all, self.coordinates(weights))
    }
}

/// A matrix of ±1/√columns, `rank` by `columns`.
struct Signs {
    rows: Vec<Vec<f64>>,
    columns: usize,
}

impl Signs {
    fn draw(round: &Digest, columns: u32, rank: u32) -> Self {
        let mut rng = Prg::new(&round.0, b"pmirs/federated/signs/v1");
        let entry = 1.0 / f64::from(columns).sqrt();
        let mut row = || (0..columns).map(|_| if rng.next_u32() & 1 == 0 { entry } else { -entry }).collect();
        Self { rows: (0..rank).map(|_| row()).collect(), columns: columns as usize }
    }

    fn project(&self, weights: &[f32]) -> Vec<f64> {
        let dot = |signs: &Vec<f64>| signs.iter().zip(weights).map(|(a, b)| a * f64::from(*b)).sum();
        self.rows.iter().map(dot).collect()
    }

    /// The transpose, times columns / rank: what makes it right on average.
    fn lift(&self, coordinates: &[f64]) -> Vec<f32> {
        let up = self.columns as f64 / self.rows.len().max(1) as f64;
        let mut weights = vec![0.0; self.columns];
        for (signs, coordinate) in self.rows.iter().zip(coordinates) {
            for (weight, sign) in weights.iter_mut().zip(signs) {
                *weight += sign * coordinate * up;
            }
        }
        weights.into_iter().map(|weight| weight as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean over many rounds of what comes back, and the mean squared error of one round as a multiple of
    /// the update's squared norm.
    fn over_rounds(compression: Compression, update: &[f32]) -> (Vec<f64>, f64) {
        let rounds = 400;
        let (mut mean, mut error) = (vec![0.0; update.len()], 0.0);
        let norm: f64 = update.iter().map(|value| f64::from(*value).powi(2)).sum();
        for number in 0..rounds {
            let round = Digest([(number % 251) as u8, (number / 251) as u8].repeat(16).try_into().unwrap());
            let short = compression.shorten(&round, update);
            assert_eq!(short.len(), compression.coordinates(update.len()));
            for ((slot, back), value) in
                mean.iter_mut().zip(compression.restore(&round, &short, update.len())).zip(update)
            {
                *slot += f64::from(back) / f64::from(rounds);
                error += f64::from(back - value).powi(2) / norm / f64::from(rounds);
            }
        }
        (mean, error)
    }

    #[test]
    fn subsets_and_low_ranks_are_right_on_average_at_the_expected_cost() {
        let update: Vec<f32> = (0..100).map(|at| (at as f32 * 0.7).sin()).collect();
        // A subset's error is (1 / keep - 1); a sign projection's (columns - 1) / rank.
        for (compression, cost) in [
            (Compression::Subset { keep: 0.25 }, 3.0),
            (Compression::LowRank { columns: 10, rank: 3 }, 9.0 / 3.0),
        ] {
            let (mean, error) = over_rounds(compression, &update);
            assert!((error / cost - 1.0).abs() < 0.15, "{compression:?}: {error} instead of {cost}");
            let off = mean.iter().zip(&update).map(|(a, b)| (a - f64::from(*b)).abs()).fold(0.0, f64::max);
            assert!(off < 0.45, "{compression:?}: {off} off on average");
        }
        let (_, error) = over_rounds(Compression::None, &update);
        assert!(error < 1e-12);
    }
}
