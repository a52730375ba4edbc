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
//! n members take part, d of them drop out, and c work for the coordinator. **c is a share of the group, not of the
//! roster**: the coordinator says who came too late, so it can keep each of its own on a roster that it made short.
//! Rounds with fewer than three honest members are refused. Write h = n − c, and H(N, K, m) for a hypergeometric
//! variable: of m draws from N without replacement, how many are among K marked.
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
//! leak = Σ_{s = 1}^{⌊h/2⌋}  C(h, s) · P[H(n − 1, s − 1 + c, k) ≥ t]ˢ
//! ```
//!
//! Otherwise whatever is learned is the sum of more than half of all honest members, and of one set only,
//! since two such sets, or their difference, would leave a closed set of at most half. The term s = 1 is the
//! familiar one: a member with t corrupt neighbours, whose both secrets fall.
//!
//! A coordinator may also name survivors and leave them out of its sum. Of the u survivors that must be named, at
//! least u − c are honest. If A has only s of them, no member of A chose one of the other m = u − c − s: it would have
//! masked for it, and nobody who confirmed the list gives that mask away. To promise that A has at least f members,
//!
//! ```text
//! short = Σ_{s = ⌊h/2⌋ + 1}^{f − 1}  C(h, s) · C(h − s, m) · (C(n − 1 − m, k) / C(n − 1, k))ˢ
//! ```
//!
//! must be small. f is what noise is calibrated to ([`Round::fewest_honest`](crate::Round::fewest_honest)): nine tenths
//! of u − c, rounded up, or ⌊h/2⌋ + 1 if that is more.
//!
//! **Fewer liars than c.** Both sums are those of exactly c corrupt members on the roster; there may be any c′ ≤ c,
//! and h′ = n − c′. Deem c − c′ of the others corrupt, drawn at random. A set that leaks among h′ leaks, or is short,
//! among the h that are left, unless none or more than half of those are in it; for a set of at most half of h′, and
//! h ≥ 3, that spares it with probability at least 3/7 · h/h′. So the bound that is kept to is
//!
//! ```text
//! P[leak or short] ≤ 7/3 · n/h · (leak + short) ≤ 2⁻⁴⁰
//! ```
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

mod odds;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::message::MAX_NEIGHBOURS;

use odds::Odds;

/// Privacy fails with probability at most 2 to the minus this.
pub const PRIVACY_BITS: f64 = 40.0;
/// A round within its dropouts fails with probability at most 2 to the minus this: it is then tried again,
/// and nothing was revealed.
pub const CORRECTNESS_BITS: f64 = 20.0;
/// Fewest honest members of a round: among fewer, a sum says too much of each.
const FEWEST_HONEST: usize = 3;
/// Of the honest survivors that must be named, one in so many may be missing from the sum.
const MISSING: usize = 10;

/// How many members may vanish or lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Members that drop out at any step, as a share of those who take part.
    pub dropout: f64,
    /// Members that work for the coordinator, as a share of the group: whoever picks the roster picks them first.
    pub corrupt: f64,
}

impl Rates {
    /// Dropouts among so many who take part, rounded up.
    pub fn dropouts(&self, members: usize) -> usize {
        rounded_up(self.dropout, members)
    }

