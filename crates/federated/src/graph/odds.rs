//! The probabilities behind the bounds, in bits: logarithms to base 2.

use super::{Attendance, CORRECTNESS_BITS};

/// Probabilities of one round.
pub(super) struct Odds {
    members: usize,
    dropout: usize,
    corrupt: usize,
    /// u - c: honest survivors that must be named.
    named: usize,
    /// f: honest members that the sum is to have.
    fewest: usize,
    /// log₂ of factorials, from 0.
    factorials: Vec<f64>,
}

impl Odds {
    pub(super) fn new(attendance: &Attendance) -> Self {
        let Attendance { members, dropout, corrupt, .. } = *attendance;
        let (named, fewest) = (attendance.needed().saturating_sub(corrupt), attendance.fewest_honest());
        let mut sum = 0.0;
        let logarithms = (0..=members).map(|number| {
            sum += (number.max(1) as f64).log2();
            sum
        });
        Self { members, dropout, corrupt, named, fewest, factorials: logarithms.collect() }
    }

    /// The largest t for which secrets can be put together, with the probability asked for.
    pub(super) fn largest_threshold(&self, neighbours: usize) -> Option<usize> {
        let each = -CORRECTNESS_BITS - (self.members as f64).log2();
        let lost = (0..neighbours)
            .find(|lost| self.tail(self.members - 1, self.dropout, neighbours, lost + 1) <= each)?;
        Some(neighbours - lost).filter(|threshold| *threshold > 1)
    }

    /// The bound on whatever a coordinator may not learn, however few of the corrupt members are there.
    pub(super) fn exposure(&self, neighbours: usize, threshold: usize) -> f64 {
        let honest = self.members.saturating_sub(self.corrupt).max(1);
        let fewer_liars = (7.0 / 3.0 * self.members as f64 / honest as f64).log2();
        let [leak, short] = [self.leak(neighbours, threshold), self.short(neighbours)].map(f64::exp2);
        (leak + short).log2() + fewer_liars
    }

    /// The sums that are too small, of sets that are more than half of the honest members.
    fn short(&self, neighbours: usize) -> f64 {
        let (honest, others) = (self.members - self.corrupt, self.members - 1);
        let terms = (honest / 2 + 1..self.fewest).filter_map(|set| {
            let missing = self.named.checked_sub(set)?;
            // Where each chooses so many, one of the missing is always among them.
            others.checked_sub(missing + neighbours)?;
            let unchosen = self.choose(others - missing, neighbours) - self.choose(others, neighbours);
            Some(self.choose(honest, set) + self.choose(honest - set, missing) + set as f64 * unchosen)
        });
        terms.map(f64::exp2).sum::<f64>().log2()
    }

    /// The bound on a leak among at most half of the honest members.
    fn leak(&self, neighbours: usize, threshold: usize) -> f64 {
        let honest = self.members - self.corrupt;
        let terms = (1..=honest / 2).map(|set| {
            let inside = self.tail(self.members - 1, set - 1 + self.corrupt, neighbours, threshold);
            self.choose(honest, set) + set as f64 * inside
        });
        terms.map(f64::exp2).sum::<f64>().log2()
    }

    /// log₂ P[H(all, marked, draws) ≥ least].
    fn tail(&self, all: usize, marked: usize, draws: usize, least: usize) -> f64 {
        let most = draws.min(marked);
        let whole = self.choose(all, draws);
        let terms = (least..=most)
            .filter(|hits| draws - hits <= all - marked)
            .map(|hits| self.choose(marked, hits) + self.choose(all - marked, draws - hits) - whole);
        terms.map(f64::exp2).sum::<f64>().log2()
    }

