//! A party that lost its store, and what else may be wrong with one.

use crate::client::{random_rows, rng, vector};
use crate::{DIM, ID, World};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::split::Action;

const NAMES: [&str; 3] = ["north", "east", "south"];

#[test]
fn a_party_that_lost_its_store_gets_it_back_from_the_two_others() {
    for (lost, name) in NAMES.into_iter().enumerate() {
        let world = World::new();
        let (anna, mut rng) = (world.user(1), rng(51));
        anna.create(ID, DIM as u32);
        let rows = random_rows(&mut rng, 20, DIM);
        anna.change(ID, &rows, &[]).unwrap();
        anna.change(ID, &[], &[rows[5].0]).unwrap();
        let query = [vector(&mut rng, DIM)];
        let before = anna.search(ID, &query, 30).unwrap();
        // Nothing is wrong yet, so nothing is repaired.
        let repair = |user: &crate::client::User| {
            user.ask_all(&user.order(ID, Action::Repair { place: lost as u8 }), &Default::default())
        };
        let version = anna.state(lost, ID).unwrap().version;
        assert!(repair(&anna).into_iter().all(|answer| answer.is_err()));

        let World { parties, folder } = world;
        stop(parties);
        let store = folder.path().join(name).join("collections").join(ID.to_string());
        if lost == 1 {
            // Damaged is as good as lost, and is noticed at the start.
            let path = store.join("own-1.shares");
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[100] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        } else {
            std::fs::remove_dir_all(&store).unwrap();
        }
        let parties = pmirs_party::Embedded::trio_with(folder.path(), &crate::limits()).unwrap();
        let world = World { parties, folder };
        let anna = world.user(1);
        assert_eq!(anna.state(lost, ID).unwrap_err().refused().problem.kind, ProblemKind::NotFound);
        // A stranger cannot have it restored.
        assert!(repair(&world.user(9)).into_iter().all(|answer| answer.is_err()));
        for answer in repair(&anna) {
            answer.unwrap();
        }
        assert_eq!(anna.state(lost, ID).unwrap().version, version);
        assert_eq!(anna.search(ID, &query, 30).unwrap(), before);
        let world = world.restart();
        let anna = world.user(1);
        anna.change(ID, &random_rows(&mut rng, 2, DIM), &[rows[0].0]).unwrap();
        assert_eq!(anna.search(ID, &query, 30).unwrap()[0].len(), 20);
    }
}

#[test]
fn a_party_that_was_set_back_is_named() {
    let world = World::new();
    let (anna, mut rng) = (world.user(1), rng(52));
    anna.create(ID, DIM as u32);
    anna.change(ID, &random_rows(&mut rng, 5, DIM), &[]).unwrap();
    // A copy of P2's folder from now.
    let store = world.folder.path().join("south/collections").join(ID.to_string());
    let copy = world.folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(&store).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
    }
    for _ in 0..2 {
        anna.change(ID, &random_rows(&mut rng, 5, DIM), &[]).unwrap();
    }
    let World { parties, folder } = world;
    stop(parties);
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::rename(&copy, &store).unwrap();
    let parties = pmirs_party::Embedded::trio_with(folder.path(), &crate::limits()).unwrap();
    let world = World { parties, folder };
    let anna = world.user(1);
    for answer in anna.search_raw(ID, &[vector(&mut rng, DIM)], 3) {
        let refused = answer.unwrap_err().refused();
        assert_eq!(refused.blamed, [2], "{}", refused.problem.message);
        assert!(refused.problem.message.contains("south"), "{}", refused.problem.message);
    }
    for answer in anna.ask_all(&anna.order(ID, Action::Repair { place: 2 }), &Default::default()) {
        answer.unwrap();
    }
    assert_eq!(anna.search(ID, &[vector(&mut rng, DIM)], 20).unwrap()[0].len(), 15);
}

fn stop(parties: [pmirs_party::Embedded; 3]) {
    for party in parties {
        party.stop().unwrap();
    }
}

#[test]
fn an_order_that_one_refuses_ends_at_once() {
    // Whoever waited for the meeting would wait for a minute.
    let patient = pmirs_party::Limits { meeting_time: std::time::Duration::from_mins(1), ..crate::limits() };
    let folder = tempfile::tempdir().unwrap();
    for (lost, name) in NAMES.into_iter().enumerate().skip(1) {
        let parties = pmirs_party::Embedded::trio_with(folder.path(), &patient).unwrap();
        let mut rng = rng(54);
        let id = pmirs_wire::CollectionId([lost as u8; 16]);
        let anna = crate::client::User::new(1, parties[0].parties());
        anna.create(id, DIM as u32);
        anna.change(id, &random_rows(&mut rng, 3, DIM), &[]).unwrap();
        stop(parties);
        let store = folder.path().join(name).join("collections").join(id.to_string());
        std::fs::remove_dir_all(&store).unwrap();
        let parties = pmirs_party::Embedded::trio_with(folder.path(), &patient).unwrap();
        let anna = crate::client::User::new(1, parties[0].parties());
        let started = std::time::Instant::now();
        let answers = anna.search_raw(id, &[vector(&mut rng, DIM)], 2);
        assert!(started.elapsed() < std::time::Duration::from_secs(30), "{name}: {:?}", started.elapsed());
        for (place, answer) in answers.into_iter().enumerate() {
            let refused = answer.unwrap_err().refused();
            if place == lost {
                assert_eq!(refused.problem.kind, ProblemKind::NotFound);
            } else {
                assert_eq!(refused.blamed, [lost as u8], "{}", refused.problem.message);
                assert!(refused.problem.message.contains(name), "{}", refused.problem.message);
            }
        }
        stop(parties);
    }
}
