//! The best k of many rows, with what belongs to them: *secure search* over tables whose row numbers are secret too.
//!
//! As [`Party::top_k`], but every row brings columns along, which are shuffled with its score (8 bytes a value and party
//! on average) and taken at the places that were found. Nobody learns which rows these are, nor what they bring.

use crate::error::{Error, range, shape};
use crate::party::Party;
use crate::permutation::Layout;
use crate::share::{Shares, Unmasked};

/// One party's shares of the rows that one query found, in no order that says anything.
#[derive(Clone, PartialEq, Eq)]
pub struct Carried {
    /// The rows' scores.
    pub scores: Shares<u32>,
    /// What they bring, column by column.
    pub columns: Vec<Shares<u32>>,
}

impl std::fmt::Debug for Carried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Carried({} redacted)", self.scores.len())
    }
}

impl Party {
    /// The `k` rows with the largest scores of each table, all of one shape: the first column holds the scores.
    ///
    /// # Errors
    /// When the tables are not of one shape, the width is none, or another party fails.
    pub fn top_k_carrying(
        &mut self,
        tables: &[Vec<Unmasked<u32>>],
        k: usize,
        width: usize,
    ) -> Result<Vec<Carried>, Error> {
        range("the width of a comparison", 2, 32, width)?;
        let Some(first) = tables.first() else { return Ok(Vec::new()) };
        let (columns, rows) = (first.len(), first.first().map_or(0, Unmasked::len));
        range("the columns of a table", 1, u8::MAX.into(), columns)?;
        let count = tables.len() * columns * rows;
        range("the values of all tables", 0, u32::MAX as usize, count)?;
        let mut parts = Vec::with_capacity(count);
        for table in tables {
            shape("the columns of a table", columns, table.len())?;
            for column in table {
                shape("the length of a column", rows, column.len())?;
                parts.extend_from_slice(&column.0);
            }
        }
        let layout = Layout { tables: tables.len(), columns, rows, words: 1, numbered: false };
        let shuffled = self.shuffle_tables(parts, layout)?.values;
        let scores = scores_of(&shuffled, layout);
        let best = self.select_best(&scores, tables.len(), rows, k, width)?;
        let mut found = Vec::with_capacity(tables.len());
        for (table, places) in best.iter().enumerate() {
            // A place among all scores; the table's columns lie one after another.
            let column = |column: usize| {
                let moved = (table * columns + column - table) * rows;
                let places: Vec<u32> = places.iter().map(|place| place + moved as u32).collect();
                shuffled.gathered(&places)
            };
            let brought = (1..columns).map(column).collect::<Result<_, _>>()?;
            found.push(Carried { scores: column(0)?, columns: brought });
        }
        Ok(found)
    }
}

/// The first column of each table, one after another.
fn scores_of(values: &Shares<u32>, Layout { tables, columns, rows, .. }: Layout) -> Shares<u32> {
    let take = |values: &[u32]| {
        let first = |table: usize| values.get(table * columns * rows..).and_then(|rest| rest.get(..rows));
        (0..tables).flat_map(|table| first(table).unwrap_or_default()).copied().collect()
    };
    Shares { own: take(&values.own), next: take(&values.next) }
}
