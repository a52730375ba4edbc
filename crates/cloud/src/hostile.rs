//! Arbitrary bytes at every door: each is refused or understood, and none is the server's fault.

use axum::body::Body;
use axum::extract::Request;
use http::{Method, StatusCode};
use pmirs_crypto::pairing::COMMITMENT_LEN;
use pmirs_crypto::{Context, DeviceCertificate, DeviceKey, Identity, IdentitySeed, Token};
use pmirs_wire::account::{ChallengeRequest, Login, Register};
use pmirs_wire::collection::{EpochGrant, NewCollection, Protection, Role};
use pmirs_wire::device::{DeviceLogin, NewDevice};
use pmirs_wire::envelope::{self, InnerRequest, InnerResponse};
use pmirs_wire::item::{NewItem, NewItems, RemoveItems, VeiledVector, WantedItems};
use pmirs_wire::log::{Action, Append, Entry, Leaf, Payload, SignedEntry};
use pmirs_wire::pairing::PairingStep;
use pmirs_wire::problem::Problem;
use pmirs_wire::search::Search;
use pmirs_wire::{
    AccountId, Bytes, CollectionId, DeviceId, Digest, FilterToken, ItemId, Message, decode, encode,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tower::ServiceExt;

use crate::clock::now_ms;
use crate::config::{Config, Limits, Rate};
use crate::server::Server;
use crate::storage::{NewAccount, SessionRecord};

const SEED: u64 = 7;
const ROUNDS: usize = 400;
const ID: CollectionId = CollectionId([5; 16]);
const DIM: usize = 8;

struct World {
    server: Server,
    service: axum::Router,
    token: Token,
    _folder: tempfile::TempDir,
}

impl World {
    /// A server with an account and a veiled collection, and no rates.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = Rate::new(u32::MAX, u32::MAX);
        let limits = Limits { account_rate: any, peer_rate: any, login_rate: any, ..Limits::default() };
        let server = Server::bind(Config { limits, ..Config::loopback(folder.path()) }).unwrap();
        let (store, identity) = (&server.app().store, identity());
        let id = AccountId(identity.public().fingerprint());
        let token = Token::generate(&mut rng(1));
        store.add_invite(&[1; 32], 0).unwrap();
        let public = identity.public().to_bytes();
        store.register(&[1; 32], &NewAccount { id, identity: &public, name: None, created_ms: 0 }).unwrap();
        let session = SessionRecord { account: id, device: None, expires_ms: now_ms() + 3_600_000 };
        store.add_session(&token.hash(), &session, 0).unwrap();
        let world = Self { service: server.service(), server, token, _folder: folder };
        let made = world.ask(&Method::POST, "/v1/collections", encode(&collection()).unwrap(), false).await;
        assert_eq!(made.0, StatusCode::CREATED);
        world
    }

    async fn ask(&self, method: &Method, path: &str, body: Vec<u8>, json: bool) -> (StatusCode, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", *self.token.to_text()))
            .header("content-type", if json { "application/json" } else { "application/cbor" })
            .body(Body::from(body))
            .unwrap();
        let response = self.service.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (status, axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
    }
}

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn identity() -> Identity {
    Identity::from_seed(&IdentitySeed::generate(&mut rng(2)))
}

fn collection() -> NewCollection {
    let granter = Bytes(identity().public().to_bytes());
    let grant = EpochGrant { epoch: 0, role: Role::Owner, granter, grant: Bytes(vec![1; 40]) };
    let (protection, header) = (Protection::Veiled, Bytes(vec![1; 40]));
    NewCollection { id: ID, protection, veiled_dim: DIM as u32, header, grant }
}

fn vector() -> VeiledVector {
    VeiledVector { scale: 0.5, values: Bytes(vec![3; DIM]) }
}

fn search() -> Search {
    Search { epoch: 0, query: vector(), skip: 0, count: 5, filter: vec![FilterToken([1; 32])] }
}

/// Every route that reads a body, with one that it understands.
fn doors() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    fn door<M: Message>(path: &'static str, message: &M) -> (&'static str, Vec<u8>, Vec<u8>) {
        (path, encode(message).unwrap(), serde_json::to_vec(message).unwrap())
    }
    let account = AccountId([4; 32]);
    let item = NewItem {
        item: ItemId([3; 16]),
        epoch: 0,
        meta: Bytes(vec![1; 20]),
        embedding: Bytes(vec![2; 20]),
        veiled: Some(vector()),
        content: Bytes(vec![3; 20]),
        tokens: vec![FilterToken([1; 32]), FilterToken([2; 32])],
    };
    let (code, signature) = (Bytes(vec![1; 32]), Bytes(vec![2; 64]));
    let key = DeviceKey::generate(&mut rng(3)).public();
    let device = DeviceId(key.id());
    let certificate = DeviceCertificate::issue(&identity(), key, 1);
    vec![
        door(
            "/v1/accounts",
            &Register {
                code: code.clone(),
                identity: Bytes(identity().public().to_bytes()),
                name: Some("anna".into()),
                signature: signature.clone(),
            },
        ),
        door("/v1/login/challenge", &ChallengeRequest { account }),
        door("/v1/login", &Login { account, nonce: code.clone(), signature: signature.clone() }),
        door(
            "/v1/login/device",
            &DeviceLogin { account, device, nonce: code.clone(), signature: signature.clone() },
        ),
        door("/v1/pairings", &PairingStep { message: Bytes(vec![1; COMMITMENT_LEN]) }),
        door("/v1/devices", &NewDevice { certificate: Bytes(certificate.to_bytes()) }),
        door("/v1/collections/05050505050505050505050505050505/log", &append()),
        door("/v1/collections", &collection()),
        door("/v1/collections/05050505050505050505050505050505/items", &NewItems { items: vec![item] }),
        door(
            "/v1/collections/05050505050505050505050505050505/remove",
            &RemoveItems { items: vec![ItemId([3; 16])] },
        ),
        door(
            "/v1/collections/05050505050505050505050505050505/records",
            &WantedItems { items: vec![ItemId([3; 16])] },
        ),
        door("/v1/collections/05050505050505050505050505050505/search", &search()),
    ]
}

