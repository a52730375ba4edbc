//! What a person does, from the first home to the second, at both levels.

use std::fs;

use crate::world::{PASSPHRASE, World, plain};
use crate::{add, copy, home};
use pmirs_cloud::{Config, Embedded};
use pmirs_encoder::{Limits, Picture};
use pmirs_vault::{
    AddOptions, Cutoff, ItemKind, LoginOptions, Protection, Query, Quiet, SearchOptions, Vault, VaultError,
};

#[test]
fn a_picture_finds_itself_and_words_find_a_note() {
    let world = World::new();
    let folder = world.pictures();
    for protection in Protection::ALL {
        let collection = world.vault.create_collection(protection.name(), protection).unwrap();
        let report = add(&collection, &folder);
        assert_eq!((report.added, report.present, report.skipped.len()), (6, 0, 0), "{protection}");

        let bytes = fs::read(folder.join("stripes.png")).unwrap();
        let query = Query::Image(Picture::decode(&bytes, &Limits::default()).unwrap());
        let answer = collection.search(&query, &SearchOptions::default()).unwrap();
        assert_eq!(answer.hits[0].meta.name, "stripes.png", "{protection}");
        assert!(answer.hits[0].score > 0.999);
        assert!(answer.exact && answer.warnings.is_empty(), "{protection}: {:?}", answer.warnings);
        assert_eq!(answer.hits.len(), 6);

        let words = Query::text("A brown dog runs along the beach in the evening.");
        let answer = collection
            .search(&words, &SearchOptions { k: 1, cutoff: Cutoff::None, ..SearchOptions::default() })
            .unwrap();
        assert_eq!(answer.hits[0].meta.name, "notes/dog.txt");
        assert_eq!(answer.hits[0].meta.kind, ItemKind::Text);

        let (meta, content) = collection.get(answer.hits[0].item).unwrap();
        assert_eq!(meta.media_type, "text/plain");
        assert_eq!(content, fs::read(folder.join("notes/dog.txt")).unwrap());
    }
}

#[test]
fn both_levels_rank_alike() {
    let world = World::new();
    let folder = world.pictures();
    let rankings: Vec<Vec<(String, f32)>> = Protection::ALL
        .map(|protection| {
            let collection = world.vault.create_collection(protection.name(), protection).unwrap();
            add(&collection, &folder);
            let answer = collection.search(&Query::text("a dog"), &SearchOptions::default()).unwrap();
            answer.hits.into_iter().map(|hit| (hit.meta.name, hit.score)).collect()
        })
        .into();
    assert_eq!(rankings[0].len(), 6);
    for (sealed, veiled) in rankings[0].iter().zip(&rankings[1]) {
        assert_eq!(sealed.0, veiled.0);
        assert!((sealed.1 - veiled.1).abs() < 1e-4, "{sealed:?} {veiled:?}");
    }
}

#[test]
fn adding_again_adds_only_what_is_missing() {
    let world = World::new();
    let folder = world.pictures();
    let collection = world.vault.create_collection("album", Protection::Veiled).unwrap();
    fs::write(folder.join("broken.jpg"), b"\xff\xd8\xff but no picture").unwrap();
    fs::write(folder.join("latin.txt"), b"caf\xe9").unwrap();
    fs::write(folder.join("program.exe"), b"MZ").unwrap();
    fs::write(folder.join(".hidden.txt"), b"not for adding").unwrap();
    let report = add(&collection, &folder);
    assert_eq!((report.added, report.ignored), (6, 1));
    let broken: Vec<_> = report.skipped.iter().map(|it| it.path.file_name().unwrap()).collect();
    assert_eq!(broken, ["broken.jpg", "latin.txt"]);

    fs::write(folder.join("late.png"), plain(32, 32, [250, 240, 10])).unwrap();
    let report = add(&collection, &folder);
    assert_eq!((report.added, report.present), (1, 6));
    assert_eq!(add(&collection, &folder).added, 0);
    assert_eq!(collection.items().unwrap().len(), 7);
}

#[test]
fn notes_from_a_table_are_found_with_their_pictures() {
    let world = World::new();
    let folder = world.pictures();
    let table = world.folder.path().join("notes.tsv");
    fs::write(&table, "image\tcaption\nblue.png\tthe lake behind our house\nabsent.png\tnothing\n").unwrap();
    let collection = world.vault.create_collection("album", Protection::Sealed).unwrap();
    let options = AddOptions { captions: Some(table.clone()) };
    let report = collection.add(&[folder], &options, &Quiet).unwrap();
    assert_eq!((report.added, report.unused_captions), (6, 1));
    let words = Query::text("the lake behind our house");
    let hits = collection.search(&words, &SearchOptions::default()).unwrap().hits;
    assert_eq!(hits[0].meta.name, "blue.png");
    assert_eq!(hits[0].meta.caption.as_deref(), Some("the lake behind our house"));

    fs::write(&table, "picture\ttext\na\tb\n").unwrap();
    let refused = collection.add(&[], &options, &Quiet);
    assert!(matches!(refused, Err(VaultError::Captions { line: 1, .. })), "{refused:?}");
}

