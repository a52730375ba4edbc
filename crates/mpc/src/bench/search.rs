//! A search over random int8 vectors, timed.

use std::time::{Duration, Instant};

use rand_core::CryptoRng;

use super::{Phase, Stopwatch, Wire, three_parties_over};
use crate::compare::width_of_differences;
use crate::error::Error;
use crate::score::Rows;
use crate::share::{Shares, deal};
use crate::top_k::Found;

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchSize {
    /// Rows.
    pub rows: usize,
    /// Coordinates of a row.
    pub dim: usize,
    /// How many rows a query finds.
    pub k: usize,
    /// Queries at once.
    pub queries: usize,
}

/// What a search cost.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchReport {
    /// The whole, of every run in order.
    pub times: Vec<Duration>,
    /// The first party's phases in the last run.
    pub phases: Vec<Phase>,
    /// Rounds.
    pub rounds: u32,
    /// Bytes that a party sends, on average.
    pub bytes_sent_per_party: u64,
    /// Bytes of each party's shares of the rows.
    pub row_bytes_per_party: u64,
    /// Which share of the plaintext's best rows was found: one, or something is wrong.
    pub recall: f64,
    /// Three parties' scans for one query, one after another on all cores.
    pub scan: Duration,
    /// A plain read of the same bytes.
    pub read: Duration,
}

/// Deals random vectors, searches them `runs` times, and compares what was found with the plaintext's best.
///
/// # Errors
/// When a size is out of range.
pub fn search(
    rng: &mut impl CryptoRng,
    size: SearchSize,
    wire: Wire,
    runs: usize,
) -> Result<SearchReport, Error> {
    let table = Table::random(rng, size);
    let width = width_of_differences(size.dim as u32 * 127 * 127);
    let queries: Vec<Vec<u32>> = (0..size.queries).map(|_| vector(rng, size.dim)).collect();
    let dealt: Vec<[Shares<u32>; 3]> = queries.iter().map(|query| deal(rng, query)).collect();
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..runs {
        let begin = Instant::now();
        let results = three_parties_over(wire, rng, |party| {
            let mut watch = Stopwatch::default();
            watch.start(party);
            let rows = table.rows(party.role().index(), size.dim)?;
            let mine = |shares: &[Shares<u32>; 3]| shares.get(party.role().index()).cloned();
            let mine: Vec<Shares<u32>> = dealt.iter().filter_map(mine).collect();
            let scores = rows.inner_products(&mine)?;
            watch.lap("scan", party);
            let found = party.top_k(scores, size.k, width)?;
            watch.lap("top k", party);
            Ok((watch.into_phases(), party.traffic(), found))
        })?;
        times.push(begin.elapsed());
        last = Some(results);
    }
    let [scan, read] = table.bandwidth(size.dim, dealt.first())?;
    let mut report = SearchReport {
        times,
        phases: Vec::new(),
        rounds: 0,
        bytes_sent_per_party: 0,
        row_bytes_per_party: (size.rows * size.dim * 8) as u64,
        recall: 0.0,
        scan,
        read,
    };
    if let Some(results) = last {
        report.rounds = results.iter().map(|(_, traffic, _)| traffic.rounds).max().unwrap_or_default();
        report.bytes_sent_per_party = results.iter().map(|(_, traffic, _)| traffic.sent).sum::<u64>() / 3;
        let [(phases, _, a), (_, _, b), (_, _, c)] = results;
        report.phases = phases;
        report.recall = table.recall(size, &queries, [a, b, c])?;
    }
    Ok(report)
}

/// The three components of the rows; each party has two of them.
struct Table([Vec<u32>; 3]);

impl Table {
    fn random(rng: &mut impl CryptoRng, size: SearchSize) -> Self {
        let count = size.rows * size.dim;
        let mut component = || -> Vec<u32> { (0..count).map(|_| rng.next_u32()).collect() };
        let (x0, x1) = (component(), component());
        // The value is a byte of the two, so that no fourth table is needed.
        let x2 = x0.iter().zip(&x1).map(|(a, b)| value(*a, *b).wrapping_sub(*a).wrapping_sub(*b)).collect();
        Self([x0, x1, x2])
    }

    fn rows(&self, party: usize, dim: usize) -> Result<Rows<'_>, Error> {
        let component = |index: usize| self.0.get(index % 3).map(Vec::as_slice).unwrap_or_default();
        Rows::new(component(party), component(party + 1), dim)
    }

    /// Three scans and three plain reads, the fastest of five each.
    fn bandwidth(&self, dim: usize, query: Option<&[Shares<u32>; 3]>) -> Result<[Duration; 2], Error> {
        let query: Vec<Shares<u32>> = query.map(|[first, ..]| first.clone()).into_iter().collect();
        let rows = [self.rows(0, dim)?, self.rows(1, dim)?, self.rows(2, dim)?];
        let fastest = |work: &dyn Fn(&Rows<'_>) -> Result<(), Error>| -> Result<Duration, Error> {
            let mut best = Duration::MAX;
            for _ in 0..5 {
                let begin = Instant::now();
                rows.iter().try_for_each(work)?;
                best = best.min(begin.elapsed());
            }
            Ok(best)
        };
        let scan =
            fastest(&|rows| rows.inner_products(&query).map(|scores| drop(std::hint::black_box(scores))))?;
        let read = fastest(&|rows| {
            std::hint::black_box(rows.read());
            Ok(())
        })?;
        Ok([scan, read])
    }

    fn recall(&self, size: SearchSize, queries: &[Vec<u32>], found: [Vec<Found>; 3]) -> Result<f64, Error> {
        let [a, b, c] = found;
        let [x0, x1, _] = &self.0;
        let (mut hits, mut all) = (0, 0);
        for (((a, b), c), query) in a.into_iter().zip(b).zip(c).zip(queries) {
            let got = Found::join([a, b, c])?;
            let rows = x0.chunks_exact(size.dim).zip(x1.chunks_exact(size.dim));
            let score = |(a, b): (&[u32], &[u32])| {
                let terms = a.iter().zip(b).zip(query).map(|((a, b), q)| value(*a, *b).wrapping_mul(*q));
                terms.fold(0_u32, u32::wrapping_add).cast_signed()
            };
            let mut scores: Vec<i32> = rows.map(score).collect();
            scores.sort_unstable_by_key(|&score| std::cmp::Reverse(score));
            let least = scores.get(got.len().saturating_sub(1)).copied().unwrap_or(i32::MIN);
            hits += got.iter().filter(|hit| hit.score >= least).count();
            all += size.k.min(size.rows);
        }
        Ok(if all == 0 { 1.0 } else { hits as f64 / all as f64 })
    }
}

/// A coordinate between -127 and 127, from the two random components of its shares.
fn value(a: u32, b: u32) -> u32 {
    i32::from((a ^ b) as i8).max(-127).cast_unsigned()
}

fn vector(rng: &mut impl CryptoRng, dim: usize) -> Vec<u32> {
    (0..dim).map(|_| value(rng.next_u32(), 0)).collect()
}
