//! Dealing secrets to three servers: x = x₀ + x₁ + x₂ modulo 2³², where x₀ and x₁ are streams of seeds.
//!
//! Server i gets x_i and x_{i+1}. Two of the three components travel as 32 bytes, whatever their length, so that a
//! secret of n words costs 4·n bytes to each of two servers and next to nothing to the third.

use rand_core::{CryptoRng, Rng as _};

use crate::Prg;
use crate::secret::secret;

secret! {
    /// What one component of a dealt secret is expanded from. It serves one secret.
    pub ShareSeed
}

impl ShareSeed {
    /// The component: as many words as the secret has.
    pub fn expand(&self, words: usize) -> Vec<u32> {
        let mut stream = Prg::new(self.expose_secret(), b"pmirs/share/v1");
        let mut values = vec![0; words];
        let mut bytes = [0; 4096];
        for chunk in values.chunks_mut(bytes.len() / 4) {
            stream.fill_bytes(&mut bytes);
            chunk
                .iter_mut()
                .zip(bytes.as_chunks().0)
                .for_each(|(value, &word)| *value = u32::from_le_bytes(word));
        }
        values
    }
}

/// A secret in three components. Any two of them say nothing about it.
#[derive(Debug)]
pub struct Dealt {
    /// x₀ and x₁.
    pub seeds: [ShareSeed; 2],
    /// x₂.
    pub rest: DealtRest,
}

/// The component that is no stream of a seed.
pub struct DealtRest(pub Vec<u32>);

impl std::fmt::Debug for DealtRest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DealtRest({} redacted)", self.0.len())
    }
}

impl Dealt {
    /// Deals words.
    pub fn new(rng: &mut impl CryptoRng, words: &[u32]) -> Self {
        let seeds = [(); 2].map(|()| ShareSeed::generate(rng));
        let [first, second] = seeds.each_ref().map(|seed| seed.expand(words.len()));
        let masks = first.iter().zip(&second).map(|(a, b)| a.wrapping_add(*b));
        let rest = words.iter().zip(masks).map(|(word, mask)| word.wrapping_sub(mask)).collect();
        Self { seeds, rest: DealtRest(rest) }
    }

    /// Deals words of 64 bits, modulo 2⁶⁴: values and components are pairs of words, the low one first.
    pub fn wide(rng: &mut impl CryptoRng, values: &[u64]) -> Self {
        let seeds = [(); 2].map(|()| ShareSeed::generate(rng));
        let [first, second] = seeds.each_ref().map(|seed| seed.expand(2 * values.len()));
        let wide = |words: &[u32; 2]| u64::from(words[0]) | u64::from(words[1]) << 32;
        let masks = first.as_chunks().0.iter().zip(second.as_chunks().0);
        let masks = masks.map(|(a, b)| wide(a).wrapping_add(wide(b)));
        let rest = values.iter().zip(masks).map(|(value, mask)| value.wrapping_sub(mask));
        Self { seeds, rest: DealtRest(rest.flat_map(|rest| [rest as u32, (rest >> 32) as u32]).collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_components_add_up_and_a_shorter_stream_is_a_prefix() {
        let mut rng = Prg::new(&[7; 32], b"deal");
        let words: Vec<u32> = (0..3000_u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
        let Dealt { seeds: [first, second], rest } = Dealt::new(&mut rng, &words);
        let (a, b) = (first.expand(3000), second.expand(3000));
        for (i, word) in words.iter().enumerate() {
            assert_eq!(a[i].wrapping_add(b[i]).wrapping_add(rest.0[i]), *word);
        }
        assert_eq!(first.expand(17), a[..17]);
        assert_ne!(a, b);
    }

    #[test]
    fn components_of_wide_words_carry() {
        let mut rng = Prg::new(&[8; 32], b"deal");
        let values = [0, 1, u64::MAX, 1 << 32, 0xffff_ffff, 0x0123_4567_89ab_cdef];
        let Dealt { seeds: [first, second], rest } = Dealt::wide(&mut rng, &values);
        let wide = |words: &[u32]| -> Vec<u64> {
            words.chunks(2).map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32).collect()
        };
        let (a, b, c) = (wide(&first.expand(12)), wide(&second.expand(12)), wide(&rest.0));
        for (i, value) in values.iter().enumerate() {
            assert_eq!(a[i].wrapping_add(b[i]).wrapping_add(c[i]), *value);
        }
    }

    /// The stream is part of what is stored, so it must never change.
    #[test]
    fn the_stream_of_a_seed_is_pinned() {
        let words = ShareSeed::from_secret(&[1; 32]).expand(2);
        assert_eq!(words, [0x4aa3_0e2b, 0x4ef6_be8f]);
    }
}
