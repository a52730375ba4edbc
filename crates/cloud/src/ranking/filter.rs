//! Which rows of a matrix have which tokens.
//!
//! Every token has the set of its rows, and every row the list of its tokens. A filter walks the smallest of its
//! tokens' sets and keeps the rows that have the others too: it costs what its rarest token costs, not what the
//! matrix holds, and only the rows that are left are scored. A token is spelled out once; rows name it by four
//! bytes.

use std::collections::{HashMap, HashSet};

use pmirs_wire::FilterToken;

/// A token's number, used again when no row has it any more.
type Name = u32;

/// The tokens of a matrix, whose rows are numbered as there.
#[derive(Default)]
pub(super) struct Tokens {
    names: HashMap<FilterToken, Name>,
    /// By name.
    known: Vec<Known>,
    free: Vec<Name>,
    /// By row: the names of its tokens in ascending order.
    rows: Vec<Box<[Name]>>,
}

struct Known {
    token: FilterToken,
    rows: HashSet<u32>,
}

impl Tokens {
    /// The tokens of the next row.
    pub(super) fn push(&mut self, tokens: &[FilterToken]) {
        let row = self.rows.len() as u32;
        let mut names: Vec<Name> = tokens.iter().map(|token| self.add(token, row)).collect();
        names.sort_unstable();
        self.rows.push(names.into());
    }

    /// Follows the removal of a row, whose place the last row takes.
    pub(super) fn swap_remove(&mut self, row: u32) {
        if row as usize >= self.rows.len() {
            return;
        }
        for name in self.rows.swap_remove(row as usize) {
            self.drop_row(name, row);
        }
        let last = self.rows.len() as u32;
        for name in self.rows.get(row as usize).into_iter().flatten() {
            if let Some(known) = self.known.get_mut(*name as usize) {
                known.rows.remove(&last);
                known.rows.insert(row);
            }
        }
    }

    /// The rows that have all of these tokens, in ascending order.
    pub(super) fn matching(&self, filter: &[FilterToken]) -> Vec<u32> {
        let sought: Option<Vec<Name>> = filter.iter().map(|token| self.names.get(token).copied()).collect();
        let sets = sought.iter().flatten().filter_map(|&name| self.known.get(name as usize));
        let Some(rarest) = sets.map(|known| &known.rows).min_by_key(|rows| rows.len()) else {
            return Vec::new();
        };
        let sought = sought.unwrap_or_default();
        let has_all = |row: &u32| {
            let names = self.rows.get(*row as usize).map_or(&[][..], |names| names);
            sought.iter().all(|name| names.binary_search(name).is_ok())
        };
        let mut rows: Vec<u32> = rarest.iter().copied().filter(has_all).collect();
        rows.sort_unstable();
        rows
    }

    fn add(&mut self, token: &FilterToken, row: u32) -> Name {
        let known = self.names.get(token).copied();
        let name = known.or_else(|| self.free.pop()).unwrap_or(self.known.len() as Name);
        if known.is_none() {
            self.names.insert(*token, name);
        }
        match self.known.get_mut(name as usize) {
            Some(slot) => {
                slot.token = *token;
                slot.rows.insert(row);
            }
            None => self.known.push(Known { token: *token, rows: HashSet::from([row]) }),
        }
        name
    }

    fn drop_row(&mut self, name: Name, row: u32) {
        let Some(known) = self.known.get_mut(name as usize) else { return };
        known.rows.remove(&row);
        if known.rows.is_empty() {
            known.rows = HashSet::new();
            self.names.remove(&known.token);
            self.free.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::*;

    fn token(number: u32) -> FilterToken {
        FilterToken([number as u8; 32])
    }

    /// Against lists of rows that are searched from end to end.
    #[test]
    fn rows_come_move_and_go_as_in_a_plain_list() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (mut tokens, mut plain) = (Tokens::default(), Vec::<BTreeSet<FilterToken>>::new());
        let mut matched = 0;
        for _ in 0..3_000 {
            if rng.next_u32() % 5 < 3 || plain.is_empty() {
                // Some rows have none, and low numbers are the frequent ones.
                let count = rng.next_u32() % 6;
                let row: BTreeSet<_> =
                    (0..count).map(|_| token((rng.next_u32() % 40).min(rng.next_u32() % 40))).collect();
                tokens.push(&row.iter().copied().collect::<Vec<_>>());
                plain.push(row);
            } else {
                let row = rng.next_u32() as usize % plain.len();
                tokens.swap_remove(row as u32);
                plain.swap_remove(row);
            }
            let filter: BTreeSet<_> = (0..=rng.next_u32() % 2).map(|_| token(rng.next_u32() % 20)).collect();
            let rows = plain.iter().zip(0..).filter(|(row, _)| row.is_superset(&filter));
            let expected: Vec<u32> = rows.map(|(_, number)| number).collect();
            matched += expected.len();
            assert_eq!(tokens.matching(&filter.into_iter().collect::<Vec<_>>()), expected);
        }
        assert!(matched > 3_000, "the filters found {matched} rows");

        for row in (0..plain.len() as u32).rev() {
            tokens.swap_remove(row);
        }
        tokens.swap_remove(0);
        assert!(tokens.names.is_empty() && tokens.rows.is_empty());
        assert_eq!(tokens.free.len(), tokens.known.len(), "what no row has is forgotten");
    }
}
