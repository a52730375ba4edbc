//! A party whose frames are not what they should be: it is named by the two others, in time, and the next search works.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use pmirs_wire::CollectionId;

use crate::client::model::Model;
use crate::client::{User, random_rows, rng, vector};
use crate::peers::{Fate, Tamper};
use crate::{Embedded, Limits};

const ID: CollectionId = CollectionId([5; 16]);
const DIM: usize = 16;
const ROUND: Duration = Duration::from_millis(600);

/// Where a frame says what it is.
const VERSION_AT: usize = 0;
const SESSION_AT: usize = 1;
const SENDER_AT: usize = 33;
const STEP_AT: usize = 34;
const ROUND_AT: usize = 35;

#[derive(Debug, Clone, Copy)]
enum Attack {
    Flip(usize),
    Drop,
    Repeat,
    Delay,
    Relabel,
    Truncate,
    Lengthen,
    Empty,
}

const ATTACKS: [Attack; 12] = [
    Attack::Flip(VERSION_AT),
    Attack::Flip(SESSION_AT),
    Attack::Flip(SENDER_AT),
    Attack::Flip(STEP_AT),
    Attack::Flip(ROUND_AT),
    Attack::Drop,
    Attack::Repeat,
    Attack::Delay,
    Attack::Relabel,
    Attack::Truncate,
    Attack::Lengthen,
    Attack::Empty,
];

/// Does it to the frame of this number, and only to that.
fn tamper(attack: Attack, number: usize) -> Tamper {
    let sent = AtomicUsize::new(0);
    Arc::new(move |_, mut frame| {
        if sent.fetch_add(1, Ordering::Relaxed) != number {
            return Fate::Send(vec![frame]);
        }
        match attack {
            Attack::Flip(at) => frame[at] ^= 1,
            // Not sent, and nothing after it for as long as an honest party waits.
            Attack::Drop => return Fate::Hang(ROUND * 3),
            Attack::Repeat => return Fate::Send(vec![frame.clone(), frame]),
            Attack::Delay => return Fate::Late(ROUND * 2, frame),
            Attack::Relabel => frame[STEP_AT] = frame[STEP_AT] % 13 + 1,
            Attack::Truncate => frame.truncate(frame.len() - 1),
            Attack::Lengthen => frame.push(0),
            Attack::Empty => frame.clear(),
        }
        Fate::Send(vec![frame])
    })
}

fn set(party: &Embedded, tamper: Option<Tamper>) {
    *party.node().tamper.lock().unwrap_or_else(PoisonError::into_inner) = tamper;
}

#[test]
fn a_hostile_party_is_named_by_the_others_and_the_next_search_works() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { round_time: ROUND, meeting_time: ROUND * 4, ..Limits::default() };
    let parties = Embedded::trio_with(folder.path(), &limits).unwrap();
    let user = User::new(1, parties[0].parties());
    let mut rng = rng(61);
    user.create(ID, DIM as u32);
    user.change(ID, &random_rows(&mut rng, 50, DIM), &[]).unwrap();
    let query = [vector(&mut rng, DIM)];
    let expected: Vec<i32> = scores(&user, &query);
    for (hostile, party) in parties.iter().enumerate() {
        for attack in ATTACKS {
            for number in [0, 3] {
                set(party, Some(tamper(attack, number)));
                let started = Instant::now();
                let answers = user.search_raw(ID, &query, 5);
                let what = format!("P{hostile} {attack:?} frame {number}");
                assert!(started.elapsed() < ROUND * 7, "{what}: {:?}", started.elapsed());
                set(party, None);
                for (place, answer) in answers.into_iter().enumerate() {
                    let refused = answer.expect_err(&what).refused();
                    let problem = &refused.problem.message;
                    // The hostile one is told by the others, or blames whom it likes.
                    assert!(
                        place == hostile || refused.blamed == [hostile as u8],
                        "{what}, P{place}: {problem}"
                    );
                    assert!(place == hostile || refused.session.is_some(), "{what}: it names no session");
                }
                assert_eq!(scores(&user, &query), expected, "after {what}");
            }
        }
    }
}

