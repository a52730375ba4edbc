//! Permutations from common randomness, and tables in their order.

use crate::kernels::each;

/// Draws kept for those that must be rejected, each with a probability of at most `rows` / 2^64.
pub(crate) const SPARE: usize = 8;

/// A uniform permutation (Fisher and Yates; Lemire's multiplication with rejection).
pub(crate) fn permutation(rows: usize, draws: &[u64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    let mut draws = draws.iter();
    for last in (1..rows).rev() {
        let bound = last as u64 + 1;
        let below = loop {
            let wide = u128::from(draws.next().copied().unwrap_or_default()) * u128::from(bound);
            if wide as u64 >= bound.wrapping_neg() % bound || draws.len() == 0 {
                break (wide >> 64) as usize;
            }
        };
        order.swap(last, below);
    }
    order
}

/// How tables lie one after another: `tables` times `columns` times `rows` times `words` values.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) tables: usize,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// Words of a row of a column, which stay together: one, but for blocks.
    pub(crate) words: usize,
    /// Whether row numbers travel along.
    pub(crate) numbered: bool,
}

impl Layout {
    pub(crate) fn values(self) -> usize {
        self.tables * self.columns * self.rows * self.words
    }

    pub(crate) fn numbers_count(self) -> usize {
        if self.numbered { self.tables * self.rows } else { 0 }
    }

    /// Each table's columns by its permutation.
    pub(crate) fn permuted(self, order: &[Vec<u32>], values: &[u32]) -> Vec<u32> {
        permuted(order, values, self.columns, self.rows, self.words)
    }

    pub(crate) fn permuted_numbers(self, order: &[Vec<u32>], numbers: &[u32]) -> Vec<u32> {
        if self.numbered { permuted(order, numbers, 1, self.rows, 1) } else { Vec::new() }
    }

    /// The row numbers after the first pass, where they are the permutations themselves.
    pub(crate) fn numbers(self, order: &[Vec<u32>]) -> Vec<u32> {
        if self.numbered { order.concat() } else { Vec::new() }
    }
}

#[expect(clippy::indexing_slicing, reason = "a permutation of the rows of a table holds only their numbers")]
fn permuted(order: &[Vec<u32>], values: &[u32], columns: usize, rows: usize, words: usize) -> Vec<u32> {
    let mut out = vec![0; values.len()];
    let column = rows * words;
    if column == 0 {
        return out;
    }
    let tasks: Vec<_> = out.chunks_mut(column).zip(values.chunks(column)).enumerate().collect();
    each(
        tasks,
        || (),
        |(), (column, (out, values))| {
            let order = &order[column / columns.max(1)];
            if words == 1 {
                out.iter_mut().zip(order).for_each(|(slot, &from)| *slot = values[from as usize]);
                return;
            }
            for (slot, &from) in out.chunks_exact_mut(words).zip(order) {
                slot.copy_from_slice(&values[from as usize * words..][..words]);
            }
        },
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permutation_is_as_likely_as_any_other() {
        // 24 permutations of 4 rows, 24,000 draws: chi-square with 23 degrees of freedom stays below 60 with
        // a probability of 1 - 4e-5.
        let mut state = 1_u64;
        let mut seen = std::collections::HashMap::new();
        for _ in 0..24_000 {
            let draws: Vec<u64> = (0..4 + SPARE)
                .map(|_| {
                    // SplitMix64
                    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                    let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
                    mixed ^ mixed >> 31
                })
                .collect();
            *seen.entry(permutation(4, &draws)).or_insert(0_i32) += 1;
        }
        assert_eq!(seen.len(), 24);
        let chi: f64 = seen.values().map(|&count| f64::from(count - 1000).powi(2) / 1000.0).sum();
        assert!(chi < 60.0, "chi-square {chi}");
    }
}
