//! A coordinator that lies: about who is there, who shared, who survived, what others sent. Honest members
//! notice and say nothing more, or what it learns is one sum of many.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use pmirs_crypto::Prg;
use pmirs_federated::Error;
use pmirs_federated::client::{self, Member};
use pmirs_federated::graph::{Parameters, Rates};
use pmirs_federated::message::{Adverts, Inbox, Proof, Roster, Step, Survivors};
use pmirs_federated::plan::RoundPlan;
use pmirs_wire::{Digest, Message};
use world::hostile::{self, Hostile};
use world::{Fixture, Tap, pass, rewrite};

const VICTIM: u32 = 3;

/// What the victim says to a changed message; the others go on without it.
fn lie_to_victim<M: Message>(step: Step, change: impl Fn(&mut M)) -> Error {
    let fixture = Fixture::new(8, 20);
    let down = |member: u32, at: Step, bytes: Vec<u8>| {
        Some(if member == VICTIM && at == step { rewrite(&bytes, &change) } else { bytes })
    };
    let report = fixture.run(1, &mut Tap { up: pass, down }).unwrap();
    assert_eq!(report.refused.len(), 1, "{:?}", report.refused);
    assert_eq!(report.refused[0].0, VICTIM);
    report.refused[0].1.clone()
}

fn is_lie(error: &Error, step: Step) -> bool {
    matches!(error, Error::Coordinator { step: at, .. } if *at == step)
}

#[test]
fn rosters_with_invented_repeated_or_missing_members_are_refused() {
    let lie = |change: fn(&mut Roster)| lie_to_victim(Step::Roster, change);
    // An invented member has a number that is a pinned identity's, and cannot sign as that one.
    let forged = lie(|roster| roster.seats[5].advert = Digest([7; 32]));
    assert_eq!(forged, Error::Forged { member: 5, what: "an advert" });
    let stranger = lie(|roster| roster.seats[7].member = 900);
    assert_eq!(stranger, Error::Stranger { member: 900, step: Step::Roster });
    for change in [
        (|roster| roster.seats[5] = roster.seats[4].clone()) as fn(&mut Roster),
        |roster| roster.seats.swap(1, 2),
        |roster| drop(roster.seats.remove(VICTIM as usize)),
        |roster| roster.seats.truncate(4),
        |roster| roster.seats.clear(),
        |roster| roster.threshold = 1,
        |roster| roster.threshold = 200,
        |roster| roster.neighbours = 2,
        |roster| roster.neighbours = u32::MAX,
    ] {
        let error = lie(change);
        assert!(is_lie(&error, Step::Roster), "{error}");
    }
}

#[test]
fn exchanged_keys_are_refused() {
    let lie = |change: fn(&mut Adverts)| lie_to_victim(Step::Adverts, change);
    for change in [
        (|adverts| adverts.frames.swap(0, 1)) as fn(&mut Adverts),
        |adverts| adverts.frames[2].0[100] ^= 1,
        |adverts| drop(adverts.frames.pop()),
    ] {
        let error = lie(change);
        assert!(is_lie(&error, Step::Adverts), "{error}");
    }
}

