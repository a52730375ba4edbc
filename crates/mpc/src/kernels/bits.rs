//! Bit-sliced circuits: a word holds the same bit of 64 values.
//!
//! A batch is cut into chunks of [`CHUNK`] words. Within a chunk, plane follows plane, so that every circuit is a
//! series of operations on whole slices, and a chunk stays in the cache.

#![expect(clippy::indexing_slicing, reason = "planes and blocks are cut to the sizes that `Blocks` lays out")]

use super::vectorised;

/// Words of a plane within one chunk.
pub(crate) const CHUNK: usize = 64;

/// Blocks at most: three levels of the carry tree.
const MANY: usize = 8;
/// Blocks at most where rounds count for more than bytes: two levels.
const FEW: usize = 4;

/// How the bits below the sign are cut into blocks.
#[derive(Clone, Copy)]
pub(crate) struct Blocks {
    /// Bits below the sign.
    bits: usize,
    /// Bits of every block but the last, which may have fewer.
    each: usize,
}

impl Blocks {
    /// Of values of `width` bits, sign included, at the fewest bytes.
    pub(crate) fn small(width: usize) -> Self {
        let bits = width - 1;
        Self { bits, each: bits.div_ceil(MANY).max(1) }
    }

    /// One round less, at about three times the bytes.
    pub(crate) fn quick(width: usize) -> Self {
        let bits = width - 1;
        Self { bits, each: bits.div_ceil(FEW).max(1) }
    }

    /// How many blocks.
    pub(crate) fn count(self) -> usize {
        self.bits.div_ceil(self.each)
    }

    /// Bits of block `index`.
    fn size(self, index: usize) -> usize {
        self.each.min(self.bits - index * self.each)
    }

    /// Bits that the dealer deals for one value: of each block 2^size - 1 thresholds, and the sign.
    pub(crate) fn dealt(self) -> usize {
        (0..self.count()).map(|index| (1 << self.size(index)) - 1).sum::<usize>() + 1
    }

    /// Planes of carries: of the lowest block one, of the others two.
    pub(crate) fn carries(self) -> usize {
        2 * self.count() - 1
    }

    fn sign(self) -> usize {
        self.bits
    }
}

/// The 32 bit planes of up to 64 · words values: plane b of word j at `b · words + j`.
fn planes(values: &[u32], words: usize, planes: &mut [u64]) {
    planes.fill(0);
    for (word, values) in values.chunks(64).enumerate() {
        for (half, values) in values.chunks(32).enumerate() {
            let mut square = [0_u32; 32];
            square[..values.len()].copy_from_slice(values);
            transpose(&mut square);
            for (bit, row) in square.iter().enumerate() {
                planes[bit * words + word] |= u64::from(*row) << (32 * half);
            }
        }
    }
}

/// Transposes 32 x 32 bits: bit j of word i goes to bit i of word j (Warren, Hacker's Delight, 7-3).
fn transpose(square: &mut [u32; 32]) {
    let mut width = 16;
    let mut mask = 0x0000_ffff_u32;
    while width > 0 {
        let mut k = 0;
        while k < 32 {
            let swap = (square[k] >> width ^ square[k + width]) & mask;
            square[k] ^= swap << width;
            square[k + width] ^= swap;
            k = (k + width + 1) & !width;
        }
        width >>= 1;
        mask ^= mask << width;
    }
}

/// Room that a chunk's circuits need.
pub(crate) struct Scratch {
    planes: Vec<u64>,
    left: Vec<u64>,
    right: Vec<u64>,
}

impl Scratch {
    pub(crate) fn new(blocks: Blocks) -> Self {
        let entries = (1 << blocks.each) * CHUNK;
        Self { planes: vec![0; 32 * CHUNK], left: vec![0; entries], right: vec![0; entries] }
    }
}

/// What the dealer deals of its values A: per block the thresholds [A_block ≥ t] for t = 1, 2, ..., then the sign.
///
/// With the block's top bit h and the thresholds T' of the bits below it, [A ≥ t] is h ∨ T'_t below the middle, h in
/// the middle, and h ∧ T'_{t - middle} above.
pub(crate) fn thresholds(
    blocks: Blocks,
    values: &[u32],
    words: usize,
    scratch: &mut Scratch,
    out: &mut [u64],
) {
    let bits = &mut scratch.planes[..32 * words];
    planes(values, words, bits);
    vectorised(
        #[inline(always)]
        || {
            let mut rest = &mut *out;
            for index in 0..blocks.count() {
                let size = blocks.size(index);
                let (block, after) = std::mem::take(&mut rest).split_at_mut(((1 << size) - 1) * words);
                rest = after;
                for bit in 0..size {
                    let from = (index * blocks.each + bit) * words;
                    extend_thresholds(&bits[from..from + words], 1 << bit, words, block);
                }
            }
            let sign = blocks.sign() * words;
            rest.copy_from_slice(&bits[sign..sign + words]);
        },
    );
}

/// From the thresholds 1 to `middle` - 1 of the lower bits to those 1 to 2 · `middle` - 1 with the bit `top` as well.
#[inline(always)]
fn extend_thresholds(top: &[u64], middle: usize, words: usize, block: &mut [u64]) {
    let (low, high) = block.split_at_mut((middle - 1) * words);
    let (centre, high) = high.split_at_mut(words);
    centre.copy_from_slice(top);
    for (low, high) in low.chunks_exact_mut(words).zip(high.chunks_exact_mut(words)) {
        for ((low, high), top) in low.iter_mut().zip(high).zip(top) {
            *high = *top & *low;
            *low |= *top;
        }
    }
}

