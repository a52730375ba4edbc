//! The bytes of every message of the split level, pinned as those of the others are (`golden.rs`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

#[path = "support/check.rs"]
mod check;

use check::check;
use pmirs_wire::collection::Role;
use pmirs_wire::problem::{Problem, ProblemKind};
use pmirs_wire::split::{
    Action, Answer, Batch, Component, Entry, Found, List, Member, Membership, Metric, Opening, Order, Parts,
    PartyEntry, PartyInfo, PartyRequest, PeerMessage, Pending, PendingKind, Planting, Probing, Receipt,
    Record, Refused, RowPage, Search, SharePair, SignedOrder, SignedStatement, State, Statement, StoreHeader,
    Touched, TreeAction, TreePlan, TreeState, Trio, Version,
};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, ItemId};

fn bytes(text: &str) -> Bytes {
    Bytes(text.as_bytes().to_vec())
}

fn version(number: u64) -> Version {
    Version { number, hash: Digest([number as u8; 32]) }
}

fn trio() -> Trio {
    let party = |name: &str, byte: u8| PartyEntry {
        name: name.into(),
        url: format!("https://{name}.example:8787"),
        peer: format!("{name}.example:8788"),
        signs: Digest([byte; 32]),
        seals: Digest([byte + 1; 32]),
    };
    Trio { parties: [party("north", 1), party("east", 3), party("south", 5)] }
}

fn signed_order() -> SignedOrder {
    SignedOrder { order: bytes("order"), signature: bytes("signature") }
}

fn signed_statement() -> SignedStatement {
    SignedStatement { statement: bytes("statement"), signature: bytes("signature") }
}

fn entry() -> Entry {
    Entry {
        prepared: signed_order(),
        commit: Some(signed_order()),
        version: version(4),
        decision: bytes("decision"),
    }
}

fn parts() -> Parts {
    let (own, next) = (Component::Seed(Bytes(vec![1; 32])), Component::Words(Bytes(vec![2; 8])));
    Parts { own, next, salt: Digest([3; 32]) }
}

fn plan() -> TreePlan {
    TreePlan { cells: 360, capacity: 40, probes: 72, period: 100 }
}

fn refused() -> Refused {
    let problem = Problem { kind: ProblemKind::Unavailable, message: "east: nothing came".into() };
    Refused { problem, blamed: vec![1], session: Some(Digest([6; 32])) }
}

#[test]
fn parties_and_statements() {
    check("split_trio.hex", &trio());
    let info = PartyInfo {
        version: "0.1.0".into(),
        signs: Digest([1; 32]),
        seals: bytes("seals"),
        trio: Digest([2; 32]),
        place: 1,
        now_ms: 1_700_000_000_000,
    };
    check("split_party_info.hex", &info);
    let member = Member { account: AccountId([7; 32]), identity: bytes("identity"), role: Role::Owner };
    let statement = Statement {
        collection: CollectionId([8; 16]),
        number: 0,
        previous: Digest([0; 32]),
        trio: Digest([2; 32]),
        dim: 512,
        author: AccountId([7; 32]),
        members: vec![member],
        model: None,
    };
    check("split_statement.hex", &statement);
    check("split_signed_statement.hex", &signed_statement());
}

