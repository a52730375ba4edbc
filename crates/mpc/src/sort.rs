//! All rows in order: shuffle, then sort by revealed comparisons (Hamada et al. 2012).
//!
//! After a shuffle that no party knows, comparing rows in the open says nothing: with ties broken by place, the
//! outcomes are those of a random permutation. So any sorting plan will do, and this one is for few rounds: every
//! stage divides each segment by three of its rows (a comparison with each), and segments of at most 24 rows are
//! ordered by all pairs.
//!
//! About log_3(n/24) + 4 stages of 6 rounds and 3.3·log_3(n) comparisons a row.

use crate::error::{Error, range};
use crate::pairs::{Pair, all_pairs, by_wins, pairs_with, spread};
use crate::party::Party;
use crate::share::Shares;

/// Rows that are ordered by all their pairs.
const FEW: usize = 24;
/// Rows that divide a segment.
const PIVOTS: usize = 3;

impl Party {
    /// Sorts rows by their keys, the smallest first, and brings the payload columns into the same order (*secure
    /// sort*). Rows of equal key come in random order. `width` bits hold every difference of keys.
    ///
    /// Returns the keys, then the payload.
    ///
    /// # Errors
    /// When the columns are not equally long, the width is none, or another party fails.
    pub fn sort(
        &mut self,
        keys: &Shares<u32>,
        payload: &[Shares<u32>],
        width: usize,
    ) -> Result<Vec<Shares<u32>>, Error> {
        range("the width of a comparison", 2, 32, width)?;
        let columns: Vec<Shares<u32>> = std::iter::once(keys).chain(payload).cloned().collect();
        let shuffled = self.shuffle(&columns)?;
        let Some(keys) = shuffled.first() else { return Ok(Vec::new()) };
        let mut plan = Sorting::new(keys.len());
        loop {
            let pairs = plan.ask();
            if pairs.is_empty() {
                break;
            }
            let count = pairs.len();
            let behind = self.first_behind(keys, pairs.into_iter(), count, width, true)?;
            plan.answer(&behind);
        }
        let order = plan.into_order();
        shuffled.iter().map(|column| column.gathered(&order)).collect()
    }
}

/// A plan of comparisons that sorts shuffled rows, largest first; it sees the answers alone.
struct Sorting {
    /// In order from left to right; what lies in different segments is ordered already.
    segments: Vec<Segment>,
}

/// Rows next to each other in the order, in an order that is known or not.
struct Segment {
    rows: Vec<u32>,
    sorted: bool,
}

impl Sorting {
    fn new(rows: usize) -> Self {
        let rows: Vec<u32> = (0..rows as u32).collect();
        Self { segments: vec![Segment { sorted: rows.len() < 2, rows }] }
    }

    fn ask(&self) -> Vec<Pair> {
        self.segments.iter().flat_map(Segment::pairs).collect()
    }

    /// `first_behind` says of each pair whether its first row has the smaller key.
    fn answer(&mut self, first_behind: &[bool]) {
        let mut rest = first_behind;
        let mut segments = Vec::with_capacity(self.segments.len() * 2);
        for segment in std::mem::take(&mut self.segments) {
            let (mine, after) = rest.split_at(segment.count_pairs().min(rest.len()));
            rest = after;
            segment.divide(mine, &mut segments);
        }
        self.segments = segments;
    }

    /// Smallest first.
    fn into_order(self) -> Vec<u32> {
        self.segments.into_iter().flat_map(|segment| segment.rows).collect()
    }
}

impl Segment {
    fn pivots(&self) -> Vec<u32> {
        spread(&self.rows, PIVOTS)
    }

    fn pairs(&self) -> Vec<Pair> {
        if self.sorted {
            return Vec::new();
        }
        if self.rows.len() <= FEW {
            return all_pairs(&self.rows);
        }
        let pivots = self.pivots();
        let others: Vec<u32> = self.rows.iter().copied().filter(|row| !pivots.contains(row)).collect();
        let with_others = pivots.iter().flat_map(|&pivot| pairs_with(pivot, &others));
        all_pairs(&pivots).into_iter().chain(with_others).collect()
    }

    fn count_pairs(&self) -> usize {
        let (rows, pivots) = (self.rows.len(), PIVOTS);
        match (self.sorted, rows <= FEW) {
            (true, _) => 0,
            (false, true) => rows * (rows - 1) / 2,
            (false, false) => pivots * (pivots - 1) / 2 + pivots * (rows - pivots),
        }
    }

    fn divide(self, first_behind: &[bool], out: &mut Vec<Self>) {
        if self.sorted {
            out.push(self);
            return;
        }
        // By wins, the largest is first; sorting wants the smallest first.
        let ranked = |rows: &[u32], answers: &[bool]| {
            let first_before: Vec<bool> = answers.iter().map(|behind| !behind).collect();
            let mut rows = by_wins(rows, &first_before);
            rows.reverse();
            rows
        };
        if self.rows.len() <= FEW {
            out.push(Self { rows: ranked(&self.rows, first_behind), sorted: true });
            return;
        }
        let pivots = self.pivots();
        let (among, rest) = first_behind.split_at((PIVOTS * (PIVOTS - 1) / 2).min(first_behind.len()));
        let order = ranked(&pivots, among);
        let others: Vec<u32> = self.rows.iter().copied().filter(|row| !pivots.contains(row)).collect();
        // Of each other row, how many pivots are smaller.
        let mut above = vec![0_usize; others.len()];
        for (&pivot, answers) in pivots.iter().zip(rest.chunks(others.len().max(1))) {
            for ((above, &row), &behind) in above.iter_mut().zip(&others).zip(answers) {
                *above += usize::from((pivot < row) == behind);
            }
        }
        let mut classes = vec![Vec::new(); PIVOTS + 1];
        for (&row, &class) in others.iter().zip(&above) {
            if let Some(class) = classes.get_mut(class) {
                class.push(row);
            }
        }
        for (number, rows) in classes.into_iter().enumerate() {
            if !rows.is_empty() {
                out.push(Self { sorted: rows.len() < 2, rows });
            }
            if let Some(&pivot) = order.get(number) {
                out.push(Self { rows: vec![pivot], sorted: true });
            }
        }
    }
}
