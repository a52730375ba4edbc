use std::collections::HashMap;

use pmirs_cloud::{Class, Config, Embedded, Error, inspect};
use pmirs_wire::collection::Protection;
use pmirs_wire::{CollectionId, FilterToken};

use crate::World;
use crate::client::{item, rng, stored};

const ID: CollectionId = CollectionId([5; 16]);

#[test]
fn every_stored_field_is_declared_and_holds_what_was_sent() {
    let world = World::new();
    world.user.create(ID, Protection::Veiled);
    let mut rng = rng(1);
    let mut items: Vec<_> = (0..4).map(|_| item(&mut rng, Protection::Veiled)).collect();
    items[0].tokens = vec![FilterToken([1; 32]), FilterToken([2; 32])];
    items[3].tokens = vec![FilterToken([3; 32])];
    stored(&world.user.add(ID, items.clone()));
    stored(&world.user.remove(ID, vec![items[3].item]));

    let mut columns = HashMap::new();
    for field in inspect(world.folder.path()).unwrap() {
        let entry =
            columns.entry((field.table, field.column)).or_insert((field.class, Vec::<Vec<u8>>::new()));
        entry.1.push(field.bytes);
    }
    let kept = &items[..3];
    let mut expect = |table, column, class, mut values: Vec<Vec<u8>>| {
        let (declared, mut found) = columns.remove(&(table, column)).unwrap();
        values.sort();
        found.sort();
        assert_eq!((declared, found), (class, values), "{table}.{column}");
    };
    let of = |part: fn(&pmirs_wire::item::NewItem) -> Vec<u8>| kept.iter().map(part).collect();
    expect("items", "meta", Class::Sealed, of(|new| new.meta.0.clone()));
    expect("items", "embedding", Class::Sealed, of(|new| new.embedding.0.clone()));
    expect("files", "content", Class::Sealed, of(|new| new.content.0.clone()));
    expect("veiled", "dims", Class::Veiled, of(|new| new.veiled.as_ref().unwrap().values.0.clone()));
    let joined = |new: &pmirs_wire::item::NewItem| new.tokens.iter().flat_map(|token| token.0).collect();
    expect("veiled", "tokens", Class::Token, of(joined));
    expect("removed", "item", Class::Identifier, vec![items[3].item.0.to_vec()]);
    expect("collections", "header", Class::Sealed, vec![vec![7; 90]]);
    expect("grants", "wrapped_key", Class::Grant, vec![vec![9; 1300]]);
    // What is not opaque is small numbers and words.
    for ((table, column), (class, values)) in columns {
        if class == Class::Public && (table, column) != ("files", "file") {
            let plain = |value: &Vec<u8>| value.len() <= 20 && value.is_ascii();
            assert!(values.iter().all(plain), "{table}.{column}: {values:?}");
        }
    }
}

#[test]
fn what_nobody_declared_is_an_error() {
    let world = World::new();
    let stray = world.folder.path().join("stray");
    std::fs::write(&stray, b"x").unwrap();
    assert!(
        matches!(inspect(world.folder.path()), Err(Error::Undeclared { place }) if place.contains("stray"))
    );
    std::fs::remove_file(stray).unwrap();

    let database = rusqlite::Connection::open(world.folder.path().join("cloud.db")).unwrap();
    database.execute_batch("ALTER TABLE items ADD COLUMN secret BLOB").unwrap();
    let refused = inspect(world.folder.path());
    assert!(matches!(refused, Err(Error::Undeclared { place }) if place == "column items.secret"));
}

#[cfg(unix)]
#[test]
fn secrets_and_folder_are_for_the_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let _server = crate::start(&data, pmirs_cloud::Limits::default());
    let mode = |name: &str| std::fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("server.key"), mode("first-invite")), (0o700, 0o600, 0o600));
}

#[test]
fn content_without_its_database_is_kept_and_refused() {
    let world = World::new();
    world.user.create(ID, Protection::Sealed);
    stored(&world.user.add(ID, vec![item(&mut rng(1), Protection::Sealed)]));
    let World { folder, server, .. } = world;
    server.unwrap().stop().unwrap();
    let config = || Config::loopback(folder.path());
    let journal = std::fs::metadata(folder.path().join("cloud.db-wal")).map_or(0, |about| about.len());
    assert_eq!(journal, 0, "after a graceful stop the database is whole by itself");

    let (database, aside) = (folder.path().join("cloud.db"), folder.path().join("cloud.db.aside"));
    std::fs::rename(&database, &aside).unwrap();
    assert!(matches!(Embedded::start(config()), Err(Error::LostRecords { .. })));
    assert!(!database.exists(), "nothing was made in its place");
    std::fs::rename(&aside, &database).unwrap();

    let key = folder.path().join("server.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(Embedded::start(config()), Err(Error::File { .. })), "clients pin the key");
    std::fs::write(&key, kept).unwrap();
    drop(Embedded::start(config()).unwrap());
    let contents = inspect(folder.path()).unwrap().into_iter().filter(|field| field.column == "content");
    assert_eq!(contents.count(), 1);
}
