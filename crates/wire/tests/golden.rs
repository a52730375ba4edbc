//! The bytes of every message, pinned: a file in `golden/` for each. `PMIRS_BLESS=1` rewrites them after a
//! deliberate change, which must also raise the message's version.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

#[path = "support/check.rs"]
mod check;

use std::path::PathBuf;

use check::check;

use data_encoding::HEXLOWER;
use pmirs_wire::access::{Access, AccessPage, EMPTY_BODY, SignedRequest, must_be_signed};
use pmirs_wire::account::{Challenge, ChallengeRequest, Invite, Login, Register, ServerInfo, Session};
use pmirs_wire::collection::{CollectionList, CollectionRecord, EpochGrant, NewCollection, Protection, Role};
use pmirs_wire::device::{Device, DeviceList, DeviceLogin, NewDevice};
use pmirs_wire::envelope::{InnerRequest, InnerResponse, Method};
use pmirs_wire::item::{
    Change, Changes, ItemRecord, ItemRecords, NewItem, NewItems, RemoveItems, Stored, VeiledVector,
    WantedItems,
};
use pmirs_wire::log::{Action, Append, Entry, Head, Leaf, LogPage, Payload, SignedEntry};
use pmirs_wire::pairing::{NewPairing, PairingState, PairingStep, code_from_bits, code_from_typed};
use pmirs_wire::people::{Person, is_name};
use pmirs_wire::problem::{Problem, ProblemKind};
use pmirs_wire::sealed::{CollectionHeader, EarlierModel, ItemKind, ItemMeta, StoredEmbedding, VeilSettings};
use pmirs_wire::search::{Candidate, Candidates, Search};
use pmirs_wire::split::{PartyEntry, Trio};
use pmirs_wire::{
    AccountId, Bytes, CollectionId, DecodeError, DeviceId, Digest, FilterToken, ItemId, Message, decode,
    encode,
};

fn bytes(text: &str) -> Bytes {
    Bytes(text.as_bytes().to_vec())
}

fn veiled() -> VeiledVector {
    VeiledVector { scale: 0.25, values: Bytes(vec![0, 1, 127, 128, 255]) }
}

fn grant() -> EpochGrant {
    EpochGrant { epoch: 3, role: Role::Writer, granter: bytes("granter"), grant: bytes("grant") }
}

fn trio() -> Trio {
    let party = |name: &str, number: u8| PartyEntry {
        name: name.into(),
        url: format!("https://{name}.example:8787"),
        peer: format!("{name}.example:8788"),
        signs: Digest([number; 32]),
        seals: Digest([number + 3; 32]),
    };
    Trio { parties: [party("north", 1), party("east", 2), party("south", 3)] }
}

fn record() -> ItemRecord {
    ItemRecord {
        item: ItemId([9; 16]),
        epoch: 3,
        meta: bytes("meta"),
        embedding: bytes("embedding"),
        veiled: Some(veiled()),
        content_len: 70_000,
        tokens: Vec::new(),
    }
}

fn collection() -> CollectionRecord {
    CollectionRecord {
        id: CollectionId([8; 16]),
        owner: AccountId([7; 32]),
        protection: Protection::Veiled,
        veiled_dim: 320,
        header: bytes("header"),
        grants: vec![grant()],
        items: 2,
        bytes: 1 << 33,
        seq: 5,
    }
}

#[test]
fn account_messages() {
    let server = ServerInfo { version: "0.1.0".into(), public_key: bytes("key"), now_ms: 1_700_000_000_000 };
    check("server_info.hex", &server);
    check("invite.hex", &Invite { server: Digest([1; 32]), code: bytes("code") });
    let register = Register {
        code: bytes("code"),
        identity: bytes("identity"),
        name: None,
        signature: bytes("signature"),
    };
    check("register.hex", &register);
    check("register_named.hex", &Register { name: Some("anna".into()), ..register });
    check("challenge_request.hex", &ChallengeRequest { account: AccountId([7; 32]) });
    check("challenge.hex", &Challenge { nonce: bytes("nonce") });
    let account = AccountId([7; 32]);
    check("login.hex", &Login { account, nonce: bytes("nonce"), signature: bytes("signature") });
    check("session.hex", &Session { token: bytes("token"), expires_ms: 1_700_000_000_000 });
}

#[test]
fn collection_messages() {
    let new = NewCollection {
        id: CollectionId([8; 16]),
        protection: Protection::Sealed,
        veiled_dim: 0,
        header: bytes("header"),
        grant: grant(),
    };
    check("new_collection.hex", &new);
    check("collection_record.hex", &collection());
    check("collection_list.hex", &CollectionList { collections: vec![collection()] });
}