#[test]
fn removed_items_are_gone() {
    let world = World::new();
    let folder = world.pictures();
    for protection in Protection::ALL {
        let collection = world.vault.create_collection(protection.name(), protection).unwrap();
        add(&collection, &folder);
        let red = collection.items().unwrap().into_iter().find(|it| it.meta.name == "red.png").unwrap().item;
        assert_eq!(collection.remove(&[red]).unwrap(), 1);
        assert_eq!(collection.remove(&[red]).unwrap(), 0);
        let answer = collection.search(&Query::text("red"), &SearchOptions::default()).unwrap();
        assert_eq!(answer.hits.len(), 5, "{protection}");
        assert!(matches!(collection.get(red), Err(VaultError::NoItem(_))));
        assert!(collection.verify(&Quiet).unwrap().faults.is_empty(), "{protection}");
        assert_eq!(add(&collection, &folder).added, 1, "it can be added again");
    }
}

#[test]
fn recovery_words_open_everything_in_a_second_home() {
    let world = World::new();
    let folder = world.pictures();
    add(&world.vault.create_collection("album", Protection::Sealed).unwrap(), &folder);
    let home = world.folder.path().join("second");
    let second = Vault::restore(&home, &world.words, "another passphrase").unwrap();
    assert!(matches!(second.collections(), Err(VaultError::NotLoggedIn)));
    let account = second.login(world.cloud.url(), &LoginOptions::default()).unwrap();
    assert!(account.first_sight && !account.registered);
    let collection = second.collection("album").unwrap();
    assert_eq!(collection.items().unwrap().len(), 6);
    assert_eq!(add(&collection, &folder).added, 0, "the second home knows what is there");
    assert_eq!(second.public_identity().fingerprint(), world.vault.public_identity().fingerprint());

    let wrong = world.words.replacen(' ', " zoo ", 1);
    let refused = Vault::restore(&world.folder.path().join("third"), &wrong, PASSPHRASE);
    assert!(matches!(refused, Err(VaultError::RecoveryWords(_))));
}

#[test]
fn homes_and_names_are_guarded() {
    let world = World::new();
    assert!(matches!(Vault::unlock(&home(&world), "wrong"), Err(VaultError::WrongPassphrase)));
    let seed = Vault::unlock(&home(&world), PASSPHRASE).unwrap();
    assert!(Vault::open(&home(&world), &seed).unwrap().collections().unwrap().readable.is_empty());
    assert!(matches!(Vault::create(&home(&world), "again"), Err(VaultError::HomeExists(_))));
    let nowhere = world.folder.path().join("nowhere");
    assert!(matches!(Vault::unlock(&nowhere, "x"), Err(VaultError::NoIdentity(_))));

    world.vault.create_collection("one", Protection::Sealed).unwrap();
    let taken = world.vault.create_collection("one", Protection::Veiled);
    assert!(matches!(taken, Err(VaultError::CollectionExists(_))));
    for bad in ["", "a\nb", &"x".repeat(201)] {
        let refused = world.vault.create_collection(bad, Protection::Sealed);
        assert!(matches!(refused, Err(VaultError::CollectionName { .. })), "{bad:?}");
    }
    assert!(matches!(world.vault.collection("two"), Err(VaultError::NoCollection(_))));
    world.vault.delete_collection("one").unwrap();
    assert!(world.vault.collections().unwrap().readable.is_empty());
}

#[test]
fn another_server_under_the_same_address_is_refused() {
    let world = World::new();
    let other = World::new();
    let invite = other.cloud.invite().unwrap();
    let options = LoginOptions { invite: Some(invite), ..LoginOptions::default() };
    let refused = world.vault.login(world.cloud.url(), &options);
    assert!(matches!(refused, Err(VaultError::ServerKeyChanged { .. })), "{refused:?}");
    for url in ["ftp://127.0.0.1", "http://192.0.2.1:80", "nonsense"] {
        let refused = world.vault.login(url, &LoginOptions::default());
        assert!(matches!(refused, Err(VaultError::Url { .. })), "{url}: {refused:?}");
    }
}

