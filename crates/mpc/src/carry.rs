//! The carry tree's local work: blocks of planes, one level at a time.

use crate::kernels::bits::{self, CHUNK};
use crate::thirds::{Third, Thirds};

/// Words of every chunk of the batch: no chunk reaches across thirds.
pub(crate) fn chunks_of(batch: &Thirds<'_, u32>) -> Vec<usize> {
    let of = |third: &Third<'_, u32>| {
        let words = third.words();
        (0..words).step_by(CHUNK).map(move |at| CHUNK.min(words - at)).collect::<Vec<_>>()
    };
    batch.parts.iter().flat_map(of).collect()
}

/// Cuts planes chunk by chunk.
pub(crate) fn cut<'a>(mut bits: &'a mut [u64], chunks: &[usize], planes: usize) -> Vec<&'a mut [u64]> {
    let mut parts = Vec::with_capacity(chunks.len());
    for words in chunks {
        let (part, rest) = bits.split_at_mut(words * planes);
        parts.push(part);
        bits = rest;
    }
    parts
}

pub(crate) fn cut_ref<'a>(mut bits: &'a [u64], chunks: &[usize], planes: usize) -> Vec<&'a [u64]> {
    let mut parts = Vec::with_capacity(chunks.len());
    for words in chunks {
        let (part, rest) = bits.split_at(words * planes);
        parts.push(part);
        bits = rest;
    }
    parts
}

/// One level of the tree: planes are g_0, g_1, p_1, g_2, p_2, ...
#[derive(Clone, Copy)]
pub(crate) struct Level {
    pub(crate) count: usize,
    pub(crate) before: usize,
}

impl Level {
    /// p_high·g_low of every pair, and p_high·p_low of all but the lowest pair.
    pub(crate) fn products(self, out: &mut [u64], own: &[u64], next: &[u64]) {
        let words = own.len() / self.before;
        let plane = |index: usize| [plane(own, index, words), plane(next, index, words)];
        let mut slots = out.chunks_exact_mut(words.max(1));
        for pair in 0..self.count / 2 {
            let (low, high) = (2 * pair, 2 * pair + 1);
            if let Some(slot) = slots.next() {
                bits::and_onto(slot, plane(p(high)), plane(g(low)));
            }
            if pair > 0
                && let Some(slot) = slots.next()
            {
                bits::and_onto(slot, plane(p(high)), plane(p(low)));
            }
        }
    }

    /// The next level's planes from the products and this level's.
    pub(crate) fn merge(self, out: &mut [u64], products: &[u64], old: &[u64]) {
        let words = old.len() / self.before;
        let mut slots = out.chunks_exact_mut(words.max(1));
        let mut products = products.chunks_exact(words.max(1));
        for pair in 0..self.count.div_ceil(2) {
            let (low, high) = (2 * pair, 2 * pair + 1);
            let last = high == self.count;
            let generated = if last { plane(old, g(low), words) } else { plane(old, g(high), words) };
            if let Some(slot) = slots.next() {
                slot.copy_from_slice(generated);
                if !last && let Some(product) = products.next() {
                    slot.iter_mut().zip(product).for_each(|(a, b)| *a ^= b);
                }
            }
            if pair > 0
                && let Some(slot) = slots.next()
            {
                let propagated = if last { Some(plane(old, p(low), words)) } else { products.next() };
                slot.copy_from_slice(propagated.unwrap_or_default());
            }
        }
    }
}

/// The plane of block `index`'s carry.
fn g(index: usize) -> usize {
    (2 * index).saturating_sub(1)
}

/// The plane of whether block `index` hands a carry on; the lowest has none.
fn p(index: usize) -> usize {
    2 * index
}

fn plane(bits: &[u64], index: usize, words: usize) -> &[u64] {
    bits.get(index * words..(index + 1) * words).unwrap_or_default()
}
