//! A generator that expands one seed into as much randomness as a protocol wants.

use chacha20::ChaCha20Rng;
use rand_core::{Infallible, SeedableRng, TryCryptoRng, TryRng};

use crate::hash::Derive;

/// ChaCha20 (RFC 8439) keyed by HKDF-SHA-256 of a seed and a label.
///
/// The same seed and label give the same stream on every machine and in every later version: veils are
/// rebuilt from it. The label keeps two uses of one seed apart.
pub struct Prg(ChaCha20Rng);

impl Prg {
    /// The stream of this seed under this label.
    pub fn new(seed: &[u8; 32], label: &[u8]) -> Self {
        Self(ChaCha20Rng::from_seed(*Derive::new("pmirs/prg/v1", seed).key("stream", &[label])))
    }
}

impl TryRng for Prg {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.0.try_fill_bytes(dst)
    }
}

impl TryCryptoRng for Prg {}

impl std::fmt::Debug for Prg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prg(redacted)")
    }
}
