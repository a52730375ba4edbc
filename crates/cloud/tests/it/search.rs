use std::collections::HashMap;

use pmirs_wire::collection::Protection;
use pmirs_wire::envelope::Method;
use pmirs_wire::item::{NewItem, VeiledVector};
use pmirs_wire::search::{Candidates, Search};
use pmirs_wire::{Bytes, CollectionId, ItemId, encode};
use rand_chacha::rand_core::Rng;

use crate::World;
use crate::client::{DIM, item, rng, stored, vector};

const ID: CollectionId = CollectionId([5; 16]);

/// As the message defines it, in the same precision.
fn score(query: &VeiledVector, row: &VeiledVector) -> f32 {
    let signed = |vector: &VeiledVector| -> Vec<i32> {
        vector.values.0.iter().map(|&value| i32::from(value as i8)).collect()
    };
    let dot: i32 = signed(query).iter().zip(signed(row)).map(|(a, b)| a * b).sum();
    query.scale * row.scale * dot as f32 + 0.0
}

fn expected_order(items: &HashMap<ItemId, NewItem>, query: &VeiledVector) -> Vec<f32> {
    let mut scores: Vec<f32> = items.values().map(|new| score(query, new.veiled.as_ref().unwrap())).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    scores
}

fn check(answer: &Candidates, items: &HashMap<ItemId, NewItem>, query: &VeiledVector, skip: usize) {
    let scores: Vec<f32> = answer.candidates.iter().map(|candidate| candidate.score).collect();
    let expected = expected_order(items, query);
    assert_eq!(scores, expected[skip..(skip + scores.len()).min(expected.len())]);
    assert_eq!(answer.rows, items.len() as u64);
    for candidate in &answer.candidates {
        let new = &items[&candidate.item];
        assert_eq!(candidate.score.to_bits(), score(query, new.veiled.as_ref().unwrap()).to_bits());
        assert_eq!((&candidate.meta, &candidate.embedding), (&new.meta, &new.embedding));
    }
}

#[test]
fn candidates_are_the_best_before_and_after_changes_and_restarts() {
    let mut world = World::new();
    world.user.create(ID, Protection::Veiled);
    let mut rng = rng(1);
    let mut live: HashMap<ItemId, NewItem> = HashMap::new();
    for round in 0..6 {
        let items: Vec<_> = (0..120).map(|_| item(&mut rng, Protection::Veiled)).collect();
        stored(&world.user.add(ID, items.clone()));
        live.extend(items.into_iter().map(|new| (new.item, new)));
        let gone: Vec<_> = live.keys().copied().take(rng.next_u32() as usize % 60).collect();
        if !gone.is_empty() {
            stored(&world.user.remove(ID, gone.clone()));
            live.retain(|id, _| !gone.contains(id));
        }
        for (skip, count) in [(0, 10), (10, 64), (live.len() - 3, 10), (live.len(), 1), (0, 4096)] {
            let query = vector(&mut rng);
            let answer = world.user.search(ID, &query, skip as u32, count as u32);
            assert_eq!(answer.candidates.len(), count.min(live.len() - skip));
            check(&answer, &live, &query, skip);
        }
        if round % 2 == 1 {
            world.restart();
        }
    }
}

#[test]
fn searches_and_changes_do_not_disturb_each_other() {
    let world = World::new();
    world.user.create(ID, Protection::Veiled);
    let mut rng = rng(2);
    let lasting: HashMap<_, _> =
        (0..200).map(|_| item(&mut rng, Protection::Veiled)).map(|new| (new.item, new)).collect();
    stored(&world.user.add(ID, lasting.values().cloned().collect()));
    let query = vector(&mut rng);
    let busy = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rng = crate::client::rng(3);
            for _ in 0..40 {
                let items: Vec<_> = (0..20).map(|_| item(&mut rng, Protection::Veiled)).collect();
                let ids = items.iter().map(|new| new.item).collect();
                stored(&world.user.add(ID, items));
                stored(&world.user.remove(ID, ids));
            }
            busy.store(false, std::sync::atomic::Ordering::Release);
        });
        while busy.load(std::sync::atomic::Ordering::Acquire) {
            let answer = world.user.search(ID, &query, 0, 4096);
            // What lasts is always there, with its own score and bytes, and the order holds.
            let found = answer.candidates.iter().filter(|candidate| lasting.contains_key(&candidate.item));
            assert_eq!(found.clone().count(), lasting.len());
            for candidate in found {
                let new = &lasting[&candidate.item];
                assert_eq!(candidate.score.to_bits(), score(&query, new.veiled.as_ref().unwrap()).to_bits());
                assert_eq!(candidate.meta, new.meta);
            }
            assert!(answer.candidates.is_sorted_by(|a, b| a.score >= b.score));
        }
    });
    check(&world.user.search(ID, &query, 0, 4096), &lasting, &query, 0);
}

#[test]
fn every_field_of_a_search_is_checked() {
    let world = World::new();
    let sealed = CollectionId([6; 16]);
    world.user.create(ID, Protection::Veiled);
    world.user.create(sealed, Protection::Sealed);
    let good = Search { epoch: 0, query: vector(&mut rng(4)), skip: 0, count: 10 };
    let with_query = |scale: f32, dim: usize| Search {
        query: VeiledVector { scale, values: Bytes(vec![1; dim]) },
        ..good.clone()
    };
    for (collection, field, bad) in [
        (ID, "epoch", Search { epoch: 1, ..good.clone() }),
        (ID, "count", Search { count: 0, ..good.clone() }),
        (ID, "count", Search { count: 4097, ..good.clone() }),
        (ID, "skip + count", Search { skip: (1 << 20) - 9, ..good.clone() }),
        (ID, "skip + count", Search { skip: u32::MAX, ..good.clone() }),
        (ID, "query.scale", with_query(f32::NAN, DIM)),
        (ID, "query.scale", with_query(0.0, DIM)),
        (ID, "query.values", with_query(1.0, DIM - 1)),
        (sealed, "the server can search veiled", good.clone()),
    ] {
        let path = format!("/v1/collections/{collection}/search");
        let reply = world.user.ask(Method::Post, &path, &encode(&bad).unwrap());
        assert_eq!(reply.status, 400, "{field}");
        let problem = reply.problem();
        assert!(problem.message.starts_with(field), "{field}: {problem}");
    }
    assert!(world.user.search(ID, &good.query, 0, 10).candidates.is_empty());
}
