//! A store that was cut off or altered at any byte: it is an earlier state of itself, or it says that it is damaged.

use std::path::Path;

use pmirs_crypto::{Context, Identity, IdentitySeed, sha256};
use pmirs_wire::collection::Role;
use pmirs_wire::split::{
    Action, Batch, Component, Entry, Member, Order, Parts, Pending, PendingKind, SignedOrder,
    SignedStatement, Statement, StoreHeader, Version,
};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, ItemId, encode};

use super::Collection;
use super::journal::JOURNAL;
use crate::client::rng;

pub(super) const ID: CollectionId = CollectionId([5; 16]);
pub(super) const DIM: usize = 3;

pub(super) fn header() -> StoreHeader {
    StoreHeader { collection: ID, trio: Digest([2; 32]), place: 0, dim: DIM as u32 }
}

pub(super) fn create(root: &Path) -> Collection {
    let anna = Identity::from_seed(&IdentitySeed::generate(&mut rng(1)));
    let account = AccountId(anna.public().fingerprint());
    let identity = Bytes(anna.public().to_bytes());
    let statement = encode(&Statement {
        collection: ID,
        number: 0,
        previous: Digest([0; 32]),
        trio: Digest([2; 32]),
        dim: DIM as u32,
        author: account,
        members: vec![Member { account, identity, role: Role::Owner }],
        model: None,
    })
    .unwrap();
    let signature = Bytes(anna.sign(Context::Membership, &statement).0.to_vec());
    let signed = SignedStatement { statement: statement.into(), signature };
    Collection::create(root, &header(), signed).unwrap()
}

/// Prepares a batch of `add` rows, the words of which all say its number.
pub(super) fn prepare(collection: &mut Collection, number: u32, add: &[ItemId], remove: &[ItemId]) -> Entry {
    let batch = Batch { base: collection.version(), add: add.to_vec(), remove: remove.to_vec() };
    let action = Action::Prepare { batch, parts: [Digest([0; 32]); 3] };
    let order = Order {
        trio: Digest([2; 32]),
        collection: ID,
        account: AccountId([1; 32]),
        sent_ms: 0,
        nonce: Digest([number as u8; 32]),
        action,
    };
    let bytes = encode(&order).unwrap();
    let digest = Digest(sha256(&bytes));
    let signed = SignedOrder { order: bytes.into(), signature: Bytes(vec![0; 64]) };
    let words: Vec<u8> = (0..add.len() * DIM).flat_map(|_| number.to_le_bytes()).collect();
    let component = || Component::Words(words.clone().into());
    let parts =
        (!add.is_empty()).then(|| Parts { own: component(), next: component(), salt: Digest([9; 32]) });
    let kind = PendingKind::Batch(parts);
    let pending = Pending { order: signed.clone(), identity: Bytes::default(), sequence: 0, kind };
    collection.prepare(order, digest, pending).unwrap();
    let version = collection.version_after(&digest);
    Entry { prepared: signed, commit: None, version, decision: Bytes::default() }
}

/// What a state is: its version, items and shares.
type Seen = (Version, Vec<ItemId>, Vec<u32>);

fn seen(collection: &Collection) -> Seen {
    (collection.version(), collection.items().to_vec(), collection.matrix().own.clone())
}

fn history(root: &Path) -> Vec<Seen> {
    let item = |byte: u8| ItemId([byte; 16]);
    let mut collection = create(root);
    let mut all = vec![seen(&collection)];
    let changes: [(&[ItemId], &[ItemId]); 4] = [
        (&[item(1), item(2), item(3)], &[]),
        (&[item(4)], &[item(1), item(3)]),
        (&[], &[item(2)]),
        (&[item(1), item(5)], &[]),
    ];
    for (number, (add, remove)) in changes.into_iter().enumerate() {
        let entry = prepare(&mut collection, number as u32 + 10, add, remove);
        // As a crash before the files are rewritten leaves it.
        collection.commit_waiting(entry).unwrap();
        all.push(seen(&collection));
    }
    all
}

fn copied(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_journal_that_was_cut_off_is_an_earlier_state() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all = history(whole.path());
    let (from, to) = (whole.path().join(ID.to_string()), cut.path().join(ID.to_string()));
    let journal = std::fs::read(from.join(JOURNAL)).unwrap();
    let mut versions = Vec::new();
    for length in (0..=journal.len()).rev().step_by(7).chain([journal.len()]) {
        copied(&from, &to);
        std::fs::write(to.join(JOURNAL), &journal[..length]).unwrap();
        let Ok(collection) = Collection::open(cut.path(), &header(), ID) else {
            // Only where not even the members are known.
            assert!(length < 2500, "{length} of {} bytes do not open", journal.len());
            continue;
        };
        let state = seen(&collection);
        assert!(all.contains(&state), "{length} bytes: a state that never was");
        versions.push(state.0.number);
        drop(collection);
        // What was cut off stays cut off, and the next change goes on from there.
        let mut again = Collection::open(cut.path(), &header(), ID).unwrap();
        assert_eq!(seen(&again), state);
        let entry = prepare(&mut again, 99, &[ItemId([99; 16])], &[]);
        again.commit(entry).unwrap();
        let after = seen(&again);
        assert_eq!(seen(&Collection::open(cut.path(), &header(), ID).unwrap()), after);
    }
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions, [0, 1, 2, 3, 4]);
}

