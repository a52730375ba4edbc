//! Devices, tags and filters, searching everything, and what a person can demand of their data.

use std::fs;
use std::thread;

use pmirs_vault::{
    Filter, ItemKind, LoginOptions, NewDevice, Protection, Query, Quiet, Role, SearchOptions, Vault,
    VaultError,
};

use crate::world::{PASSPHRASE, World};
use crate::{add, home, share};

#[test]
fn a_revoked_device_is_out_and_the_others_stay() {
    let world = World::new();
    world.vault.create_collection("album", Protection::Sealed).unwrap();
    let second = Vault::restore(&world.folder.path().join("second"), &world.words, "other").unwrap();
    second.login(world.cloud.url(), &LoginOptions::default()).unwrap();
    let devices = world.vault.devices().unwrap();
    assert_eq!((devices.len(), devices.iter().filter(|device| device.this).count()), (2, 1));
    let other = devices.iter().find(|device| !device.this).unwrap();
    assert!(second.collection("album").is_ok());

    let revoked = world.vault.revoke_device(&other.id.to_string()[..10]).unwrap();
    assert!(revoked.revoked_ms.is_some() && revoked.id == other.id);
    // On the open connection and on a new one.
    assert!(matches!(second.collection("album"), Err(VaultError::DeviceRevoked { .. })));
    let again = second.login(world.cloud.url(), &LoginOptions::default());
    assert!(matches!(again, Err(VaultError::DeviceRevoked { .. })), "{again:?}");
    assert!(world.vault.collection("album").is_ok());
    assert!(matches!(world.vault.revoke_device("zz"), Err(VaultError::NoDevice(_))));
}

#[test]
fn a_device_hands_the_identity_to_another() {
    let world = World::new();
    world.vault.create_collection("album", Protection::Veiled).unwrap();
    let seed = Vault::unlock(&home(&world), PASSPHRASE).unwrap();
    let url = world.cloud.url().to_owned();
    let arriving = NewDevice::begin(&url, &LoginOptions::default()).unwrap();
    let code = arriving.code().to_owned();
    let new_home = world.folder.path().join("new");
    let (shown, words) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let received = scope.spawn(move || {
            let arrived = arriving.wait().unwrap();
            shown.send(arrived.words()).unwrap();
            arrived.receive_after_words_agreed().unwrap()
        });
        let approval = world.vault.answer_device(&code.to_lowercase()).unwrap();
        let read = words.recv().unwrap();
        assert_eq!(read, approval.words());
        approval.approve(&read, &seed).unwrap();
        let vault = Vault::adopt_identity(&new_home, &received.join().unwrap(), "new").unwrap();
        vault.login(&url, &LoginOptions::default()).unwrap();
        assert!(vault.collection("album").is_ok());
    });

    // Other words: nothing is handed over, and there is no second try.
    let arriving = NewDevice::begin(&url, &LoginOptions::default()).unwrap();
    let code = arriving.code().to_owned();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || arriving.wait().map(|arrived| arrived.words()));
        let approval = world.vault.answer_device(&code).unwrap();
        let refused = approval.approve("other words than these", &seed);
        assert!(matches!(refused, Err(VaultError::Pairing(_))), "{refused:?}");
        assert!(waiting.join().unwrap().is_ok());
    });
    assert!(matches!(world.vault.answer_device("none"), Err(VaultError::Pairing(_))));
    assert!(world.vault.answer_device("00000000").is_err());
}

