//! Who the three take for members: what the log says, whatever ended when.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use pmirs_crypto::Argon2Params;
use pmirs_vault::{LoginOptions, Query, Role, SearchOptions, Vault, VaultError};
use pmirs_wire::CollectionId;
use pmirs_wire::problem::ProblemKind;

use crate::client::User;
use crate::split::found;
use crate::three::Three;
use crate::world::{PASSPHRASE, World};
use crate::{add, meet, share};

/// A person whose words are known, so that any program may send the three what it likes in their name.
fn person(world: &World, name: &str) -> (Vault, String) {
    let home: PathBuf = world.folder.path().join(name);
    let (vault, words) = Vault::create_with(&home, PASSPHRASE, &Argon2Params::insecure_fast()).unwrap();
    let options = LoginOptions {
        invite: Some(world.cloud.invite().unwrap()),
        name: Some(name.to_owned()),
        ..LoginOptions::default()
    };
    vault.login(world.cloud.url(), &options).unwrap();
    (vault, words.as_str().to_owned())
}

/// That all three refuse whatever this member's program asks.
fn is_out(user: &User, id: CollectionId) {
    for place in 0..3 {
        let no = user.state(place, id).unwrap_err().refused();
        assert_eq!(no.problem.kind, ProblemKind::NotFound, "{}", no.problem.message);
    }
    let dim = pmirs_encoder::Encoder::compact_builtin().unwrap().info().dim;
    assert!(user.search_raw(id, &[vec![1; dim]], 1).into_iter().all(|answer| answer.is_err()));
}

/// That the three have the members of the log, and all shares are fresh.
fn is_level(user: &User, vault: &Vault, id: CollectionId) {
    let mut log = vault.collection("split").unwrap().members().unwrap();
    log.sort_by_key(|member| member.account);
    let log: Vec<_> = log.into_iter().map(|member| (member.account, member.role)).collect();
    for place in 0..3 {
        let (statement, stale) = user.members(place, id).unwrap();
        let three: Vec<_> = statement.members.iter().map(|member| (member.account, member.role)).collect();
        assert_eq!(three, log, "party {place}");
        assert!(!stale, "party {place} holds shares that are as old as somebody who went");
    }
}

#[test]
fn who_leaves_or_declines_is_refused_by_the_three_at_once() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    let id = split.info().id;
    add(&split, &world.pictures());
    let before = found(&world.vault, "split", "a dog");
    let [(ben, ben_words), (dan, dan_words)] = ["ben", "dan"].map(|name| person(&world, name));
    share(&world, "split", &ben, "ben", Role::Reader);
    meet(&world, &dan, "dan");
    world.vault.collection("split").unwrap().share("dan", Role::Writer).unwrap();
    let [ben_user, dan_user] = [&ben_words, &dan_words].map(|words| three.user(words));
    for user in [&ben_user, &dan_user] {
        assert_eq!(user.state(1, id).unwrap().rows, 6);
    }
    let opened = ben.collection("split").unwrap();
    ben.collection("split").unwrap().leave().unwrap();
    is_out(&ben_user, id);
    let refused = opened.search(&Query::text("a dog"), &SearchOptions::default()).unwrap_err();
    assert_eq!(refused.refusal(), Some(ProblemKind::NotFound), "{refused}");
    dan.decline("split").unwrap();
    is_out(&dan_user, id);
    // The owner's next command makes shares fresh, so that what they may have got of one server is useless.
    let user = three.user(&world.words);
    assert!(user.members(0, id).unwrap().1);
    assert_eq!(found(&world.vault, "split", "a dog"), before);
    is_level(&user, &world.vault, id);
}

/// What a person runs.
type Command = fn(&Vault);

