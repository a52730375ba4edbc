//! A server that shows less, or more, than there is, and an honest one whose clients are ahead of each other.

use std::sync::{Arc, Mutex};

use pmirs_vault::{
    Audit, Collections, Filter, Import, ItemKind, ItemSummary, Protection, Query, Quiet, Role, SearchOptions,
    Vault, VaultError,
};
use pmirs_wire::collection::{CollectionList, CollectionRecord};
use pmirs_wire::device::Device;
use pmirs_wire::envelope::Method;
use pmirs_wire::item::Changes;
use pmirs_wire::log::{Head, LogPage};
use pmirs_wire::problem::{Problem, ProblemKind};
use pmirs_wire::search::Candidates;
use pmirs_wire::{decode, encode};

use crate::liar::{Liar, named, on};
use crate::world::{PASSPHRASE, World};
use crate::{copy, meet, share};

/// Vectors along the axes: one text each.
fn axes(vault: &Vault, count: usize) -> Vec<Import> {
    let dim = vault.encoder().unwrap().info().dim;
    (0..count)
        .map(|at| Import {
            name: format!("{at}.txt"),
            kind: ItemKind::Text,
            media_type: "text/plain".to_owned(),
            content: at.to_string().into_bytes(),
            embedding: axis(dim, at),
        })
        .collect()
}

fn axis(dim: usize, at: usize) -> Vec<f32> {
    (0..dim).map(|component| if component == at { 1.0 } else { 0.0 }).collect()
}

#[test]
fn an_offer_is_no_collection_whatever_the_server_calls_it() {
    let world = World::new();
    let ben = world.person("ben");
    meet(&world, &ben, "ben");
    let album = ben.create_collection("album", Protection::Veiled).unwrap();
    album.share("owner", Role::Reader).unwrap();
    let liar = Liar::stands_before(&world.vault);
    let offered: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    liar.tells(move |request, response| match request.path.as_str() {
        "/v1/shares" => *offered.lock().unwrap() = Some(response.body.0.clone()),
        "/v1/collections" => {
            if let Some(offers) = offered.lock().unwrap().clone() {
                response.body.0 = offers;
            }
        }
        path => assert!(!path.ends_with("/search"), "a stranger's collection is asked"),
    });
    assert_eq!(world.vault.collections().unwrap().offered.len(), 1);
    let found = world.vault.search_all(&Query::text("a dog"), &SearchOptions::default()).unwrap();
    assert!(matches!(found.failed.as_slice(), [(_, VaultError::Altered { field: "membership", .. })]));
    named(world.vault.collection("album").map(drop), "membership");
}

#[test]
fn a_hidden_log_is_not_begun_again() {
    for protection in Protection::ONE_CLOUD {
        let world = World::new();
        world.vault.create_collection("album", protection).unwrap();
        world.vault.forget_collection("album").unwrap();
        let liar = Liar::stands_before(&world.vault);
        liar.tells(|request, response| {
            let path = request.path.split('?').next().unwrap_or_default();
            assert_eq!(request.method, Method::Get, "{path}: nothing is signed");
            if path.ends_with("/head") {
                let mut head: Head = decode(&response.body.0).unwrap();
                head.latest = None;
                response.body.0 = encode(&head).unwrap();
            } else if path.ends_with("/log") {
                response.body.0 = encode(&LogPage { entries: Vec::new(), more: false }).unwrap();
            }
        });
        named(world.vault.collection("album").map(drop), "history");
    }
}

#[test]
fn a_collection_that_is_listed_no_more_is_missed() {
    let world = World::new();
    world.vault.create_collection("album", Protection::Sealed).unwrap();
    let liar = Liar::stands_before(&world.vault);
    liar.tells(on::<CollectionList>("/v1/collections", |list| list.collections.clear()));
    let Collections { unlisted, .. } = world.vault.collections().unwrap();
    assert_eq!(unlisted.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["album"]);
    let opened = world.vault.collection("album").map(drop);
    assert!(matches!(opened, Err(VaultError::Unlisted { .. })), "{opened:?}");
    let found = world.vault.search_all(&Query::text("a dog"), &SearchOptions::default()).unwrap();
    assert!(matches!(found.failed.as_slice(), [(_, VaultError::Unlisted { .. })]));
    liar.is_honest();
    assert!(world.vault.collections().unwrap().unlisted.is_empty());

    // Until this person says that they know.
    liar.tells(on::<CollectionList>("/v1/collections", |list| list.collections.clear()));
    world.vault.forget_collection("album").unwrap();
    assert!(world.vault.collections().unwrap().unlisted.is_empty());
}