    /// log₂ of the binomial coefficient.
    fn choose(&self, all: usize, some: usize) -> f64 {
        let log = |number: usize| self.factorials.get(number).copied().unwrap_or(f64::INFINITY);
        log(all) - log(some) - log(all.saturating_sub(some))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odds(members: usize, dropout: usize, corrupt: usize) -> Odds {
        Odds::new(&Attendance { members, dropout, corrupt, quorum: 0 })
    }

    #[test]
    fn tails_are_those_of_counting() {
        // Of 5 balls, 2 red, 3 are drawn: no red in C(3,3) = 1 of 10 ways, one in 6, two in 3.
        let odds = odds(6, 0, 0);
        for (least, ways) in [(0, 10.0), (1, 9.0), (2, 3.0)] {
            assert!((odds.tail(5, 2, 3, least).exp2() - ways / 10.0).abs() < 1e-12, "{least}");
        }
        assert!(odds.tail(5, 2, 3, 3).exp2() < f64::MIN_POSITIVE);
    }

    /// The bound of correctness against drawn graphs, with parameters so weak that failures are seen.
    #[test]
    fn the_bound_holds_in_drawn_graphs() {
        use rand_chacha::ChaCha20Rng;
        use rand_chacha::rand_core::SeedableRng;
        let (members, dropout, neighbours, threshold) = (40, 10, 10, 5);
        let odds = odds(members, dropout, 0);
        let bound = odds.tail(members - 1, dropout, neighbours, neighbours - threshold + 1).exp2();
        let mut rng = ChaCha20Rng::seed_from_u64(5);
        let tries = 20_000;
        let others: Vec<u32> = (1..members as u32).collect();
        let failed = (0..tries)
            .filter(|_| {
                let drawn = crate::draw::sample(&mut rng, &others, neighbours);
                drawn.iter().filter(|other| **other <= dropout as u32).count() > neighbours - threshold
            })
            .count();
        let rate = failed as f64 / f64::from(tries);
        assert!((rate / bound - 1.0).abs() < 0.25, "{rate} drawn, {bound} computed");
    }

    /// The bound of privacy against drawn graphs, every set of at most half of the honest members tried in
    /// each: with three neighbours and all three shares needed, leaks are rare enough to be bounded and
    /// frequent enough to be seen.
    #[test]
    fn closed_sets_are_as_rare_as_the_bound_says() {
        use rand_chacha::ChaCha20Rng;
        use rand_chacha::rand_core::SeedableRng;
        let (members, corrupt, neighbours, threshold) = (12_u32, 2_u32, 3, 3);
        let bound = odds(12, 0, 2).leak(neighbours, threshold).exp2();
        let liars = 0b11 << (members - corrupt);
        let mut rng = ChaCha20Rng::seed_from_u64(6);
        let tries = 20_000;
        let leaks = |chosen: &[u32]| {
            let honest = members - corrupt;
            let closed = |set: u32| {
                let enough = |at: usize| (chosen[at] & (set | liars)).count_ones() as usize >= threshold;
                (0..honest as usize).all(|at| set >> at & 1 == 0 || enough(at))
            };
            (1..1_u32 << honest).filter(|set| set.count_ones() <= honest / 2).any(closed)
        };
        let leaked = (0..tries)
            .filter(|_| {
                let chosen: Vec<u32> = (0..members - corrupt)
                    .map(|member| {
                        let others: Vec<u32> = (0..members).filter(|other| *other != member).collect();
                        let drawn = crate::draw::sample(&mut rng, &others, neighbours);
                        drawn.iter().map(|other| 1 << other).sum()
                    })
                    .collect();
                leaks(&chosen)
            })
            .count();
        let rate = leaked as f64 / f64::from(tries);
        assert!(rate > bound / 20.0 && rate <= bound * 1.1, "{rate} drawn, bounded by {bound}");
    }

    /// Survivors that are named and left out, against drawn graphs: with so few neighbours that sets without an edge
    /// to enough others are seen.
    #[test]
    fn short_sums_are_as_rare_as_the_bound_says() {
        use rand_chacha::ChaCha20Rng;
        use rand_chacha::rand_core::SeedableRng;
        // All twelve must be named, ten are honest; the sum of six to eight of them would be short of nine.
        let (members, honest, neighbours) = (12_u32, 10_u32, 4);
        let attendance = Attendance { members: 12, dropout: 0, corrupt: 2, quorum: 12 };
        assert_eq!(attendance.fewest_honest(), 9);
        let bound = Odds::new(&attendance).short(neighbours).exp2();
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let tries = 20_000;
        let short = |chosen: &[u32]| {
            let sum = |set: u32| (0..honest as usize).filter(move |at| set >> at & 1 == 1);
            let alone = |set: u32| {
                let missing = ((1 << honest) - 1) & !set;
                sum(set).all(|at| chosen[at] & missing == 0)
            };
            (1..1_u32 << honest).filter(|set| (6..9).contains(&set.count_ones())).any(alone)
        };
        let drawn = (0..tries)
            .filter(|_| {
                let chosen: Vec<u32> = (0..honest)
                    .map(|member| {
                        let others: Vec<u32> = (0..members).filter(|other| *other != member).collect();
                        crate::draw::sample(&mut rng, &others, neighbours)
                            .iter()
                            .map(|other| 1 << other)
                            .sum()
                    })
                    .collect();
                short(&chosen)
            })
            .count();
        let rate = drawn as f64 / f64::from(tries);
        assert!(rate > bound / 20.0 && rate <= bound * 1.1, "{rate} drawn, bounded by {bound}");
    }

    /// Of at most half of h′ members, some and at most half of h lie in a random choice of h: with probability 3/7 ·
    /// h / h′ at least, however many there are.
    #[test]
    fn deeming_others_corrupt_spares_a_set_often_enough() {
        for all in 3..60_usize {
            let odds = odds(all + 1, 0, 0);
            for kept in 3..=all {
                for set in 1..=all / 2 {
                    let more = odds.tail(all, set, kept, kept / 2 + 1).exp2();
                    let spared = odds.tail(all, set, kept, 1).exp2() - more;
                    let least = 3.0 / 7.0 * kept as f64 / all as f64;
                    assert!(spared > least - 1e-9, "{set} of {all}, {kept} kept: {spared}");
                }
            }
        }
    }
}
