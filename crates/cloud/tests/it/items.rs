use std::collections::HashMap;

use pmirs_wire::collection::Protection;
use pmirs_wire::envelope::Method;
use pmirs_wire::item::{Change, ItemRecord, ItemRecords, NewItem, VeiledVector, WantedItems};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::{Bytes, CollectionId, FilterToken, ItemId, encode, limits};
use rand_chacha::rand_core::Rng;

use crate::World;
use crate::client::{DIM, item, rng, stored};

const ID: CollectionId = CollectionId([5; 16]);

fn record_of(new: &NewItem) -> ItemRecord {
    ItemRecord {
        item: new.item,
        epoch: new.epoch,
        meta: new.meta.clone(),
        embedding: new.embedding.clone(),
        veiled: new.veiled.clone(),
        content_len: new.content.0.len() as u64,
        tokens: new.tokens.clone(),
    }
}

#[test]
fn items_come_back_to_the_byte_after_a_restart() {
    for protection in Protection::ALL {
        let mut world = World::new();
        world.user.create(ID, protection);
        let mut rng = rng(1);
        let items: Vec<_> = (0..20).map(|_| item(&mut rng, protection)).collect();
        let ack = stored(&world.user.add(ID, items.clone()));
        assert_eq!((ack.seq, ack.items), (20, 20));
        world.restart();
        for new in &items {
            let path = format!("/v1/collections/{ID}/items/{}", new.item);
            let record: ItemRecord = world.user.ask(Method::Get, &path, &[]).message();
            assert_eq!(record, record_of(new));
            let content = world.user.content(ID, new.item);
            assert_eq!((content.status, content.body), (200, new.content.0.clone()));
        }
        let record = world.user.show(ID);
        let bytes: usize = items
            .iter()
            .map(|new| {
                let veiled = new.veiled.as_ref().map_or(0, |veiled| veiled.values.0.len());
                new.meta.0.len() + new.embedding.0.len() + new.content.0.len() + veiled
            })
            .sum();
        assert_eq!((record.items, record.bytes, record.seq), (20, bytes as u64, 20));
    }
}

#[test]
fn several_records_come_in_the_order_asked_for() {
    let world = World::new();
    world.user.create(ID, Protection::Split);
    let mut rng = rng(5);
    let items: Vec<_> = (0..3).map(|_| item(&mut rng, Protection::Split)).collect();
    stored(&world.user.add(ID, items.clone()));
    let ask = |items: Vec<ItemId>| {
        let body = encode(&WantedItems { items }).unwrap();
        world.user.ask(Method::Post, &format!("/v1/collections/{ID}/records"), &body)
    };
    let wanted = vec![items[2].item, ItemId([7; 16]), items[0].item];
    let found: ItemRecords = ask(wanted).message();
    assert_eq!(found.records, [record_of(&items[2]), record_of(&items[0])]);
    assert_eq!(ask(Vec::new()).problem().kind, ProblemKind::BadRequest);
    assert_eq!(ask(vec![items[0].item; 2]).problem().kind, ProblemKind::BadRequest);
    let many = (0..=limits::BATCH_ITEMS as u128).map(|at| ItemId(at.to_be_bytes())).collect();
    assert_eq!(ask(many).problem().kind, ProblemKind::TooLarge);
}

#[test]
fn a_batch_is_stored_whole_or_not_at_all() {
    let world = World::new();
    world.user.create(ID, Protection::Sealed);
    let mut rng = rng(2);
    let batch: Vec<_> = (0..3).map(|_| item(&mut rng, Protection::Sealed)).collect();
    let first = stored(&world.user.add(ID, batch.clone()));
    // The very same batch again, because its answer was lost.
    assert_eq!(stored(&world.user.add(ID, batch.clone())), first);
    // One that is there already spoils the rest, as does one with other bytes.
    let mixed = vec![item(&mut rng, Protection::Sealed), batch[0].clone()];
    assert_eq!(world.user.add(ID, mixed).problem().kind, ProblemKind::Conflict);
    let mut altered = batch[0].clone();
    altered.meta.0[0] ^= 1;
    assert_eq!(world.user.add(ID, vec![altered]).problem().kind, ProblemKind::Conflict);
    let record = world.user.show(ID);
    assert_eq!((record.items, record.seq), (3, first.seq));
    // Refused batches leave no content behind.
    let fields = pmirs_cloud::inspect(world.folder.path()).unwrap();
    assert_eq!(fields.iter().filter(|field| field.column == "content").count(), 3);
}

