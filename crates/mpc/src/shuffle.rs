//! A shuffle that no party can undo: each pair in turn permutes by its common randomness, and the third never knows
//! how.
//!
//! Values come as additive parts. Between passes they are parts of two parties:
//!
//! 1. P0, P1 permute. P2 sends its part, masked with a part of zero, to P1; P0 permutes its own and sends it, less a
//!    mask that P1 adds, to P2.
//! 2. P1, P2 permute. P1 sends its part, less a mask that P2 adds, to P0.
//! 3. P2, P0 permute, and *replicate*: with components 0 and 1 and a mask m drawn in common, P0 tells both others
//!    v - x_1 - m, P2 tells P1 u - x_0 + m, and the sum of the two is component 2. Without m, P1 could match the parts
//!    that it handed on with those that come back.
//!
//! Row numbers travel as well. They are public before the first pass, so after it both P0 and P1 know them, and parts
//! for P1 and P2 cost nothing: P2's is common randomness. Only the rows that somebody wants are replicated at the
//! end.
//!
//! 3 rounds. A column of values costs 6 elements a row in all, 8 bytes a party on average; the row numbers one more
//! element, 1.3 bytes a party.

use crate::error::{Error, shape};
use crate::frame::Step;
use crate::kernels::each;
use crate::party::{Party, Round};
use crate::permutation::{Layout, SPARE, permutation};
use crate::ring::{add_to, pack, subtract_from, unpack};
use crate::role::{Role, Side};
use crate::share::{Shares, Unmasked};

/// What lanes of common randomness are for.
mod lane {
    pub(super) const ZERO: u8 = 0;
    pub(super) const PERMUTATION: u8 = 1;
    pub(super) const MASK: u8 = 2;
    pub(super) const ROWS: u8 = 3;
    pub(super) const FIRST: u8 = 4;
    pub(super) const SECOND: u8 = 5;
}

/// Parts of P0 and P2; P1 has none.
pub(crate) struct PairParts(Vec<u32>);

impl PairParts {
    /// Of each of these places; P1 has none of them.
    pub(crate) fn gathered(&self, places: &[u32]) -> Self {
        Self(places.iter().filter_map(|&place| self.0.get(place as usize)).copied().collect())
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }
}

/// The permutations of a shuffle's three passes; this party lacks those of one.
pub(crate) struct Orders {
    first: Vec<Vec<u32>>,
    second: Vec<Vec<u32>>,
    third: Vec<Vec<u32>>,
}

/// A shuffled table: its values, and which rows they were.
pub(crate) struct Shuffled {
    pub(crate) values: Shares<u32>,
    pub(crate) rows: PairParts,
}

impl Party {
    /// Shuffles rows of several columns alike. 3 rounds; 8 bytes a value and party on average.
    ///
    /// # Errors
    /// When the columns are not equally long, or another party fails.
    pub fn shuffle(&mut self, columns: &[Shares<u32>]) -> Result<Vec<Shares<u32>>, Error> {
        let rows = columns.first().map_or(0, Shares::len);
        for column in columns {
            shape("the length of a column", rows, column.len())?;
        }
        let mut parts = Vec::with_capacity(rows * columns.len());
        for column in columns {
            parts.extend_from_slice(&column.own);
        }
        let layout = Layout { tables: 1, columns: columns.len(), rows, words: 1, numbered: false };
        let Shuffled { mut values, .. } = self.shuffle_tables(parts, layout)?;
        let mut shuffled = Vec::with_capacity(columns.len());
        for _ in columns {
            let rest = Shares { own: values.own.split_off(rows), next: values.next.split_off(rows) };
            shuffled.push(std::mem::replace(&mut values, rest));
        }
        Ok(shuffled)
    }

    /// Shuffles each of several lists of equal length by a permutation of its own, with row numbers.
    pub(crate) fn shuffle_lists(&mut self, lists: &[Unmasked<u32>]) -> Result<Shuffled, Error> {
        let rows = lists.first().map_or(0, Unmasked::len);
        let mut parts = Vec::with_capacity(rows * lists.len());
        for list in lists {
            parts.extend_from_slice(&list.0);
        }
        self.shuffle_tables(parts, Layout { tables: lists.len(), columns: 1, rows, words: 1, numbered: true })
    }

