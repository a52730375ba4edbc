use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::best::Best;
use crate::kernel::{Scorer, prepare};
use crate::matrix::{BLOCK_ROWS, Block};
use crate::{Hit, IndexError, Matrix, Quantised};

/// What one more thread must have to read before it is worth waking: about 50 microseconds of work.
const BYTES_PER_WORKER: usize = 1 << 20;

impl Matrix {
    /// The `k` rows with the highest scores, best first, equal scores by row number; all rows if there are
    /// fewer than `k`. At most `threads` threads of rayon's pool share the work (0 counts as 1); one works
    /// on the caller's own, and a matrix too small to gain from more uses fewer.
    ///
    /// # Errors
    ///
    /// A query of another dimension or with a scale out of range.
    pub fn top_k(&self, query: &Quantised, k: usize, threads: usize) -> Result<Vec<Hit>, IndexError> {
        let mut answers = self.top_k_batch(std::slice::from_ref(query), k, threads)?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// [`Matrix::top_k`] for several queries, one answer each in their order, reading the rows from memory
    /// once.
    ///
    /// # Errors
    ///
    /// A query of another dimension or with a scale out of range.
    pub fn top_k_batch(
        &self,
        queries: &[Quantised],
        k: usize,
        threads: usize,
    ) -> Result<Vec<Vec<Hit>>, IndexError> {
        for query in queries {
            query.check_dim(self.dim())?;
        }
        if k == 0 || self.is_empty() {
            return Ok(vec![Vec::new(); queries.len()]);
        }
        let prepared: Vec<Prepared> = queries
            .iter()
            .map(|query| Prepared { scale: query.scale, scorer: prepare(&query.values) })
            .collect();

        let nothing = vec![Best::new(k, self.len()); queries.len()];
        let kept = self.share(threads, &nothing, |best: &mut Vec<Best>, block| {
            let mut dots = [0; BLOCK_ROWS];
            let dots = dots.get_mut(..block.scales.len()).unwrap_or_default();
            for (query, best) in prepared.iter().zip(best) {
                query.scorer.dots(block.lines, block.sums, dots);
                best.offer(block.first_row, query.scale, block.scales, dots);
            }
        });
        Ok(by_query(kept, queries.len()).into_iter().map(|kept| Best::merge(k, kept)).collect())
    }

    /// [`Matrix::top_k`] over these rows alone, with the same scores to the bit. Rows that lie beside each other cost
    /// what they cost a whole search, others a call of the kernel each.
    ///
    /// # Errors
    ///
    /// A query of another dimension or with a scale out of range, rows that do not ascend, or one that does not
    /// exist.
    pub fn top_k_among(
        &self,
        query: &Quantised,
        k: usize,
        rows: &[u32],
        threads: usize,
    ) -> Result<Vec<Hit>, IndexError> {
        query.check_dim(self.dim())?;
        if !rows.is_sorted_by(|a, b| a < b) {
            return Err(IndexError::NotAscending);
        }
        if let Some(&row) = rows.last().filter(|&&row| row as usize >= self.len()) {
            return Err(IndexError::NoSuchRow { row, len: self.len() });
        }
        if k == 0 {
            return Ok(Vec::new());
        }
        let scorer = prepare(&query.values);
        let groups: Vec<&[u32]> = rows.chunks(BLOCK_ROWS).collect();
        let bytes = rows.len() * self.bytes() / self.len().max(1);
        let kept = take_turns(threads, bytes, &Best::new(k, rows.len()), |best, turn| {
            let Some(&group) = groups.get(turn) else { return false };
            let mut rest = group;
            let mut dots = [0; BLOCK_ROWS];
            while let Some(block) = self.run(rest) {
                let count = block.scales.len();
                let dots = dots.get_mut(..count).unwrap_or_default();
                scorer.dots(block.lines, block.sums, dots);
                best.offer(block.first_row, query.scale, block.scales, dots);
                rest = rest.get(count..).unwrap_or_default();
            }
            true
        });
        Ok(Best::merge(k, kept))
    }

    /// Reads every row once with the widest loads of the machine and the threads that a search would use, and
    /// returns the exclusive or of all 64-bit words. It does nothing else, so timing it gives the memory
    /// bandwidth that a search is measured against.
    pub fn read_through(&self, threads: usize) -> u64 {
        let reader = prepare(&[]);
        self.share(threads, &0, |words, block| *words ^= reader.read(block.lines))
            .into_iter()
            .fold(0, |all, words| all ^ words)
    }

    /// Has up to `threads` workers take blocks until none is left, each in ascending order and into a state
    /// of its own, and returns the states.
    fn share<S: Clone + Send + Sync>(
        &self,
        threads: usize,
        start: &S,
        work: impl Fn(&mut S, &Block) + Sync,
    ) -> Vec<S> {
        take_turns(threads, self.bytes(), start, |state, turn| match self.block(turn) {
            Some(block) => {
                work(state, &block);
                true
            }
            None => false,
        })
    }
}

/// Has up to `threads` workers take turns, counted from 0, until one finds nothing left to do; each goes through
/// its own in ascending order, with a state of its own. `bytes` is what all of them will read.
fn take_turns<S: Clone + Send + Sync>(
    threads: usize,
    bytes: usize,
    start: &S,
    work: impl Fn(&mut S, usize) -> bool + Sync,
) -> Vec<S> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut state = start.clone();
        while work(&mut state, next.fetch_add(1, Ordering::Relaxed)) {}
        state
    };
    match threads.min(bytes.div_ceil(BYTES_PER_WORKER)) {
        0 | 1 => vec![run()],
        workers => (0..workers).into_par_iter().with_max_len(1).map(|_| run()).collect(),
    }
}

struct Prepared {
    scale: f32,
    scorer: Box<dyn Scorer>,
}

/// From one list per worker to one per query.
fn by_query(workers: Vec<Vec<Best>>, queries: usize) -> Vec<Vec<Best>> {
    let mut turned: Vec<Vec<Best>> = (0..queries).map(|_| Vec::with_capacity(workers.len())).collect();
    for worker in workers {
        for (query, best) in turned.iter_mut().zip(worker) {
            query.push(best);
        }
    }
    turned
}
