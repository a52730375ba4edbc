//! What a list of ranks says: recall, median rank, nDCG, each with a bootstrap interval.
//!
//! Queries about one picture stand or fall together, so the bootstrap draws pictures, with all of their queries,
//! and not single queries: intervals over single captions would be too narrow.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde::Serialize;

/// The depth of nDCG.
const DEPTH: usize = 10;

/// Samples drawn for an interval.
const RESAMPLES: usize = 1000;

/// Depths of the recall curve.
const CURVE: [usize; 8] = [1, 2, 5, 10, 20, 50, 100, 200];

/// What came of one query: where in the list its right answers stand, counted from 0, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The picture that the query is of or belongs to: what the bootstrap draws.
    pub(super) picture: usize,
    pub(super) ranks: Vec<usize>,
}

/// How well queries find what they should.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retrieval {
    /// Share of queries with a right answer in the first place.
    pub r1: f64,
    /// Share with one among the first five.
    pub r5: f64,
    /// Share with one among the first ten.
    pub r10: f64,
    /// The middle place of the first right answer, counted from 1.
    pub median_rank: f64,
    /// Normalised discounted cumulative gain of the first ten, all right answers being equally right: right answers
    /// at places p (from 1) give Σ 1/log₂(p + 1), over what the best order would give (Järvelin, Kekäläinen 2002).
    pub ndcg10: f64,
    /// Where each of these lies with 95% confidence.
    pub ci95: Intervals,
    /// Recall at growing depths.
    pub curve: Vec<RecallAt>,
}

/// Percentile bootstrap over pictures, lower and upper end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Intervals {
    /// Of [`Retrieval::r1`].
    pub r1: [f64; 2],
    /// Of [`Retrieval::r5`].
    pub r5: [f64; 2],
    /// Of [`Retrieval::r10`].
    pub r10: [f64; 2],
    /// Of [`Retrieval::median_rank`].
    pub median_rank: [f64; 2],
    /// Of [`Retrieval::ndcg10`].
    pub ndcg10: [f64; 2],
}

/// Share of queries with a right answer among the first `k`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RecallAt {
    /// How many places are looked at.
    pub k: usize,
    /// The share.
    pub recall: f64,
    /// Its interval, as in [`Intervals`].
    pub ci95: [f64; 2],
}

impl Retrieval {
    /// Sums up queries over a list of `items`, of `pictures` pictures.
    pub(super) fn of(outcomes: &[Outcome], pictures: usize, items: usize, seed: u64) -> Self {
        let depths: Vec<usize> = CURVE.into_iter().filter(|&k| k <= items.max(1)).collect();
        let groups = Groups::of(outcomes, pictures, &depths);
        let all: Vec<usize> = (0..groups.0.len()).collect();
        let value = groups.measure(&all, depths.len());
        let mut samples = vec![Vec::with_capacity(RESAMPLES); value.len()];
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        for _ in 0..RESAMPLES {
            let drawn: Vec<usize> = all.iter().map(|_| rng.random_range(0..all.len())).collect();
            for (samples, value) in samples.iter_mut().zip(groups.measure(&drawn, depths.len())) {
                samples.push(value);
            }
        }
        let intervals: Vec<[f64; 2]> = samples.into_iter().map(interval).collect();
        let at = |place: usize| {
            let interval = intervals.get(place).copied().unwrap_or_default();
            (value.get(place).copied().unwrap_or_default(), interval)
        };
        let [(r1, r1_ci), (r5, r5_ci), (r10, r10_ci), (median_rank, median_ci), (ndcg10, ndcg_ci)] =
            [0, 1, 2, 3, 4].map(at);
        let ci95 = Intervals { r1: r1_ci, r5: r5_ci, r10: r10_ci, median_rank: median_ci, ndcg10: ndcg_ci };
        let curve = depths.iter().enumerate().map(|(place, &k)| {
            let (recall, ci95) = at(5 + place);
            RecallAt { k, recall, ci95 }
        });
        Self { r1, r5, r10, median_rank, ndcg10, ci95, curve: curve.collect() }
    }
}

/// Per picture what its queries add up to, so that a resample costs one addition per picture and measure.
struct Groups(Vec<Group>);

#[derive(Default)]
struct Group {
    /// Place of the first right answer of each query, from 0.
    first: Vec<usize>,
    ndcg: f64,
    /// Queries answered within 1, 5, 10 and the curve's depths.
    within: Vec<usize>,
}

impl Groups {
    fn of(outcomes: &[Outcome], pictures: usize, depths: &[usize]) -> Self {
        let mut groups: Vec<Group> = (0..pictures).map(|_| Group::default()).collect();
        for Outcome { picture, ranks } in outcomes {
            let Some(group) = groups.get_mut(*picture) else { continue };
            let first = ranks.first().copied().unwrap_or(usize::MAX);
            group.first.push(first);
            group.ndcg += ndcg(ranks);
            group.within.resize(3 + depths.len(), 0);
            for (count, depth) in group.within.iter_mut().zip([1, 5, 10].iter().chain(depths)) {
                *count += usize::from(first < *depth);
            }
        }
        groups.retain(|group| !group.first.is_empty());
        Self(groups)
    }