#[test]
fn tags_kinds_and_dates_narrow_a_search_alike_at_both_levels() {
    let world = World::new();
    let folder = world.pictures();
    let ben = world.person("ben");
    for protection in Protection::ONE_CLOUD {
        let name = protection.name();
        let collection = world.vault.create_collection(name, protection).unwrap();
        add(&collection, &folder);
        share(&world, name, &ben, "ben", Role::Writer);
        let items = collection.items().unwrap();
        let of = |file: &str| items.iter().find(|it| it.meta.name == file).unwrap().item;
        let tags = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let red_and_dog = [of("red.png"), of("notes/dog.txt")];
        assert_eq!(collection.tag(&red_and_dog, &tags(&["holiday", "warm"]), &[]).unwrap(), 2);
        assert_eq!(collection.tag(&red_and_dog, &tags(&["holiday"]), &[]).unwrap(), 0, "they have it");
        let by_ben = ben.collection(name).unwrap().tag(&[of("blue.png")], &tags(&["holiday"]), &[]);
        assert_eq!(by_ben.unwrap(), 1);

        let find = |vault: &Vault, filter: Filter| -> Vec<String> {
            let options = SearchOptions { filter, k: 3, ..SearchOptions::default() };
            let answer = vault.collection(name).unwrap().search(&Query::text("a dog"), &options).unwrap();
            assert!(answer.exact, "{protection}");
            let mut names: Vec<_> = answer.hits.into_iter().map(|hit| hit.meta.name).collect();
            names.sort();
            names
        };
        let tagged = |tag: &str| Filter { tags: vec![tag.to_owned()], ..Filter::default() };
        for vault in [&world.vault, &ben] {
            assert_eq!(find(vault, tagged("holiday")), ["blue.png", "notes/dog.txt", "red.png"]);
            assert_eq!(find(vault, tagged("warm")), ["notes/dog.txt", "red.png"]);
            assert!(find(vault, tagged("cold")).is_empty());
            let texts = Filter { kind: Some(ItemKind::Text), ..Filter::default() };
            assert_eq!(find(vault, texts), ["notes/dog.txt", "notes/invoice.md"]);
            let both = Filter { kind: Some(ItemKind::Text), ..tagged("warm") };
            assert_eq!(find(vault, both), ["notes/dog.txt"]);
            assert!(find(vault, Filter { before_ms: Some(1), ..Filter::default() }).is_empty());
            assert_eq!(find(vault, Filter { after_ms: Some(1), ..Filter::default() }).len(), 3);
        }
        // A new epoch has other tokens; a filter spans both.
        collection.rotate().unwrap();
        assert_eq!(
            world.vault.collection(name).unwrap().tag(&[of("green.png")], &tags(&["warm"]), &[]).unwrap(),
            1
        );
        assert_eq!(find(&ben, tagged("warm")), ["green.png", "notes/dog.txt", "red.png"]);
        let removed = world.vault.collection(name).unwrap().tag(&red_and_dog, &[], &tags(&["warm"]));
        assert_eq!(removed.unwrap(), 2);
        assert_eq!(find(&world.vault, tagged("warm")), ["green.png"]);
        let faults = world.vault.collection(name).unwrap().verify(&Quiet).unwrap().faults;
        assert!(faults.is_empty(), "{faults:?}");
        for bad in ["", " blank", "a\nb", &"x".repeat(101)] {
            let refused = collection.tag(&red_and_dog, &tags(&[bad]), &[]);
            assert!(matches!(refused, Err(VaultError::Tag { .. })), "{bad:?}");
        }
    }
}

#[test]
fn a_server_that_misfilters_is_found_out() {
    let world = World::new();
    let collection = world.vault.create_collection("album", Protection::Veiled).unwrap();
    add(&collection, &world.pictures());
    let items = collection.items().unwrap();
    let tag = ["holiday".to_owned()];
    collection.tag(&items.iter().map(|it| it.item).collect::<Vec<_>>(), &tag, &[]).unwrap();
    // The server's disk loses one item's tokens: the filter passes it over.
    let database = rusqlite::Connection::open(world.folder.path().join("cloud/cloud.db")).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    let World { folder, cloud, vault, .. } = world;
    let listen = cloud.local_addr();
    cloud.stop().unwrap();
    let lose = "UPDATE veiled SET tokens = x'' WHERE row = (SELECT MIN(row) FROM veiled)";
    assert_eq!(database.execute(lose, []).unwrap(), 1);
    drop(database);
    let config = pmirs_cloud::Config { listen, ..pmirs_cloud::Config::loopback(folder.path().join("cloud")) };
    let cloud = pmirs_cloud::Embedded::start(config).unwrap();
    let filter = Filter { tags: tag.to_vec(), ..Filter::default() };
    let options = SearchOptions { filter, audit: pmirs_vault::Audit::All, ..SearchOptions::default() };
    let outcome = vault.collection("album").unwrap().search(&Query::text("a dog"), &options);
    assert!(matches!(outcome, Err(VaultError::Altered { field: "search answer", .. })), "{outcome:?}");
    let faults = vault.collection("album").unwrap().verify(&Quiet).unwrap().faults;
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].field, "filter tokens");
    drop(cloud);
}

#[test]
fn everything_is_searched_at_once() {
    let world = World::new();
    let folder = world.pictures();
    let ben = world.person("ben");
    add(&world.vault.create_collection("pictures", Protection::Veiled).unwrap(), &folder);
    add(&ben.create_collection("own", Protection::Sealed).unwrap(), &folder.join("notes"));
    share(&world, "pictures", &ben, "ben", Role::Reader);
    let query = Query::text("A brown dog runs along the beach in the evening.");
    let all = ben.search_all(&query, &SearchOptions { k: 4, ..SearchOptions::default() }).unwrap();
    assert!(all.failed.is_empty() && all.exact);
    let names: Vec<(&str, &str)> =
        all.hits.iter().map(|(collection, hit)| (collection.as_str(), hit.meta.name.as_str())).collect();
    assert_eq!(names.len(), 4);
    assert!(names[..2].contains(&("own", "dog.txt")) && names[..2].contains(&("pictures", "notes/dog.txt")));
    assert!(all.hits.windows(2).all(|pair| pair[0].1.score >= pair[1].1.score));
}

