//! Clipping, and rounding at random to integers whose norm is bounded.

use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::Zeroizing;

use pmirs_crypto::Prg;

use crate::PrivacyError;
use crate::distributed::Grid;

/// Coordinates that one generator rounds.
const CHUNK: usize = 1 << 14;
/// Each try succeeds with probability 0.39 at least, so that 256 all fail with probability below 2⁻¹⁸⁵.
const TRIES: u64 = 256;

/// Clips an update to the grid's norm, scales it, and rounds each component up or down at random so that its mean is
/// kept: again and again until the squared norm of the integers is at most the grid's bound.
pub(crate) fn round(
    grid: &Grid,
    update: &[f32],
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<Vec<i32>>, PrivacyError> {
    let components = grid.components as usize;
    if update.len() != components {
        return Err(PrivacyError::Dimension { got: update.len(), expected: components });
    }
    if let Some(position) = update.iter().position(|value| !value.is_finite()) {
        return Err(PrivacyError::NotFinite { position });
    }
    let factor = grid.scale * clip_factor(update, grid.clip);
    let bound = grid.sensitivity_squared().floor() as u128;
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    let rounded = (0..TRIES).map(|attempt| at_random(update, factor, &seed, attempt));
    let fitting = rounded.into_iter().find(|vector| squared_norm(vector) <= bound);
    // Towards zero no component grows, and the norm stays at that of the clipped update.
    let towards_zero = || update.iter().map(|value| (f64::from(*value) * factor) as i32).collect::<Vec<_>>();
    Ok(fitting.unwrap_or_else(|| Zeroizing::new(towards_zero())))
}

/// What an update is multiplied by so that its L2 norm is at most `clip`: 1 for one that is short enough.
pub fn clip_factor(update: &[f32], clip: f64) -> f64 {
    let norm = update.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if norm > clip { clip / norm } else { 1.0 }
}

fn at_random(update: &[f32], factor: f64, seed: &[u8; 32], attempt: u64) -> Zeroizing<Vec<i32>> {
    let mut rounded = Zeroizing::new(vec![0; update.len()]);
    rounded.par_chunks_mut(CHUNK).zip(update.par_chunks(CHUNK)).enumerate().for_each(
        |(number, (to, from))| {
            let label = [attempt.to_be_bytes(), (number as u64).to_be_bytes()].concat();
            let mut words = Prg::new(seed, &[b"privacy rounding ".as_slice(), &label].concat());
            for (to, from) in to.iter_mut().zip(from) {
                *to = stochastic(f64::from(*from) * factor, &mut words);
            }
        },
    );
    rounded
}

/// `⌊x⌋ + 1` with probability `x - ⌊x⌋`, to 53 bits, and else `⌊x⌋`.
fn stochastic(value: f64, rng: &mut impl CryptoRng) -> i32 {
    let floor = value.floor();
    let uniform = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    floor as i32 + i32::from(uniform < value - floor)
}

fn squared_norm(vector: &[i32]) -> u128 {
    vector.iter().map(|value| u128::from(u64::from(value.unsigned_abs()).pow(2))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Updates on which rounding to the nearest, or once at random, would break the bound: the integers that are sent
    /// never do.
    #[test]
    fn the_bound_holds_on_the_integers() {
        let mut rng = Prg::new(&[5; 32], b"rounding");
        for (components, scale) in [(1, 1.0), (100, 1.0), (10_000, 1.0), (10_000, 50.0), (300, 1e6)] {
            let grid = Grid { clip: 1.0, scale, components };
            let bound = grid.sensitivity_squared();
            for level in [0.01_f32, 0.5, 1.0, 1e30] {
                let update = vec![level / (components as f32).sqrt(); components as usize];
                let vector = round(&grid, &update, &mut rng).unwrap();
                assert!(
                    squared_norm(&vector) as f64 <= bound,
                    "{components} components of {level} at {scale}"
                );
            }
        }
    }

    /// The first try fails now and then, as it should: the bound is not one that every rounding meets.
    #[test]
    fn some_tries_are_refused() {
        let grid = Grid { clip: 1.0, scale: 1.0, components: 9 };
        let bound = grid.sensitivity_squared().floor() as u128;
        let update = vec![1.0_f32 / 3.0; 9];
        let fits = |seed: u8| squared_norm(&at_random(&update, 1.0, &[seed; 32], 0)) <= bound;
        let fitting = (0..=255).filter(|&seed| fits(seed)).count();
        assert!((128..256).contains(&fitting), "{fitting} of 256");

        let mut rng = Prg::new(&[6; 32], b"rounding");
        for _ in 0..1_000 {
            let vector = round(&grid, &update, &mut rng).unwrap();
            assert!(squared_norm(&vector) <= bound, "{vector:?}");
        }
    }
}
