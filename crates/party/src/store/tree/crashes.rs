//! A tree in a store that was cut off or altered anywhere: it is there whole, or not at all, or says that it is damaged.

use std::path::Path;

use pmirs_wire::split::{
    Action, Entry, Order, Pending, PendingKind, Planting, SignedOrder, TreeAction, TreePlan,
};
use pmirs_wire::{AccountId, Bytes, Digest, ItemId, encode};

use crate::store::Collection;
use crate::store::crashes::{DIM, ID, create, header, prepare};

const PLAN: TreePlan = TreePlan { cells: 2, capacity: 3, probes: 1, period: 5 };

/// An order to plant what was uploaded, and the entry that decides on it.
fn plant(collection: &mut Collection, tree: Option<Planting>, number: u8) -> Entry {
    let action = Action::Tree(TreeAction::Plant { base: collection.version(), tree });
    let order = Order {
        trio: Digest([2; 32]),
        collection: ID,
        account: AccountId([1; 32]),
        sent_ms: 0,
        nonce: Digest([number; 32]),
        action,
    };
    let bytes = encode(&order).unwrap();
    let digest = Digest(pmirs_crypto::sha256(&bytes));
    let signed = SignedOrder { order: bytes.into(), signature: Bytes(vec![0; 64]) };
    if tree.is_some() {
        collection.lay_tree(&digest).unwrap();
    }
    let identity = Bytes::default();
    let pending = Pending { order: signed.clone(), identity, sequence: 0, kind: PendingKind::Tree };
    collection.prepare(order, digest, pending).unwrap();
    let version = collection.version_after(&digest);
    Entry { prepared: signed, commit: None, version, decision: Bytes::default() }
}

fn words() -> Vec<u32> {
    (0..PLAN.words(DIM) as u32).collect()
}

fn upload(collection: &mut Collection, id: u8) -> Planting {
    let words = words();
    let (first, second) = words.split_at(7);
    collection.take_piece(Digest([id; 32]), 0, first, first).unwrap();
    collection.take_piece(Digest([id; 32]), 7, second, second).unwrap();
    Planting { upload: Digest([id; 32]), plan: PLAN }
}

/// A collection of four rows with a tree of them, one of which went since, and one came.
fn planted(root: &Path) -> Collection {
    let item = |byte: u8| ItemId([byte; 16]);
    let mut collection = create(root);
    let entry = prepare(&mut collection, 1, &[item(1), item(2), item(3), item(4)], &[]);
    collection.commit(entry).unwrap();
    let planting = upload(&mut collection, 9);
    let entry = plant(&mut collection, Some(planting), 2);
    collection.commit(entry).unwrap();
    let entry = prepare(&mut collection, 3, &[item(5)], &[item(2)]);
    collection.commit(entry).unwrap();
    collection
}

fn open(root: &Path) -> Collection {
    Collection::open(root, &header(), ID).unwrap()
}

fn read(collection: &Collection) -> Option<Vec<u32>> {
    let shares = collection.tree_source()?.read().ok()?;
    assert_eq!(shares.own(), shares.next());
    Some(shares.own().to_vec())
}

#[test]
fn a_tree_survives_and_knows_what_came_and_went() {
    let root = tempfile::tempdir().unwrap();
    let before = planted(root.path());
    let after = open(root.path());
    for collection in [&before, &after] {
        let tree = collection.tree().unwrap();
        assert_eq!(tree.removed(), [2], "the second row of the tree went");
        assert_eq!(collection.rows_beside_tree().len(), 1);
        assert_eq!(read(collection), Some(words()));
        assert_eq!(tree.items().len(), 4);
    }
    assert_eq!(before.tree().unwrap().id, after.tree().unwrap().id);
}

#[test]
fn what_lies_ready_counts_for_nothing_until_it_is_decided_on() {
    let root = tempfile::tempdir().unwrap();
    let mut collection = planted(root.path());
    let first = collection.tree().unwrap().id;
    let planting = upload(&mut collection, 8);
    let entry = plant(&mut collection, Some(planting), 5);
    drop(collection);
    let mut collection = open(root.path());
    assert_eq!(collection.tree().unwrap().id, first);
    collection.commit(entry).unwrap();
    assert_ne!(collection.tree().unwrap().id, first);
    assert_eq!(read(&open(root.path())), Some(words()));
    // Half an upload is gone after a start, and nothing of the tree before is left.
    let mut collection = open(root.path());
    collection.take_piece(Digest([7; 32]), 0, &[1, 2], &[3, 4]).unwrap();
    drop(collection);
    drop(open(root.path()));
    let files = std::fs::read_dir(root.path().join(ID.to_string())).unwrap();
    let trees =
        files.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|it| it == "tree"));
    assert_eq!(trees.count(), 2, "the two components of one tree");
    let mut collection = open(root.path());
    let entry = plant(&mut collection, None, 6);
    collection.commit(entry).unwrap();
    assert!(collection.tree().is_none() && open(root.path()).tree().is_none());
}

#[test]
fn an_altered_byte_of_a_tree_is_noticed_and_spoils_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    drop(planted(root.path()));
    let folder = root.path().join(ID.to_string());
    let paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tree"))
        .collect();
    assert_eq!(paths.len(), 2);
    for path in &paths {
        let whole = std::fs::read(path).unwrap();
        for at in (0..whole.len()).step_by(5) {
            let mut altered = whole.clone();
            altered[at] ^= 0x10;
            std::fs::write(path, altered).unwrap();
            let collection = open(root.path());
            assert_eq!(read(&collection), None, "byte {at} of {} is not noticed", whole.len());
            assert_eq!(collection.items().len(), 4);
        }
        for length in (0..whole.len()).step_by(9) {
            std::fs::write(path, &whole[..length]).unwrap();
            assert_eq!(read(&open(root.path())), None, "{length} bytes of {}", whole.len());
        }
        std::fs::write(path, whole).unwrap();
    }
    assert_eq!(read(&open(root.path())), Some(words()));
    // Without a file it is no tree any more.
    std::fs::remove_file(&paths[0]).unwrap();
    assert!(open(root.path()).tree().is_none());
}