#[test]
fn pieces_that_are_forged_moved_or_invented_are_refused() {
    let lie = |change: fn(&mut Inbox)| lie_to_victim(Step::Inbox, change);
    for change in [
        (|inbox| inbox.pieces[0].piece.sealed.0[1200] ^= 1) as fn(&mut Inbox),
        |inbox| inbox.pieces[0].piece.encapsulation.0[0] ^= 1,
        |inbox| inbox.pieces[0].digests.0[0] ^= 1,
        |inbox| inbox.pieces[0].signature.0[0] ^= 1,
        // Somebody else's good piece under another name.
        |inbox| {
            let other = inbox.pieces[1].clone();
            inbox.pieces[0].piece = other.piece;
            inbox.pieces[0].digests = other.digests;
            inbox.pieces[0].signature = other.signature;
        },
    ] {
        let error = lie(change);
        assert!(matches!(error, Error::Forged { what: "a piece", .. }), "{error}");
    }
    for change in [
        (|inbox| inbox.pieces[0].piece.to = 5) as fn(&mut Inbox),
        |inbox| inbox.pieces.swap(0, 1),
        |inbox| inbox.sharers.retain(|sharer| *sharer != VICTIM),
        |inbox| inbox.sharers.push(700),
        |inbox| inbox.sharers[0] = inbox.sharers[1],
        |inbox| inbox.sharers.retain(|sharer| *sharer != inbox.pieces[0].from),
    ] {
        let error = lie(change);
        assert!(is_lie(&error, Step::Inbox), "{error}");
    }
    // Told that hardly anyone shared, the victim keeps its vector.
    let alone = lie(|inbox| {
        inbox.sharers = vec![0, VICTIM];
        inbox.pieces.retain(|received| received.from == 0);
    });
    assert!(matches!(alone, Error::TooFew { step: Step::Inbox, got: 2, needed: 5 }), "{alone}");
}

/// Told of fewer sharers, but enough, the victim masks with those alone, and says so: the coordinator's own
/// state refuses it, and a coordinator that does not cannot show its neighbours a statement that fits.
#[test]
fn a_victim_that_masked_for_other_sharers_is_found_out() {
    let fixture = Fixture::new(8, 20);
    let down = |member: u32, step: Step, bytes: Vec<u8>| {
        let fewer = |inbox: &mut Inbox| {
            inbox.sharers.retain(|sharer| *sharer != 0);
            inbox.pieces.retain(|received| received.from != 0);
        };
        Some(if (member, step) == (VICTIM, Step::Inbox) { rewrite(&bytes, fewer) } else { bytes })
    };
    let report = fixture.run(1, &mut Tap { up: pass, down }).unwrap();
    let other = Error::OtherView { member: VICTIM, step: Step::Upload, what: "list of sharers" };
    assert_eq!(report.refused, [(VICTIM, other)]);
}

#[test]
fn survivors_without_the_member_too_few_or_who_never_shared_are_refused() {
    let lie = |change: fn(&mut Survivors)| lie_to_victim(Step::Survivors, change);
    for change in [
        (|survivors| survivors.members.retain(|member| *member != VICTIM)) as fn(&mut Survivors),
        |survivors| survivors.members.push(90),
        |survivors| survivors.members.swap(0, 1),
        |survivors| survivors.members.push(7),
    ] {
        let error = lie(change);
        assert!(is_lie(&error, Step::Survivors), "{error}");
    }
    let few = lie(|survivors| survivors.members = vec![1, VICTIM]);
    assert!(matches!(few, Error::TooFew { step: Step::Survivors, got: 2, .. }), "{few}");
}

#[test]
fn proofs_that_do_not_prove_are_refused() {
    let lie = |change: fn(&mut Proof)| lie_to_victim(Step::Proof, change);
    let forged = lie(|proof| proof.confirmations[2].signature.0[0] ^= 1);
    assert!(matches!(forged, Error::Forged { what: "the survivors", .. }), "{forged}");
    let forged = lie(|proof| proof.statements[0].signature.0[0] ^= 1);
    assert!(matches!(forged, Error::Forged { what: "an upload", .. }), "{forged}");
    let few = lie(|proof| drop(proof.confirmations.pop()));
    assert!(matches!(few, Error::TooFew { step: Step::Proof, got: 4, needed: 5 }), "{few}");
    for change in [
        (|proof| proof.confirmations[1] = proof.confirmations[0].clone()) as fn(&mut Proof),
        |proof| drop(proof.statements.pop()),
        |proof| proof.statements.swap(0, 1),
    ] {
        let error = lie(change);
        assert!(is_lie(&error, Step::Proof), "{error}");
    }
}

