use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// One row of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// The row's number in the matrix, from 0.
    pub row: u32,
    /// The dot product of the two vectors that the integers stand for.
    pub score: f32,
}

/// The score of a row, the same expression wherever a score is formed. `+ 0.0` turns the -0.0 of a tiny
/// negative product into 0.0, so that `>` and the order of [`Ranked`] agree on which scores are equal.
pub(crate) fn rescale(query_scale: f32, row_scale: f32, dot: i32) -> f32 {
    query_scale * row_scale * dot as f32 + 0.0
}

/// The best `k` hits among those offered, in bounded memory.
#[derive(Clone)]
pub(crate) struct Best {
    k: usize,
    /// The worst kept hit on top.
    heap: BinaryHeap<Ranked>,
    /// What a score must exceed to be kept: the worst kept score once there are `k`.
    floor: f32,
}

impl Best {
    /// `k` at least 1; `rows` bounds what will be offered, and so the memory.
    pub(crate) fn new(k: usize, rows: usize) -> Self {
        Self { k, heap: BinaryHeap::with_capacity(k.min(rows) + 1), floor: f32::NEG_INFINITY }
    }

    /// Offers consecutive rows from `first_row` on. Calls must come in ascending order of rows: a later row
    /// with the score of the worst kept one ranks below it, so exceeding the floor is the whole test.
    pub(crate) fn offer(&mut self, first_row: u32, query_scale: f32, scales: &[f32], dots: &[i32]) {
        for ((&dot, &scale), row) in dots.iter().zip(scales).zip(first_row..) {
            let score = rescale(query_scale, scale, dot);
            if score > self.floor {
                self.keep(Hit { row, score });
            }
        }
    }

    /// All that was kept by several workers, best first, at most `k`.
    pub(crate) fn merge(k: usize, kept: impl IntoIterator<Item = Self>) -> Vec<Hit> {
        let mut all: Vec<Ranked> = kept.into_iter().flat_map(|best| best.heap).collect();
        all.sort_unstable();
        all.truncate(k);
        all.into_iter().map(|Ranked(hit)| hit).collect()
    }

    #[cold]
    fn keep(&mut self, hit: Hit) {
        self.heap.push(Ranked(hit));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
        if let Some(Ranked(worst)) = self.heap.peek().filter(|_| self.heap.len() == self.k) {
            self.floor = worst.score;
        }
    }
}

/// Hits in the order of an answer: "less" is better, and equal scores are ordered by row.
#[derive(Clone, Copy)]
struct Ranked(Hit);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.score.total_cmp(&self.0.score).then(self.0.row.cmp(&other.0.row))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
