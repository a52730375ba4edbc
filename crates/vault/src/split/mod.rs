//! The split level: three servers hold shares of every embedding and search them together; this side deals the shares,
//! joins what is found, and believes no server about it.
//!
//! The signed log at the cloud says what a collection holds. The three servers follow it: whoever changes the log has
//! them follow (`rows`), and who may ask them is told by statements that owners sign (`members`).

mod ask;
mod bare;
mod found;
mod members;
mod model;
mod repair;
mod rows;
mod tree;

use std::fmt::Display;

use pmirs_wire::Digest;
use pmirs_wire::split::Trio;

use crate::VaultError;

pub(crate) use ask::{Parties, is_conflict, pause};
pub use bare::{BareFound, BareRows};
pub(crate) use found::Candidates;
pub(crate) use members::{ATTEMPTS, members_of};
pub use model::SplitModel;
pub use repair::RepairReport;
pub use tree::{IndexOptions, IndexReport, IndexState, IndexUse};

/// Steps of an embedding's coordinates: a coordinate x is stored as the integer nearest to x times this. Shares are words
/// of 32 bits, so a finer step than int8 costs nothing to store, and half as much again to compare.
const STEPS: f32 = 1000.0;

/// An embedding in steps, as words modulo 2³².
fn quantised(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|x| ((x * STEPS).round() as i32).cast_unsigned()).collect()
}

/// What the three say of these two vectors, as a cosine.
pub(crate) fn stepped_score(a: &[f32], b: &[f32]) -> f32 {
    let products = quantised(a).into_iter().zip(quantised(b)).map(|(x, y)| x.wrapping_mul(y));
    cosine_of(products.fold(0, u32::wrapping_add))
}

/// The cosine that a score in steps stands for.
fn cosine_of(score: u32) -> f32 {
    score.cast_signed() as f32 / (STEPS * STEPS)
}

/// No inner product of two vectors of unit length in steps is larger: rounding lengthens each by at most √d/2 steps.
fn largest_score(dim: usize) -> u32 {
    let length = STEPS + (dim as f32).sqrt() / 2.0 + 1.0;
    (length * length).ceil() as u32
}

/// How far an inner product in steps lies from the true one at most: with `ẑ = z + e`, `q̂ = q + f`,
/// `<ẑ, q̂> - <z, q> = <e, q̂> + <z, f>`, where `|eᵢ|, |fᵢ| ≤ 1/2` step and `‖z‖₁, ‖q̂‖₁ ≤ √d ‖·‖₂`.
fn score_error(dim: usize) -> f32 {
    let root = (dim as f32).sqrt();
    let slack = 1.0 + root / (2.0 * STEPS);
    0.5 / STEPS * root * (1.0 + slack) + 1e-4
}

/// What orders name three servers by.
pub(crate) fn trio_digest(trio: &Trio) -> Digest {
    Digest(pmirs_crypto::sha256(&trio.pinned_bytes()))
}

/// An answer of a party that no honest one gives.
fn lies(party: &str, reason: impl Display) -> VaultError {
    VaultError::Party { party: party.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_in_steps_stay_within_their_bounds() {
        for dim in [3_usize, 64, 256, 512] {
            let vector = |seed: usize| {
                let values: Vec<f32> = (0..dim).map(|i| ((i * 7 + seed * 13) % 17) as f32 - 8.0).collect();
                let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
                values.into_iter().map(|x| x / length).collect::<Vec<f32>>()
            };
            for seed in 0..50 {
                let (a, b) = (vector(seed), vector(seed + 1));
                let truth: f32 = a.iter().zip(&b).map(|(x, y)| x * y).sum();
                let (a, b) = (quantised(&a), quantised(&b));
                let sum = a.iter().zip(&b).fold(0_u32, |sum, (x, y)| sum.wrapping_add(x.wrapping_mul(*y)));
                let score = sum.cast_signed();
                assert!(score.unsigned_abs() <= largest_score(dim), "{dim}: {score}");
                let error = (score as f32 / (STEPS * STEPS) - truth).abs();
                assert!(error <= score_error(dim), "{dim}: {error} over {}", score_error(dim));
            }
        }
    }
}