#[test]
fn that_there_is_no_such_item_is_not_believed() {
    let world = World::new();
    let collection = world.vault.create_collection("album", Protection::Sealed).unwrap();
    collection.import(axes(&world.vault, 2)).unwrap();
    let items = collection.items().unwrap();
    let liar = Liar::stands_before(&world.vault);
    let collection = world.vault.collection("album").unwrap();
    for part in ["/items/", "/content"] {
        liar.tells(move |request, response| {
            if request.path.contains(part) {
                response.status = 404;
                let kind = ProblemKind::NotFound;
                response.body.0 = encode(&Problem { kind, message: "there is none".to_owned() }).unwrap();
            }
        });
        named(collection.get(items[0].item), "record");
    }
    liar.is_honest();
    collection.remove(&[items[0].item]).unwrap();
    assert!(matches!(collection.get(items[0].item), Err(VaultError::NoItem(_))));
    collection.get(items[1].item).unwrap();
}

#[test]
fn an_epoch_that_is_answered_whole_must_be() {
    let world = World::new();
    let collection = world.vault.create_collection("album", Protection::Veiled).unwrap();
    let dim = world.vault.encoder().unwrap().info().dim;
    let mut imports = axes(&world.vault, 100);
    let later = imports.split_off(5);
    collection.import(imports).unwrap();
    collection.rotate().unwrap();
    collection.import(later).unwrap();
    let liar = Liar::stands_before(&world.vault);
    // The first epoch has five, the second more than are asked for.
    liar.tells(on::<Candidates>("/search", |answer| {
        if answer.candidates.len() < 10 {
            answer.candidates.pop();
        }
    }));
    let options = SearchOptions { k: 1, audit: Audit::Some(0), ..SearchOptions::default() };
    let query = Query::Embedding(axis(dim, 50));
    named(world.vault.collection("album").unwrap().search(&query, &options), "search answer");
}

#[test]
fn a_filter_does_not_hide_what_is_left_out() {
    let world = World::new();
    let collection = world.vault.create_collection("album", Protection::Veiled).unwrap();
    let dim = world.vault.encoder().unwrap().info().dim;
    collection.import(axes(&world.vault, 6)).unwrap();
    let liar = Liar::stands_before(&world.vault);
    liar.tells(on::<Candidates>("/search", |answer| drop(answer.candidates.remove(0))));
    let filter = Filter { kind: Some(ItemKind::Text), ..Filter::default() };
    for audit in [Audit::Some(16), Audit::All] {
        let options = SearchOptions { audit, filter: filter.clone(), ..SearchOptions::default() };
        let query = Query::Embedding(axis(dim, 3));
        let search = || world.vault.collection("album").unwrap().search(&query, &options);
        // Which items are drawn is up to chance, and one search may miss the one that is left out.
        let outcome = (0..20).map(|_| search()).find(Result::is_err).unwrap_or_else(search);
        named(outcome, "search answer");
    }
}

#[test]
fn a_device_is_not_revoked_before_the_server_says_so() {
    let world = World::new();
    let device = world.vault.devices().unwrap()[0].id.to_string();
    let liar = Liar::stands_before(&world.vault);
    liar.tells(move |request, response| {
        if request.method == Method::Delete
            && let Ok(mut device) = decode::<Device>(&response.body.0)
        {
            device.revoked_ms = None;
            response.body.0 = encode(&device).unwrap();
        }
    });
    named(world.vault.revoke_device(&device), "state");
}

/// Who opens a collection while its owner changes keys twice is shown a later record than the history that they know.
#[test]
fn an_honest_server_is_not_accused_while_keys_change() {
    for protection in Protection::ONE_CLOUD {
        let world = World::new();
        let dim = world.vault.encoder().unwrap().info().dim;
        let album = world.vault.create_collection("album", protection).unwrap();
        album.import(axes(&world.vault, 3)).unwrap();
        let ben = world.person("ben");
        share(&world, "album", &ben, "ben", Role::Reader);
        let opened = ben.collection("album").unwrap();
        let (busy, world) = (Liar::stands_before(&ben), Arc::new(world));
        let owner = world.clone();
        let left = Arc::new(Mutex::new(6));
        busy.tells(move |request, response| {
            let one =
                decode::<CollectionRecord>(&response.body.0).is_ok() || request.path == "/v1/collections";
            let mut left = left.lock().unwrap();
            if one && *left > 0 {
                *left -= 1;
                let album = owner.vault.collection("album").unwrap();
                album.rotate().unwrap();
                album.rekey(true, &Quiet).unwrap();
            }
        });
        let query = Query::Embedding(axis(dim, 1));
        for collection in [&opened, &ben.collection("album").unwrap()] {
            let found = collection.search(&query, &SearchOptions::default()).unwrap();
            assert_eq!(found.hits[0].meta.name, "1.txt", "{protection}");
            collection.get(found.hits[0].item).unwrap();
        }
        assert!(ben.collection("album").unwrap().verify(&Quiet).unwrap().faults.is_empty());
    }
}

