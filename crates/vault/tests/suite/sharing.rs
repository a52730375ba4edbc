//! Several people and one collection: sharing, roles, revocation, new epochs, history.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use pmirs_vault::{
    AddOptions, Audit, Happening, Protection, Query, Quiet, Role, SearchOptions, Vault, VaultError,
};
use pmirs_wire::problem::ProblemKind;

use crate::world::{World, plain};
use crate::{add, meet, share};

/// A folder with one picture that nobody has added yet.
fn one_more(world: &World, name: &str) -> PathBuf {
    let folder = world.folder.path().join(format!("late-{name}"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("yellow.png"), plain(40, 40, [250, 220, 20])).unwrap();
    folder
}

/// Identifiers and exact scores.
fn found(vault: &Vault, collection: &str, words: &str) -> Vec<(String, u32)> {
    let options = SearchOptions { audit: Audit::All, ..SearchOptions::default() };
    let answer = vault.collection(collection).unwrap().search(&Query::text(words), &options).unwrap();
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    answer.hits.into_iter().map(|hit| (hit.item.to_string(), hit.score.to_bits())).collect()
}

#[test]
fn a_reader_finds_what_the_owner_finds_to_the_bit() {
    let world = World::new();
    let folder = world.pictures();
    let ben = world.person("ben");
    for protection in Protection::ALL {
        let name = protection.name();
        add(&world.vault.create_collection(name, protection).unwrap(), &folder);
        meet(&world, &ben, "ben");
        world.vault.collection(name).unwrap().share("ben", Role::Reader).unwrap();

        assert!(matches!(ben.collection(name), Err(VaultError::NoCollection(_))), "it is not accepted yet");
        let offered = ben.collections().unwrap().offered;
        assert_eq!(offered.len(), 1);
        assert_eq!((offered[0].name.as_str(), offered[0].items, offered[0].role), (name, 6, Role::Reader));
        assert_eq!(offered[0].from.as_deref(), Some("owner"));
        ben.accept(name).unwrap();
        assert!(ben.collections().unwrap().offered.is_empty());

        for words in ["a dog", "red", "stripes in the evening"] {
            let own = found(&world.vault, name, words);
            assert_eq!(own.len(), 6);
            assert_eq!(found(&ben, name, words), own, "{protection}: {words}");
        }
        let collection = ben.collection(name).unwrap();
        let items = collection.items().unwrap();
        assert_eq!(collection.get(items[0].item).unwrap().0, items[0].meta);
        assert!(collection.verify(&Quiet).unwrap().faults.is_empty());

        let refused = collection.remove(&[items[0].item]);
        assert!(matches!(refused, Err(VaultError::NotAllowed { action: "remove", .. })), "{refused:?}");
        let refused = collection.add(&[folder.join("red.png")], &AddOptions::default(), &Quiet);
        assert_eq!(refused.unwrap().added, 0, "it is there already");
        let refused = collection.share("owner", Role::Reader);
        assert!(matches!(refused, Err(VaultError::NotAllowed { action: "share", .. })), "{refused:?}");
    }
}

#[test]
fn a_writer_adds_and_everybody_sees_it() {
    let world = World::new();
    let folder = world.pictures();
    let ben = world.person("ben");
    for protection in Protection::ALL {
        let name = protection.name();
        add(&world.vault.create_collection(name, protection).unwrap(), &folder);
        share(&world, name, &ben, "ben", Role::Writer);
        let late = one_more(&world, name);
        assert_eq!(add(&ben.collection(name).unwrap(), &late).added, 1);
        assert_eq!(found(&world.vault, name, "yellow"), found(&ben, name, "yellow"));
        assert_eq!(found(&world.vault, name, "yellow").len(), 7);

        let events = world.vault.collection(name).unwrap().events().unwrap();
        let authors: BTreeSet<_> = events.iter().map(|event| event.author).collect();
        assert_eq!(authors.len(), 2);
        assert!(matches!(events[0].what, Happening::Created));
        assert!(matches!(events.last().unwrap().what, Happening::Added(ref items) if items.len() == 1));
        assert_eq!(events.last().unwrap().items, 7);
    }
}

#[test]
fn who_is_revoked_is_out_and_the_others_go_on() {
    let world = World::new();
    let folder = world.pictures();
    let (ben, eva) = (world.person("ben"), world.person("eva"));
    for protection in Protection::ALL {
        let name = protection.name();
        add(&world.vault.create_collection(name, protection).unwrap(), &folder);
        share(&world, name, &ben, "ben", Role::Reader);
        share(&world, name, &eva, "eva", Role::Writer);
        let before = found(&eva, name, "a dog");

        let collection = ben.collection(name).unwrap();
        let gone = world.vault.collection(name).unwrap().revoke("ben").unwrap();
        assert_eq!(gone.name.as_deref(), Some("ben"));
        // What was opened before is refused as well.
        let item = collection.search(&Query::text("a dog"), &SearchOptions::default()).err().unwrap();
        assert_eq!(item.refusal(), Some(ProblemKind::NotFound), "{item}");
        let refused = ben.collection(name).map(drop);
        assert!(matches!(refused, Err(VaultError::Unlisted { .. })), "{refused:?}");

        assert_eq!(found(&eva, name, "a dog"), before, "items of the first epoch are still found");
        let late = one_more(&world, name);
        assert_eq!(add(&eva.collection(name).unwrap(), &late).added, 1);
        assert_eq!(found(&world.vault, name, "yellow").len(), 7, "a search spans both epochs");
        assert_eq!(found(&world.vault, name, "yellow"), found(&eva, name, "yellow"));
        let members = eva.collection(name).unwrap().members().unwrap();
        assert_eq!(members.len(), 2);
    }
}

#[test]
fn rekeying_moves_everything_and_changes_no_answer() {
    let world = World::new();
    let folder = world.pictures();
    let eva = world.person("eva");
    for protection in Protection::ALL {
        let name = protection.name();
        add(&world.vault.create_collection(name, protection).unwrap(), &folder);
        share(&world, name, &eva, "eva", Role::Reader);
        let before = found(&world.vault, name, "a dog");
        for (full, epoch, retired) in [(false, 0, vec![]), (true, 1, vec![]), (true, 2, vec![1])] {
            let report = world.vault.collection(name).unwrap().rekey(full, &Quiet).unwrap();
            assert_eq!((report.epoch, report.retired), (epoch, retired));
            assert_eq!(report.moved, if full { 6 } else { 0 });
            assert!(report.damaged.is_empty());
            assert_eq!(found(&world.vault, name, "a dog"), before);
            assert_eq!(found(&eva, name, "a dog"), before);
            assert!(eva.collection(name).unwrap().verify(&Quiet).unwrap().faults.is_empty());
        }
        assert!(add(&world.vault.collection(name).unwrap(), &folder).added == 0, "nothing is there twice");
    }
}

#[test]
fn ownership_passes_on_and_the_last_owner_stays() {
    let world = World::new();
    let ben = world.person("ben");
    world.vault.create_collection("album", Protection::Sealed).unwrap();
    let refused = world.vault.collection("album").unwrap().leave();
    assert!(matches!(refused, Err(VaultError::NotAllowed { action: "leave", .. })), "{refused:?}");
    share(&world, "album", &ben, "ben", Role::Reader);
    let refused = world.vault.collection("album").unwrap().leave();
    assert!(matches!(refused, Err(VaultError::NotAllowed { .. })), "a reader does not replace an owner");
    world.vault.collection("album").unwrap().share("ben", Role::Owner).unwrap();
    assert_eq!(ben.collection("album").unwrap().info().role, Role::Owner);
    world.vault.collection("album").unwrap().leave().unwrap();
    assert!(world.vault.collections().unwrap().readable.is_empty());
    assert_eq!(ben.collection("album").unwrap().members().unwrap().len(), 1);
    ben.delete_collection("album").unwrap();
}

#[test]
fn only_what_a_contact_shares_is_accepted() {
    let world = World::new();
    let ben = world.person("ben");
    world.vault.create_collection("album", Protection::Veiled).unwrap();
    let refused = world.vault.collection("album").unwrap().share("ben", Role::Reader);
    assert!(matches!(refused, Err(VaultError::NoContact(_))), "{refused:?}");
    world.vault.add_contact("ben").unwrap();
    world.vault.collection("album").unwrap().share("ben", Role::Reader).unwrap();
    let words = world.vault.public_identity().safety_words();
    let Err(VaultError::UnknownSharer { collection, words: shown }) = ben.accept("album") else { panic!() };
    assert_eq!((collection.as_str(), shown), ("album", words.clone()));
    ben.add_contact("owner").unwrap();
    assert_eq!(ben.contact_words("owner").unwrap().pinned, words);
    assert!(ben.verify_contact("owner", &words).unwrap().verified);
    assert!(matches!(
        ben.verify_contact("owner", "other words entirely"),
        Err(VaultError::ContactChanged { .. })
    ));
    ben.decline("album").unwrap();
    assert!(ben.collections().unwrap().offered.is_empty());
    assert!(matches!(ben.accept("album"), Err(VaultError::NoCollection(_))));
    // Who declined can be asked again.
    world.vault.collection("album").unwrap().share("ben", Role::Reader).unwrap();
    ben.accept("album").unwrap();
}

#[test]
fn names_are_found_once_and_on_this_cloud() {
    let world = World::new();
    let ben = world.person("ben");
    let host = world.cloud.url().replace("http://", "");
    assert_eq!(world.vault.add_contact(&format!("ben@{host}")).unwrap().name, "ben");
    assert!(matches!(world.vault.add_contact("ben@elsewhere.org"), Err(VaultError::OtherServer { .. })));
    assert!(matches!(world.vault.add_contact("Not A Name"), Err(VaultError::PersonName(_))));
    let nobody = world.vault.add_contact("nobody");
    assert_eq!(nobody.err().unwrap().refusal(), Some(ProblemKind::NotFound));
    world.vault.remove_contact("ben").unwrap();
    assert!(world.vault.contacts().unwrap().is_empty());
    drop(ben);

    let home = world.folder.path().join("second-ben");
    let (second, _) = Vault::create_with(&home, "x", &pmirs_crypto::Argon2Params::insecure_fast()).unwrap();
    let options = pmirs_vault::LoginOptions {
        invite: Some(world.cloud.invite().unwrap()),
        name: Some("ben".to_owned()),
        ..pmirs_vault::LoginOptions::default()
    };
    let taken = second.login(world.cloud.url(), &options);
    assert!(matches!(taken, Err(VaultError::NameTaken(_))), "{taken:?}");
    let again = pmirs_vault::LoginOptions { name: Some("eva".to_owned()), ..options };
    assert!(second.login(world.cloud.url(), &again).unwrap().registered, "the invite was not spent");
}

#[test]
fn heads_agree_until_somebody_goes_on() {
    let world = World::new();
    let folder = world.pictures();
    let ben = world.person("ben");
    world.vault.create_collection("album", Protection::Sealed).unwrap();
    share(&world, "album", &ben, "ben", Role::Reader);
    let earlier = ben.collection("album").unwrap().head().unwrap();
    assert_eq!(world.vault.collection("album").unwrap().head().unwrap(), earlier);
    add(&world.vault.collection("album").unwrap(), &folder);
    let later = world.vault.collection("album").unwrap().head().unwrap();
    assert!(later.number > earlier.number && later.words != earlier.words);
    let collection = ben.collection("album").unwrap();
    assert_eq!(collection.compare_head(&later.words).unwrap(), later.number);
    assert_eq!(collection.compare_head(&earlier.words).unwrap(), earlier.number);
    let other = collection.compare_head(&earlier.words.replacen(' ', " zoo ", 1));
    assert!(matches!(other, Err(VaultError::Forked { .. })), "{other:?}");
}

#[test]
fn two_processes_of_one_home_follow_the_same_log() {
    let world = World::new();
    let folder = world.pictures();
    let seed = Vault::unlock(&crate::home(&world), crate::world::PASSPHRASE).unwrap();
    for protection in Protection::ALL {
        let name = protection.name();
        world.vault.create_collection(name, protection).unwrap();
        let other = Vault::open(&crate::home(&world), &seed).unwrap();
        // One opens the collection, the other changes it before the first looks at what the log pins.
        let early = other.collection(name).unwrap();
        add(&world.vault.collection(name).unwrap(), &folder);
        assert_eq!(early.items().unwrap().len(), 6, "{protection}");
        let early = other.collection(name).unwrap();
        let red = early.items().unwrap()[0].item;
        assert_eq!(world.vault.collection(name).unwrap().remove(&[red]).unwrap(), 1);
        assert_eq!(early.remove(&[red]).unwrap(), 0, "{protection}");
        assert_eq!(found(&other, name, "red").len(), 5);
    }
}