/// The step in which values are opened to all, by its number.
const REVEAL: u8 = 2;

#[test]
fn two_holders_that_open_different_values_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let parties = Embedded::trio(folder.path()).unwrap();
    let user = User::new(1, parties[0].parties());
    let mut rng = rng(63);
    user.create(ID, DIM as u32);
    user.change(ID, &random_rows(&mut rng, 50, DIM), &[]).unwrap();
    let query = [vector(&mut rng, DIM)];
    let expected = scores(&user, &query);
    for (hostile, party) in parties.iter().enumerate() {
        let lied = AtomicUsize::new(0);
        set(
            party,
            Some(Arc::new(move |_, mut frame| {
                if frame[STEP_AT] == REVEAL && lied.fetch_add(1, Ordering::Relaxed) == 0 {
                    let last = frame.len() - 1;
                    frame[last] ^= 1;
                }
                Fate::Send(vec![frame])
            })),
        );
        let answers = user.search_raw(ID, &query, 5);
        set(party, None);
        for (place, answer) in answers.into_iter().enumerate().filter(|(place, _)| *place != hostile) {
            let refused = answer.unwrap_err().refused();
            // Who sees two different values cannot tell which of the two lies.
            let (blamed, problem) = (&refused.blamed, &refused.problem.message);
            assert!(
                blamed.contains(&(hostile as u8)) && blamed.len() <= 2,
                "P{hostile} lies, P{place}: {problem}"
            );
        }
        assert_eq!(scores(&user, &query), expected);
    }
}

#[test]
fn a_hostile_party_is_named_when_it_encodes_and_the_next_sentence_works() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { round_time: ROUND, meeting_time: ROUND * 4, ..Limits::default() };
    let parties = Embedded::trio_with(folder.path(), &limits).unwrap();
    let (user, model) = (User::new(1, parties[0].parties()), Model::new(5));
    user.share_weights(&model);
    user.encodes(&model);
    let [_, (tower, input, _)] = model.examples();
    for (hostile, party) in parties.iter().enumerate() {
        for attack in [Attack::Flip(STEP_AT), Attack::Drop, Attack::Repeat, Attack::Relabel, Attack::Truncate]
        {
            set(party, Some(tamper(attack, 7)));
            let started = Instant::now();
            let answers = user.encode_raw(&model, tower, &input);
            let what = format!("P{hostile} {attack:?}");
            assert!(started.elapsed() < ROUND * 7, "{what}: {:?}", started.elapsed());
            set(party, None);
            for (place, answer) in answers.into_iter().enumerate().filter(|(place, _)| *place != hostile) {
                let refused = answer.expect_err(&what).refused();
                let problem = &refused.problem.message;
                assert!(refused.blamed == [hostile as u8], "{what}, P{place}: {problem}");
                assert!(refused.session.is_some(), "{what}: it names no session");
            }
        }
        user.encodes(&model);
    }
}

fn scores(user: &User, query: &[Vec<i8>]) -> Vec<i32> {
    user.search(ID, query, 5).unwrap()[0].iter().map(|(_, score)| *score).collect()
}

#[test]
fn a_party_that_is_gone_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { round_time: ROUND, meeting_time: ROUND * 2, ..Limits::default() };
    let parties = Embedded::trio_with(folder.path(), &limits).unwrap();
    let user = User::new(1, parties[0].parties());
    user.create(ID, DIM as u32);
    user.change(ID, &random_rows(&mut rng(62), 5, DIM), &[]).unwrap();
    user.search(ID, &[vec![1; DIM]], 2).unwrap();
    let [first, second, third] = parties;
    second.stop().unwrap();
    let [north, east, south] = user.search_raw(ID, &[vec![1; DIM]], 2);
    assert!(east.is_err());
    for answer in [north, south] {
        let refused = answer.unwrap_err().refused();
        assert_eq!(refused.blamed, [1], "{}", refused.problem.message);
        assert!(refused.problem.message.contains("east"), "{}", refused.problem.message);
    }
    first.stop().unwrap();
    third.stop().unwrap();
}
