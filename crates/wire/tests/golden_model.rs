//! The bytes of the messages about models of the split level, pinned as those of the others are (`golden.rs`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

#[path = "support/check.rs"]
mod check;

use check::check;
use pmirs_mpc::network::{Block, ImageTower, TextTower};
use pmirs_wire::collection::Role;
use pmirs_wire::split::{
    Action, Answer, Encode, Encoded, Member, ModelEntry, ModelFile, ModelManifest, ModelTower, Order,
    SharePair, Statement, Version,
};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest};

fn bytes(text: &str) -> Bytes {
    Bytes(text.as_bytes().to_vec())
}

#[test]
fn what_is_public_of_a_model() {
    let block = Block { expand: 24, widens: false, out: 16, stride: 2 };
    let image = ImageTower {
        size: 96,
        stem: 24,
        blocks: vec![block],
        features: 32,
        bounded: true,
        hidden: 16,
        dim: 8,
    };
    let manifest = ModelManifest {
        name: "compact-lite 1.0.0".into(),
        fraction: 16,
        relu_bits: 32,
        image,
        text: TextTower { tokens: 18, vocabulary: 100, width: 12, layers: 1, dim: 8 },
        weights: Digest([4; 32]),
        card: "format = 1\n".into(),
        files: vec![ModelFile { name: "vocabulary.bpe".into(), content: bytes("merges") }],
    };
    check("split_model_manifest.hex", &manifest);
}

#[test]
fn statements_orders_and_answers() {
    let member = Member { account: AccountId([7; 32]), identity: bytes("identity"), role: Role::Owner };
    let statement = Statement {
        collection: CollectionId([8; 16]),
        number: 0,
        previous: Digest([0; 32]),
        trio: Digest([2; 32]),
        dim: 4096,
        author: AccountId([7; 32]),
        members: vec![member],
        model: Some(Digest([3; 32])),
    };
    check("split_statement_model.hex", &statement);
    let order = |action| Order {
        trio: Digest([2; 32]),
        collection: CollectionId([8; 16]),
        account: AccountId([7; 32]),
        sent_ms: 1_700_000_000_000,
        nonce: Digest([9; 32]),
        action,
    };
    check("split_order_describe.hex", &order(Action::Describe { manifest: Digest([3; 32]) }));
    check("split_order_meet.hex", &order(Action::Meet));
    check("split_order_manifest.hex", &order(Action::Manifest));
    check("split_order_models.hex", &order(Action::Models));
    for tower in [ModelTower::Image, ModelTower::Text] {
        let encode =
            Encode { model: Digest([3; 32]), tower, parts: [1, 2, 3].map(|byte| Digest([byte; 32])) };
        check(&format!("split_order_encode_{}.hex", tower.name()), &order(Action::Encode(encode)));
    }
    check("split_answer_manifest.hex", &Answer::Manifest(bytes("manifest")));
    let entry = ModelEntry {
        model: CollectionId([8; 16]),
        manifest: Digest([3; 32]),
        name: Some("compact-lite 1.0.0".into()),
        owners: vec![AccountId([7; 32])],
    };
    let unnamed = ModelEntry { name: None, ..entry.clone() };
    check("split_answer_models.hex", &Answer::Models(vec![entry, unnamed]));
    let encoded = Encoded {
        session: Digest([6; 32]),
        version: Version { number: 2, hash: Digest([2; 32]) },
        vector: SharePair { own: Bytes(vec![1; 16]), next: Bytes(vec![2; 16]) },
        rounds: 300,
        sent: 40_000_000,
    };
    check("split_answer_encoded.hex", &Answer::Encoded(encoded));
}
