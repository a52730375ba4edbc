//! Fixed point: division by 2^f that errs by at most one unit in the last place, always.
//!
//! The quotient of a sum is the sum of the quotients, less a carry of at most one, less 2^(64-f) for each time that
//! the sum of the shares wraps around 2^64. The second is what makes naive truncation fail grossly, and what is
//! computed here.
//!
//! Let |x| < 2^62, the bound that callers vouch for. Then x' = x + 2^62 lies in [0, 2^63), and x' = A + B mod 2^64
//! with A known to the dealer of a third and B to both helpers (see `thirds`). As the top bit of x' is zero, the sum
//! wraps exactly when A or B has its top bit set: w = a ∨ b = a + b - ab with a, b the top bits. So
//!
//! x/2^f = [A >> f] + [B >> f] - (a + b - ab)·2^(64-f) - 2^(62-f), rounded down, or one unit less.
//!
//! Everything but ab·2^(64-f) is known to the dealer alone or to both helpers, and of ab only f bits count.
//!
//! 1. *Deal.* The input comes as additive parts, which are masked with parts of zero. The helpers tell each other
//!    theirs: B. The dealer's part is A. It shares what it knows, A' = [A >> f] - a·2^(64-f) - 2^(62-f), and a modulo
//!    2^f, between the helpers: the first one's parts are common randomness, the second one's are sent.
//! 2. *Finish.* Each helper multiplies its part of a by b, masks it and tells the other, f bits each.
//!
//! 2 rounds, 8 + ⌈f/8⌉ bytes a value and party, the resharing of a product included: with 16 bits, 10 bytes, where
//! resharing alone takes 8.

use crate::error::{Error, range};
use crate::frame::{self, Step};
use crate::party::{Party, Round};
use crate::ring::{Ring, add_to, added, pack, subtract_from, subtracted, unpack};
use crate::role::Side;
use crate::share::{Shares, Unmasked};
use crate::thirds::Thirds;

/// Largest absolute value that may be truncated, exclusive.
pub const TRUNCATION_BOUND: u64 = 1 << 62;

impl Party {
    /// `x / 2^bits` of signed values with |x| < 2^62, rounded down or one unit below; `bits` from 1 to 32. 2 rounds.
    ///
    /// # Errors
    /// When `bits` is out of range, or another party fails.
    pub fn truncate(&mut self, parts: Unmasked<u64>, bits: u32) -> Result<Shares<u64>, Error> {
        range("the bits to truncate", 1, 32, bits as usize)?;
        let Unmasked(mut parts) = parts;
        let count = parts.len();
        add_to(&mut parts, &self.draw(Side::Previous, Step::TruncateDeal, 0, count)?);
        subtract_from(&mut parts, &self.draw(Side::Next, Step::TruncateDeal, 0, count)?);
        let role = self.role();
        let batch = Thirds::of_values(&parts, &parts);
        let [as_dealer, as_first, as_second] = batch.by_place(role).map(|third| third.own);
        let narrow = Narrow { bits };

        let deal = Step::TruncateDeal;
        let dealer_next: Vec<u64> = self.draw(Side::Next, deal, 1, as_dealer.len())?;
        let dealer_tops: Vec<u64> = self.draw(Side::Next, deal, 2, as_dealer.len())?;
        let first_own: Vec<u64> = self.draw(Side::Previous, deal, 1, as_first.len())?;
        let first_tops: Vec<u64> = self.draw(Side::Previous, deal, 2, as_first.len())?;
        let shifted = as_dealer.iter().map(|a| a.wrapping_add(TRUNCATION_BOUND));
        let known: Vec<u64> =
            shifted.clone().map(|a| narrow.quotient(a).wrapping_sub(TRUNCATION_BOUND >> bits)).collect();
        let tops: Vec<u64> = shifted.map(|a| a >> 63).collect();
        let dealer_own = subtracted(&known, &dealer_next);
        let mut to_previous = pack(&dealer_own);
        narrow.append(&subtracted(&tops, &dealer_tops), &mut to_previous);
        u64::append(as_second, &mut to_previous);
        let round = Round {
            to_previous,
            to_next: pack(as_first),
            from_previous: as_second.len() * 8,
            from_next: as_second.len() * (8 + narrow.bytes()) + as_first.len() * 8,
        };
        let [from_previous, from_next] = self.exchange(deal, round)?;
        let (known, rest) = from_next.bytes().split_at(as_second.len() * 8);
        let (second_tops, theirs) = rest.split_at(as_second.len() * narrow.bytes());
        let second_next: Vec<u64> = unpack(known, as_second.len());
        let second_tops = narrow.read(second_tops);
        let first_b = added(as_first, &unpack(theirs, as_first.len()));
        let second_b = added(as_second, &unpack(from_previous.bytes(), as_second.len()));

        let dealt = Dealt {
            narrow,
            dealer: [dealer_own, dealer_next],
            first_own,
            second_next,
            tops: [first_tops, second_tops],
            b: [first_b, second_b],
        };
        self.finish_truncation(dealt)
    }

