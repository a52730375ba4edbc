//! Comparisons and what they are for: ordering a pair, the largest value, counting above a threshold.
//!
//! a < b is the sign of a - b, so values must lie close enough together: `width` bits hold every difference.

use crate::error::{Error, range};
use crate::party::Party;
use crate::share::{BitShares, Shares};

/// The width that holds the differences of values between `-largest` and `largest`.
pub fn width_of_differences(largest: u32) -> usize {
    // A difference lies between -2·largest and 2·largest; the sign takes one more bit.
    (64 - (2 * u64::from(largest)).leading_zeros() as usize + 1).clamp(2, 32)
}

impl Party {
    /// `a < b`, element by element. At most 5 rounds; bytes as for [`Party::sign`].
    ///
    /// # Errors
    /// When the operands do not fit, or another party fails.
    pub fn less_than(&mut self, a: &Shares<u32>, b: &Shares<u32>, width: usize) -> Result<BitShares, Error> {
        self.sign(&a.minus(b)?, width)
    }

    /// The smaller and the larger of each pair (*secure sort pair*): at most 7 rounds, a comparison and 4/3 of an
    /// element.
    ///
    /// With s = `[b < a]` and d = s·(b - a), the smaller is a + d and the larger b - d.
    ///
    /// # Errors
    /// When the operands do not fit, or another party fails.
    pub fn compare_exchange(
        &mut self,
        a: &Shares<u32>,
        b: &Shares<u32>,
        width: usize,
    ) -> Result<[Shares<u32>; 2], Error> {
        let difference = b.minus(a)?;
        let swap = self.sign(&difference, width)?;
        let moved = self.select(&swap, &difference)?;
        Ok([a.plus(&moved)?, b.minus(&moved)?])
    }

    /// The largest value: a tournament of ⌈log2 n⌉ levels, 7 rounds each, n - 1 comparisons in all. Nothing is
    /// revealed.
    ///
    /// # Errors
    /// When there are no values, the width is none, or another party fails.
    pub fn maximum(&mut self, values: &Shares<u32>, width: usize) -> Result<Shares<u32>, Error> {
        range("the number of values", 1, usize::MAX, values.len())?;
        let mut left = values.clone();
        while left.len() > 1 {
            let half = left.len() / 2;
            let mut second = split_off(&mut left, half);
            let odd = split_off(&mut second, half);
            let [_, larger] = self.compare_exchange(&left, &second, width)?;
            left = larger;
            left.append(&odd);
        }
        Ok(left)
    }

    /// How many values are at least `threshold`, as one shared number ("no match" is zero). At most 7 rounds.
    ///
    /// # Errors
    /// When the width is none, or another party fails.
    pub fn count_at_least(
        &mut self,
        values: &Shares<u32>,
        threshold: u32,
        width: usize,
    ) -> Result<Shares<u32>, Error> {
        let thresholds = Shares::of_public(self.role(), &vec![threshold; values.len()]);
        let below = self.less_than(values, &thresholds, width)?;
        let below = self.bits_to_ring::<u32>(&below)?;
        let sum = |parts: &[u32]| vec![parts.iter().fold(0_u32, |sum, part| sum.wrapping_add(*part))];
        let below = Shares { own: sum(&below.own), next: sum(&below.next) };
        Shares::of_public(self.role(), &[values.len() as u32]).minus(&below)
    }
}

fn split_off(shares: &mut Shares<u32>, at: usize) -> Shares<u32> {
    Shares { own: shares.own.split_off(at), next: shares.next.split_off(at) }
}
