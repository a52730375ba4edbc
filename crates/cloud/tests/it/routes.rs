//! Who may ask what: every route for every kind of caller, against one table.

use std::cell::Cell;
use std::collections::HashMap;

use pmirs_cloud::{Embedded, Limits, Rate, route_list};
use pmirs_crypto::pairing::{ANSWER_LEN, COMMITMENT_LEN, REVEAL_LEN, SEED_LEN};
use pmirs_crypto::{Context, DeviceCertificate, DeviceKey, Identity, PublicIdentity, Token};
use pmirs_federated::chain::Chain as Rounds;
use pmirs_federated::charter::Charter;
use pmirs_wire::access::{SENT_HEADER, SIGNATURE_HEADER};
use pmirs_wire::account::{ChallengeRequest, Login, Register, Session};
use pmirs_wire::collection::{Protection, Role};
use pmirs_wire::device::{DeviceLogin, NewDevice};
use pmirs_wire::envelope::{InnerRequest, Method};
use pmirs_wire::federation::{Federation, NewFederation, Piece, Spoken};
use pmirs_wire::item::{NewItems, RemoveItems, WantedItems};
use pmirs_wire::log::{Action, Append, Payload};
use pmirs_wire::search::Search;
use pmirs_wire::{Bytes, CollectionId, DeviceId, Digest, ItemId, encode};
use tempfile::TempDir;

use crate::chain::{Chain, leaves, regrant, sign};
use crate::client::{
    Http, Reply, User, account, challenge, identity, item, now_ms, random, register_named, rng, vector,
};
use crate::{devices, federation, pairings, start};

const TABLE: &str = include_str!("../fixtures/routes.tsv");
const ID: CollectionId = CollectionId([5; 16]);
const ABSENT: CollectionId = CollectionId([0xee; 16]);

/// In this order within a row: whoever could do harm comes last.
const CALLERS: [&str; 9] = [
    "anonymous",
    "expired-token",
    "revoked-device",
    "other-server",
    "removed-member",
    "other-user",
    "reader",
    "writer",
    "owner",
];