    pub(crate) fn shuffle_tables(&mut self, parts: Vec<u32>, layout: Layout) -> Result<Shuffled, Error> {
        let orders = self.orders(layout)?;
        self.shuffle_by(&orders, parts, layout)
    }

    /// Fresh permutations that no party knows all of.
    pub(crate) fn orders(&mut self, layout: Layout) -> Result<Orders, Error> {
        let (previous, next) = (Side::Previous, Side::Next);
        let [first, second, third] = match self.role() {
            Role::First => [Some(next), None, Some(previous)],
            Role::Second => [Some(previous), Some(next), None],
            Role::Third => [None, Some(previous), Some(next)],
        };
        Ok(Orders {
            first: self.permutations(first, Step::ShuffleFirst, layout)?,
            second: self.permutations(second, Step::ShuffleSecond, layout)?,
            third: self.permutations(third, Step::ShuffleThird, layout)?,
        })
    }

    /// Shuffles by permutations that were drawn before; the masks are fresh.
    pub(crate) fn shuffle_by(
        &mut self,
        orders: &Orders,
        mut parts: Vec<u32>,
        layout: Layout,
    ) -> Result<Shuffled, Error> {
        let count = parts.len();
        add_to(&mut parts, &self.draw(Side::Previous, Step::ShuffleFirst, lane::ZERO, count)?);
        subtract_from(&mut parts, &self.draw(Side::Next, Step::ShuffleFirst, lane::ZERO, count)?);
        let (parts, rows) = self.first_pass(&orders.first, parts, layout)?;
        let (parts, rows) = self.second_pass(&orders.second, &parts, &rows, layout)?;
        self.third_pass(&orders.third, &parts, &rows, layout)
    }

    /// P0 and P1 permute; afterwards P1 and P2 have parts.
    fn first_pass(
        &mut self,
        order: &[Vec<u32>],
        mut parts: Vec<u32>,
        layout: Layout,
    ) -> Result<(Vec<u32>, Vec<u32>), Error> {
        const STEP: Step = Step::ShuffleFirst;
        let count = layout.values();
        let quiet = || Round { to_previous: Vec::new(), to_next: Vec::new(), from_previous: 0, from_next: 0 };
        match self.role() {
            Role::First => {
                let mut parts = layout.permuted(order, &parts);
                subtract_from(&mut parts, &self.draw(Side::Next, STEP, lane::MASK, count)?);
                self.exchange(STEP, Round { to_previous: pack(&parts), ..quiet() })?;
                Ok((Vec::new(), Vec::new()))
            }
            Role::Second => {
                let mask: Vec<u32> = self.draw(Side::Previous, STEP, lane::MASK, count)?;
                let mut rows = layout.numbers(order);
                let theirs: Vec<u32> = self.draw(Side::Next, STEP, lane::ROWS, rows.len())?;
                subtract_from(&mut rows, &theirs);
                let [_, from_next] = self.exchange(STEP, Round { from_next: count * 4, ..quiet() })?;
                add_to(&mut parts, &unpack(from_next.bytes(), count));
                let mut parts = layout.permuted(order, &parts);
                add_to(&mut parts, &mask);
                Ok((parts, rows))
            }
            Role::Third => {
                let rows = self.draw(Side::Previous, STEP, lane::ROWS, layout.numbers_count())?;
                let round = Round { to_previous: pack(&parts), from_next: count * 4, ..quiet() };
                let [_, from_next] = self.exchange(STEP, round)?;
                Ok((unpack(from_next.bytes(), count), rows))
            }
        }
    }