#[test]
fn changes_follow_a_model_over_random_additions_and_removals() {
    let world = World::new();
    world.user.create(ID, Protection::Veiled);
    let mut rng = rng(3);
    let mut live: HashMap<ItemId, NewItem> = HashMap::new();
    // A reader who visits now and then and keeps a copy.
    let mut copy: HashMap<ItemId, ItemRecord> = HashMap::new();
    let mut seen = 0;
    for step in 0..60 {
        if rng.next_u32().is_multiple_of(3) {
            let ids: Vec<_> = live.keys().copied().take(1 + rng.next_u32() as usize % 4).collect();
            if ids.is_empty() {
                continue;
            }
            // Unknown ones are passed over.
            let with_unknown = [ids.clone(), vec![ItemId([step; 16])]].concat();
            assert_eq!(stored(&world.user.remove(ID, with_unknown)).items, ids.len() as u64);
            live.retain(|id, _| !ids.contains(id));
        } else {
            let items: Vec<_> =
                (0..=rng.next_u32() % 5).map(|_| item(&mut rng, Protection::Veiled)).collect();
            stored(&world.user.add(ID, items.clone()));
            live.extend(items.into_iter().map(|new| (new.item, new)));
        }
        if rng.next_u32().is_multiple_of(4) {
            let (changes, seq) = world.user.all_changes(ID, seen);
            for change in changes {
                match change {
                    Change::Added(record) => drop(copy.insert(record.item, record)),
                    Change::Removed(id) => drop(copy.remove(&id)),
                }
            }
            seen = seq;
            let expected: HashMap<_, _> = live.iter().map(|(&id, new)| (id, record_of(new))).collect();
            assert_eq!(copy, expected);
        }
    }
    assert_eq!(world.user.show(ID).items, live.len() as u64);
}

#[test]
fn an_item_that_came_and_went_shows_as_removed_only() {
    let world = World::new();
    world.user.create(ID, Protection::Sealed);
    let new = item(&mut rng(4), Protection::Sealed);
    stored(&world.user.add(ID, vec![new.clone()]));
    stored(&world.user.remove(ID, vec![new.item]));
    let page = world.user.changes(ID, 0);
    assert_eq!((page.changes, page.seq, page.more), (vec![Change::Removed(new.item)], 2, false));
    // Added again, it is there, after its removal.
    stored(&world.user.add(ID, vec![new.clone()]));
    let page = world.user.changes(ID, 0);
    assert_eq!(page.changes, [Change::Removed(new.item), Change::Added(record_of(&new))]);
    assert_eq!(world.user.changes(ID, page.seq).changes, []);
    assert_eq!(world.user.changes(ID, u64::MAX).changes, []);
}

#[test]
fn many_changes_come_in_pages() {
    let world = World::new();
    world.user.create(ID, Protection::Sealed);
    let mut rng = rng(5);
    let mut expected = Vec::new();
    for _ in 0..3 {
        let batch: Vec<_> = (0..500).map(|_| item(&mut rng, Protection::Sealed)).collect();
        expected.extend(batch.iter().map(|new| Change::Added(record_of(new))));
        stored(&world.user.add(ID, batch));
    }
    let first = world.user.changes(ID, 0);
    assert_eq!((first.changes.len(), first.seq, first.more), (512, 512, true));
    assert_eq!(world.user.all_changes(ID, 0), (expected, 1500));
}

fn tag(number: u8) -> FilterToken {
    FilterToken([number; 32])
}