#[test]
fn device_messages() {
    let certificate = bytes("certificate");
    check("new_device.hex", &NewDevice { certificate: certificate.clone() });
    let id = DeviceId([5; 16]);
    let device = Device { id, certificate, created_ms: 1_700_000_000_000, revoked_ms: None };
    let revoked = Device { revoked_ms: Some(1_700_000_000_001), ..device.clone() };
    check("device.hex", &device);
    check("device_list.hex", &DeviceList { devices: vec![device, revoked] });
    let account = AccountId([7; 32]);
    let login = DeviceLogin { account, device: id, nonce: bytes("nonce"), signature: bytes("signature") };
    check("device_login.hex", &login);
}

#[test]
fn pairing_messages() {
    check("pairing_step.hex", &PairingStep { message: bytes("message") });
    check("new_pairing.hex", &NewPairing { code: "0123ABCD".into(), expires_ms: 1_700_000_000_000 });
    let state = PairingState {
        commitment: bytes("commitment"),
        answer: None,
        reveal: None,
        seed: None,
        expires_ms: 1_700_000_000_000,
    };
    check("pairing_state_begun.hex", &state);
    let (answer, reveal, seed) = (Some(bytes("answer")), Some(bytes("reveal")), Some(bytes("seed")));
    check("pairing_state.hex", &PairingState { answer, reveal, seed, ..state });
}

#[test]
fn codes_are_read_as_they_were_meant() {
    let code = code_from_bits(0xff00_1122_3344_5566);
    assert_eq!((code.len(), code_from_typed(&code)), (8, Some(code.clone())));
    assert_eq!(code_from_bits(0x12_3456_789a), "28T5CY4T");
    for typed in ["28t5cy4t", "28T5-CY4T", " 28t5 cy4t "] {
        assert_eq!(code_from_typed(typed).as_deref(), Some("28T5CY4T"), "{typed}");
    }
    assert_eq!(code_from_typed("oOiIlLzZ").as_deref(), Some("001111ZZ"));
    let long = "0".repeat(1 << 20);
    for none in ["", "28T5CY4", "28T5CY4TT", "28T5CY4U", "28T5CY4\u{e4}", &long] {
        assert_eq!(code_from_typed(none), None, "{none}");
    }
}

#[test]
fn people() {
    check("person.hex", &Person { name: "anna".into(), account: AccountId([7; 32]), identity: bytes("id") });
    let longest = "x".repeat(64);
    for good in ["a", "anna.b_c-9", &longest] {
        assert!(is_name(good), "{good}");
    }
    for bad in ["", "Anna", "a b", "a/b", "\u{e4}", &(longest.clone() + "x")] {
        assert!(!is_name(bad), "{bad}");
    }
}

fn entry(action: Action) -> Entry {
    Entry {
        collection: CollectionId([8; 16]),
        number: 4,
        previous: Digest([4; 32]),
        epoch: 3,
        author: AccountId([7; 32]),
        at_ms: 1_700_000_000_000,
        action,
        items: 2,
        root: Digest([5; 32]),
    }
}

#[test]
fn log_messages() {
    let leaf = Leaf { item: ItemId([9; 16]), epoch: 3, digest: Digest([2; 32]) };
    let (member, digest) = (AccountId([6; 32]), Digest([1; 32]));
    let grants = vec![(member, digest), (AccountId([7; 32]), digest)];
    let (protection, role, identity) = (Protection::Veiled, Role::Writer, bytes("identity"));
    for action in [
        Action::Create { protection, header: Digest([3; 32]), identity: identity.clone(), grant: digest },
        Action::Add { items: vec![leaf, leaf] },
        Action::Remove { items: vec![leaf.item] },
        Action::Replace { items: vec![leaf] },
        Action::Share { member, identity, role, grants: vec![(2, digest), (3, digest)] },
        Action::Accept,
        Action::Leave,
        Action::Revoke { member, grants: grants.clone() },
        Action::Rotate { grants },
        Action::Retire { epoch: 2 },
        Action::Settings { header: Digest([3; 32]) },
    ] {
        check(&format!("entry_{}.hex", action.name()), &entry(action));
    }
    let signed = SignedEntry { entry: bytes("entry"), signature: bytes("signature") };
    check("signed_entry.hex", &signed);
    let item = NewItem {
        item: ItemId([9; 16]),
        epoch: 3,
        meta: bytes("meta"),
        embedding: bytes("embedding"),
        veiled: None,
        content: bytes("content"),
        tokens: Vec::new(),
    };
    for (file, payload) in [
        ("append_nothing.hex", Payload::Nothing),
        ("append_items.hex", Payload::Items(vec![item])),
        ("append_grants.hex", Payload::Grants(vec![bytes("grant"), bytes("another")])),
        ("append_header.hex", Payload::Header(bytes("header"))),
    ] {
        check(file, &Append { entry: signed.clone(), payload });
    }
    check("head.hex", &Head { latest: Some(signed.clone()), hash: digest, seq: 12 });
    check("head_empty.hex", &Head { latest: None, hash: Digest([0; 32]), seq: 0 });
    check("log_page.hex", &LogPage { entries: vec![signed.clone(), signed], more: true });
}