#[test]
fn orders() {
    let order = |action| Order {
        trio: Digest([2; 32]),
        collection: CollectionId([8; 16]),
        account: AccountId([7; 32]),
        sent_ms: 1_700_000_000_000,
        nonce: Digest([9; 32]),
        action,
    };
    check("split_order_show.hex", &order(Action::Show));
    check("split_order_members.hex", &order(Action::Members));
    check("split_order_govern.hex", &order(Action::Govern { statement: signed_statement() }));
    let batch = Batch { base: version(3), add: vec![ItemId([1; 16])], remove: vec![ItemId([2; 16])] };
    let parts_of_three = [1, 2, 3].map(|byte| Digest([byte; 32]));
    check("split_order_prepare.hex", &order(Action::Prepare { batch, parts: parts_of_three }));
    let receipts = [1, 2, 3].map(|byte| Bytes(vec![byte; 64]));
    check(
        "split_order_commit.hex",
        &order(Action::Commit { prepared: Digest([4; 32]), sequence: 7, receipts }),
    );
    let search = Search {
        queries: 1,
        k: 40,
        metric: Metric::InnerProduct,
        largest: 16_384,
        parts: parts_of_three,
        tree: None,
    };
    check("split_order_search.hex", &order(Action::Search(search.clone())));
    let distance = Search { metric: Metric::SquaredDistance, ..search };
    check("split_order_search_distance.hex", &order(Action::Search(distance.clone())));
    let tree = Some(Probing { tree: Digest([4; 32]), probes: 72 });
    check("split_order_search_tree.hex", &order(Action::Search(Search { tree, ..distance })));
    let tree = |action| order(Action::Tree(action));
    check("split_order_tree_show.hex", &tree(TreeAction::Show));
    check("split_order_tree_rows.hex", &tree(TreeAction::Rows { from: 65_536 }));
    let upload = Digest([5; 32]);
    let piece = TreeAction::Piece { upload, at: 4_194_304, words: 1000, parts: parts_of_three };
    check("split_order_tree_piece.hex", &tree(piece));
    let planting = Some(Planting { upload, plan: plan() });
    check("split_order_tree_plant.hex", &tree(TreeAction::Plant { base: version(3), tree: planting }));
    check("split_order_tree_fell.hex", &tree(TreeAction::Plant { base: version(3), tree: None }));
    check("split_order_rows.hex", &order(Action::Rows { from: 65_536 }));
    check("split_order_refresh.hex", &order(Action::Refresh { base: version(3) }));
    check("split_order_repair.hex", &order(Action::Repair { place: 2 }));
    check("split_order_delete.hex", &order(Action::Delete));
    let request = PartyRequest { order: signed_order(), parts: bytes("parts"), first: None };
    check("split_request.hex", &request);
    check("split_request_first.hex", &PartyRequest { first: Some(bytes("decision")), ..request });
    check("split_parts.hex", &parts());
}

#[test]
fn answers() {
    let state = State {
        version: version(3),
        rows: 2,
        dim: 512,
        statement: 1,
        statement_hash: Digest([3; 32]),
        pending: Some(Digest([4; 32])),
        decision: Some(bytes("entry")),
    };
    check("split_answer_state.hex", &Answer::State(state));
    let receipt = Receipt { prepared: Digest([4; 32]), sequence: 7, signature: bytes("signature") };
    let members = Membership { statement: signed_statement(), stale: true };
    check("split_answer_members.hex", &Answer::Members(members));
    check("split_receipt.hex", &receipt);
    check("split_answer_receipt.hex", &Answer::Receipt(receipt));
    let pair = |byte| SharePair { own: Bytes(vec![byte; 8]), next: Bytes(vec![byte + 1; 8]) };
    let found = Found {
        session: Digest([6; 32]),
        version: version(3),
        rows: 2,
        lists: vec![List { rows: pair(1), scores: pair(3) }],
        rounds: 40,
        sent: 3_000_000,
        touched: None,
    };
    check("split_answer_found.hex", &Answer::Found(found.clone()));
    let touched = Touched { slots: 72, of: 360, others: 5, numbered: 11_514, shuffled: true };
    check("split_answer_found_tree.hex", &Answer::Found(Found { touched: Some(touched), ..found }));
    let tree = TreeState {
        tree: Digest([4; 32]),
        plan: plan(),
        base: version(3),
        rows: 11_514,
        removed: 2,
        added: 5,
        queries: Some(17),
    };
    check("split_answer_tree.hex", &Answer::Tree(Some(tree)));
    check("split_answer_tree_none.hex", &Answer::Tree(None));
    let page = RowPage { version: version(3), from: 65_536, items: Bytes(vec![1; 32]) };
    check("split_answer_rows.hex", &Answer::Rows(page));
    check("split_answer_gone.hex", &Answer::Gone);
    check("split_answer_refused.hex", &Answer::Refused(refused()));
}

