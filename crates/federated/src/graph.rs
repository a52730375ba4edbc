//! Who masks with whom: a random sparse graph, and how dense it must be.
//!
//! # The graph
//!
//! After the roster is fixed, every member draws k others, its neighbours, by its own coins; the graph is the
//! union of these choices (the malicious-server protocol of Bell, Bonawitz, Gascón, Lepoint, Raykova, *Secure
//! single-server aggregation with (poly)logarithmic overhead*, CCS 2020). It shares its two
//! secrets among its k neighbours, t of which give one back, and masks along every edge. Because the
//! coordinator sees a choice only after the roster is signed and cannot make a member choose again in the
//! same round, it cannot grind the graph.
//!
//! # What could go wrong, and how likely it may be
//!
//! Let n members take part, c of them corrupt (fixed beforehand) and d drop out. Write H(N, K, m) for a
//! hypergeometric variable: of m draws from N without replacement, how many are among K marked.
//!
//! **Correctness.** A member's secret cannot be put together if more than k − t of its neighbours dropped
//! out:
//!
//! ```text
//! P[fail] ≤ n · P[H(n − 1, d, k) > k − t] ≤ 2⁻²⁰
//! ```
//!
//! **Privacy.** Say that the coordinator, who chooses the survivors as it likes after it has seen the graph,
//! learns the sum of some set A of honest survivors (more generally, two sums whose difference is that of A).
//! Every member i of A has an own mask, whose seed takes t shares, so at least t of i's neighbours are
//! corrupt or revealed shares as survivors. And i added a mask for each of its honest surviving neighbours j
//! that cancels against j's vector alone: so j lies in A too, or the sum of A is uniform to the coordinator.
//! So every member of A has at least t of its k neighbours in A ∪ corrupt. For a fixed A with s members,
//! their choices being independent, this has probability at most P[H(n − 1, s − 1 + c, k) ≥ t]ˢ. Over all
//! sets that are at most half of the honest members:
//!
//! ```text
//! P[leak] ≤ Σ_{s = 1}^{⌊(n − c)/2⌋}  C(n − c, s) · P[H(n − 1, s − 1 + c, k) ≥ t]ˢ  ≤ 2⁻⁴⁰
//! ```
//!
//! Otherwise whatever is learned is the sum of more than half of all honest members, and of one set only,
//! since two such sets, or their difference, would leave a closed set of at most half. The term s = 1 is the
//! familiar one: a member with t corrupt neighbours, whose both secrets fall.
//!
//! The bounds are those of one try of a round; a coordinator that lets rounds fail until it likes their graph
//! gains as many tries, which members can count.
//!
//! In a **complete** graph (k = n − 1, small groups) all honest survivors are neighbours, so A can only be
//! all of them; privacy asks t > c, and correctness t ≤ n − 1 − d for certain.
//!
//! **One list of survivors.** A member reveals shares only after q members confirmed the same survivors; an
//! honest one confirms one list per round. Two lists would need 2(q − c) ≤ n − c, so q = ⌊(n + c)/2⌋ + 1
//! rules them out.

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::message::MAX_NEIGHBOURS;

/// Privacy fails with probability at most 2 to the minus this.
pub const PRIVACY_BITS: f64 = 40.0;
/// A round within its dropouts fails with probability at most 2 to the minus this: it is then tried again,
/// and nothing was revealed.
pub const CORRECTNESS_BITS: f64 = 20.0;

/// How many members may vanish or lie, as shares of those who take part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Members that drop out at any step.
    pub dropout: f64,
    /// Members that work for the coordinator.
    pub corrupt: f64,
}

impl Rates {
    /// Dropouts and corrupt members among so many, rounded up.
    pub fn of(&self, members: usize) -> (usize, usize) {
        let count = |rate: f64| (rate * members as f64 - 1e-9).ceil().max(0.0) as usize;
        (count(self.dropout), count(self.corrupt))
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let sound = |rate: f64| (0.0..1.0).contains(&rate);
        if sound(self.dropout) && sound(self.corrupt) && 2.0 * self.dropout + self.corrupt < 1.0 {
            return Ok(());
        }
        let expected = "0 ≤ dropout, 0 ≤ corrupt, 2 dropout + corrupt < 1".into();
        Err(Error::Plan { field: "rates", got: format!("{self:?}"), expected })
    }
}

/// How dense a round's graph is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameters {
    /// k: neighbours that each member chooses.
    pub neighbours: usize,
    /// t: shares that give a secret back.
    pub threshold: usize,
    /// q: members that must confirm one list of survivors.
    pub confirmations: usize,
}

/// The sparsest graph for `members` that meets the bounds above.
///
/// # Errors
/// [`Error::NoGraph`] where none of at most 255 neighbours does.
pub fn parameters(members: usize, rates: &Rates) -> Result<Parameters, Error> {
    rates.check()?;
    let (dropout, corrupt) = rates.of(members);
    let none = Error::NoGraph { members, dropout, corrupt };
    let confirmations = confirmations(members, corrupt);
    if members < 3 || confirmations > members - dropout {
        return Err(none);
    }
    let odds = Odds::new(members, dropout, corrupt);
    let sparse = (2..(members - 1).min(MAX_NEIGHBOURS + 1)).find_map(|neighbours| {
        let threshold = odds.largest_threshold(neighbours)?;
        (odds.leak(neighbours, threshold) <= -PRIVACY_BITS).then_some((neighbours, threshold))
    });
    let complete = || {
        let threshold = (members - 1).checked_sub(dropout)?;
        (members - 1 <= MAX_NEIGHBOURS && threshold > corrupt && threshold > 1)
            .then_some((members - 1, threshold))
    };
    let (neighbours, threshold) = sparse.or_else(complete).ok_or(none)?;
    Ok(Parameters { neighbours, threshold, confirmations })
}

