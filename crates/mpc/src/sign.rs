//! The sign bit of shared values: what every comparison comes down to.
//!
//! x = A + B mod 2^w with A = x_d + x_{d+1}, which P_d (the *dealer*) knows, and B = x_{d+2}, which both others (the
//! *helpers*) know. The sign is A_{w-1} ⊕ B_{w-1} ⊕ the carry out of the bits below, and that carry is cut into at most
//! eight blocks of b ≤ 4 bits:
//!
//! 1. *Deal.* Of every block the dealer shares the thresholds [A ≥ t], t = 1 .. 2^b - 1, and A_{w-1}, between the
//!    helpers: P_{d+1}'s part is common randomness of the two, P_{d+2}'s part is sent.
//! 2. *Blocks.* A + B ≥ 2^b is the threshold 2^b - B, so the helpers, who know B, take from their parts without a
//!    message a part of each block's carry g and of p, whether it hands a carry on. They mask theirs with common
//!    randomness with the dealer, tell each other the masked parts, and so (g, p) are replicated. P_{d+1}'s message is
//!    hidden from P_{d+2} by key d+1, P_{d+2}'s from P_{d+1} by key d.
//! 3. *Combine*, at most three levels: g = g_high ⊕ p_high·g_low, p = p_high·p_low.
//!
//! | width | rounds | bits sent per value and party, on average |
//! |---|---|---|
//! | 32 | 5 | 113/3 + 2·15/3 + 11 = 58.7, that is 7.3 bytes |
//! | 25 | 5 | 57/3 + 2·15/3 + 11 = 40.0, that is 5.0 bytes |
//! | 17 | 5 | 25/3 + 2·15/3 + 11 = 29.3, that is 3.7 bytes |
//!
//! Each third of a batch has another dealer, so all three send the same but for rounding to words of 64 values.
//! Compared with dealing the bits of A and an AND for each (31 + 55 of them): two rounds and four bytes fewer.

use crate::carry::{Level, chunks_of, cut, cut_ref};
use crate::error::{Error, range};
use crate::frame::Step;
use crate::kernels::bits::{self, Blocks, CHUNK, Scratch};
use crate::kernels::each;
use crate::party::{Party, Round};
use crate::ring::{added, pack, unpack};
use crate::role::Side;
use crate::share::{BitShares, Shares};
use crate::thirds::{Third, Thirds};

impl Party {
    /// The sign bits of values between -2^(width-1) and 2^(width-1) - 1, taken modulo 2^width; `width` is public, from
    /// 2 to 32. At most 5 rounds.
    ///
    /// # Errors
    /// When the width is none, or another party fails.
    pub fn sign(&mut self, values: &Shares<u32>, width: usize) -> Result<BitShares, Error> {
        range("the width of a comparison", 2, 32, width)?;
        self.sign_by_blocks(values, Blocks::small(width))
    }

    /// The same in one round less, at about three times the bytes (width 25: 93 bits, width 32: 306).
    pub(crate) fn quick_sign(&mut self, values: &Shares<u32>, width: usize) -> Result<BitShares, Error> {
        range("the width of a comparison", 2, 32, width)?;
        self.sign_by_blocks(values, Blocks::quick(width))
    }

    fn sign_by_blocks(&mut self, values: &Shares<u32>, blocks: Blocks) -> Result<BitShares, Error> {
        let batch = Thirds::of_values(&values.own, &values.next);
        let dealt = self.deal_thresholds(blocks, &batch)?;
        let mut carries = self.block_carries(blocks, &batch, &dealt)?;
        let mut count = blocks.count();
        while count > 1 {
            carries = self.combine(&carries, count, &batch)?;
            count = count.div_ceil(2);
        }
        Ok(self.with_signs(blocks, &batch, &dealt, carries))
    }