#[test]
fn every_route_answers_every_caller_as_the_table_says() {
    let mut lines = TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'));
    let columns: Vec<&str> = lines.next().unwrap().skip(2).collect();
    let mut sorted = (columns.clone(), CALLERS.to_vec());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    assert_eq!(sorted.0, sorted.1);
    let mut rows = HashMap::new();
    for mut cells in lines {
        let route = (cells.next().unwrap(), cells.next().unwrap());
        let statuses: Vec<u16> = cells.map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(statuses.len(), columns.len(), "{route:?}");
        assert!(rows.insert(route, statuses).is_none(), "{route:?} has two rows");
    }

    let world = Callers::new();
    let mut wrong = Vec::new();
    for route @ (method, path) in route_list() {
        let statuses = rows.remove(&route).unwrap_or_else(|| panic!("{route:?} has no row in routes.tsv"));
        // What deletes has a world to itself.
        let fresh = (method == "DELETE").then(Callers::new);
        let world = fresh.as_ref().unwrap_or(&world);
        for caller in CALLERS {
            let expected = statuses[columns.iter().position(|column| *column == caller).unwrap()];
            let reply = world.ask(caller, method, path, ID);
            if reply.status != expected {
                wrong.push(format!("{method} {path} by {caller}: {}, expected {expected}", reply.status));
            }
            if reply.status == 404 && path.contains("{id}") {
                let absent = world.ask(caller, method, path, ABSENT);
                assert_eq!(reply.problem(), absent.problem(), "{method} {path} by {caller}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rows.is_empty(), "rows without a route: {rows:?}");
}

/// A server with a shared collection, and everybody who might ask about it.
struct Callers {
    server: Embedded,
    owner: User,
    writer: User,
    reader: User,
    removed: User,
    other: User,
    expired: Session,
    revoked: Session,
    elsewhere: Session,
    device: DeviceKey,
    item: ItemId,
    /// One that runs, with owner, writer and reader among its five members.
    federation: Rounds,
    next: Cell<u64>,
    _folders: [TempDir; 2],
}

impl Callers {
    fn new() -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let any = Rate::new(u32::MAX, u32::MAX);
        let limits = Limits { account_rate: any, peer_rate: any, login_rate: any, ..Limits::default() };
        let server = start(folders[0].path(), limits);
        let http = Http::new(server.url());
        let invite = server.first_invite().unwrap();
        assert_eq!(register_named(&http, &identity(1), &invite, "anna").status, 201);
        let owner = User::resume(http, identity(1));
        let [writer, reader, removed, other] =
            [2, 3, 4, 5].map(|seed| User::join(server.url(), seed, &server.invite().unwrap()));

        let mut chain = Chain::begin(&owner, ID, Protection::Veiled);
        let new = item(&mut rng(1), Protection::Veiled);
        let name = new.item;
        chain.add(&owner, vec![new]);
        for (member, role) in [(&writer, Role::Writer), (&reader, Role::Reader), (&removed, Role::Owner)] {
            chain.share(&owner, member, role, &[0]);
            chain.done(member, Action::Accept, Payload::Nothing);
        }
        let staying = [(&owner, Role::Owner), (&writer, Role::Writer), (&reader, Role::Reader)];
        let (grants, payload) = regrant(ID, &owner, &staying, 1);
        chain.done(&owner, Action::Revoke { member: account(&removed.identity), grants }, payload);

        let group = [&owner.identity, &writer.identity, &reader.identity].map(Identity::public);
        let group = [group.to_vec(), vec![identity(90).public(), identity(91).public()]].concat();
        let charter = federation::charter(&owner, &group, federation::terms(5), 0);
        let shown: Federation = federation::start(&owner, &charter).message();
        let all = federation::model_piece(&charter, &federation::initial(), 0, 28);
        let coordinator = PublicIdentity::from_bytes(&shown.coordinator.0).unwrap();
        let federation = Rounds::begin(charter, coordinator).unwrap();
        let at = federation::path(federation.id(), "model");
        assert_eq!(owner.ask(Method::Post, &at, &all).status, 200);

        let (device, lost) = (devices::device(1), devices::device(2));
        let login = |key: &DeviceKey| {
            assert_eq!(devices::add(&owner, &owner.identity, key).status, 201);
            devices::login(&owner.http, account(&owner.identity), key, &owner.key).message::<Session>()
        };
        login(&device);
        let revoked = login(&lost);
        assert_eq!(devices::revoke(&owner, &lost).status, 200);
        let expired = expire(folders[0].path(), User::resume(Http::new(server.url()), identity(1)).session);
        let second = start(folders[1].path(), Limits::default());
        let elsewhere = User::join(second.url(), 1, &second.first_invite().unwrap()).session;
        Self {
            server,
            owner,
            writer,
            reader,
            removed,
            other,
            expired,
            revoked,
            elsewhere,
            device,
            item: name,
            federation,
            next: Cell::new(100),
            _folders: folders,
        }
    }

    /// Asks a route with whatever would be right for this caller.
    fn ask(&self, caller: &str, method: &str, path: &str, id: CollectionId) -> Reply {
        let (user, session) = match caller {
            "anonymous" => (&self.owner, None),
            "expired-token" => (&self.owner, Some(&self.expired)),
            "revoked-device" => (&self.owner, Some(&self.revoked)),
            "other-server" => (&self.owner, Some(&self.elsewhere)),
            "removed-member" => (&self.removed, Some(&self.removed.session)),
            "other-user" => (&self.other, Some(&self.other.session)),
            "reader" => (&self.reader, Some(&self.reader.session)),
            "writer" => (&self.writer, Some(&self.writer.session)),
            _ => (&self.owner, Some(&self.owner.session)),
        };
        let bearer = session.map(|session| {
            let token = Token::from_secret(session.token.0.as_slice().try_into().unwrap());
            format!("Bearer {}", *token.to_text())
        });
        let body = if method == "POST" { self.body(user, path, id) } else { Vec::new() };
        let code = path.contains("{code}").then(|| pairings::as_far_as(user, path));
        let path = path
            .replace("{code}", code.as_deref().unwrap_or_default())
            .replace("{id}", &id.to_string())
            .replace("{item}", &self.item.to_string())
            .replace("{device}", &DeviceId(self.device.public().id()).to_string())
            .replace("{federation}", &self.federation.id().to_string())
            .replace("{model}", &self.federation.model().to_string())
            .replace("{name}", "anna");
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            _ => Method::Delete,
        };
        let sent_ms = now_ms();
        let (sent, signature) = (sent_ms.to_string(), user.sign(method, &path, sent_ms).to_text());
        let mut headers = vec![(SENT_HEADER, sent.as_str()), (SIGNATURE_HEADER, &signature)];
        headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
        user.http.send(method, &path, &headers, &body)
    }

    fn body(&self, user: &User, path: &str, id: CollectionId) -> Vec<u8> {
        let next = self.next.replace(self.next.get() + 1);
        let fresh = || item(&mut rng(next), Protection::Veiled);
        let account = account(&user.identity);
        let server = Digest(user.key.fingerprint());
        let nonce = || challenge(&user.http, account).nonce;
        match path {
            "/v1/envelope" => {
                let (method, path) = (Method::Get, "/v1/server".to_owned());
                let body = Bytes::default();
                let (token, signature) = (None, None);
                let request = InnerRequest { sent_ms: now_ms(), method, path, token, body, signature };
                user.key.seal_request(&mut rng(next), &encode(&request).unwrap()).0
            }
            "/v1/accounts" => {
                let (invite, identity) = (self.server.invite().unwrap(), identity(next));
                let signed = Register::signed_bytes(&server, &invite.code.0);
                let signature = Bytes(identity.sign(Context::Login, &signed).0.to_vec());
                let identity = Bytes(identity.public().to_bytes());
                encode(&Register { code: invite.code, identity, name: None, signature }).unwrap()
            }
            "/v1/login/challenge" => encode(&ChallengeRequest { account }).unwrap(),
            "/v1/login" => {
                let nonce = nonce();
                let signed = Login::signed_bytes(&server, &nonce.0);
                let signature = Bytes(user.identity.sign(Context::Login, &signed).0.to_vec());
                encode(&Login { account, nonce, signature }).unwrap()
            }
            "/v1/login/device" => {
                let account = crate::client::account(&self.owner.identity);
                let nonce = challenge(&user.http, account).nonce;
                let signed = DeviceLogin::signed_bytes(&server, &account, &nonce.0);
                let signature = Bytes(self.device.sign(&signed).0.to_vec());
                let device = DeviceId(self.device.public().id());
                encode(&DeviceLogin { account, device, nonce, signature }).unwrap()
            }
            "/v1/devices" => {
                let key = devices::device(next).public();
                let certificate = Bytes(DeviceCertificate::issue(&user.identity, key, 1).to_bytes());
                encode(&NewDevice { certificate }).unwrap()
            }
            "/v1/pairings" => pairings::step(COMMITMENT_LEN),
            "/v1/pairings/{code}/answer" => pairings::step(ANSWER_LEN),
            "/v1/pairings/{code}/reveal" => pairings::step(REVEAL_LEN),
            "/v1/pairings/{code}/seed" => pairings::step(SEED_LEN),
            "/v1/invites" => Vec::new(),
            "/v1/federations" => {
                let group: Vec<PublicIdentity> = (90..95).map(|seed| identity(seed).public()).collect();
                let charter = federation::charter(&self.owner, &group, federation::terms(5), next as u8);
                let charter = Charter { owner: Digest(user.identity.public().fingerprint()), ..charter };
                let signature = Bytes(charter.sign(&user.identity).unwrap().0.to_vec());
                encode(&NewFederation { charter: Bytes(encode(&charter).unwrap()), signature }).unwrap()
            }
            "/v1/federations/{federation}/model" => {
                federation::model_piece(self.federation.charter(), &federation::initial(), 0, 28)
            }
            "/v1/federations/{federation}/messages" => {
                // Whoever is no member sends somebody else's.
                let member = self.federation.group().number_of(&user.identity.public());
                let speaker = if member.is_some() { &user.identity } else { &self.owner.identity };
                let frame = Bytes(federation::advert(&self.federation, speaker, 0));
                encode(&Spoken { frame }).unwrap()
            }
            "/v1/federations/{federation}/update" => {
                let of = self.federation.round(0).unwrap().id();
                encode(&Piece { of, offset: 0, total: 200, bytes: Bytes(vec![0; 9]) }).unwrap()
            }
            "/v1/collections" => {
                let id = CollectionId(random(&mut rng(next), 16).try_into().unwrap());
                encode(&user.new_collection(id, Protection::Veiled)).unwrap()
            }
            "/v1/collections/{id}/items" => encode(&NewItems { items: vec![fresh()] }).unwrap(),
            "/v1/collections/{id}/records" => encode(&WantedItems { items: vec![self.item] }).unwrap(),
            "/v1/collections/{id}/remove" => encode(&RemoveItems { items: vec![self.item] }).unwrap(),
            "/v1/collections/{id}/search" => {
                let query = vector(&mut rng(next));
                encode(&Search { epoch: 0, query, skip: 0, count: 5, filter: Vec::new() }).unwrap()
            }
            "/v1/collections/{id}/log" => {
                let mut chain = Chain::unbegun(ID);
                chain.catch_up(&self.owner);
                chain.id = id;
                let mut new = fresh();
                new.epoch = chain.epoch;
                let entry = chain.entry(user, Action::Add { items: leaves(std::slice::from_ref(&new)) });
                let append = Append { entry: sign(user, &entry), payload: Payload::Items(vec![new]) };
                encode(&append).unwrap()
            }
            _ => panic!("POST {path} has no body here yet"),
        }
    }
}

/// Ends a session in the store, as time would.
fn expire(folder: &std::path::Path, session: Session) -> Session {
    let token = Token::from_secret(session.token.0.as_slice().try_into().unwrap());
    let database = rusqlite::Connection::open(folder.join("cloud.db")).unwrap();
    let ended = database.execute("UPDATE sessions SET expires_ms = 1 WHERE token = ?1", [token.hash()]);
    assert_eq!(ended.unwrap(), 1);
    session
}
