//! The split level, with three real servers: it finds what the other levels find, and follows the collection's log.

use pmirs_party::Embedded;
use pmirs_vault::{
    Audit, Import, ItemKind, Protection, Query, Quiet, Role, SearchOptions, Vault, VaultError,
};
use pmirs_wire::problem::ProblemKind;

use crate::liar::{Liar, named, on};
use crate::three::Three;
use crate::world::World;
use crate::{add, share};

pub fn found(vault: &Vault, collection: &str, words: &str) -> Vec<(String, u32)> {
    let options = SearchOptions { audit: Audit::All, ..SearchOptions::default() };
    let answer = vault.collection(collection).unwrap().search(&Query::text(words), &options).unwrap();
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    answer.hits.into_iter().map(|hit| (hit.meta.name, hit.score.to_bits())).collect()
}

#[test]
fn three_servers_find_what_this_machine_finds() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    let sealed = world.vault.create_collection("sealed", Protection::Sealed).unwrap();
    for collection in [&split, &sealed] {
        assert_eq!(add(collection, &world.pictures()).added, 6);
    }
    let same = |vault: &Vault| {
        for words in ["a dog", "a red circle", "something yellow"] {
            let (split, sealed) = (found(vault, "split", words), found(vault, "sealed", words));
            assert_eq!(split.len(), sealed.len());
            // Pictures are embedded in batches, which moves the last bits.
            for ((name, score), (other, expected)) in split.iter().zip(&sealed) {
                let apart = (f32::from_bits(*score) - f32::from_bits(*expected)).abs();
                assert!(name == other && apart < 1e-4, "{words}: {split:?} {sealed:?}");
            }
        }
    };
    same(&world.vault);
    for collection in [&split, &sealed] {
        let gone = collection.items().unwrap().into_iter().min_by_key(|it| it.meta.name.clone()).unwrap();
        assert_eq!(collection.remove(&[gone.item]).unwrap(), 1);
    }
    same(&world.vault);
    assert!(split.rekey(true, &Quiet).unwrap().damaged.is_empty());
    same(&world.vault);
    assert!(world.vault.collection("split").unwrap().verify(&Quiet).unwrap().faults.is_empty());
    split.delete().unwrap();
    assert!(matches!(world.vault.collection("split").map(drop), Err(VaultError::NoCollection(_))));
}

#[test]
fn members_search_until_they_are_revoked_and_shares_are_fresh_then() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    add(&split, &world.pictures());
    let [ben, eva] = ["ben", "eva"].map(|name| world.person(name));
    share(&world, "split", &ben, "ben", Role::Reader);
    share(&world, "split", &eva, "eva", Role::Writer);
    let before = found(&world.vault, "split", "a dog");
    for person in [&ben, &eva] {
        assert_eq!(found(person, "split", "a dog"), before);
    }
    let opened = ben.collection("split").unwrap();
    world.vault.collection("split").unwrap().revoke("ben").unwrap();
    let refused = opened.search(&Query::text("a dog"), &SearchOptions::default()).unwrap_err();
    assert_eq!(refused.refusal(), Some(ProblemKind::NotFound), "{refused}");
    assert_eq!(found(&eva, "split", "a dog"), before);
    // A writer adds, and leaves.
    let dim = eva.encoder().unwrap().info().dim;
    let axis: Vec<f32> = (0..dim).map(|at| if at == 0 { 1.0 } else { 0.0 }).collect();
    let import = Import {
        name: "note.txt".into(),
        kind: ItemKind::Text,
        media_type: "text/plain".into(),
        content: b"note".to_vec(),
        embedding: axis.clone(),
    };
    eva.collection("split").unwrap().import([import]).unwrap();
    let query = Query::Embedding(axis);
    let hits =
        world.vault.collection("split").unwrap().search(&query, &SearchOptions::default()).unwrap().hits;
    assert_eq!(hits[0].meta.name, "note.txt");
    eva.collection("split").unwrap().leave().unwrap();
    assert_eq!(found(&world.vault, "split", "a dog").len(), 7);
}

#[test]
fn whoever_ended_before_the_three_had_followed_is_made_up_for() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    add(&split, &world.pictures());
    let before = found(&world.vault, "split", "a dog");
    // One of the three is away while items go: the log has it, the rows follow later.
    let mut running = three.running;
    running.pop().unwrap().stop().unwrap();
    let gone = split.items().unwrap()[0].item;
    let failed = world.vault.collection("split").unwrap().remove(&[gone]);
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(world.vault.collection("split").unwrap().items().unwrap().len(), 5);
    drop(running);
    // They come back, on other ports.
    let again = Embedded::trio(&world.folder.path().join("parties")).unwrap();
    let lost =
        world.vault.collection("split").unwrap().search(&Query::text("a dog"), &SearchOptions::default());
    assert!(matches!(lost, Err(VaultError::Unreachable { .. })), "{lost:?}");
    world.vault.move_parties(again[0].parties()).unwrap();
    let after = found(&world.vault, "split", "a dog");
    let left: Vec<_> = before.into_iter().filter(|hit| after.contains(hit)).collect();
    assert_eq!((after.len(), left.len()), (5, 5));
}

#[test]
fn a_cloud_that_hides_a_candidate_is_named() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    add(&split, &world.pictures());
    let liar = Liar::stands_before(&world.vault);
    liar.tells(on::<pmirs_wire::item::ItemRecords>("/records", |found| drop(found.records.pop())));
    let searched =
        world.vault.collection("split").unwrap().search(&Query::text("a dog"), &SearchOptions::default());
    named(searched, "record");
}
