//! Which comparisons find the best k of n shuffled rows: a plan that sees nothing but the answers.
//!
//! It asks in stages, a whole batch at a time, since every stage costs rounds:
//!
//! 1. order a few rows by comparing all pairs;
//! 2. one of them divides a larger sample, and
//! 3. the sample's best are ordered, so that one of these
//! 4. divides all rows, leaving a little more than k;
//! 5. those are divided again by rows whose order is known, until so few are undecided that
//! 6. all pairs of them are compared.
//!
//! Rows come shuffled, so any of them are a fair sample, and what the answers say is the order of a random
//! permutation: nothing. (After Floyd and Rivest, 1975.)

use crate::pairs::{Pair, all_pairs, by_wins, divided, is_set, pairs_with, spread};

/// The search for the best rows of one list.
pub(crate) struct Selection {
    /// How many of the best must still be found among the undecided.
    need: usize,
    taken: Vec<u32>,
    /// Rows that may or may not belong to the best.
    undecided: Vec<u32>,
    /// Of the undecided: rows whose order is known, best first.
    ordered: Vec<u32>,
    /// Of the undecided: rows known to be behind all of the ordered ones.
    sunk: Vec<u32>,
    /// How many rows the ordered ones are the best of, as if drawn from the undecided.
    drawn: f64,
    /// Rows that are ordered by all pairs at the beginning.
    limit: usize,
    rows: usize,
    /// Comparisons and stages so far.
    spent: usize,
    stages: usize,
    stage: Stage,
}

/// What the last question was for.
enum Stage {
    Start,
    /// Ordering a few rows.
    Scout {
        members: Vec<u32>,
    },
    /// Dividing a sample of rows by one of the scouts.
    Rough {
        scouts: Vec<u32>,
        pivot: usize,
        others: Vec<u32>,
        ahead: Vec<u32>,
        behind: Vec<u32>,
        sample: usize,
    },
    /// Ordering the best of the sample.
    Upper {
        members: Vec<u32>,
    },
    /// Dividing the undecided by some of the ordered, given by their numbers.
    Divide {
        pivots: Vec<usize>,
        others: Vec<u32>,
    },
    /// Ordering a few of the undecided and dividing all by them at once.
    Scatter {
        pivots: Vec<u32>,
        others: Vec<u32>,
    },
    /// Ordering all that are undecided.
    Last {
        members: Vec<u32>,
    },
    Done,
}

/// Rows that are ordered and divide at once, where no order is known.
const SCATTERED: usize = 5;

impl Selection {
    /// Of `rows` rows the best `k`.
    pub(crate) fn new(rows: usize, k: usize) -> Self {
        let limit = ((0.12 * rows as f64).sqrt() as usize).clamp(32, 300);
        let undecided = (0..rows as u32).collect();
        Self {
            need: k.min(rows),
            taken: Vec::new(),
            undecided,
            ordered: Vec::new(),
            sunk: Vec::new(),
            drawn: 0.0,
            limit,
            rows,
            spent: 0,
            stages: 0,
            stage: Stage::Start,
        }
    }

    /// The places of the best, in no order that says anything, once nothing more is asked.
    pub(crate) fn into_best(self) -> Vec<u32> {
        let mut best = self.taken;
        best.sort_unstable();
        best
    }

    /// What to compare next; nothing when the best are found.
    pub(crate) fn ask(&mut self) -> Vec<Pair> {
        if matches!(self.stage, Stage::Start) {
            self.start();
        }
        let pairs = self.question();
        self.spent += pairs.len();
        self.stages += 1;
        pairs
    }

    fn question(&self) -> Vec<Pair> {
        match &self.stage {
            Stage::Scout { members } | Stage::Upper { members } | Stage::Last { members } => {
                all_pairs(members)
            }
            Stage::Rough { scouts, pivot, others, .. } => {
                scouts.get(*pivot).map_or_else(Vec::new, |&pivot| pairs_with(pivot, others))
            }
            Stage::Divide { pivots, others } => {
                let pivots = pivots.iter().filter_map(|&at| self.ordered.get(at));
                pivots.flat_map(|&pivot| pairs_with(pivot, others)).collect()
            }
            Stage::Scatter { pivots, others } => {
                let with_others = pivots.iter().flat_map(|&pivot| pairs_with(pivot, others));
                all_pairs(pivots).into_iter().chain(with_others).collect()
            }
            Stage::Start | Stage::Done => Vec::new(),
        }
    }

