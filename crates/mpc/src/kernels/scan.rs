//! One party's pass over all rows, for scores.
//!
//! Both components of a row are read once for all queries. An inner product takes one multiplication for each
//! component, a squared distance one for both.

use rayon::prelude::*;

use super::vectorised;

/// Rows that go through the queries together: their components stay in the first cache.
const TILE: usize = 4;
/// Rows of one task; a multiple of [`TILE`].
const TASK: usize = 512;

/// A query as the scan wants it: what multiplies a row's own and next component, or what is taken off them.
pub(crate) struct Query {
    pub(crate) own: Vec<u32>,
    pub(crate) next: Vec<u32>,
}

/// What is computed for each row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Σ own·q + next·q'
    InnerProduct,
    /// Σ (own - q)·((own - q) + 2·(next - q'))
    SquaredDistance,
}

/// This party's parts of all scores, query after query. `own` and `next` hold `rows x dim`.
pub(crate) fn scores(pass: Pass, own: &[u32], next: &[u32], dim: usize, queries: &[Query]) -> Vec<Vec<u32>> {
    let rows = own.len() / dim.max(1);
    let mut scores: Vec<Vec<u32>> = queries.iter().map(|_| vec![0; rows]).collect();
    // For each task its part of every query's scores.
    let rows_of_task = TASK * dim.max(1);
    let mut parts: Vec<Vec<&mut [u32]>> = own.chunks(rows_of_task).map(|_| Vec::new()).collect();
    for scores in &mut scores {
        for (task, part) in parts.iter_mut().zip(scores.chunks_mut(TASK)) {
            task.push(part);
        }
    }
    let rows = own.par_chunks(rows_of_task).zip(next.par_chunks(rows_of_task));
    rows.zip(parts).for_each(|((own, next), mut parts)| {
        vectorised(
            #[inline(always)]
            || task(pass, own, next, dim, queries, &mut parts),
        );
    });
    scores
}

#[inline(always)]
fn task(pass: Pass, own: &[u32], next: &[u32], dim: usize, queries: &[Query], parts: &mut [&mut [u32]]) {
    for (tile, (own, next)) in own.chunks(TILE * dim).zip(next.chunks(TILE * dim)).enumerate() {
        for (query, part) in queries.iter().zip(parts.iter_mut()) {
            let slots = part.iter_mut().skip(tile * TILE).take(TILE);
            for ((own, next), slot) in own.chunks_exact(dim).zip(next.chunks_exact(dim)).zip(slots) {
                *slot = match pass {
                    Pass::InnerProduct => inner_product(own, next, query),
                    Pass::SquaredDistance => squared_distance(own, next, query),
                };
            }
        }
    }
}

#[inline(always)]
fn inner_product(own: &[u32], next: &[u32], query: &Query) -> u32 {
    let terms = own.iter().zip(next).zip(query.own.iter().zip(&query.next));
    terms.fold(0_u32, |sum, ((a, b), (q, r))| {
        sum.wrapping_add(a.wrapping_mul(*q)).wrapping_add(b.wrapping_mul(*r))
    })
}

#[inline(always)]
fn squared_distance(own: &[u32], next: &[u32], query: &Query) -> u32 {
    let terms = own.iter().zip(next).zip(query.own.iter().zip(&query.next));
    terms.fold(0_u32, |sum, ((a, b), (q, r))| {
        let (mine, after) = (a.wrapping_sub(*q), b.wrapping_sub(*r));
        sum.wrapping_add(mine.wrapping_mul(mine.wrapping_add(after.wrapping_add(after))))
    })
}

/// The exclusive or of all words, on all cores: what reading the same bytes costs at least.
pub(crate) fn read(words: &[u32]) -> u32 {
    words
        .par_chunks(TASK * 512)
        .map(|words| {
            let mut all = 0;
            vectorised(
                #[inline(always)]
                || all = words.iter().fold(0, |all, word| all ^ word),
            );
            all
        })
        .reduce(|| 0, |a, b| a ^ b)
}