/// The largest record and the largest search that the limits allow fit within the limits on their bytes.
#[test]
fn full_items_and_searches_fit() {
    let full = |len| Bytes(vec![0xff; len]);
    let veiled = VeiledVector { scale: 0.1, values: full(pmirs_wire::limits::VEILED_DIM) };
    let tokens = vec![FilterToken([0xff; 32]); pmirs_wire::limits::TOKENS];
    let record = ItemRecord {
        item: ItemId([0xff; 16]),
        epoch: u32::MAX,
        meta: full(pmirs_wire::limits::SEALED_META),
        embedding: full(pmirs_wire::limits::SEALED_EMBEDDING),
        veiled: Some(veiled.clone()),
        content_len: u64::MAX,
        tokens: tokens.clone(),
    };
    encode(&record).unwrap();
    let (skip, count) = (u32::MAX, u32::MAX);
    encode(&Search { epoch: u32::MAX, query: veiled, skip, count, filter: tokens }).unwrap();
}

/// The largest entries that the limits allow fit within the limit on their bytes.
#[test]
fn full_entries_fit() {
    let leaf = Leaf { item: ItemId([0xff; 16]), epoch: u32::MAX, digest: Digest([0xff; 32]) };
    let grants = vec![(AccountId([0xff; 32]), Digest([0xff; 32])); pmirs_wire::limits::MEMBERS];
    for action in [
        Action::Replace { items: vec![leaf; pmirs_wire::limits::BATCH_ITEMS] },
        Action::Revoke { member: AccountId([0xff; 32]), grants },
    ] {
        encode(&entry(action)).unwrap();
    }
}

/// The largest settings that the limits allow fit.
#[test]
fn full_settings_fit() {
    // As long as a pack's name and version may be in a manifest that people can still read.
    let model = "m".repeat(200);
    let digest = Some(Digest([0xff; 32]));
    let earlier = EarlierModel { model: model.clone(), dim: u32::MAX, digest, since: u32::MAX };
    let header = CollectionHeader {
        name: "\u{10ffff}".repeat(200),
        created_ms: u64::MAX,
        model,
        dim: u32::MAX,
        digest,
        since: u32::MAX,
        earlier: vec![earlier; pmirs_wire::limits::EARLIER_MODELS],
        veil: None,
        parties: Some(trio()),
    };
    encode(&header).unwrap();
}

#[test]
fn item_messages() {
    let item = NewItem {
        item: ItemId([9; 16]),
        epoch: 3,
        meta: bytes("meta"),
        embedding: bytes("embedding"),
        veiled: Some(veiled()),
        content: bytes("content"),
        tokens: Vec::new(),
    };
    check("new_items.hex", &NewItems { items: vec![item.clone(), NewItem { veiled: None, ..item.clone() }] });
    let tokens = vec![FilterToken([1; 32]), FilterToken([2; 32])];
    check("new_items_tokens.hex", &NewItems { items: vec![NewItem { tokens: tokens.clone(), ..item }] });
    check("stored.hex", &Stored { seq: 5, items: 2 });
    check("remove_items.hex", &RemoveItems { items: vec![ItemId([9; 16])] });
    check("wanted_items.hex", &WantedItems { items: vec![ItemId([9; 16])] });
    check("item_record.hex", &record());
    check("item_records.hex", &ItemRecords { records: vec![record()] });
    check("item_record_tokens.hex", &ItemRecord { tokens: tokens.clone(), ..record() });
    let changes = vec![Change::Added(record()), Change::Removed(ItemId([6; 16]))];
    check("changes.hex", &Changes { changes, seq: 5, more: true });
    let search = Search { epoch: 3, query: veiled(), skip: 64, count: 64, filter: Vec::new() };
    check("search.hex", &search);
    check("search_filter.hex", &Search { filter: tokens, ..search });
    let candidate =
        Candidate { item: ItemId([9; 16]), score: 0.5, meta: bytes("meta"), embedding: bytes("embedding") };
    check("candidates.hex", &Candidates { candidates: vec![candidate], rows: 10_000, score_us: 300 });
}