/// Whoever asks for one collection and is given another signs nothing in that.
#[test]
fn another_collection_is_neither_accepted_nor_left() {
    let world = World::new();
    let ben = world.person("ben");
    meet(&world, &ben, "ben");
    ben.create_collection("wanted", Protection::Sealed).unwrap().share("owner", Role::Reader).unwrap();
    let own = world.vault.create_collection("own", Protection::Sealed).unwrap().info().id;
    let wanted = world.vault.collections().unwrap().offered[0].id.to_string();
    let liar = Liar::stands_before(&world.vault);
    let seen: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let keep = seen.clone();
    liar.tells(move |request, response| {
        if request.path == format!("/v1/collections/{own}") {
            *keep.lock().unwrap() = Some(response.body.0.clone());
        }
    });
    world.vault.collection("own").unwrap().verify(&Quiet).unwrap();
    let path = format!("/v1/collections/{wanted}");
    liar.tells(move |request, response| {
        assert!(request.method == Method::Get, "{}: nothing is signed", request.path);
        if request.path == path {
            response.body.0 = seen.lock().unwrap().clone().expect("it was seen");
        }
    });
    named(world.vault.accept("wanted"), "identifier");
    named(world.vault.decline("wanted"), "identifier");
    liar.is_honest();
    world.vault.accept("wanted").unwrap();
    world.vault.collection("own").unwrap();
}

/// What a machine keeps is compared with the log by digest, and what a lie left there is fetched again.
#[test]
fn changes_that_are_kept_back_are_missed_and_come_later() {
    let world = World::new();
    let collection = world.vault.create_collection("album", Protection::Sealed).unwrap();
    collection.import(axes(&world.vault, 3)).unwrap();
    let items = collection.items().unwrap();
    let liar = Liar::stands_before(&world.vault);
    let nothing_new = || {
        on::<Changes>("/changes", |page| {
            page.changes.clear();
            page.more = false;
        })
    };
    let collection = world.vault.collection("album").unwrap();
    collection.tag(&[items[0].item], &["red".to_owned()], &[]).unwrap();
    liar.tells(nothing_new());
    named(world.vault.collection("album").unwrap().items(), "record");
    liar.is_honest();
    let tags = |items: Vec<ItemSummary>| items.into_iter().map(|it| it.meta.tags.len()).sum::<usize>();
    assert_eq!(tags(world.vault.collection("album").unwrap().items().unwrap()), 1);

    // One out, one in: their number is the same.
    collection.remove(&[items[1].item]).unwrap();
    collection.import(axes(&world.vault, 4).split_off(3)).unwrap();
    liar.tells(nothing_new());
    named(world.vault.collection("album").unwrap().items(), "record");
    liar.is_honest();
    let mut names: Vec<String> = world
        .vault
        .collection("album")
        .unwrap()
        .items()
        .unwrap()
        .into_iter()
        .map(|it| it.meta.name)
        .collect();
    names.sort();
    assert_eq!(names, ["0.txt", "2.txt", "3.txt"]);

    // A number that is too large is believed no longer than the lie is told.
    liar.tells(on::<Changes>("/changes", |page| page.seq += 1000));
    let _ = world.vault.collection("album").unwrap().items();
    liar.is_honest();
    assert_eq!(world.vault.collection("album").unwrap().items().unwrap().len(), 3);
}

