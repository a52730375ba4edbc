//! Randomness addressed by purpose and number, so that a resumed run draws what the first would have drawn.

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;

/// The generator for one purpose ("crop", "order", ...) at one number (a step, an epoch).
pub(crate) fn stream(seed: u64, purpose: &str, number: u64) -> ChaCha8Rng {
    let address = [&seed.to_le_bytes(), &number.to_le_bytes(), purpose.as_bytes()].concat();
    ChaCha8Rng::from_seed(pmirs_crypto::sha256(&address))
}

/// A uniform bucket for a name: the rule behind every split.
pub(crate) fn bucket(name: &str, buckets: u32) -> u32 {
    let digest = pmirs_crypto::sha256(name.as_bytes());
    let head = digest.iter().take(4).fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte));
    head % buckets
}