#[test]
fn envelope_messages() {
    let request = InnerRequest {
        sent_ms: 1_700_000_000_000,
        method: Method::Post,
        path: "/v1/collections".into(),
        token: Some(bytes("token")),
        body: bytes("body"),
        signature: None,
    };
    check("inner_request.hex", &request);
    let signature = Some(bytes("signature"));
    check("inner_request_signed.hex", &InnerRequest { signature, ..request });
    check("inner_response.hex", &InnerResponse { status: 404, body: bytes("body") });
    check("problem.hex", &Problem { kind: ProblemKind::NotFound, message: "no such collection".into() });
}

#[test]
fn accesses() {
    let access = Access {
        number: 7,
        at_ms: 1_700_000_000_001,
        account: AccountId([7; 32]),
        item: ItemId([9; 16]),
        sent_ms: 1_700_000_000_000,
        signature: bytes("signature"),
    };
    let full = Access {
        number: u64::MAX,
        at_ms: u64::MAX,
        sent_ms: u64::MAX,
        signature: Bytes(vec![255; 64]),
        ..access.clone()
    };
    let most = pmirs_wire::limits::ACCESS_PAGE;
    encode(&AccessPage { accesses: vec![full; most], more: true, latest: u64::MAX }).unwrap();

    let (server, collection) = (Digest([1; 32]), CollectionId([8; 16]));
    let path = format!("/v1/collections/{collection}/items/{}/content", access.item);
    assert!(must_be_signed(Method::Get, &path) && !must_be_signed(Method::Get, "/v1/collections"));
    let (sent_ms, method) = (access.sent_ms, Method::Get);
    let request = SignedRequest { server, sent_ms, method, path: &path, body: EMPTY_BODY };
    assert_eq!(access.signed_bytes(server, &collection), request.to_bytes());
    let signed = HEXLOWER.encode(&request.to_bytes());
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/signed_request.bytes");
    if std::env::var_os("PMIRS_BLESS").is_some() {
        std::fs::write(&golden, signed.clone() + "\n").unwrap();
    }
    assert_eq!(std::fs::read_to_string(&golden).unwrap().trim(), signed);
    check("access_page.hex", &AccessPage { accesses: vec![access], more: true, latest: 9 });
}

#[test]
fn sealed_records() {
    let veil = VeilSettings {
        noise_dim: 32,
        blocks: 4,
        condition: 8.0,
        noise_energy: 0.25,
        shuffle: true,
        jitter_scale: 0.02,
        jitter_shift: 0.1,
    };
    let header = CollectionHeader {
        name: "holiday".into(),
        created_ms: 1_700_000_000_000,
        model: "compact 0.1.0".into(),
        dim: 256,
        digest: None,
        since: 0,
        earlier: Vec::new(),
        veil: Some(veil),
        parties: None,
    };
    check("collection_header.hex", &header);
    let earlier = EarlierModel { model: header.model.clone(), dim: 256, digest: None, since: 0 };
    let (model, digest) = ("compact 0.2.0".into(), Some(Digest([6; 32])));
    let moving = CollectionHeader { model, digest, since: 2, earlier: vec![earlier], ..header.clone() };
    check("collection_header_moving.hex", &moving);
    check("collection_header_split.hex", &CollectionHeader { veil: None, parties: Some(trio()), ..header });
    let meta = ItemMeta {
        name: "beach/dog.jpg".into(),
        kind: ItemKind::Image,
        media_type: "image/jpeg".into(),
        caption: Some("a dog on a beach".into()),
        size: 12_345,
        content: Digest([2; 32]),
        added_ms: 1_700_000_000_000,
        date_ms: None,
        tags: Vec::new(),
        pixels: Some((640, 480)),
        model: "compact 0.1.0".into(),
        veiled: Some(Digest([3; 32])),
    };
    check("item_meta.hex", &meta);
    check("stored_embedding.hex", &StoredEmbedding::from_unit(&[0.6, -0.8, 0.0, 1.0]));
}

#[test]
fn an_invite_survives_being_mailed() {
    let invite = Invite { server: Digest([1; 32]), code: bytes("0123456789abcdef") };
    let text = invite.to_text().unwrap();
    assert_eq!(Invite::from_text(&format!("  {text}\n")).unwrap(), invite);
    assert!(Invite::from_text(&text[..text.len() - 3]).is_err(), "a cut invite is refused");
    assert!(Invite::from_text("hello").is_err());
}

#[test]
fn an_oversized_message_is_refused_before_it_is_read() {
    let huge = vec![1; Challenge::MAX_BYTES + 1];
    assert!(matches!(decode::<Challenge>(&huge), Err(DecodeError::TooLong { limit: 256, .. })));
    let wide = Challenge { nonce: Bytes(vec![0; 300]) };
    assert!(matches!(encode(&wide), Err(pmirs_wire::EncodeError::TooLong { .. })));
}
