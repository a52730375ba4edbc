//! The tree over a set of items, against its definition.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

use std::collections::BTreeMap;

use pmirs_crypto::merkle::{DEPTH, EMPTY, ItemSet, verify};
use pmirs_crypto::{ItemId, sha256};
use proptest::prelude::*;

type Leaves = Vec<(ItemId, [u8; 32])>;

/// The definition, word for word.
fn naive(leaves: &Leaves, depth: usize) -> [u8; 32] {
    match leaves.as_slice() {
        [] => EMPTY,
        [(item, digest)] => sha256(&[&[0], item.as_slice(), digest].concat()),
        _ => {
            let ones = |(item, _): &(ItemId, [u8; 32])| item[depth / 8] & (0x80 >> (depth % 8)) != 0;
            let (right, left): (Leaves, Leaves) = leaves.iter().partition(|leaf| ones(leaf));
            sha256(&[&[1], naive(&left, depth + 1).as_slice(), &naive(&right, depth + 1)].concat())
        }
    }
}

fn naive_root(model: &BTreeMap<ItemId, [u8; 32]>) -> [u8; 32] {
    naive(&model.iter().map(|(id, digest)| (*id, *digest)).collect(), 0)
}

fn id(number: u32) -> ItemId {
    sha256(&number.to_be_bytes())[..16].try_into().unwrap()
}

/// Ids that are spread, and ids that agree in all but their last bits.
fn any_id() -> impl Strategy<Value = ItemId> {
    prop_oneof![
        (0..200_u32).prop_map(id),
        (0..20_u8).prop_map(|last| {
            let mut close = [0xa5; 16];
            close[15] = last;
            close
        })
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn batches_of_changes_give_the_root_of_the_definition(
        batches in prop::collection::vec(
            prop::collection::vec((any_id(), prop::option::weighted(0.7, any::<u8>())), 1..60),
            1..8,
        ),
    ) {
        let mut set = ItemSet::default();
        let mut model = BTreeMap::new();
        for batch in batches {
            let before = set.root();
            let changes = batch.iter().map(|&(item, digest)| (item, digest.map(|byte| [byte; 32])));
            let undo = set.apply(changes.clone());
            let after = set.root();
            set.apply(undo);
            prop_assert_eq!(set.root(), before, "undone");
            set.apply(changes.clone());
            for (item, digest) in changes {
                match digest {
                    Some(digest) => drop(model.insert(item, digest)),
                    None => drop(model.remove(&item)),
                }
            }
            prop_assert_eq!(set.root(), naive_root(&model));
            prop_assert_eq!((set.root(), set.len()), (after, model.len()));
            prop_assert_eq!(ItemSet::new(model.clone()).root(), set.root(), "made at once");
        }
        for (item, digest) in &model {
            prop_assert_eq!(set.get(item), Some(digest));
            let proof = set.prove(item).unwrap();
            prop_assert!(proof.len() <= DEPTH);
            prop_assert!(verify(&set.root(), item, digest, &proof));
            // Nothing else is proved by it.
            let other = digest.map(|byte| byte ^ 0x40);
            prop_assert!(!verify(&set.root(), item, &other, &proof));
            let mut other = *item;
            other[0] ^= 0x80;
            prop_assert!(!verify(&set.root(), &other, digest, &proof));
            for at in 0..proof.len() {
                let mut altered = proof.clone();
                altered[at][0] ^= 1;
                prop_assert!(!verify(&set.root(), item, digest, &altered));
            }
        }
    }
}

#[test]
fn a_set_that_grew_is_the_set_that_was_made() {
    let mut set = ItemSet::default();
    let mut model = BTreeMap::new();
    for number in 0..3_000 {
        set.apply([(id(number), Some([number as u8; 32]))]);
        model.insert(id(number), [number as u8; 32]);
    }
    assert_eq!(set.root(), naive_root(&model));
    for number in (0..3_000).step_by(7) {
        let proof = set.prove(&id(number)).unwrap();
        assert!(verify(&set.root(), &id(number), &model[&id(number)], &proof));
        assert!(proof.len() < 40, "{}", proof.len());
    }
    assert_eq!(set.prove(&id(3_000)), None);
    set.apply((0..3_000).map(|number| (id(number), None)));
    assert_eq!((set.root(), set.is_empty()), (EMPTY, true));
}

#[test]
fn a_proof_longer_than_the_tree_is_refused() {
    let set = ItemSet::new([(id(1), [1; 32])]);
    assert!(verify(&set.root(), &id(1), &[1; 32], &[]));
    assert!(!verify(&set.root(), &id(1), &[1; 32], &vec![EMPTY; DEPTH + 1]));
}

/// What an append costs on a large collection: `cargo test -p pmirs-crypto --test merkle -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement, of some seconds"]
fn a_batch_on_a_million_items() {
    let started = std::time::Instant::now();
    let mut set = ItemSet::new((0..1_000_000).map(|number| (id(number), [1; 32])));
    let made = started.elapsed();
    let started = std::time::Instant::now();
    let undo = set.apply((1_000_000..1_000_512).map(|number| (id(number), Some([2; 32]))));
    println!("1,000,000 items: {made:?}; 512 more: {:?}", started.elapsed());
    let grown = set.root();
    set.apply(undo);
    assert_ne!(set.root(), grown);
}