/// q: so many confirmations leave no room for a second list of survivors.
pub(crate) fn confirmations(members: usize, corrupt: usize) -> usize {
    usize::midpoint(members, corrupt) + 1
}

/// Whether neighbours and threshold that a coordinator announces keep a round private: a member believes its
/// own arithmetic. (That a round can complete is the coordinator's worry.)
pub(crate) fn is_private(members: usize, neighbours: usize, threshold: usize, rates: &Rates) -> bool {
    let (dropout, corrupt) = rates.of(members);
    if threshold < 2 || threshold > neighbours || neighbours > (members - 1).min(MAX_NEIGHBOURS) {
        return false;
    }
    // Logarithms differ in their last bits between machines.
    let slack = 1e-6;
    (neighbours == members - 1 && threshold > corrupt)
        || Odds::new(members, dropout, corrupt).leak(neighbours, threshold) <= -PRIVACY_BITS + slack
}

/// Probabilities of one round, in bits (logarithms to base 2).
struct Odds {
    members: usize,
    dropout: usize,
    corrupt: usize,
    /// log₂ of factorials, from 0.
    factorials: Vec<f64>,
}

impl Odds {
    fn new(members: usize, dropout: usize, corrupt: usize) -> Self {
        let mut sum = 0.0;
        let logarithms = (0..=members).map(|number| {
            sum += (number.max(1) as f64).log2();
            sum
        });
        Self { members, dropout, corrupt, factorials: logarithms.collect() }
    }

    /// The largest t for which secrets can be put together, with the probability asked for.
    fn largest_threshold(&self, neighbours: usize) -> Option<usize> {
        let each = -CORRECTNESS_BITS - (self.members as f64).log2();
        let lost = (0..neighbours)
            .find(|lost| self.tail(self.members - 1, self.dropout, neighbours, lost + 1) <= each)?;
        Some(neighbours - lost).filter(|threshold| *threshold > 1)
    }

    /// The bound on a leak.
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

    const RATES: Rates = Rates { dropout: 0.1, corrupt: 0.1 };

    #[test]
    fn tails_are_those_of_counting() {
        // Of 5 balls, 2 red, 3 are drawn: no red in C(3,3) = 1 of 10 ways, one in 6, two in 3.
        let odds = Odds::new(6, 0, 0);
        for (least, ways) in [(0, 10.0), (1, 9.0), (2, 3.0)] {
            assert!((odds.tail(5, 2, 3, least).exp2() - ways / 10.0).abs() < 1e-12, "{least}");
        }
        assert!(odds.tail(5, 2, 3, 3).exp2() < f64::MIN_POSITIVE);
    }

    #[test]
    fn small_groups_are_complete_and_large_ones_sparse() {
        let eight = parameters(8, &Rates { dropout: 0.25, corrupt: 0.1 }).unwrap();
        // Six of seven, since four that are needed are more than one liar and two accomplices in a minority.
        assert_eq!(eight, Parameters { neighbours: 6, threshold: 4, confirmations: 5 });
        let four = parameters(4, &Rates { dropout: 0.25, corrupt: 0.25 }).unwrap();
        assert_eq!(four, Parameters { neighbours: 3, threshold: 2, confirmations: 3 });
        let hundred = parameters(100, &RATES).unwrap();
        assert!((20..60).contains(&hundred.neighbours), "{hundred:?}");
        let thousand = parameters(1000, &RATES).unwrap();
        assert!((hundred.neighbours..110).contains(&thousand.neighbours), "{thousand:?}");
        assert!(is_private(100, hundred.neighbours, hundred.threshold, &RATES));
    }

    #[test]
    fn a_coordinator_cannot_talk_a_member_into_fewer_neighbours_or_shares() {
        let honest = parameters(200, &RATES).unwrap();
        assert!(!is_private(200, honest.neighbours, honest.threshold / 3, &RATES));
        assert!(!is_private(200, honest.neighbours / 3, honest.threshold / 3, &RATES));
        assert!(!is_private(200, 0, 0, &RATES) && !is_private(200, 300, 2, &RATES));
        assert!(!is_private(8, 7, 1, &Rates { dropout: 0.2, corrupt: 0.1 }));
    }

    #[test]
    fn what_cannot_be_safe_is_refused() {
        assert!(matches!(parameters(3, &RATES), Err(Error::NoGraph { .. })));
        assert!(matches!(parameters(100, &Rates { dropout: 0.5, corrupt: 0.1 }), Err(Error::Plan { .. })));
        assert!(matches!(parameters(2, &Rates { dropout: 0.0, corrupt: 0.0 }), Err(Error::NoGraph { .. })));
    }

    /// The bound of correctness against drawn graphs, with parameters so weak that failures are seen.
    #[test]
    fn the_bound_holds_in_drawn_graphs() {
        use rand_chacha::ChaCha20Rng;
        use rand_chacha::rand_core::SeedableRng;
        let (members, dropout, neighbours, threshold) = (40, 10, 10, 5);
        let odds = Odds::new(members, dropout, 0);
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
        let bound = Odds::new(12, 0, 2).leak(neighbours, threshold).exp2();
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
}
