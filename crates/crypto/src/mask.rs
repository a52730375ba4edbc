//! One-time masks for long vectors of integers modulo 2³²: AES-256 in counter mode (SP 800-38A), added or
//! subtracted.
//!
//! ```text
//! mask(seed)ᵢ = little-endian u32 of bytes 4i .. 4i + 4 of AES-256-CTR(seed, counter from 0, big-endian)
//! ```
//!
//! AES-CTR and not ChaCha20, because masks are gigabytes: with this machine's AES instructions it is more
//! than twice as fast. A seed masks one vector once; `pmirs-federated` derives a fresh one for every pair and
//! round.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

use crate::secret::secret;

secret! {
    /// What a mask is expanded from. Two vectors under one mask give away their difference.
    pub MaskSeed
}

/// Bytes of keystream made at a time: they stay in the first cache.
const KEYSTREAM: usize = 4096;

impl MaskSeed {
    /// Adds the mask's words from `offset` on to `values`, modulo 2³².
    pub fn add_to(&self, offset: usize, values: &mut [u32]) {
        self.apply(offset, values, u32::wrapping_add);
    }

    /// Subtracts the mask's words from `offset` on from `values`, modulo 2³².
    pub fn subtract_from(&self, offset: usize, values: &mut [u32]) {
        self.apply(offset, values, u32::wrapping_sub);
    }

    fn apply(&self, offset: usize, values: &mut [u32], combine: impl Fn(u32, u32) -> u32) {
        let mut cipher = Ctr128BE::<Aes256>::new(self.expose_secret().into(), &[0; 16].into());
        cipher.seek(offset as u64 * 4);
        for block in values.chunks_mut(KEYSTREAM / 4) {
            let mut keystream = [0; KEYSTREAM];
            cipher.apply_keystream(&mut keystream);
            for (value, word) in block.iter_mut().zip(keystream.as_chunks::<4>().0) {
                *value = combine(*value, u32::from_le_bytes(*word));
            }
        }
    }
}
