//! A shared bit times a shared value, and what follows from it: choosing without anyone knowing what was chosen.
//!
//! Let b = u ⊕ v and x = A + B, where the dealer of a third knows u and A, both helpers v and B (see `thirds`). Then
//!
//! b·x = (u + v - 2uv)·(A + B) = h + u·e + v·c + v·B   with h = u·A, c = A - 2h and e = B·(1 - 2v).
//!
//! 1. *Deal.* The dealer shares u and h between the helpers: the first one's parts are common randomness, the second
//!    one's are sent. A is shared between them already, as x_{d+1} and x_d, and so c is.
//! 2. *Finish.* Each helper computes its part of the sum (u·e and v·c are its parts times what it knows), masks it with
//!    common randomness with the dealer, and tells the other: component d+2. The masks are components d+1 and d.
//!
//! 2 rounds, 4/3 of an element a value and party.

use crate::error::{Error, shape};
use crate::frame::Step;
use crate::party::{Party, Round};
use crate::ring::{Ring, added, pack, subtracted, unpack};
use crate::role::Side;
use crate::share::{BitShares, Shares};
use crate::thirds::{Third, Thirds};

impl Party {
    /// `bit · value`, element by element. 2 rounds.
    ///
    /// # Errors
    /// When there are not as many bits as values, or another party fails.
    pub fn select<R: Ring>(&mut self, bits: &BitShares, values: &Shares<R>) -> Result<Shares<R>, Error> {
        shape("the bits to select by", values.len(), bits.len())?;
        let bits = Thirds::of_words(&bits.own, &bits.next);
        let batch = Thirds::of_values(&values.own, &values.next);
        let role = self.role();
        let [dealer_bits, first_bits, second_bits] = bits.by_place(role);
        let [as_dealer, as_first, as_second] = batch.by_place(role);

        let common: [Vec<R>; 2] = self.two(Side::Next, Step::SelectDeal, as_dealer.len())?;
        let of_first: [Vec<R>; 2] = self.two(Side::Previous, Step::SelectDeal, as_first.len())?;
        let sent = dealt(dealer_bits, as_dealer, &common);
        let round = Round {
            to_previous: pack(&sent),
            to_next: Vec::new(),
            from_previous: 0,
            from_next: 2 * as_second.len() * R::BYTES,
        };
        let [_, from_next] = self.exchange(Step::SelectDeal, round)?;
        let mut of_second: Vec<R> = unpack(from_next.bytes(), 2 * as_second.len());
        let products = of_second.split_off(as_second.len());

        let step = Step::SelectFinish;
        let dealer_own = self.draw(Side::Previous, step, 0, as_dealer.len())?;
        let dealer_next = self.draw(Side::Next, step, 1, as_dealer.len())?;
        let first_own: Vec<R> = self.draw(Side::Previous, step, 1, as_first.len())?;
        let second_next: Vec<R> = self.draw(Side::Next, step, 0, as_second.len())?;
        let [units, halves] = &of_first;
        let first = helped(first_bits.next, as_first.own, as_first.next, units, halves, true);
        let second = helped(second_bits.own, as_second.next, as_second.own, &of_second, &products, false);
        let [first_next, second_own] = self.join_helpers(step, &first, &first_own, &second, &second_next)?;
        Ok(Shares {
            own: Thirds::<R>::in_order(role, [dealer_own, first_own, second_own]),
            next: Thirds::<R>::in_order(role, [dealer_next, first_next, second_next]),
        })
    }

    /// `bit ? one : other`, element by element. 2 rounds.
    ///
    /// # Errors
    /// When the operands are not equally many, or another party fails.
    pub fn choose<R: Ring>(
        &mut self,
        bits: &BitShares,
        one: &Shares<R>,
        other: &Shares<R>,
    ) -> Result<Shares<R>, Error> {
        let mut chosen = self.select(bits, &one.minus(other)?)?;
        chosen.add_assign(other);
        Ok(chosen)
    }

    /// Bits as zeros and ones of the ring. 2 rounds.
    ///
    /// # Errors
    /// When another party fails.
    pub fn bits_to_ring<R: Ring>(&mut self, bits: &BitShares) -> Result<Shares<R>, Error> {
        let ones = Shares::of_public(self.role(), &vec![R::from_bit(true); bits.len()]);
        self.select(bits, &ones)
    }

    /// The helpers of a third mask their parts and tell each other: returns component d+2, as the first helper of one
    /// third and as the second of another.
    pub(crate) fn join_helpers<R: Ring>(
        &mut self,
        step: Step,
        first: &[R],
        first_mask: &[R],
        second: &[R],
        second_mask: &[R],
    ) -> Result<[Vec<R>; 2], Error> {
        let (first, second) = (subtracted(first, first_mask), subtracted(second, second_mask));
        let round = Round {
            to_next: pack(&first),
            to_previous: pack(&second),
            from_next: first.len() * R::BYTES,
            from_previous: second.len() * R::BYTES,
        };
        let [from_previous, from_next] = self.exchange(step, round)?;
        let join = |mine: &[R], theirs: &[u8]| added(mine, &unpack(theirs, mine.len()));
        Ok([join(&first, from_next.bytes()), join(&second, from_previous.bytes())])
    }

    fn two<R: Ring>(&mut self, side: Side, step: Step, count: usize) -> Result<[Vec<R>; 2], Error> {
        Ok([self.draw(side, step, 0, count)?, self.draw(side, step, 1, count)?])
    }
}

/// What the dealer sends: its bits u, then h = u·A, less the other helper's parts.
fn dealt<R: Ring>(bits: &Third<'_, u64>, values: &Third<'_, R>, [units, halves]: &[Vec<R>; 2]) -> Vec<R> {
    let mut sent = Vec::with_capacity(2 * values.len());
    let known = || bits.own.iter().zip(bits.next).flat_map(|(a, b)| unpacked(a ^ b));
    sent.extend(known().zip(units).map(|(u, part)| R::from_bit(u).minus(*part)));
    let sums = values.own.iter().zip(values.next).map(|(a, b)| a.plus(*b));
    sent.extend(known().zip(sums).zip(halves).map(|((u, a), part)| R::from_bit(u).times(a).minus(*part)));
    sent
}

/// A helper's part of b·x: h + u·e + v·c, and v·B for one of the two.
///
/// `part` is this helper's part of A, `b` is B, which both know.
fn helped<R: Ring>(v: &[u64], part: &[R], b: &[R], units: &[R], halves: &[R], counts_b: bool) -> Vec<R> {
    let vs = v.iter().flat_map(|word| unpacked(*word));
    let operands = part.iter().zip(b).zip(units.iter().zip(halves));
    operands
        .zip(vs)
        .map(|(((&a, &b), (&u, &h)), v)| {
            let v = R::from_bit(v);
            let e = b.minus(v.times(b.plus(b)));
            let c = a.minus(h.plus(h));
            let known = if counts_b { c.plus(b) } else { c };
            h.plus(u.times(e)).plus(v.times(known))
        })
        .collect()
}

pub(crate) fn unpacked(word: u64) -> impl Iterator<Item = bool> {
    (0..64).map(move |place| word >> place & 1 == 1)
}