#[test]
fn captions_that_come_later_replace_the_item() {
    let world = World::new();
    let folder = world.pictures();
    let collection = world.vault.create_collection("album", Protection::Sealed).unwrap();
    add(&collection, &folder);
    let table = world.folder.path().join("notes.tsv");
    fs::write(&table, "image\tcaption\nred.png\tthe barn at our neighbours\n").unwrap();
    let options = AddOptions { captions: Some(table) };
    for (added, replaced, present) in [(1, 1, 5), (0, 0, 6)] {
        let report = collection.add(std::slice::from_ref(&folder), &options, &Quiet).unwrap();
        assert_eq!((report.added, report.replaced, report.present), (added, replaced, present));
        assert_eq!(report.unused_captions, 0);
    }
    assert_eq!(add(&collection, &folder).present, 6, "without the table nothing is taken back");
    let items = collection.items().unwrap();
    let red: Vec<_> = items.iter().filter(|item| item.meta.name == "red.png").collect();
    assert_eq!(red.len(), 1);
    assert_eq!(red[0].meta.caption.as_deref(), Some("the barn at our neighbours"));
}

/// The cloud's database, opened beside the running server.
fn database(world: &World) -> rusqlite::Connection {
    rusqlite::Connection::open(world.folder.path().join("cloud/cloud.db")).unwrap()
}

#[test]
fn one_damaged_collection_does_not_hide_the_others() {
    let world = World::new();
    for name in ["first", "second"] {
        world.vault.create_collection(name, Protection::Sealed).unwrap();
    }
    let id = world.vault.collection("first").unwrap().info().id;
    let damaged = database(&world)
        .execute("UPDATE collections SET header = zeroblob(100) WHERE id = ?1", [id.0])
        .unwrap();
    assert_eq!(damaged, 1);
    assert!(world.vault.collection("second").is_ok());
    assert!(matches!(world.vault.collection("first"), Err(VaultError::Altered { .. })));
    let collections = world.vault.collections().unwrap();
    assert_eq!((collections.readable.len(), collections.damaged.len()), (1, 1));
    assert_eq!(collections.damaged[0].id, id);
    world.vault.delete_collection(&id.to_string()).unwrap();
    assert!(world.vault.collections().unwrap().damaged.is_empty());
}

#[test]
fn a_cloud_that_loses_items_is_named() {
    let world = World::new();
    let collection = world.vault.create_collection("album", Protection::Sealed).unwrap();
    add(&collection, &world.pictures());
    let database = database(&world);
    database.execute("DELETE FROM items", []).unwrap();
    database.execute("UPDATE collections SET items = 0, bytes = 0, seq = 0", []).unwrap();
    let search = || world.vault.collection("album")?.search(&Query::text("red"), &SearchOptions::default());
    assert!(matches!(search(), Err(VaultError::Altered { field: "history", .. })));
    let faults = world.vault.collection("album").unwrap().verify(&Quiet).unwrap().faults;
    assert_eq!(faults.len(), 6);
    assert!(faults.iter().any(|fault| fault.name.as_deref() == Some("red.png")), "{faults:?}");
    // Even a machine that remembers nothing sees it: the signed log has them.
    world.vault.forget_collection("album").unwrap();
    assert!(matches!(search(), Err(VaultError::Altered { field: "record", .. })));
    assert_eq!(world.vault.collection("album").unwrap().verify(&Quiet).unwrap().faults.len(), 6);
}

#[test]
fn a_cloud_from_a_backup_is_noticed_and_can_be_taken_as_it_is() {
    let world = World::new();
    let pictures = world.pictures();
    world.vault.create_collection("album", Protection::Sealed).unwrap();
    let World { folder, cloud, vault, .. } = world;
    let (data, backup) = (folder.path().join("cloud"), folder.path().join("backup"));
    let listen = cloud.local_addr();
    cloud.stop().unwrap();
    copy(&data, &backup);
    let again = Embedded::start(Config { listen, ..Config::loopback(data) }).unwrap();
    add(&vault.collection("album").unwrap(), &pictures);
    again.stop().unwrap();
    let restored = Embedded::start(Config { listen, ..Config::loopback(backup) }).unwrap();
    let search = || vault.collection("album")?.search(&Query::text("red"), &SearchOptions::default());
    assert!(matches!(search(), Err(VaultError::Altered { field: "history", .. })));
    vault.forget_collection("album").unwrap();
    assert!(search().unwrap().hits.is_empty());
    drop(restored);
}

#[test]
fn another_server_at_the_same_address_is_refused() {
    let world = World::new();
    world.vault.create_collection("album", Protection::Sealed).unwrap();
    let World { folder, cloud, vault, .. } = world;
    let listen = cloud.local_addr();
    cloud.stop().unwrap();
    let other = Config { listen, ..Config::loopback(folder.path().join("other")) };
    let other = Embedded::start(other).unwrap();
    assert!(matches!(vault.collection("album"), Err(VaultError::ServerKeyChanged { .. })));
    let shouted = other.url().to_uppercase();
    let login = vault.login(&shouted, &LoginOptions::default());
    assert!(matches!(login, Err(VaultError::ServerKeyChanged { .. })), "{login:?}");
}
