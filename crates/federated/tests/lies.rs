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

use std::cell::RefCell;

use pmirs_federated::Error;
use pmirs_federated::graph::Rates;
use pmirs_federated::message::{Adverts, Inbox, Proof, Roster, Step, Survivors};
use pmirs_federated::plan::RoundPlan;
use pmirs_wire::{Digest, Message};
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

/// The attack that signed lists are there against: half of the members are told that one member survived, so
/// that they give shares of its own mask, and the other half that it vanished, so that they give shares of
/// its root. Together that is its update. Neither list finds enough confirmations, and no share is revealed.
#[test]
fn two_lists_of_survivors_reveal_nothing() {
    for told in 1..8_u32 {
        let fixture = Fixture::new(8, 20);
        let reveals = RefCell::new(0);
        let up = |_: u32, step: Step, bytes: Vec<u8>| {
            *reveals.borrow_mut() += u32::from(step == Step::Reveal);
            Some(bytes)
        };
        // The victim is 0; members up to `told` hear that it survived, the others that it vanished.
        let down = |member: u32, step: Step, bytes: Vec<u8>| {
            let without = |survivors: &mut Survivors| survivors.members.retain(|other| *other != 0);
            Some(if step == Step::Survivors && member > told { rewrite(&bytes, without) } else { bytes })
        };
        match fixture.run(2, &mut Tap { up, down }) {
            // Fewer than five confirmed the true list.
            Err(Error::TooFew { step: Step::Confirm, .. }) => assert!(told < 4 && *reveals.borrow() == 0),
            // Those who confirmed it revealed shares for it; those of the other list were shown proof of the
            // first, and refused.
            Ok(report) => {
                assert!(told >= 4);
                assert_eq!(report.revealed.sum, fixture.sum(&fixture.present));
            }
            Err(Error::Unrecoverable { .. }) => assert!(told >= 4),
            other => panic!("{told}: {other:?}"),
        }
    }
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