/// An addition to a log that was begun, as far as its author knows.
fn append() -> Append {
    let leaf = Leaf { item: ItemId([3; 16]), epoch: 0, digest: Digest([4; 32]) };
    let entry = encode(&Entry {
        collection: ID,
        number: 1,
        previous: Digest([5; 32]),
        epoch: 0,
        author: AccountId(identity().public().fingerprint()),
        at_ms: now_ms(),
        action: Action::Add { items: vec![leaf] },
        items: 1,
        root: Digest([6; 32]),
    })
    .unwrap();
    let signature = Bytes(identity().sign(Context::Change, &entry).0.to_vec());
    Append { entry: SignedEntry { entry: Bytes(entry), signature }, payload: Payload::Nothing }
}

/// A damaged copy: bits flipped, cut, stretched, lengths blown up, or nothing of it left.
fn damage(rng: &mut ChaCha20Rng, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=rng.next_u32() % 3 {
        let at = rng.next_u32() as usize % bytes.len().max(1);
        match rng.next_u32() % 6 {
            0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << (rng.next_u32() % 8),
            2 if !bytes.is_empty() => bytes[at] = [0x00, 0x5b, 0x9b, 0xbf, 0xfb, 0xff][at % 6],
            3 => bytes.truncate(at),
            4 => bytes.extend((0..rng.next_u32() % 40).map(|_| rng.next_u32() as u8)),
            _ => {
                bytes = vec![0; rng.next_u32() as usize % 300];
                rng.fill_bytes(&mut bytes);
            }
        }
    }
    bytes
}

fn check(status: StatusCode, body: &[u8], json: bool, context: &str) {
    assert!(!status.is_server_error(), "{status} at {context}");
    if status.is_client_error() {
        let is_problem = if json {
            serde_json::from_slice::<Problem>(body).is_ok()
        } else {
            decode::<Problem>(body).is_ok()
        };
        assert!(is_problem, "{status} without a reason at {context}");
    }
}