#[test]
fn every_field_of_a_new_item_is_checked() {
    let world = World::new();
    let (sealed, veiled) = (CollectionId([6; 16]), ID);
    world.user.create(veiled, Protection::Veiled);
    world.user.create(sealed, Protection::Sealed);
    let good = item(&mut rng(6), Protection::Veiled);
    let with_veil = |scale: f32, dim: usize| {
        let veiled = Some(VeiledVector { scale, values: Bytes(vec![1; dim]) });
        NewItem { veiled, ..good.clone() }
    };
    let cases = [
        (veiled, "meta", NewItem { meta: Bytes(Vec::new()), ..good.clone() }),
        (veiled, "meta", NewItem { meta: Bytes(vec![0; (64 << 10) + 1]), ..good.clone() }),
        (veiled, "embedding", NewItem { embedding: Bytes(vec![0; (16 << 10) + 1]), ..good.clone() }),
        (veiled, "content", NewItem { content: Bytes(Vec::new()), ..good.clone() }),
        (veiled, "content", NewItem { content: Bytes(vec![0; (65 << 20) + 1]), ..good.clone() }),
        (veiled, "epoch", NewItem { epoch: 1, ..good.clone() }),
        (veiled, "veiled", NewItem { veiled: None, ..good.clone() }),
        (veiled, "tokens has 65", NewItem { tokens: (0..65).map(tag).collect(), ..good.clone() }),
        (veiled, "tokens is not in ascending", NewItem { tokens: vec![tag(2), tag(1)], ..good.clone() }),
        (veiled, "tokens is not in ascending", NewItem { tokens: vec![tag(1), tag(1)], ..good.clone() }),
        (sealed, "tokens have no place", NewItem { veiled: None, tokens: vec![tag(1)], ..good.clone() }),
        (sealed, "veiled", good.clone()),
        (veiled, "veiled.values", with_veil(1.0, DIM - 1)),
        (veiled, "veiled.values", with_veil(1.0, DIM + 1)),
        (veiled, "veiled.scale", with_veil(0.0, DIM)),
        (veiled, "veiled.scale", with_veil(-1.0, DIM)),
        (veiled, "veiled.scale", with_veil(f32::NAN, DIM)),
        (veiled, "veiled.scale", with_veil(f32::INFINITY, DIM)),
        (veiled, "veiled.scale", with_veil(1e30, DIM)),
    ];
    for (collection, field, bad) in cases {
        let fine = NewItem { item: ItemId([1; 16]), veiled: None, ..good.clone() };
        let fine = if collection == sealed { fine } else { NewItem { veiled: good.veiled.clone(), ..fine } };
        let reply = world.user.add(collection, vec![fine, bad]);
        assert!([400, 413].contains(&reply.status), "{field}: {}", reply.status);
        let problem = reply.problem();
        assert!(problem.message.starts_with(&format!("items[1].{field}")), "{field}: {problem}");
    }
    let problem = world.user.add(veiled, vec![good.clone(), good.clone()]).problem();
    assert!(problem.message.starts_with("items[1].item"), "{problem}");
    assert!(world.user.add(veiled, Vec::new()).problem().message.starts_with("items"));
    assert!(world.user.remove(veiled, Vec::new()).problem().message.starts_with("items"));
    let too_many = (0..513_u16).map(|i| ItemId([i.to_be_bytes(); 8].concat().try_into().unwrap())).collect();
    assert_eq!(world.user.remove(veiled, too_many).problem().kind, ProblemKind::TooLarge);
    assert_eq!(world.user.show(veiled).seq, 0);
}

#[test]
fn paths_and_queries_that_are_none_are_refused() {
    let world = World::new();
    world.user.create(ID, Protection::Sealed);
    for (path, status) in [
        ("/v1/collections/xyz".to_owned(), 404),
        (format!("/v1/collections/{ID}/items/xyz"), 404),
        (format!("/v1/collections/{ID}/items/%ff"), 404),
        ("/v1/collections/%ff".to_owned(), 404),
        (format!("/v1/collections/{ID}/items/{}", ItemId([1; 16])), 404),
        (format!("/v1/collections/{ID}/items/{}/content", ItemId([1; 16])), 404),
        (format!("/v1/collections/{ID}/changes?after=-1"), 400),
        (format!("/v1/collections/{ID}/changes?after=x"), 400),
        (format!("/v1/collections/{ID}/nothing"), 404),
        ("/v2".to_owned(), 404),
        ("/v1/login".to_owned(), 405),
    ] {
        let reply = world.user.ask(Method::Get, &path, &[]);
        assert_eq!(reply.status, status, "{path}");
        reply.problem();
    }
}