    /// P1 and P2 permute; afterwards P2 and P0 have parts.
    fn second_pass(
        &mut self,
        order: &[Vec<u32>],
        parts: &[u32],
        rows: &[u32],
        layout: Layout,
    ) -> Result<(Vec<u32>, Vec<u32>), Error> {
        const STEP: Step = Step::ShuffleSecond;
        let (count, all) = (layout.values(), layout.values() + layout.numbers_count());
        let quiet = || Round { to_previous: Vec::new(), to_next: Vec::new(), from_previous: 0, from_next: 0 };
        match self.role() {
            Role::First => {
                let [_, from_next] = self.exchange(STEP, Round { from_next: all * 4, ..quiet() })?;
                let mut parts: Vec<u32> = unpack(from_next.bytes(), all);
                let rows = parts.split_off(count);
                Ok((parts, rows))
            }
            Role::Second => {
                let mut both = layout.permuted(order, parts);
                both.extend(layout.permuted_numbers(order, rows));
                subtract_from(&mut both, &self.draw(Side::Next, STEP, lane::MASK, all)?);
                self.exchange(STEP, Round { to_previous: pack(&both), ..quiet() })?;
                Ok((Vec::new(), Vec::new()))
            }
            Role::Third => {
                let mut parts = layout.permuted(order, parts);
                parts.extend(layout.permuted_numbers(order, rows));
                add_to(&mut parts, &self.draw(Side::Previous, STEP, lane::MASK, all)?);
                self.exchange(STEP, quiet())?;
                let rows = parts.split_off(count);
                Ok((parts, rows))
            }
        }
    }

    /// P2 and P0 permute, and the values are replicated.
    fn third_pass(
        &mut self,
        order: &[Vec<u32>],
        parts: &[u32],
        rows: &[u32],
        layout: Layout,
    ) -> Result<Shuffled, Error> {
        let (parts, rows) = if self.role() == Role::Second {
            (Vec::new(), Vec::new())
        } else {
            (layout.permuted(order, parts), layout.permuted_numbers(order, rows))
        };
        let values = self.replicate(PairParts(parts), layout.values())?;
        Ok(Shuffled { values, rows: PairParts(rows) })
    }

    /// Parts of P0 and P2 become replicated shares: 1 round, 3 elements a value in all.
    pub(crate) fn replicate(&mut self, parts: PairParts, count: usize) -> Result<Shares<u32>, Error> {
        const STEP: Step = Step::Replicate;
        let PairParts(mut parts) = parts;
        let round = |to_previous, to_next, from_previous, from_next| Round {
            to_previous,
            to_next,
            from_previous: from_previous * 4,
            from_next: from_next * 4,
        };
        match self.role() {
            Role::First => {
                shape("the parts to replicate", count, parts.len())?;
                let own = self.draw(Side::Previous, STEP, lane::FIRST, count)?;
                let next: Vec<u32> = self.draw(Side::Next, STEP, lane::SECOND, count)?;
                subtract_from(&mut parts, &next);
                subtract_from(&mut parts, &self.draw(Side::Previous, STEP, lane::MASK, count)?);
                self.exchange(STEP, round(pack(&parts), pack(&parts), 0, 0))?;
                Ok(Shares { own, next })
            }
            Role::Second => {
                let own = self.draw(Side::Previous, STEP, lane::SECOND, count)?;
                let [from_previous, from_next] =
                    self.exchange(STEP, round(Vec::new(), Vec::new(), count, count))?;
                let mut next: Vec<u32> = unpack(from_previous.bytes(), count);
                add_to(&mut next, &unpack(from_next.bytes(), count));
                Ok(Shares { own, next })
            }
            Role::Third => {
                shape("the parts to replicate", count, parts.len())?;
                let next: Vec<u32> = self.draw(Side::Next, STEP, lane::FIRST, count)?;
                subtract_from(&mut parts, &next);
                add_to(&mut parts, &self.draw(Side::Next, STEP, lane::MASK, count)?);
                let [_, from_next] = self.exchange(STEP, round(pack(&parts), Vec::new(), 0, count))?;
                let mut own = parts;
                add_to(&mut own, &unpack(from_next.bytes(), count));
                Ok(Shares { own, next })
            }
        }
    }

    /// One permutation for each table, which this party and its neighbour draw alike; none where it draws with nobody.
    fn permutations(
        &mut self,
        side: Option<Side>,
        step: Step,
        layout: Layout,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let Some(side) = side else { return Ok(Vec::new()) };
        let length = layout.rows + SPARE;
        let draws: Vec<u64> = self.draw(side, step, lane::PERMUTATION, layout.tables * length)?;
        let mut orders = vec![Vec::new(); layout.tables];
        let tasks = orders.iter_mut().zip(draws.chunks(length)).collect();
        each(tasks, || (), |(), (order, draws)| *order = permutation(layout.rows, draws));
        Ok(orders)
    }
}
