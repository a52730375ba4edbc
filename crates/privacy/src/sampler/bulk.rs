//! Many draws at once, on all cores, the same whatever their number.

use pmirs_crypto::Prg;
use rand_core::CryptoRng;
use rayon::prelude::*;
use zeroize::Zeroizing;

/// Coordinates that one generator draws: enough to hide what it costs to start it.
const CHUNK: usize = 1 << 14;

/// Adds a draw to every coordinate, in ℤ_2³². Each chunk has a generator of its own, keyed by a fresh seed and the
/// chunk's number.
pub(crate) fn add(vector: &mut [i32], rng: &mut impl CryptoRng, draw: impl Fn(&mut Prg) -> i32 + Sync) {
    let mut seed = Zeroizing::new([0; 32]);
    rng.fill_bytes(seed.as_mut());
    vector.par_chunks_mut(CHUNK).enumerate().for_each(|(number, chunk)| {
        let label = [b"privacy noise ".as_slice(), &(number as u64).to_be_bytes()].concat();
        let mut words = Prg::new(&seed, &label);
        for value in chunk {
            *value = value.wrapping_add(draw(&mut words));
        }
    });
}