    /// Step 1. Returns for each third this party's part of what was dealt; the dealer has both parts.
    fn deal_thresholds(&mut self, blocks: Blocks, batch: &Thirds<'_, u32>) -> Result<Dealt, Error> {
        let [as_dealer, as_first, as_second] = batch.by_place(self.role());
        let planes = blocks.dealt();
        let common = self.draw(Side::Next, Step::SignDeal, 0, planes * as_dealer.words())?;
        let of_first = self.draw(Side::Previous, Step::SignDeal, 0, planes * as_first.words())?;
        let mut sent = vec![0_u64; planes * as_dealer.words()];
        let known = added(as_dealer.own, as_dealer.next);
        let tasks = sent.chunks_mut(planes * CHUNK).zip(known.chunks(64 * CHUNK)).collect();
        let room = || Scratch::new(blocks);
        each(tasks, room, |scratch, (out, values): (&mut [u64], &[u32])| {
            bits::thresholds(blocks, values, out.len() / planes, scratch, out);
        });
        sent.iter_mut().zip(&common).for_each(|(bits, mask)| *bits ^= mask);
        let round = Round {
            to_previous: pack(&sent),
            to_next: Vec::new(),
            from_previous: 0,
            from_next: planes * as_second.words() * 8,
        };
        let [_, from_next] = self.exchange(Step::SignDeal, round)?;
        let of_second = unpack(from_next.bytes(), planes * as_second.words());
        Ok(Dealt { planes, sent, common, of_first, of_second })
    }

    /// Step 2. Returns replicated (g, p) of all thirds, in the order of the batch.
    fn block_carries(
        &mut self,
        blocks: Blocks,
        batch: &Thirds<'_, u32>,
        dealt: &Dealt,
    ) -> Result<[Vec<u64>; 2], Error> {
        let [as_dealer, as_first, as_second] = batch.by_place(self.role());
        let planes = blocks.carries();
        // Component d is in common with the previous party and component d+1 with the next, as a dealer sees it.
        let size = |third: &Third<'_, u32>| planes * third.words();
        let dealer_own = self.draw(Side::Previous, Step::SignBlocks, 0, size(as_dealer))?;
        let dealer_next = self.draw(Side::Next, Step::SignBlocks, 1, size(as_dealer))?;
        let first_own: Vec<u64> = self.draw(Side::Previous, Step::SignBlocks, 1, size(as_first))?;
        let second_next: Vec<u64> = self.draw(Side::Next, Step::SignBlocks, 0, size(as_second))?;
        let mut to_second =
            chosen(blocks, as_first.next, false, &dealt.of_first, dealt.planes, size(as_first));
        let mut to_first =
            chosen(blocks, as_second.own, true, &dealt.of_second, dealt.planes, size(as_second));
        to_second.iter_mut().zip(&first_own).for_each(|(bits, mask)| *bits ^= mask);
        to_first.iter_mut().zip(&second_next).for_each(|(bits, mask)| *bits ^= mask);
        let round = Round {
            // As the first helper of one third I speak to the second, which is my next; and the other way round.
            to_next: pack(&to_second),
            to_previous: pack(&to_first),
            from_next: size(as_first) * 8,
            from_previous: size(as_second) * 8,
        };
        let [from_previous, from_next] = self.exchange(Step::SignBlocks, round)?;
        let xored = |mine: &[u64], theirs: &[u8]| -> Vec<u64> {
            mine.iter().zip(unpack::<u64>(theirs, mine.len())).map(|(a, b)| a ^ b).collect()
        };
        let first_next = xored(&to_second, from_next.bytes());
        let second_own = xored(&to_first, from_previous.bytes());
        let own = Thirds::<u32>::in_order(self.role(), [dealer_own, first_own, second_own]);
        let next = Thirds::<u32>::in_order(self.role(), [dealer_next, first_next, second_next]);
        Ok([own, next])
    }