/// The attack that signed lists are there against: some members are told that one of them survived, so that they give
/// shares of its own mask, and the others that it vanished, so that they give shares of its root. Together that is its
/// update. Members that work for the coordinator confirm both lists and give both kinds.
///
/// Whoever is split from whom, nobody's two secrets fall. At best one list is confirmed: enough for a sum, if the
/// coordinator plays it fair.
fn both_lists(hostile: &Hostile<'_>, honest: &[u32], corrupt: &[u32], threshold: usize) -> usize {
    let victim = honest[0];
    let all = sorted([honest, corrupt].concat());
    let others: Vec<u32> = all.iter().copied().filter(|member| *member != victim).collect();
    let mut most_confirmed = 0;
    // By how many of the honest ones hear that the victim vanished; it confirms no list that it is not on itself.
    for told in 1..honest.len() {
        let (vanished, survived) = (&honest[1..=told], [&honest[..1], &honest[told + 1..]].concat());
        let lists = [
            (sorted([vanished, corrupt].concat()), &others),
            (sorted([&survived[..], corrupt].concat()), &all),
        ];
        // Whose secret, of the root or not, and whose share of it.
        let mut learned: BTreeMap<(u32, bool), BTreeSet<u32>> = BTreeMap::new();
        let mut confirmed = 0;
        for (confirmers, survivors) in lists {
            let reveals = hostile.reveals(&confirmers, survivors);
            confirmed += usize::from(reveals.values().all(Result::is_ok));
            for (member, reveal) in reveals {
                match reveal {
                    Ok(reveal) => reveal.shares.iter().for_each(|(of, _)| {
                        learned.entry((*of, !survivors.contains(of))).or_default().insert(member);
                    }),
                    Err(Error::TooFew { step: Step::Proof | Step::Survivors, .. }) => {}
                    Err(other) => panic!("{told} of {honest:?} are told, {member}: {other}"),
                }
            }
        }
        // Of each other, those who work for the coordinator hold both kinds without asking.
        for (holder, of) in
            corrupt.iter().flat_map(|holder| hostile.holders[holder].iter().map(move |of| (*holder, *of)))
        {
            learned.entry((of, false)).or_default().insert(holder);
            learned.entry((of, true)).or_default().insert(holder);
        }
        for member in honest {
            let shares = [false, true].map(|root| learned.get(&(*member, root)).map_or(0, BTreeSet::len));
            assert!(
                shares.iter().any(|shares| *shares < threshold),
                "{told} of {honest:?} are told that {victim} vanished: {shares:?} shares of {member}'s secrets, {threshold} \
                 are enough"
            );
        }
        assert!(confirmed < 2, "{told} of {honest:?}: two lists");
        most_confirmed = most_confirmed.max(confirmed);
    }
    most_confirmed
}

fn sorted(mut members: Vec<u32>) -> Vec<u32> {
    members.sort_unstable();
    members
}

#[test]
fn two_lists_of_survivors_open_nobodys_two_secrets() {
    let fixture = Fixture::new(8, 4);
    let Parameters { neighbours, threshold, .. } = fixture.round.parameters(8).unwrap();
    let (k, t) = (neighbours as u32, threshold as u32);
    let hostile = Hostile::run(&fixture.round, &fixture.identities, &fixture.present, k, t).unwrap();
    for corrupt in 0..8 {
        let honest: Vec<u32> = (0..8).filter(|member| *member != corrupt).collect();
        assert_eq!(both_lists(&hostile, &honest, &[corrupt], threshold), 1, "one list can be confirmed");
    }
}

/// The same on a roster that the coordinator made short: of sixteen, of whom four work for it, six honest ones came too
/// late. By the share of the roster that would be three liars, and seven confirmations, which both lists would find.
#[test]
fn a_short_roster_does_not_double_the_lists() {
    let rates = Rates { dropout: 0.3, corrupt: 0.25 };
    let fixture = Fixture::with(RoundPlan { rates, quorum: 7, ..world::plan(16, 4) });
    let roster: Vec<u32> = (0..10).collect();
    let hostile = Hostile::run(&fixture.round, &fixture.identities, &roster, 9, 6).unwrap();
    let corrupt = [1, 4, 6, 9];
    let honest = [0, 2, 3, 5, 7, 8];
    both_lists(&hostile, &honest, &corrupt, 6);
    // An honest coordinator would run no such round, since it could not lose three of ten.
    assert!(matches!(fixture.round.parameters(10), Err(Error::NoGraph { corrupt: 4, .. })));
}