    /// Corrupt members of a group of this size, rounded up.
    pub fn corrupted(&self, group: usize) -> usize {
        rounded_up(self.corrupt, group)
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

fn rounded_up(rate: f64, members: usize) -> usize {
    (rate * members as f64 - 1e-9).ceil().max(0.0) as usize
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

/// A roster at its worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attendance {
    /// n: members on the roster.
    pub(crate) members: usize,
    /// d: how many of them drop out.
    pub(crate) dropout: usize,
    /// c: how many of them work for the coordinator, all that the group has.
    pub(crate) corrupt: usize,
    /// Fewest survivors that the plan allows.
    pub(crate) quorum: usize,
}

impl Attendance {
    /// The smallest roster on which enough members are honest.
    pub(crate) fn smallest(quorum: usize, corrupt: usize) -> usize {
        quorum.max(corrupt + FEWEST_HONEST)
    }

    /// q: so many confirmations leave no room for a second list of survivors.
    pub(crate) fn confirmations(&self) -> usize {
        usize::midpoint(self.members, self.corrupt) + 1
    }

    /// u: members that must be heard at every step, and named as survivors.
    pub(crate) fn needed(&self) -> usize {
        self.quorum.max(self.confirmations())
    }

    /// f: honest members whose sum is the smallest that can be revealed. It does not fall with a longer roster.
    pub(crate) fn fewest_honest(&self) -> usize {
        let honest = self.members.saturating_sub(self.corrupt);
        let named = self.needed().saturating_sub(self.corrupt);
        (honest / 2 + 1).max(named - named / MISSING)
    }

    /// The sparsest graph that meets the bounds.
    ///
    /// # Errors
    /// [`Error::NoGraph`] where none of at most 255 neighbours does.
    pub(crate) fn parameters(&self) -> Result<Parameters, Error> {
        let Self { members, dropout, corrupt, .. } = *self;
        let none = Error::NoGraph { members, dropout, corrupt };
        if !self.is_sound() || self.needed() > members - dropout {
            return Err(none);
        }
        let odds = Odds::new(self);
        let sparse = (2..(members - 1).min(MAX_NEIGHBOURS + 1)).find_map(|neighbours| {
            let threshold = odds.largest_threshold(neighbours)?;
            (odds.exposure(neighbours, threshold) <= -PRIVACY_BITS).then_some((neighbours, threshold))
        });
        let complete = || {
            let threshold = (members - 1).checked_sub(dropout)?;
            (members - 1 <= MAX_NEIGHBOURS && threshold > corrupt && threshold > 1)
                .then_some((members - 1, threshold))
        };
        let (neighbours, threshold) = sparse.or_else(complete).ok_or(none)?;
        Ok(Parameters { neighbours, threshold, confirmations: self.confirmations() })
    }

    /// Whether neighbours and threshold that a coordinator announces keep a round private: a member believes its
    /// own arithmetic. (That a round can complete is the coordinator's worry.)
    pub(crate) fn is_private(&self, neighbours: usize, threshold: usize) -> bool {
        if !self.is_sound()
            || threshold < 2
            || threshold > neighbours
            || neighbours > (self.members - 1).min(MAX_NEIGHBOURS)
        {
            return false;
        }
        // Logarithms differ in their last bits between machines.
        let slack = 1e-6;
        (neighbours == self.members - 1 && threshold > self.corrupt)
            || Odds::new(self).exposure(neighbours, threshold) <= -PRIVACY_BITS + slack
    }

    /// Whether enough are honest, and as many there as must be heard.
    fn is_sound(&self) -> bool {
        self.members >= self.corrupt + FEWEST_HONEST && self.members >= self.needed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: Rates = Rates { dropout: 0.1, corrupt: 0.1 };

    /// A whole group, of which half are a quorum.
    fn whole(members: usize, rates: &Rates) -> Attendance {
        let (dropout, corrupt) = (rates.dropouts(members), rates.corrupted(members));
        Attendance { members, dropout, corrupt, quorum: members / 2 }
    }

    fn parameters(members: usize, rates: &Rates) -> Result<Parameters, Error> {
        whole(members, rates).parameters()
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
        assert!(whole(100, &RATES).is_private(hundred.neighbours, hundred.threshold));
    }

    #[test]
    fn a_coordinator_cannot_talk_a_member_into_fewer_neighbours_or_shares() {
        let honest = parameters(200, &RATES).unwrap();
        let attendance = whole(200, &RATES);
        assert!(attendance.is_private(honest.neighbours, honest.threshold));
        assert!(!attendance.is_private(honest.neighbours, honest.threshold / 3));
        assert!(!attendance.is_private(honest.neighbours / 3, honest.threshold / 3));
        assert!(!attendance.is_private(0, 0) && !attendance.is_private(300, 2));
        assert!(!whole(8, &Rates { dropout: 0.2, corrupt: 0.1 }).is_private(7, 1));
    }

    #[test]
    fn what_cannot_be_safe_is_refused() {
        assert!(matches!(parameters(3, &RATES), Err(Error::NoGraph { .. })));
        assert!(matches!(parameters(100, &Rates { dropout: 0.5, corrupt: 0.1 }), Err(Error::NoGraph { .. })));
        assert!(matches!(parameters(2, &Rates { dropout: 0.0, corrupt: 0.0 }), Err(Error::NoGraph { .. })));
    }

    /// Of a group of a hundred with twenty liars, all twenty and 55 others are on the roster: by the share of the
    /// roster it would be fifteen liars, and 28 neighbours and 20 shares enough. A member then falls with twelve of
    /// its neighbours, so often that of 55 somebody does more often than not.
    #[test]
    fn a_roster_made_short_holds_every_liar_of_the_group() {
        let attendance = |corrupt| Attendance { members: 75, dropout: 8, corrupt, quorum: 61 };
        assert!(attendance(15).is_private(28, 20) && !attendance(20).is_private(28, 20));
        assert_eq!(attendance(20).confirmations(), 48);
        let safe = attendance(20).parameters().unwrap();
        assert!(safe.neighbours > 28, "{safe:?}");
        let rates = Rates { dropout: 0.1, corrupt: 0.2 };
        assert_eq!((rates.dropouts(75), rates.corrupted(100)), (8, 20));
    }

    /// With one honest member among ten there is no set of at most half of the honest ones, and no bound that could
    /// be broken: what is learned of all is learned of one.
    #[test]
    fn rounds_with_hardly_an_honest_member_are_refused() {
        for honest in 0..6 {
            let attendance = Attendance { members: 10, dropout: 0, corrupt: 10 - honest, quorum: 2 };
            let private =
                (2..10).any(|neighbours| (2..=neighbours).any(|t| attendance.is_private(neighbours, t)));
            assert_eq!(private, honest >= 3, "{honest} honest");
            assert_eq!(attendance.parameters().is_ok(), honest >= 3, "{honest} honest");
        }
    }

    /// What noise is calibrated to holds on every roster that a coordinator may choose.
    #[test]
    fn a_longer_roster_has_no_fewer_honest_survivors() {
        for (corrupt, quorum) in [(0, 3), (1, 5), (20, 61), (20, 90), (300, 400)] {
            let least = Attendance::smallest(quorum, corrupt);
            let fewest = |members| Attendance { members, dropout: 0, corrupt, quorum }.fewest_honest();
            assert!(
                (least..1000).all(|members| fewest(members) <= fewest(members + 1)),
                "{corrupt} of {quorum}"
            );
            assert!(fewest(least) >= 2);
        }
        // All must survive, and nine tenths of the honest ones are in the sum for certain; of a bare majority, all.
        assert_eq!(Attendance { members: 90, dropout: 0, corrupt: 10, quorum: 90 }.fewest_honest(), 72);
        assert_eq!(Attendance { members: 100, dropout: 0, corrupt: 10, quorum: 50 }.fewest_honest(), 46);
    }
}