#[tokio::test]
async fn no_body_is_the_servers_fault() {
    let world = World::new().await;
    let mut rng = rng(SEED);
    for (path, cbor, as_json) in doors() {
        let mut refused = 0;
        for round in 0..ROUNDS {
            let json = round % 2 == 1;
            let body = damage(&mut rng, if json { &as_json } else { &cbor });
            let context = format!("{path}, round {round}, seed {SEED}: {body:02x?}");
            let (status, answer) = world.ask(&Method::POST, path, body, json).await;
            check(status, &answer, json, &context);
            refused += usize::from(status.is_client_error());
        }
        assert!(refused > ROUNDS / 2, "{path} refused only {refused} of {ROUNDS}");
    }
}

#[tokio::test]
async fn no_path_is_the_servers_fault() {
    let world = World::new().await;
    let mut rng = rng(SEED);
    let parts =
        ["v1", "collections", "items", "changes?after=", "content", "%ff", "..", "", "%00", "{id}", "*"];
    let id = ID.to_string();
    for _ in 0..ROUNDS {
        let mut path = String::new();
        for _ in 0..=rng.next_u32() % 6 {
            let part = parts.get(rng.next_u32() as usize % (parts.len() + 1)).copied().unwrap_or(&id);
            path.push('/');
            path.push_str(part);
        }
        for method in [Method::GET, Method::POST, Method::DELETE, Method::PUT, Method::OPTIONS] {
            let (status, answer) = world.ask(&method, &path, Vec::new(), false).await;
            check(status, &answer, false, &format!("{method} {path}"));
        }
    }
}

#[tokio::test]
async fn no_envelope_is_the_servers_fault() {
    let world = World::new().await;
    let mut rng = rng(SEED);
    let key = world.server.app().key.public();
    let path = "/v1/collections/05050505050505050505050505050505/search".to_owned();
    let body = encode(&search()).unwrap();
    for round in 0..ROUNDS {
        let request = InnerRequest {
            sent_ms: now_ms(),
            method: envelope::Method::Post,
            path: path.clone(),
            token: Some(Bytes(world.token.expose_secret().to_vec())),
            body: Bytes(damage(&mut rng, &body)),
            signature: None,
        };
        let plain = encode(&request).unwrap();
        // Damage on the outside, in the request, and in the body that it carries.
        let (sealed, opener) = match round % 3 {
            0 => {
                let (sealed, _) = key.seal_request(&mut rng, &plain);
                (damage(&mut rng, &sealed), None)
            }
            1 => {
                let damaged = damage(&mut rng, &plain);
                let (sealed, opener) = key.seal_request(&mut rng, &damaged);
                (sealed, Some(opener))
            }
            _ => {
                let (sealed, opener) = key.seal_request(&mut rng, &plain);
                (sealed, Some(opener))
            }
        };
        let context = format!("round {round}, seed {SEED}");
        let (status, answer) = world.ask(&Method::POST, "/v1/envelope", sealed, false).await;
        check(status, &answer, false, &context);
        if status == StatusCode::OK {
            let opened = opener.expect("damage outside is refused").open(&answer).unwrap();
            let inner: InnerResponse = decode(&opened).unwrap();
            check(StatusCode::from_u16(inner.status).unwrap(), &inner.body.0, false, &context);
        }
    }
}

/// A panic is the last thing that may happen; it costs its request and nothing else.
#[tokio::test]
async fn a_panic_costs_one_request() {
    let world = World::new().await;
    let app = world.server.app();
    let crashed: Result<(), _> = app.run(|_| panic!("on purpose")).await;
    let (status, problem) = crashed.unwrap_err().into_parts();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!problem.message.contains("on purpose"));
    assert_eq!(world.ask(&Method::GET, "/v1/collections", Vec::new(), false).await.0, StatusCode::OK);
}
