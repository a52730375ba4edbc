//! Messages that are replayed, reordered, forged, truncated or said twice are refused by name, and the one
//! who refuses waits for the right one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;

use pmirs_crypto::Prg;
use pmirs_federated::client::{self, Member};
use pmirs_federated::message::Step;
use pmirs_federated::plan::RoundPlan;
use pmirs_federated::server::{Gathering, Heard};
use pmirs_federated::simulate::Direct;
use pmirs_federated::{Error, Round};
use world::{COORDINATOR_STEPS, Fixture, HEAD, MEMBER_STEPS, Tap, pass};

const VICTIM: u32 = 3;

/// Runs a round in which one member's message of one step is altered on its way up; returns what the
/// coordinator said of it.
fn altered_up(fixture: &Fixture, step: Step, alter: impl Fn(Vec<u8>) -> Vec<u8>) -> Error {
    let up = |member: u32, at: Step, bytes: Vec<u8>| {
        Some(if member == VICTIM && at == step { alter(bytes) } else { bytes })
    };
    let report = fixture.run(1, &mut Tap { up, down: pass }).unwrap();
    let survived = report.revealed.survivors.contains(&VICTIM);
    assert_eq!(survived, step > Step::Upload, "{step}: a refused message is none");
    assert_eq!(report.revealed.sum, fixture.sum(&report.revealed.survivors));
    assert_eq!(report.refused.len(), 1, "{step}: {:?}", report.refused);
    report.refused[0].1.clone()
}

/// The same on the way down to one member.
fn altered_down(fixture: &Fixture, step: Step, alter: impl Fn(Vec<u8>) -> Vec<u8>) -> Error {
    let down = |member: u32, at: Step, bytes: Vec<u8>| {
        Some(if member == VICTIM && at == step { alter(bytes) } else { bytes })
    };
    let report = fixture.run(1, &mut Tap { up: pass, down }).unwrap();
    assert_eq!(report.refused.len(), 1, "{step}: {:?}", report.refused);
    assert_eq!(report.refused[0].0, VICTIM);
    report.refused[0].1.clone()
}

#[test]
fn a_flipped_byte_in_any_members_message_is_a_forgery() {
    let fixture = Fixture::new(8, 20);
    for step in MEMBER_STEPS {
        for (at, from_end) in [(HEAD, false), (1, true), (70, true)] {
            let flip = |mut bytes: Vec<u8>| {
                let at = if from_end { bytes.len() - at } else { at };
                bytes[at] ^= 1;
                bytes
            };
            let error = altered_up(&fixture, step, flip);
            assert!(matches!(error, Error::Forged { member: VICTIM, .. }), "{step}, byte {at}: {error}");
        }
    }
}

#[test]
fn every_part_of_a_head_has_its_own_name() {
    let fixture = Fixture::new(8, 20);
    for step in MEMBER_STEPS {
        let set = |at: usize, value: u8| {
            altered_up(&fixture, step, move |mut bytes| {
                bytes[at] = value;
                bytes
            })
        };
        assert_eq!(set(0, 9), Error::Version { step, expected: 1, got: 9 });
        assert_eq!(set(1, 77), Error::WrongStep { expected: step, got: 77 });
        assert_eq!(set(2, 0), Error::WrongRound { step });
        assert_eq!(set(HEAD - 2, 9), Error::Stranger { member: 0x903, step }, "no such member");
        // Another member's name on it.
        assert_eq!(set(HEAD - 1, 4), Error::Forged { member: 4, what: "a message" });
    }
    for step in COORDINATOR_STEPS {
        let set = |at: usize, value: u8| {
            altered_down(&fixture, step, move |mut bytes| {
                bytes[at] = value;
                bytes
            })
        };
        assert_eq!(set(0, 9), Error::Version { step, expected: 1, got: 9 });
        assert_eq!(set(1, 77), Error::WrongStep { expected: step, got: 77 });
        assert_eq!(set(2, 0), Error::WrongRound { step });
        assert!(matches!(set(HEAD - 1, 4), Error::Stranger { .. }), "a member is no coordinator");
    }
}