    /// The answers to what was asked: of each pair, whether its first row comes before its second.
    pub(crate) fn answer(&mut self, first_before: &[bool]) {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Start | Stage::Done => {}
            Stage::Scout { members } => {
                let scouts = by_wins(&members, first_before);
                self.after_scouts(scouts);
            }
            Stage::Rough { scouts, pivot, others, mut ahead, mut behind, sample } => {
                let at = scouts.get(pivot).copied().unwrap_or_default();
                let (before, after) = divided(at, &others, first_before);
                ahead.extend(before);
                behind.extend(after);
                self.after_rough(scouts, pivot, ahead, behind, sample);
            }
            Stage::Upper { members } => {
                self.ordered = by_wins(&members, first_before);
                let share = self.need as f64 * self.drawn / self.undecided.len() as f64;
                let rank = (share + 2.2 * share.sqrt() + 1.0).ceil() as usize;
                self.divide(vec![rank.min(self.ordered.len()).saturating_sub(1)]);
            }
            Stage::Divide { pivots, others } => self.after_division(&pivots, &others, first_before),
            Stage::Scatter { pivots, others } => {
                let among = pivots.len() * pivots.len().saturating_sub(1) / 2;
                let (among, rest) = first_before.split_at(among.min(first_before.len()));
                self.ordered = by_wins(&pivots, among);
                // The answers of each pivot, in the order of the pivots that is now known.
                let of = |pivot: &u32| {
                    let at = pivots.iter().position(|row| row == pivot).unwrap_or_default();
                    rest.chunks(others.len().max(1)).nth(at).unwrap_or_default()
                };
                let answers: Vec<bool> = self.ordered.iter().flat_map(of).copied().collect();
                let all: Vec<usize> = (0..pivots.len()).collect();
                self.after_division(&all, &others, &answers);
            }
            Stage::Last { members } => {
                let ranked = by_wins(&members, first_before);
                self.taken.extend(ranked.into_iter().take(self.need));
            }
        }
    }

    fn start(&mut self) {
        if self.is_settled() {
            return;
        }
        if self.may_end() {
            self.stage = Stage::Last { members: self.undecided.clone() };
        } else {
            self.stage = Stage::Scout { members: spread(&self.undecided, self.limit) };
        }
    }

    /// Whether all pairs of the undecided may be compared now: few enough, or within what the whole may cost; the more
    /// stages there were, the more a stage is worth.
    fn may_end(&self) -> bool {
        let pairs = self.undecided.len() * self.undecided.len() / 2;
        let left = (self.rows * 122 / 100).saturating_sub(self.spent);
        let worth = match self.stages {
            0..=5 => 0,
            6 => self.rows / 12,
            _ => usize::MAX,
        };
        self.undecided.len() <= self.limit * 3 / 2 || pairs <= left.max(worth).min(1 << 20)
    }

    /// When all or none of the undecided belong to the best, nothing is left to ask.
    fn is_settled(&mut self) -> bool {
        if self.need == 0 || self.need >= self.undecided.len() {
            if self.need > 0 {
                self.taken.append(&mut self.undecided);
            }
            self.stage = Stage::Done;
            return true;
        }
        false
    }

    /// With the scouts ordered: divide a larger sample by one of them, or, where that is most of the rows, all rows.
    fn after_scouts(&mut self, scouts: Vec<u32>) {
        /// Which scout divides the sample: the second best, since the best alone says too little.
        const PIVOT: usize = 1;
        let sample = self.limit * (scouts.len() + 1) * 2 / 5;
        if sample * 2 > self.undecided.len() || !self.taken.is_empty() {
            self.drawn = scouts.len() as f64;
            self.ordered = scouts;
            self.divide_again();
            return;
        }
        let known = self.flags(&scouts, &[]);
        let others: Vec<u32> =
            spread(&self.undecided, sample).into_iter().filter(|&row| !is_set(&known, row)).collect();
        let sample = others.len() + scouts.len();
        let (ahead, behind) = scouts.split_at(PIVOT + 1);
        let (ahead, behind) = (ahead.to_vec(), behind.to_vec());
        self.stage = Stage::Rough { scouts, pivot: PIVOT, others, ahead, behind, sample };
    }

    /// Orders the sample's best, unless they are too few to hold a good pivot.
    fn after_rough(
        &mut self,
        scouts: Vec<u32>,
        pivot: usize,
        ahead: Vec<u32>,
        behind: Vec<u32>,
        sample: usize,
    ) {
        let ahead_count = ahead.len();
        let share = self.need as f64 * sample as f64 / self.undecided.len() as f64;
        let wanted = (share + 2.2 * share.sqrt() + 1.0).ceil() as usize;
        if ahead.len() < wanted && pivot + 2 < scouts.len() {
            // Further down among the scouts, by as many as the first division suggests.
            let each = (ahead.len() / (pivot + 1)).max(1);
            let next = (pivot + (wanted - ahead.len()).div_ceil(each) + 1).min(scouts.len() - 1);
            let moved: Vec<u32> = scouts.get(pivot + 1..=next).unwrap_or_default().to_vec();
            let known = self.flags(&scouts, &[]);
            let others = behind.iter().copied().filter(|&row| !is_set(&known, row)).collect();
            let rest = scouts.get(next + 1..).unwrap_or_default().to_vec();
            let ahead = [ahead, moved].concat();
            self.stage = Stage::Rough { scouts, pivot: next, others, ahead, behind: rest, sample };
        } else {
            let (mut members, all) = (ahead, ahead_count);
            members.sort_unstable();
            members = spread(&members, self.limit);
            self.sunk = behind;
            self.drawn = sample as f64 * members.len() as f64 / all as f64;
            self.stage = Stage::Upper { members };
        }
    }

    /// Which of all rows are among these.
    fn flags(&self, some: &[u32], others: &[u32]) -> Vec<bool> {
        let mut flags = vec![false; self.rows];
        for &row in some.iter().chain(others) {
            if let Some(flag) = flags.get_mut(row as usize) {
                *flag = true;
            }
        }
        flags
    }

    fn divide(&mut self, pivots: Vec<usize>) {
        let known = self.flags(&self.ordered, &self.sunk);
        let others = self.undecided.iter().copied().filter(|&row| !is_set(&known, row)).collect();
        self.stage = Stage::Divide { pivots, others };
    }

    /// Divides by two of the ordered rows between which the k-th is likely to lie, or by one where that is all.
    fn divide_again(&mut self) {
        if self.is_settled() {
            return;
        }
        if self.may_end() {
            self.stage = Stage::Last { members: self.undecided.clone() };
            return;
        }
        let Some(last) = self.ordered.len().checked_sub(1) else {
            self.sunk.clear();
            let pivots = spread(&self.undecided, SCATTERED);
            let others = self.undecided.iter().copied().filter(|row| !pivots.contains(row)).collect();
            self.stage = Stage::Scatter { pivots, others };
            return;
        };
        let share = self.need as f64 * self.drawn / self.undecided.len() as f64;
        let spread = 0.5 * share.sqrt() + 0.5;
        let rank = |value: f64| (value.round().max(1.0) as usize - 1).min(last);
        let mut pivots = vec![rank(share - spread), rank(share + spread)];
        pivots.dedup();
        self.divide(pivots);
    }

    fn after_division(&mut self, pivots: &[usize], others: &[u32], first_before: &[bool]) {
        // Of every other row, how many pivots come before it.
        let mut passed = vec![0_usize; others.len()];
        for (&at, answers) in pivots.iter().zip(first_before.chunks(others.len().max(1))) {
            let pivot = self.ordered.get(at).copied().unwrap_or_default();
            for ((count, &row), &first) in passed.iter_mut().zip(others).zip(answers) {
                *count += usize::from((pivot < row) == first);
            }
        }
        let mut classes = vec![Vec::new(); pivots.len() + 1];
        for (&row, &class) in others.iter().zip(&passed) {
            if let Some(class) = classes.get_mut(class) {
                class.push(row);
            }
        }
        let ordered = std::mem::take(&mut self.ordered);
        let sunk = std::mem::take(&mut self.sunk);
        let density = self.drawn / self.undecided.len() as f64;
        let mut from = 0;
        for (number, mut class) in classes.into_iter().enumerate() {
            let end = pivots.get(number).copied().unwrap_or(ordered.len());
            let inside = ordered.get(from..end).unwrap_or_default();
            class.extend_from_slice(inside);
            let is_last = number == pivots.len();
            if is_last {
                class.extend_from_slice(&sunk);
            }
            if class.len() > self.need {
                self.drawn = if is_last { density * class.len() as f64 } else { inside.len() as f64 + 1.0 };
                self.ordered = inside.to_vec();
                self.sunk = if is_last { sunk } else { Vec::new() };
                class.sort_unstable();
                self.undecided = class;
                return self.divide_again();
            }
            self.need -= class.len();
            self.taken.extend(class);
            if self.need > 0
                && let Some(&pivot) = ordered.get(end)
            {
                self.need -= 1;
                self.taken.push(pivot);
            }
            from = end + 1;
        }
        self.undecided.clear();
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rand::seq::SliceRandom;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    /// Comparisons and stages of one run, which must find the best by (score, place).
    fn run(scores: &[u32], k: usize) -> (usize, usize) {
        let mut selection = Selection::new(scores.len(), k);
        let (mut comparisons, mut stages) = (0, 0);
        loop {
            let pairs = selection.ask();
            if pairs.is_empty() {
                break;
            }
            comparisons += pairs.len();
            stages += 1;
            assert!(stages < 60, "no end");
            assert!(pairs.iter().all(|(a, b)| a < b), "places in order");
            let answers: Vec<bool> =
                pairs.iter().map(|&(a, b)| scores[a as usize] >= scores[b as usize]).collect();
            selection.answer(&answers);
        }
        let mut expected: Vec<u32> = (0..scores.len() as u32).collect();
        expected.sort_by_key(|&place| (std::cmp::Reverse(scores[place as usize]), place));
        expected.truncate(k);
        expected.sort_unstable();
        assert_eq!(selection.into_best(), expected, "{} rows, k = {k}", scores.len());
        (comparisons, stages)
    }

    #[test]
    fn it_finds_the_best_of_lists_of_every_size_with_and_without_ties() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for rows in (0..70_usize).chain([100, 257, 1000, 3000]) {
            for k in [0, 1, 2, 10, 50, rows / 2, rows.saturating_sub(1), rows, rows + 1] {
                for distinct in [1, 3, 1 << 30] {
                    let scores: Vec<u32> = (0..rows).map(|_| rng.random_range(0..distinct)).collect();
                    run(&scores, k);
                }
            }
        }
    }

    #[test]
    fn it_costs_little_more_than_a_comparison_for_each_row() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let runs = if cfg!(debug_assertions) { 60 } else { 300 };
        let bound = 1.3;
        for rows in [10_000, 30_000, 100_000] {
            for k in [1, 10, 40, 100] {
                let mut scores: Vec<u32> = (0..rows as u32).collect();
                let (mut total, mut most, mut sum) = (0, 0, 0);
                for _ in 0..runs {
                    scores.shuffle(&mut rng);
                    let (comparisons, stages) = run(&scores, k);
                    total += comparisons;
                    most = most.max(stages);
                    sum += stages;
                }
                let mean = total as f64 / f64::from(runs) / rows as f64;
                let stages = f64::from(sum as u32) / f64::from(runs);
                println!(
                    "{rows} rows, k = {k}: {mean:.3} comparisons a row, {stages:.2} stages, at most {most}"
                );
                assert!(most <= 8, "{rows} rows, k = {k}: {most} stages");
                assert!(mean <= bound, "{rows} rows, k = {k}: {mean} comparisons for each row");
            }
        }
    }
}