    /// R@1, R@5, R@10, median rank, nDCG, then the curve.
    fn measure(&self, drawn: &[usize], depths: usize) -> Vec<f64> {
        let mut within = vec![0; 3 + depths];
        let mut first = Vec::new();
        let mut ndcg = 0.0;
        for group in drawn.iter().filter_map(|&at| self.0.get(at)) {
            first.extend_from_slice(&group.first);
            ndcg += group.ndcg;
            for (sum, count) in within.iter_mut().zip(&group.within) {
                *sum += count;
            }
        }
        let queries = first.len().max(1) as f64;
        let mut shares = within.into_iter().map(|count| count as f64 / queries);
        let mut values: Vec<f64> = shares.by_ref().take(3).collect();
        values.extend([median(&mut first) + 1.0, ndcg / queries]);
        values.extend(shares);
        values
    }
}

fn ndcg(ranks: &[usize]) -> f64 {
    let gain = |place: usize| 1.0 / (place as f64 + 2.0).log2();
    let best: f64 = (0..ranks.len().min(DEPTH)).map(gain).sum();
    let got: f64 = ranks.iter().copied().filter(|&place| place < DEPTH).map(gain).sum();
    if best > 0.0 { got / best } else { 0.0 }
}

/// The middle value, the mean of the middle two; 0 without values.
fn median(values: &mut [usize]) -> f64 {
    let half = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    if values.is_empty() {
        return 0.0;
    }
    let (below, &mut upper, _) = values.select_nth_unstable(half);
    let lower = if even { below.iter().max().copied().unwrap_or(upper) } else { upper };
    f64::midpoint(lower as f64, upper as f64)
}

/// The middle 95% of samples.
fn interval(mut samples: Vec<f64>) -> [f64; 2] {
    samples.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * samples.len().saturating_sub(1) as f64).round() as usize;
        samples.get(place).copied().unwrap_or_default()
    };
    [at(0.025), at(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(picture: usize, ranks: &[usize]) -> Outcome {
        Outcome { picture, ranks: ranks.to_vec() }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn ndcg_by_hand() {
        assert!(close(ndcg(&[0]), 1.0));
        assert!(close(ndcg(&[2]), 0.5), "1 / log2(4)");
        assert!(close(ndcg(&[10]), 0.0), "the eleventh place counts no more");
        // Right answers at places 1 and 3 of two: (1 + 1/2) / (1 + 1/log2(3)).
        assert!(close(ndcg(&[0, 2]), 1.5 / (1.0 + 1.0 / 3_f64.log2())));
        // Twelve right answers of which all ten first places are taken.
        assert!(close(ndcg(&(0..12).collect::<Vec<_>>()), 1.0));
    }

    #[test]
    fn medians_by_hand() {
        assert!(close(median(&mut [7, 1, 3]), 3.0));
        assert!(close(median(&mut [7, 1, 3, 4]), 3.5));
        assert!(close(median(&mut []), 0.0));
    }

    #[test]
    fn a_summary_by_hand() {
        let outcomes = [outcome(0, &[0]), outcome(0, &[1]), outcome(1, &[2]), outcome(1, &[9])];
        let found = Retrieval::of(&outcomes, 2, 10, 1);
        assert_eq!((found.r1, found.r5, found.r10, found.median_rank), (0.25, 0.75, 1.0, 2.5));
        let expected = (1.0 + 1.0 / 3_f64.log2() + 0.5 + 1.0 / 11_f64.log2()) / 4.0;
        assert!(close(found.ndcg10, expected), "{}", found.ndcg10);
        let curve: Vec<(usize, f64)> = found.curve.iter().map(|at| (at.k, at.recall)).collect();
        assert_eq!(curve, [(1, 0.25), (2, 0.5), (5, 0.75), (10, 1.0)]);
        // Two pictures: a resample holds the first alone, the second alone, or both.
        assert_eq!((found.ci95.r1, found.ci95.r10), ([0.0, 0.5], [1.0, 1.0]));
    }

    #[test]
    fn an_interval_is_seeded_and_as_wide_as_theory_says() {
        // 1,000 pictures, one query each, half of them answered: the standard error is sqrt(0.25 / 1000).
        let outcomes: Vec<Outcome> = (0..1000).map(|at| outcome(at, &[20 * (at % 2)])).collect();
        let found = Retrieval::of(&outcomes, 1000, 1000, 7);
        assert_eq!(found, Retrieval::of(&outcomes, 1000, 1000, 7));
        assert_ne!(found.ci95, Retrieval::of(&outcomes, 1000, 1000, 8).ci95);
        let half = 1.96 * (0.25_f64 / 1000.0).sqrt();
        let [low, high] = found.ci95.r1;
        assert!((low - (0.5 - half)).abs() < 0.006 && (high - (0.5 + half)).abs() < 0.006, "{low} {high}");
    }

    #[test]
    fn no_queries_are_no_division_by_nought() {
        let nothing = Retrieval::of(&[], 0, 0, 1);
        assert_eq!((nothing.r1, nothing.ndcg10), (0.0, 0.0));
    }
}