#[test]
fn truncated_and_lengthened_messages_are_refused() {
    let fixture = Fixture::new(8, 20);
    for step in MEMBER_STEPS {
        let error = altered_up(&fixture, step, |bytes| bytes[..bytes.len() - 1].to_vec());
        assert!(matches!(error, Error::Forged { .. } | Error::Size { .. }), "{step}: {error}");
        let error = altered_up(&fixture, step, |bytes| [bytes.as_slice(), &[0]].concat());
        assert!(matches!(error, Error::Forged { .. } | Error::Size { .. }), "{step}: {error}");
        let error = altered_up(&fixture, step, |_| Vec::new());
        assert!(matches!(error, Error::Size { got: 0, .. }), "{step}: {error}");
    }
    for step in COORDINATOR_STEPS {
        let error = altered_down(&fixture, step, |bytes| bytes[..bytes.len() - 1].to_vec());
        assert!(matches!(error, Error::Decode(_)), "{step}: {error}");
        let error = altered_down(&fixture, step, |bytes| vec![1; bytes.len() + (64 << 20)]);
        assert!(matches!(error, Error::Size { .. }), "{step}: {error}");
    }
}

/// Every message of one round, sent again in another: a replay is named as one, whatever the step.
#[test]
fn messages_of_another_round_are_refused() {
    let first = Fixture::new(8, 20);
    let kept = RefCell::new(BTreeMap::new());
    let keep = |member: u32, step: Step, bytes: Vec<u8>| {
        if member == VICTIM {
            kept.borrow_mut().insert(step, bytes.clone());
        }
        Some(bytes)
    };
    first.run(1, &mut Tap { up: keep, down: keep }).unwrap();
    let kept = kept.into_inner();
    let second = Fixture::with(RoundPlan { attempt: 1, ..first.round.plan().clone() });
    for step in MEMBER_STEPS {
        assert_eq!(altered_up(&second, step, |_| kept[&step].clone()), Error::WrongRound { step });
    }
    for step in COORDINATOR_STEPS {
        assert_eq!(altered_down(&second, step, |_| kept[&step].clone()), Error::WrongRound { step });
    }
    // Within its round, a message of one step is none of another.
    let wrong = altered_up(&first, Step::Upload, |_| kept[&Step::Confirm].clone());
    assert_eq!(wrong, Error::WrongStep { expected: Step::Upload, got: 9 });
}

#[test]
fn a_second_advert_is_refused_and_the_first_may_come_again() {
    let fixture = Fixture::new(4, 5);
    let seat = Member::new(&fixture.round, &fixture.identities[0]).unwrap();
    let advert = |seed| client::advertise(&mut Prg::new(&[seed; 32], b"advert"), &seat).unwrap().1;
    let mut gathering = Gathering::new(&fixture.round);
    assert_eq!(gathering.accept(&advert(1)), Ok(Heard::New));
    assert_eq!(gathering.accept(&advert(1)), Ok(Heard::Again));
    let step = Step::Advert;
    assert_eq!(gathering.accept(&advert(2)), Err(Error::Repeated { member: 0, step }));
    assert!(matches!(gathering.close(), Err(Error::TooFew { step: Step::Advert, got: 1, .. })));
}

#[test]
fn a_refused_message_leaves_the_state_as_it_was() {
    let fixture = Fixture::new(4, 5);
    let mut rng = Prg::new(&[1; 32], b"refused");
    let mut gathering = Gathering::new(&fixture.round);
    let mut states = Vec::new();
    for identity in &fixture.identities {
        let seat = Member::new(&fixture.round, identity).unwrap();
        let (state, advert) = client::advertise(&mut rng, &seat).unwrap();
        gathering.accept(&advert).unwrap();
        states.push(state);
    }
    let (_, roster) = gathering.close().unwrap();
    let seat = Member::new(&fixture.round, &fixture.identities[3]).unwrap();
    let refusal = states.pop().unwrap().choose(&mut rng, &seat, &roster[..50]).unwrap_err();
    assert!(matches!(refusal.error, Error::Decode(_)));
    assert!(refusal.state.choose(&mut rng, &seat, &roster).is_ok());
}

#[test]
fn whoever_is_not_in_the_group_has_no_seat() {
    let fixture = Fixture::new(4, 5);
    let stranger = &world::identities(5)[0];
    assert_eq!(Member::new(&fixture.round, stranger).unwrap_err(), Error::NotAMember);
    let twice = vec![stranger.public(), stranger.public(), stranger.public()];
    assert!(pmirs_federated::Group::new(twice).is_err());
    let other = Fixture::with(RoundPlan { number: 4, ..fixture.round.plan().clone() });
    assert_ne!(Round::id(&other.round), fixture.round.id());
}

/// Nothing is sent to a member that lost its place.
#[test]
fn everyone_who_stays_is_heard() {
    let fixture = Fixture::new(8, 5);
    let report = fixture.run(1, &mut Direct).unwrap();
    assert_eq!(report.sent.keys().copied().collect::<Vec<_>>(), fixture.present);
}