#[test]
fn what_an_owner_left_undone_is_done_by_the_next_command() {
    let world = World::new();
    let mut three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    let id = split.info().id;
    add(&split, &world.pictures());
    drop(split);
    let (ben, words) = person(&world, "ben");
    let (eva, _) = person(&world, "eva");
    share(&world, "split", &ben, "ben", Role::Writer);
    share(&world, "split", &eva, "eva", Role::Owner);
    let next: [(&str, &Vault, Command); 3] = [
        ("search", &world.vault, |vault| drop(found(vault, "split", "a dog"))),
        ("show", &world.vault, |vault| drop(vault.collection("split").unwrap().items().unwrap())),
        ("another owner's search", &eva, |vault| drop(found(vault, "split", "a dog"))),
    ];
    for (what, vault, command) in next {
        // One of the three is away while ben is revoked: the log says so, and the command fails there.
        three.running.pop().unwrap().stop().unwrap();
        let cut = world.vault.collection("split").unwrap().revoke("ben");
        assert!(matches!(cut, Err(VaultError::Unreachable { .. })), "{cut:?}");
        three.restart(|_| {});
        for vault in [&world.vault, &eva] {
            vault.move_parties(&three.trio).unwrap();
        }
        assert_eq!(three.user(&words).state(2, id).unwrap().rows, 6, "{what}: the third heard of it before");
        command(vault);
        is_out(&three.user(&words), id);
        is_level(&three.user(&world.words), &world.vault, id);
        // Cut off in the same way, a share is completed too.
        three.running.pop().unwrap().stop().unwrap();
        assert!(world.vault.collection("split").unwrap().share("ben", Role::Writer).is_err());
        three.restart(|_| {});
        for vault in [&world.vault, &eva] {
            vault.move_parties(&three.trio).unwrap();
        }
        command(vault);
        assert_eq!(three.user(&words).state(2, id).unwrap().rows, 6, "{what}: after a share");
        is_level(&three.user(&world.words), &world.vault, id);
    }
}

/// Lets somebody in and out again, and somebody else who is let in by both.
fn race(vault: &Vault, mine: &str) {
    let share = |who: &str, role| {
        // Whoever is overtaken by a new epoch is told to run the command again.
        while let Err(error) = vault.collection("split").unwrap().share(who, role) {
            assert!(matches!(error, VaultError::NewEpoch), "{error}");
        }
    };
    for _ in 0..3 {
        share(mine, Role::Reader);
        share("ida", Role::Writer);
        vault.collection("split").unwrap().revoke(mine).unwrap();
    }
}

#[test]
fn owners_who_race_leave_log_and_three_agreeing() {
    let world = World::new();
    let three = Three::new(&world);
    let split = world.vault.create_split_collection("split", three.trio.clone()).unwrap();
    let id = split.info().id;
    add(&split, &world.pictures());
    drop(split);
    let (eva, _) = person(&world, "eva");
    share(&world, "split", &eva, "eva", Role::Owner);
    let others = ["ben", "dan", "ida"].map(|name| person(&world, name).0);
    for (name, other) in ["ben", "dan", "ida"].into_iter().zip(&others) {
        meet(&world, other, name);
        eva.add_contact(name).unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (owner, other) = (&world.vault, &eva);
        let first = scope.spawn(|| race(owner, "ben"));
        let second = scope.spawn(|| race(other, "dan"));
        // Others are let in and out while somebody searches.
        scope.spawn(|| {
            let (reader, words) = (&world.vault, "a dog");
            while !done.load(Ordering::Relaxed) {
                let answer = reader
                    .collection("split")
                    .unwrap()
                    .search(&Query::text(words), &SearchOptions::default());
                assert!(matches!(&answer, Ok(answer) if answer.hits.len() == 6), "{answer:?}");
            }
        });
        let outcomes = [first.join(), second.join()];
        done.store(true, Ordering::Relaxed);
        outcomes.into_iter().for_each(Result::unwrap);
    });
    is_level(&three.user(&world.words), &world.vault, id);
    let members = world.vault.collection("split").unwrap().members().unwrap();
    assert_eq!(members.len(), 3, "{members:?}");
}
