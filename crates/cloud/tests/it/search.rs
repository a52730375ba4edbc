use std::collections::HashMap;

use pmirs_wire::collection::Protection;
use pmirs_wire::envelope::Method;
use pmirs_wire::item::{ItemRecord, NewItem, VeiledVector};
use pmirs_wire::log::{Action, Payload};
use pmirs_wire::search::{Candidates, Search};
use pmirs_wire::{Bytes, CollectionId, FilterToken, ItemId, encode};
use rand_chacha::rand_core::Rng;

use crate::World;
use crate::chain::{Chain, leaves};
use crate::client::{DIM, User, item, rng, stored, vector};

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

/// Filters leave what has all of their tokens, in the order of its scores, whatever came, changed or went.
#[test]
fn a_filter_leaves_what_has_all_of_its_tokens() {
    let mut world = World::new();
    let mut chain = Chain::begin(&world.user, ID, Protection::Veiled);
    let mut rng = rng(5);
    let mut live: HashMap<ItemId, NewItem> = HashMap::new();
    let mut found = 0;
    for round in 0..4 {
        let items: Vec<_> = (0..100).map(|_| tagged(&mut rng)).collect();
        live.extend(items.iter().map(|new| (new.item, new.clone())));
        chain.add(&world.user, items);
        let some: Vec<ItemId> = live.keys().copied().take(60).collect();
        let (gone, again) = some.split_at(30);
        live.retain(|id, _| !gone.contains(id));
        chain.done(&world.user, Action::Remove { items: gone.to_vec() }, Payload::Nothing);
        let again: Vec<_> = again.iter().map(|&item| NewItem { item, ..tagged(&mut rng) }).collect();
        live.extend(again.iter().map(|new| (new.item, new.clone())));
        chain.done(&world.user, Action::Replace { items: leaves(&again) }, Payload::Items(again));
        if round == 2 {
            world.restart();
        }
        for filter in [vec![tag(0)], vec![tag(0), tag(1)], vec![tag(2), tag(3), tag(4)], vec![tag(0), tag(9)]]
        {
            let left: HashMap<_, _> = live
                .iter()
                .filter(|(_, new)| filter.iter().all(|token| new.tokens.contains(token)))
                .map(|(id, new)| (*id, new.clone()))
                .collect();
            if filter.contains(&tag(9)) {
                assert!(left.is_empty());
            }
            found += left.len();
            for (skip, count) in [(0, 5), (left.len().min(5), 64), (left.len(), 1), (0, 4096)] {
                let query = vector(&mut rng);
                let answer = filtered(&world.user, &query, &filter, skip, count);
                assert_eq!(answer.candidates.len(), count.min(left.len() - skip));
                assert_eq!(answer.rows, left.len() as u64);
                check(&answer, &left, &query, skip);
            }
        }
    }
    assert!(found > 400, "the filters left {found}");
    let size = |new: &NewItem| {
        new.meta.0.len() + new.embedding.0.len() + new.content.0.len() + DIM + 32 * new.tokens.len()
    };
    assert_eq!(world.user.show(ID).bytes, live.values().map(size).sum::<usize>() as u64, "tokens count too");
    let (some, new) = live.iter().find(|(_, new)| !new.tokens.is_empty()).unwrap();
    let path = format!("/v1/collections/{ID}/items/{some}");
    let record: ItemRecord = world.user.ask(Method::Get, &path, &[]).message();
    assert_eq!(record.tokens, new.tokens, "a member can compare them with the metadata");
}

fn tag(number: u8) -> FilterToken {
    FilterToken([number; 32])
}

/// Low numbers are frequent, and one is on no item.
fn tagged(rng: &mut impl Rng) -> NewItem {
    let tokens =
        (0..8).filter(|&number| rng.next_u32().is_multiple_of(2 + u32::from(number) / 2)).map(tag).collect();
    NewItem { tokens, ..item(rng, Protection::Veiled) }
}

fn filtered(
    user: &User,
    query: &VeiledVector,
    filter: &[FilterToken],
    skip: usize,
    count: usize,
) -> Candidates {
    let (skip, count) = (skip as u32, count as u32);
    let search = Search { epoch: 0, query: query.clone(), skip, count, filter: filter.to_vec() };
    user.ask(Method::Post, &format!("/v1/collections/{ID}/search"), &encode(&search).unwrap()).message()
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
    let good = Search { epoch: 0, query: vector(&mut rng(4)), skip: 0, count: 10, filter: Vec::new() };
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
        (ID, "filter is not in ascending order", Search { filter: vec![tag(2), tag(1)], ..good.clone() }),
        (ID, "filter is not in ascending order", Search { filter: vec![tag(1), tag(1)], ..good.clone() }),
        (sealed, "the server can search veiled", good.clone()),
    ] {
        let path = format!("/v1/collections/{collection}/search");
        let reply = world.user.ask(Method::Post, &path, &encode(&bad).unwrap());
        assert_eq!(reply.status, 400, "{field}");
        let problem = reply.problem();
        assert!(problem.message.starts_with(field), "{field}: {problem}");
    }
    let long = Search { filter: (0..65).map(tag).collect(), ..good.clone() };
    let path = format!("/v1/collections/{ID}/search");
    assert_eq!(world.user.ask(Method::Post, &path, &encode(&long).unwrap()).status, 413);
    assert!(world.user.search(ID, &good.query, 0, 10).candidates.is_empty());
}