/// What a helper computes of its share of the thresholds and of B, which both helpers know: shares of each block's
/// carry without and of its "propagates" bit, i.e. carry with ⊕ carry without an incoming carry.
///
/// A + B ≥ 2^b is the threshold 2^b - B, and A + B + 1 ≥ 2^b the threshold 2^b - 1 - B: B chooses among the shares by a
/// tree of multiplexers. Threshold 0 is the constant one, which `one` says who counts, and 2^b the constant zero.
pub(crate) fn carries(
    blocks: Blocks,
    values: &[u32],
    words: usize,
    one: bool,
    dealt: &[u64],
    scratch: &mut Scratch,
    out: &mut [u64],
) {
    let Scratch { planes: bits, left, right } = scratch;
    let bits = &mut bits[..32 * words];
    planes(values, words, bits);
    let constant = if one { u64::MAX } else { 0 };
    vectorised(
        #[inline(always)]
        || {
            let (mut thresholds, mut out) = (dealt, &mut *out);
            for index in 0..blocks.count() {
                let size = blocks.size(index);
                let all = (1 << size) * words;
                let (block, after) = thresholds.split_at(all - words);
                thresholds = after;
                let from = index * blocks.each * words;
                let chosen_by = &bits[from..from + size * words];
                // Entry B of `left` is threshold 2^b - B, of `right` threshold 2^b - 1 - B.
                left[..words].fill(0);
                for (entry, threshold) in
                    left[words..all].chunks_exact_mut(words).zip(block.chunks_exact(words).rev())
                {
                    entry.copy_from_slice(threshold);
                }
                let (plain, after) = std::mem::take(&mut out).split_at_mut(words);
                out = after;
                if index > 0 {
                    right[..all - words].copy_from_slice(&left[words..all]);
                    right[all - words..all].fill(constant);
                    choose(&mut right[..all], chosen_by, words);
                }
                choose(&mut left[..all], chosen_by, words);
                plain.copy_from_slice(&left[..words]);
                if index > 0 {
                    let (propagates, after) = std::mem::take(&mut out).split_at_mut(words);
                    out = after;
                    for ((slot, with), without) in propagates.iter_mut().zip(&right[..words]).zip(&*plain) {
                        *slot = with ^ without;
                    }
                }
            }
        },
    );
}

/// Leaves in the first plane of `entries` the entry whose number the planes of `by` say, lowest bit first.
#[inline(always)]
fn choose(entries: &mut [u64], by: &[u64], words: usize) {
    let mut count = entries.len() / words;
    for bit in by.chunks_exact(words) {
        count /= 2;
        for slot in 0..count {
            for word in 0..words {
                let (even, odd) = (entries[2 * slot * words + word], entries[(2 * slot + 1) * words + word]);
                entries[slot * words + word] = even ^ (bit[word] & (even ^ odd));
            }
        }
    }
}

/// The sign plane of values.
pub(crate) fn signs(blocks: Blocks, values: &[u32], out: &mut [u64]) {
    for (slot, values) in out.iter_mut().zip(values.chunks(64)) {
        let packed =
            values.iter().rev().fold(0, |word, value| word << 1 | u64::from(value >> blocks.sign() & 1));
        *slot = packed;
    }
}

/// One component of a share of ANDs: x_i·y_i ⊕ x_i·y_{i+1} ⊕ x_{i+1}·y_i ⊕ mask, onto `mask`.
#[inline(always)]
pub(crate) fn and_onto(mask: &mut [u64], x: [&[u64]; 2], y: [&[u64]; 2]) {
    let operands = x[0].iter().zip(x[1]).zip(y[0].iter().zip(y[1]));
    for (slot, ((x0, x1), (y0, y1))) in mask.iter_mut().zip(operands) {
        *slot ^= (x0 & (y0 ^ y1)) ^ (x1 & y0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_hold_the_bits() {
        let values: Vec<u32> = (0..100_u32).map(|i| i.wrapping_mul(0x9e37_79b9)).collect();
        let mut out = vec![0; 64];
        planes(&values, 2, &mut out);
        for (i, value) in values.iter().enumerate() {
            for bit in 0..32 {
                let got = out[bit * 2 + i / 64] >> (i % 64) & 1;
                assert_eq!(got, u64::from(value >> bit & 1), "value {i}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_block_of_every_size_carries_as_addition_does() {
        for blocks in (2..=32).flat_map(|width| [Blocks::small(width), Blocks::quick(width)]) {
            let width = blocks.bits + 1;
            let values: Vec<u32> = (0..64_u32).map(|i| i.wrapping_mul(0x85eb_ca6b) ^ i << 29).collect();
            let others: Vec<u32> = (0..64_u32).map(|i| i.wrapping_mul(0xc2b2_ae35).rotate_left(7)).collect();
            let mut scratch = Scratch::new(blocks);
            let mut dealt = vec![0; blocks.dealt()];
            thresholds(blocks, &values, 1, &mut scratch, &mut dealt);
            let mut out = vec![0; blocks.carries()];
            carries(blocks, &others, 1, true, &dealt, &mut scratch, &mut out);
            for i in 0..64 {
                for block in 0..blocks.count() {
                    let size = blocks.size(block);
                    let of = |value: u32| value >> (block * blocks.each) & ((1 << size) - 1);
                    let sum = of(values[i]) + of(others[i]);
                    let plane = if block == 0 { 0 } else { 2 * block - 1 };
                    assert_eq!(out[plane] >> i & 1, u64::from(sum >> size), "width {width}, block {block}");
                    if block > 0 {
                        let propagates = u64::from(sum == (1 << size) - 1);
                        assert_eq!(out[plane + 1] >> i & 1, propagates, "width {width}, block {block}");
                    }
                }
            }
        }
    }
}