#[test]
fn owners_see_who_opened_what() {
    let world = World::new();
    let ben = world.person("ben");
    add(&world.vault.create_collection("album", Protection::Sealed).unwrap(), &world.pictures());
    share(&world, "album", &ben, "ben", Role::Reader);
    let collection = ben.collection("album").unwrap();
    let item = collection.items().unwrap()[0].item;
    collection.get(item).unwrap();
    let accesses = world.vault.collection("album").unwrap().accesses().unwrap();
    assert_eq!(accesses.len(), 1);
    assert_eq!((accesses[0].item, accesses[0].name.as_deref()), (item, Some("ben")));
    assert!(accesses[0].proven && !accesses[0].me);
    assert!(collection.accesses().is_err(), "a reader does not see it");
    // After the membership as well.
    world.vault.collection("album").unwrap().revoke("ben").unwrap();
    let accesses = world.vault.collection("album").unwrap().accesses().unwrap();
    assert!(accesses.len() == 1 && accesses[0].proven);
    // The server cannot make one up.
    let database = rusqlite::Connection::open(world.folder.path().join("cloud/cloud.db")).unwrap();
    let other = world.vault.collection("album").unwrap().items().unwrap()[1].item;
    assert_eq!(database.execute("UPDATE accesses SET item = ?1", [other.0]).unwrap(), 1);
    let told = world.vault.collection("album").unwrap().accesses();
    assert!(matches!(told, Err(VaultError::Altered { field: "access log", .. })), "{told:?}");
}

#[test]
fn an_export_holds_everything_in_open_formats() {
    let world = World::new();
    let folder = world.pictures();
    for protection in Protection::ONE_CLOUD {
        add(&world.vault.create_collection(protection.name(), protection).unwrap(), &folder);
    }
    let out = world.folder.path().join("export");
    let report = world.vault.export(&out, &Quiet).unwrap();
    assert_eq!((report.collections, report.items, report.failed.len()), (2, 12, 0));
    for protection in Protection::ONE_CLOUD {
        let at = out.join(protection.name());
        let note = fs::read(at.join("items/notes/dog.txt")).unwrap();
        assert_eq!(note, fs::read(folder.join("notes/dog.txt")).unwrap());
        let lines = fs::read_to_string(at.join("items.jsonl")).unwrap();
        let items: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(items.len(), 6);
        assert!(items.iter().all(|item| item["embedding"].as_array().unwrap().len() == 256));
        assert!(items.iter().any(|item| item["file"] == "red.png" && item["kind"] == "image"));
        let keys: serde_json::Value =
            serde_json::from_slice(&fs::read(at.join("keys.json")).unwrap()).unwrap();
        assert_eq!(keys.as_array().unwrap().len(), 1);
        assert!(fs::read_to_string(at.join("history.jsonl")).unwrap().lines().count() >= 2);
        assert!(at.join("collection.json").exists());
    }
    assert!(out.join("identity.json").exists() && out.join("contacts.json").exists());
    assert!(matches!(world.vault.export(&out, &Quiet), Err(VaultError::File { .. })), "it is not empty");
}

#[test]
fn an_account_goes_with_what_is_its_alone() {
    let world = World::new();
    let ben = world.person("ben");
    add(&world.vault.create_collection("own", Protection::Sealed).unwrap(), &world.pictures());
    world.vault.create_collection("shared", Protection::Sealed).unwrap();
    share(&world, "shared", &ben, "ben", Role::Reader);
    assert!(matches!(world.vault.delete_account(), Err(VaultError::LastOwner(_))));
    assert!(world.vault.collection("own").is_ok(), "nothing was deleted");
    world.vault.collection("shared").unwrap().share("ben", Role::Owner).unwrap();
    world.vault.delete_account().unwrap();
    assert!(matches!(world.vault.collections(), Err(VaultError::NotLoggedIn)));
    assert_eq!(ben.collection("shared").unwrap().members().unwrap().len(), 1);
    let database = rusqlite::Connection::open(world.folder.path().join("cloud/cloud.db")).unwrap();
    let left = |table: &str| -> i64 {
        database.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((left("accounts"), left("collections"), left("items")), (1, 1, 0));
    let contents = fs::read_dir(world.folder.path().join("cloud/content")).unwrap();
    let files = contents.flatten().filter(|entry| entry.path().is_file()).count();
    assert_eq!(files, 0, "the contents are gone from the disk");
}