#[test]
fn peers() {
    let opening = Opening {
        order: Digest([4; 32]),
        collection: CollectionId([8; 16]),
        nonce: Digest([5; 32]),
        version: Some(version(3)),
        statement: Some(1),
    };
    check("split_peer_open.hex", &PeerMessage::Open(opening));
    check("split_peer_confirm.hex", &PeerMessage::Confirm { session: Digest([6; 32]) });
    check("split_peer_stop.hex", &PeerMessage::Stop(refused()));
    let behind =
        PeerMessage::Behind { collection: CollectionId([8; 16]), version: version(2), statement: Some(0) };
    check("split_peer_behind.hex", &behind);
    let ahead = PeerMessage::Ahead { entries: vec![entry()], statements: vec![signed_statement()] };
    check("split_peer_ahead.hex", &ahead);
    check("split_peer_ready.hex", &PeerMessage::Ready { prepared: Digest([4; 32]), sequence: 7 });
    check("split_peer_decided.hex", &PeerMessage::Decided(entry()));
    check("split_peer_words.hex", &PeerMessage::Words { at: 512, words: Bytes(vec![1; 8]) });
    check("split_peer_layout.hex", &PeerMessage::Layout { version: version(3), rows: Bytes(vec![1; 16]) });
}

#[test]
fn stores() {
    let header = StoreHeader { collection: CollectionId([8; 16]), trio: Digest([2; 32]), place: 1, dim: 512 };
    check("split_store_header.hex", &header);
    check("split_record_statement.hex", &Record::Statement(signed_statement()));
    let [own, next] = [1, 2].map(|byte| Digest([byte; 32]));
    check("split_record_batch.hex", &Record::Batch { entry: entry(), own, next });
    let rewritten =
        Record::Rewritten { entry: Some(entry()), version: version(4), generation: 1, rows: 2, own, next };
    check("split_record_rewritten.hex", &rewritten);
    check("split_record_tree.hex", &Record::Tree { entry: entry() });
    check("split_record_rows.hex", &Record::Rows { items: vec![ItemId([1; 16])] });
    let pending = |kind| Pending { order: signed_order(), identity: bytes("identity"), sequence: 7, kind };
    check("split_pending_batch.hex", &pending(PendingKind::Batch(Some(parts()))));
    check("split_pending_tree.hex", &pending(PendingKind::Tree));
    check("split_pending_refresh.hex", &pending(PendingKind::Refresh { generation: 1, own, next }));
    check("split_entry.hex", &entry());
}

/// What is signed and hashed beside the messages themselves.
#[test]
fn signed_bytes() {
    let collection = CollectionId([8; 16]);
    let digest = Digest([4; 32]);
    let nonces = [1, 2, 3].map(|byte| Digest([byte; 32]));
    let all = [
        trio().pinned_bytes(),
        Version::first_bytes(&collection, &Digest([2; 32]), 512),
        version(3).next_bytes(&digest),
        Entry::decided_bytes(&collection, &digest, &version(4)),
        Receipt::signed_bytes(&collection, &digest, &version(3), 7, 1),
        Opening::session_bytes(&nonces, &digest, &version(3)),
    ];
    check::compare("split_signed.bytes", &(data_encoding::HEXLOWER.encode(&all.concat()) + "\n"));
    let governed = Receipt::governed_bytes(&collection, &digest, 3);
    check::compare("split_signed_governed.bytes", &(data_encoding::HEXLOWER.encode(&governed) + "\n"));
}

#[test]
fn three_parties_fit_together_or_say_why_not() {
    assert_eq!(trio().fault(), None);
    let changed = |change: fn(&mut Trio)| {
        let mut trio = trio();
        change(&mut trio);
        trio.fault().unwrap()
    };
    assert!(changed(|trio| trio.parties[2].name = "north".into()).contains("twice"));
    assert!(changed(|trio| trio.parties[2].signs = trio.parties[0].signs).contains("same key"));
    assert!(changed(|trio| trio.parties[1].seals = trio.parties[0].seals).contains("same key"));
    assert!(changed(|trio| trio.parties[0].name = "a b".into()).contains("letters"));
    assert!(changed(|trio| trio.parties[0].url = "x".repeat(513)).contains("address"));
}

#[test]
fn parts_go_two_to_each() {
    let [first, second, third] = Parts::of_three([1; 32], [2; 32], &[7, 8], [[3; 32], [4; 32], [5; 32]]);
    assert_eq!((&first.next, &second.next, &third.next), (&second.own, &third.own, &first.own));
    assert_eq!(third.own, Component::Words(Bytes(vec![7, 0, 0, 0, 8, 0, 0, 0])));
}