#[test]
fn a_collection_that_is_called_an_offer_is_missed_all_the_same() {
    let world = World::new();
    world.vault.create_collection("album", Protection::Sealed).unwrap();
    let ben = world.person("ben");
    meet(&world, &ben, "ben");
    ben.create_collection("album", Protection::Sealed).unwrap().share("owner", Role::Reader).unwrap();
    world.vault.accept("album").unwrap();
    assert!(matches!(world.vault.collection("album").map(drop), Err(VaultError::Ambiguous(_))));
    let mine = world.vault.collections().unwrap().readable;
    let mine = mine.iter().find(|it| it.role == Role::Owner).unwrap().id;
    let liar = Liar::stands_before(&world.vault);
    let listed: Arc<Mutex<Vec<CollectionRecord>>> = Arc::default();
    liar.tells(move |request, response| {
        let Ok(mut list) = decode::<CollectionList>(&response.body.0) else { return };
        if request.path == "/v1/collections" {
            let (hidden, left) = list.collections.into_iter().partition(|record| record.id == mine);
            (*listed.lock().unwrap(), list.collections) = (hidden, left);
        } else if request.path == "/v1/shares" {
            list.collections.extend(listed.lock().unwrap().clone());
        }
        response.body.0 = encode(&list).unwrap();
    });
    // The other one of the name does not take its place.
    let found = world.vault.collection("album").map(drop);
    assert!(matches!(found, Err(VaultError::Unlisted { id, .. }) if id == mine), "{found:?}");
    let found = world.vault.search_all(&Query::text("a dog"), &SearchOptions::default()).unwrap();
    assert!(matches!(found.failed.as_slice(), [(_, VaultError::Unlisted { .. })]));
}

/// Two devices of a person: one saw the offer, the other took it.
#[test]
fn what_another_device_accepted_opens_here() {
    let world = World::new();
    let ben = world.person("ben");
    meet(&world, &ben, "ben");
    world.vault.create_collection("album", Protection::Sealed).unwrap().share("ben", Role::Reader).unwrap();
    let home = world.folder.path().join("ben");
    let second = world.folder.path().join("ben again");
    copy(&home, &second);
    let seed = Vault::unlock(&second, PASSPHRASE).unwrap();
    let other = Vault::open(&second, &seed).unwrap();
    assert_eq!(other.collections().unwrap().offered.len(), 1);
    ben.accept("album").unwrap();
    assert_eq!(other.collections().unwrap().readable.len(), 1);
    other.collection("album").unwrap();
}

#[test]
fn wrong_scores_are_told_and_bound_nothing() {
    let world = World::new();
    let collection = world.vault.create_collection("album", Protection::Veiled).unwrap();
    let dim = world.vault.encoder().unwrap().info().dim;
    collection.import(axes(&world.vault, 80)).unwrap();
    let liar = Liar::stands_before(&world.vault);
    let options = SearchOptions { k: 1, audit: Audit::All, ..SearchOptions::default() };
    let search =
        || world.vault.collection("album").unwrap().search(&Query::Embedding(axis(dim, 3)), &options);
    liar.tells(on::<Candidates>("/search", |answer| answer.candidates[0].score *= 2.0));
    let answer = search().unwrap();
    assert!(answer.warnings.iter().any(|it| it.contains("score")), "{:?}", answer.warnings);
    // Scores that hide how far the answer goes.
    liar.tells(on::<Candidates>("/search", |answer| {
        answer.candidates.remove(0);
        answer.candidates.iter_mut().for_each(|candidate| candidate.score = 1e30);
    }));
    named(search(), "search answer");
    liar.tells(on::<Candidates>("/search", |answer| answer.candidates.reverse()));
    named(search(), "search answer");
}

/// Who changes an item that somebody else changed meanwhile starts from what it is now.
#[test]
fn no_change_of_a_tag_undoes_another() {
    let world = World::new();
    let collection = world.vault.create_collection("album", Protection::Sealed).unwrap();
    collection.import(axes(&world.vault, 1)).unwrap();
    let item = collection.items().unwrap()[0].item;
    let ben = world.person("ben");
    share(&world, "album", &ben, "ben", Role::Writer);
    let between = Liar::stands_before(&ben);
    let slow = ben.collection("album").unwrap();
    let world = Arc::new(world);
    let owner = world.clone();
    let done = Mutex::new(false);
    between.tells(move |request, _| {
        if request.path.ends_with("/content") && !std::mem::replace(&mut *done.lock().unwrap(), true) {
            let album = owner.vault.collection("album").unwrap();
            album.tag(&[item], &["first".to_owned()], &[]).unwrap();
        }
    });
    slow.tag(&[item], &["second".to_owned()], &[]).unwrap();
    assert_eq!(slow.items().unwrap()[0].meta.tags, ["first", "second"]);
}