    /// Step 2.
    fn finish_truncation(&mut self, dealt: Dealt) -> Result<Shares<u64>, Error> {
        let Dealt {
            narrow, dealer: [mut dealer_own, mut dealer_next], mut first_own, mut second_next, ..
        } = dealt;
        let ([first_tops, second_tops], [first_b, second_b]) = (dealt.tops, dealt.b);
        let finish = Step::TruncateFinish;
        let own_mask = self.draw(Side::Previous, finish, 0, dealer_own.len())?;
        let next_mask = self.draw(Side::Next, finish, 1, dealer_own.len())?;
        let first_mask: Vec<u64> = self.draw(Side::Previous, finish, 1, first_b.len())?;
        let second_mask: Vec<u64> = self.draw(Side::Next, finish, 0, second_b.len())?;
        let product = |tops: &[u64], b: &[u64], mask: &[u64]| -> Vec<u64> {
            let pairs = tops.iter().zip(b).zip(mask);
            pairs.map(|((top, b), mask)| (top * (b >> 63)).wrapping_sub(*mask)).collect()
        };
        let first_product = product(&first_tops, &first_b, &first_mask);
        let second_product = product(&second_tops, &second_b, &second_mask);
        let round = Round {
            to_next: narrow.pack(&first_product),
            to_previous: narrow.pack(&second_product),
            from_next: first_b.len() * narrow.bytes(),
            from_previous: second_b.len() * narrow.bytes(),
        };
        let [from_previous, from_next] = self.exchange(finish, round)?;
        let third_component = |b: &[u64], mine: &[u64], theirs: &[u8]| -> Vec<u64> {
            let mut component: Vec<u64> = b.iter().map(|b| narrow.quotient(*b)).collect();
            narrow.add_high(&mut component, mine);
            narrow.add_high(&mut component, &narrow.read(theirs));
            component
        };
        let first_next = third_component(&first_b, &first_product, from_next.bytes());
        let second_own = third_component(&second_b, &second_product, from_previous.bytes());
        narrow.add_high(&mut dealer_own, &own_mask);
        narrow.add_high(&mut dealer_next, &next_mask);
        narrow.add_high(&mut first_own, &first_mask);
        narrow.add_high(&mut second_next, &second_mask);
        let role = self.role();
        Ok(Shares {
            own: Thirds::<u64>::in_order(role, [dealer_own, first_own, second_own]),
            next: Thirds::<u64>::in_order(role, [dealer_next, first_next, second_next]),
        })
    }

    /// max(x, 0) of signed values with |x| < 2^(width-1), `width` from 2 to 32: the sign of the low bits, and a
    /// choice. At most 7 rounds; at 32 bits 7.3 + 10.7 = 18 bytes a value and party.
    ///
    /// # Errors
    /// When the width is none, or another party fails.
    pub fn relu(&mut self, values: &Shares<u64>, width: usize) -> Result<Shares<u64>, Error> {
        let low = |values: &[u64]| values.iter().map(|value| value.low()).collect();
        let low = Shares { own: low(&values.own), next: low(&values.next) };
        let negative = self.sign(&low, width)?;
        let below = self.select(&negative, values)?;
        let mut kept = values.clone();
        kept.subtract_assign(&below);
        Ok(kept)
    }
}

/// What this party holds between the two steps, of the thirds where it is the dealer, the first helper and the second.
struct Dealt {
    narrow: Narrow,
    /// Components d and d+1 of A'.
    dealer: [Vec<u64>; 2],
    /// Component d+1 of A', as the first helper.
    first_own: Vec<u64>,
    /// Component d of A', as the second helper.
    second_next: Vec<u64>,
    /// As each helper: its parts of A's top bits.
    tops: [Vec<u64>; 2],
    /// As each helper: B.
    b: [Vec<u64>; 2],
}

/// Numbers of which only the low `bits` count, packed into whole bytes.
#[derive(Clone, Copy)]
struct Narrow {
    bits: u32,
}

impl Narrow {
    fn bytes(self) -> usize {
        self.bits.div_ceil(8) as usize
    }

    /// [x >> f] - top(x)·2^(64-f)
    fn quotient(self, x: u64) -> u64 {
        (x >> self.bits).wrapping_sub(x >> 63 << (64 - self.bits))
    }

    fn add_high(self, values: &mut [u64], narrow: &[u64]) {
        values.iter_mut().zip(narrow).for_each(|(a, b)| *a = a.wrapping_add(b << (64 - self.bits)));
    }

    fn append(self, values: &[u64], frame: &mut Vec<u8>) {
        for value in values {
            frame.extend(value.to_le_bytes().into_iter().take(self.bytes()));
        }
    }

    fn pack(self, values: &[u64]) -> Vec<u8> {
        let mut frame = frame::draft(values.len() * self.bytes());
        self.append(values, &mut frame);
        frame
    }

    fn read(self, bytes: &[u8]) -> Vec<u64> {
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        bytes.chunks_exact(self.bytes()).map(number).collect()
    }
}