/// With four of ten neighbours' shares in the coordinator's hands from the start, a graph that is made for three is
/// refused.
#[test]
fn a_graph_for_fewer_liars_than_the_group_has_is_refused() {
    let rates = Rates { dropout: 0.3, corrupt: 0.25 };
    let fixture = Fixture::with(RoundPlan { rates, quorum: 7, ..world::plan(16, 4) });
    let roster: Vec<u32> = (0..10).collect();
    let refused = Hostile::run(&fixture.round, &fixture.identities, &roster, 9, 4).err().unwrap();
    assert!(is_lie(&refused, Step::Roster), "{refused}");
    let member = Member::new(&fixture.round, &fixture.identities[0]).unwrap();
    assert!(member.suspecting(0.25).is_ok());
    let refused = member.suspecting(0.3).unwrap_err();
    assert!(matches!(refused, Error::Plan { field: "rates", .. }), "{refused}");
}

/// A member that was there in an earlier try is not there in this one, whatever it has signed.
#[test]
fn a_signature_of_another_round_is_no_seat() {
    let fixture = Fixture::new(8, 20);
    let earlier = Fixture::with(RoundPlan { attempt: 1, ..fixture.round.plan().clone() });
    let absent = Member::new(&earlier.round, &earlier.identities[5]).unwrap();
    let (_, advert) = client::advertise(&mut Prg::new(&[1; 32], b"earlier"), &absent).unwrap();
    let seat = hostile::seat(5, &advert);
    let forged = lie_to_victim(Step::Roster, |roster: &mut Roster| roster.seats[5] = seat.clone());
    assert_eq!(forged, Error::Forged { member: 5, what: "an advert" });
}

/// Two rosters for two halves: with a quorum of six of eight, neither half is enough for its members.
#[test]
fn two_rosters_find_no_quorum() {
    let fixture = Fixture::with(RoundPlan { quorum: 6, ..world::plan(8, 20) });
    let down = |member: u32, step: Step, bytes: Vec<u8>| {
        let half = |roster: &mut Roster| roster.seats.retain(|seat| (seat.member < 4) == (member < 4));
        Some(if step == Step::Roster { rewrite(&bytes, half) } else { bytes })
    };
    let result = fixture.run(4, &mut Tap { up: pass, down });
    assert!(matches!(result, Err(Error::TooFew { step: Step::Shares, got: 0, .. })), "{result:?}");
}

/// A member that drops out of the coordinator's favour at random, by every subset: whatever is revealed is
/// the sum of one list that a majority confirmed, and never of fewer than the quorum.
#[test]
fn the_coordinator_may_choose_one_set_and_no_small_one() {
    let rates = Rates { dropout: 0.28, corrupt: 0.1 };
    let fixture = Fixture::with(RoundPlan { rates, quorum: 5, ..plan_of(7) });
    // Of the small subsets a few stand for all: they end at the same check.
    for kept in (0..128_u32).filter(|kept| kept.count_ones() >= 4 || kept % 16 == 1) {
        let keeps = |member: u32| kept >> member & 1 == 1;
        let up = |member: u32, step: Step, bytes: Vec<u8>| {
            (step != Step::Upload || keeps(member)).then_some(bytes)
        };
        let survivors: Vec<u32> = (0..7).filter(|member| keeps(*member)).collect();
        match fixture.run(3, &mut Tap { up, down: pass }) {
            Ok(report) => {
                assert!(survivors.len() >= 5, "{survivors:?}");
                assert_eq!(report.revealed.sum, fixture.sum(&survivors));
            }
            Err(Error::TooFew { .. } | Error::Unrecoverable { .. }) => {
                assert!(survivors.len() < 5, "{survivors:?}");
            }
            Err(other) => panic!("{survivors:?}: {other}"),
        }
    }
}

fn plan_of(members: u32) -> RoundPlan {
    world::plan(members, 6)
}