    /// Step 3, one level: `count` blocks become half as many.
    fn combine(
        &mut self,
        carries: &[Vec<u64>; 2],
        count: usize,
        batch: &Thirds<'_, u32>,
    ) -> Result<[Vec<u64>; 2], Error> {
        let (before, after) = (2 * count - 1, 2 * count.div_ceil(2) - 1);
        let products = 2 * (count / 2) - 1;
        let words = batch.words();
        let [own, next] = carries;
        let mut mine: Vec<u64> = self.draw(Side::Previous, Step::SignCombine, 0, products * words)?;
        let other: Vec<u64> = self.draw(Side::Next, Step::SignCombine, 0, products * words)?;
        mine.iter_mut().zip(&other).for_each(|(a, b)| *a ^= b);
        let chunks = chunks_of(batch);
        let level = Level { count, before };
        let tasks = cut(&mut mine, &chunks, products)
            .into_iter()
            .zip(cut_ref(own, &chunks, before))
            .zip(cut_ref(next, &chunks, before))
            .collect();
        each(tasks, || (), |(), ((mine, own), next)| level.products(mine, own, next));
        let [_, from_next] = self.exchange(Step::SignCombine, Round::backward(pack(&mine)))?;
        let theirs: Vec<u64> = unpack(from_next.bytes(), products * words);
        let merge = |products_of: &[u64], old: &[u64]| {
            let mut merged = vec![0; after * words];
            cut(&mut merged, &chunks, after)
                .into_iter()
                .zip(cut_ref(products_of, &chunks, products))
                .zip(cut_ref(old, &chunks, before))
                .for_each(|((merged, products), old)| level.merge(merged, products, old));
            merged
        };
        Ok([merge(&mine, own), merge(&theirs, next)])
    }

    /// A_{w-1} ⊕ B_{w-1} ⊕ carry.
    fn with_signs(
        &self,
        blocks: Blocks,
        batch: &Thirds<'_, u32>,
        dealt: &Dealt,
        carries: [Vec<u64>; 2],
    ) -> BitShares {
        let [as_dealer, as_first, as_second] = batch.by_place(self.role());
        let signs = |values: &[u32]| {
            let mut out = vec![0; values.len().div_ceil(64)];
            bits::signs(blocks, values, &mut out);
            out
        };
        let sign_of =
            |dealt_bits: &[u64], third: &Third<'_, u32>| last_plane(dealt_bits, dealt.planes, third.words());
        // The dealt sign is components d and d+1 of the shared bit, B's sign is component d+2.
        let own = [sign_of(&dealt.sent, as_dealer), sign_of(&dealt.of_first, as_first), signs(as_second.own)];
        let next =
            [sign_of(&dealt.common, as_dealer), signs(as_first.next), sign_of(&dealt.of_second, as_second)];
        let [mut of_own, mut of_next] = carries;
        let xor = |carry: &mut [u64], sign: Vec<u64>| carry.iter_mut().zip(sign).for_each(|(a, b)| *a ^= b);
        xor(&mut of_own, Thirds::<u32>::in_order(self.role(), own));
        xor(&mut of_next, Thirds::<u32>::in_order(self.role(), next));
        BitShares { own: of_own, next: of_next, bits: batch.values() }
    }
}

/// What was dealt, as this party sees it.
struct Dealt {
    /// Planes of every third.
    planes: usize,
    /// Of the third that this party deals: component d, which it sent.
    sent: Vec<u64>,
    /// And component d+1.
    common: Vec<u64>,
    /// Component d+1 of the third where this party is the first helper.
    of_first: Vec<u64>,
    /// Component d of the third where this party is the second helper.
    of_second: Vec<u64>,
}

/// A helper's parts of (g, p) of a third.
fn chosen(blocks: Blocks, known: &[u32], one: bool, dealt: &[u64], planes: usize, size: usize) -> Vec<u64> {
    let mut out = vec![0; size];
    let tasks = out
        .chunks_mut(blocks.carries() * CHUNK)
        .zip(dealt.chunks(planes * CHUNK))
        .zip(known.chunks(64 * CHUNK))
        .collect();
    let room = || Scratch::new(blocks);
    each(tasks, room, |scratch, ((out, dealt), values): ((&mut [u64], &[u64]), &[u32])| {
        bits::carries(blocks, values, dealt.len() / planes, one, dealt, scratch, out);
    });
    out
}

/// The last plane of every chunk of a third.
fn last_plane(bits: &[u64], planes: usize, words: usize) -> Vec<u64> {
    let mut out = Vec::with_capacity(words);
    for chunk in bits.chunks(planes * CHUNK) {
        let (_, last) = chunk.split_at(chunk.len() / planes * (planes - 1));
        out.extend_from_slice(last);
    }
    out
}