#[test]
fn an_altered_byte_is_noticed() {
    let (whole, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all = history(whole.path());
    let (from, to) = (whole.path().join(ID.to_string()), bad.path().join(ID.to_string()));
    for file in [JOURNAL, "own-0.shares", "next-0.shares"] {
        let bytes = std::fs::read(from.join(file)).unwrap();
        for at in (0..bytes.len()).step_by(11) {
            copied(&from, &to);
            let mut altered = bytes.clone();
            altered[at] ^= 0x40;
            std::fs::write(to.join(file), altered).unwrap();
            if let Ok(collection) = Collection::open(bad.path(), &header(), ID) {
                // The last line of a journal looks as if a crash had cut it off.
                let before_last = seen(&collection) == all[all.len() - 2];
                assert!(file == JOURNAL && before_last, "{file}: byte {at} is not noticed");
            }
        }
    }
}

#[test]
fn what_lies_ready_survives_and_half_written_shares_do_not_count() {
    let root = tempfile::tempdir().unwrap();
    let mut collection = create(root.path());
    let entry = prepare(&mut collection, 7, &[ItemId([1; 16])], &[]);
    drop(collection);
    // The process died after it appended shares and before its journal said so.
    let own = root.path().join(ID.to_string()).join("own-0.shares");
    let mut bytes = std::fs::read(&own).unwrap();
    bytes.extend([9; 5]);
    std::fs::write(&own, bytes).unwrap();
    let mut collection = Collection::open(root.path(), &header(), ID).unwrap();
    assert!(collection.waiting().is_some());
    collection.commit(entry).unwrap();
    let state = seen(&collection);
    assert_eq!(state.2, [7; DIM]);
    drop(collection);
    let collection = Collection::open(root.path(), &header(), ID).unwrap();
    assert_eq!(seen(&collection), state);
    assert!(collection.waiting().is_none());
}

#[test]
fn a_store_of_another_place_is_refused() {
    let root = tempfile::tempdir().unwrap();
    drop(create(root.path()));
    let other = StoreHeader { place: 1, ..header() };
    assert!(Collection::open(root.path(), &other, ID).is_err());
    let elsewhere = StoreHeader { trio: Digest([3; 32]), ..header() };
    assert!(Collection::open(root.path(), &elsewhere, ID).is_err());
}

#[test]
fn files_rewritten_without_what_was_removed_hold_the_same_at_every_moment() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all = history(whole.path());
    let last = all.last().unwrap();
    let (from, to) = (whole.path().join(ID.to_string()), cut.path().join(ID.to_string()));
    let before = std::fs::read(from.join(JOURNAL)).unwrap();
    copied(&from, &to);
    // Opening rewrites them; whatever a crash left of that, old files and new ones beside each other, is the same state.
    drop(Collection::open(cut.path(), &header(), ID).unwrap());
    let names = |folder: &Path| {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".shares"))
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&from), ["next-0.shares", "own-0.shares"]);
    assert_eq!(names(&to), ["next-1.shares", "own-1.shares"]);
    let after = std::fs::read(to.join(JOURNAL)).unwrap();
    assert!(after.starts_with(&before));
    let half = tempfile::tempdir().unwrap();
    let there = half.path().join(ID.to_string());
    for length in (before.len()..=after.len()).step_by(3).chain([after.len()]) {
        copied(&from, &there);
        for name in names(&to) {
            std::fs::copy(to.join(&name), there.join(&name)).unwrap();
        }
        std::fs::write(there.join(JOURNAL), &after[..length]).unwrap();
        let mut collection = Collection::open(half.path(), &header(), ID).unwrap();
        assert_eq!(seen(&collection), *last, "{length} bytes");
        assert_eq!(names(&there).len(), 2, "{length} bytes: old shares are left");
        let entry = prepare(&mut collection, 50, &[ItemId([50; 16])], &[ItemId([4; 16])]);
        collection.commit(entry).unwrap();
        let state = seen(&collection);
        assert_eq!(seen(&Collection::open(half.path(), &header(), ID).unwrap()), state);
    }
}
