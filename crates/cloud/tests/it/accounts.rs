use pmirs_cloud::Limits;
use pmirs_crypto::{Context, Token};
use pmirs_wire::account::{Login, ServerInfo, Session};
use pmirs_wire::envelope::Method;
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::{Bytes, Digest, encode};

use crate::client::{self, Http, User, account, challenge, identity, login, register, server_key};
use crate::{World, start};

#[test]
fn the_first_invite_stays_the_same_until_it_is_spent() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), Limits::default());
    let (first, fingerprint) = (server.first_invite().unwrap(), server.fingerprint());
    server.stop().unwrap();

    let server = start(folder.path(), Limits::default());
    assert!(server.first_invite().unwrap() == first);
    assert_eq!(server.fingerprint(), fingerprint);
    User::join(server.url(), 1, &first);
    assert!(server.first_invite().is_none());
    server.stop().unwrap();

    assert!(start(folder.path(), Limits::default()).first_invite().is_none());
}

#[test]
fn an_invite_makes_one_account() {
    let world = World::new();
    let (http, invite) = (&world.user.http, world.server().invite().unwrap());
    assert_eq!(register(http, &identity(2), &invite).status, 201);
    // A lost answer may be asked for again; somebody else may not.
    assert_eq!(register(http, &identity(2), &invite).status, 201);
    assert_eq!(register(http, &identity(3), &invite).problem().kind, ProblemKind::Forbidden);

    let another = world.server().invite().unwrap();
    assert_eq!(register(http, &identity(2), &another).problem().kind, ProblemKind::Conflict);
    let mut unknown = another.clone();
    unknown.code.0[0] ^= 1;
    assert_eq!(register(http, &identity(3), &unknown).problem().kind, ProblemKind::Forbidden);
    assert_eq!(register(http, &identity(3), &another).status, 201);
}

#[test]
fn a_registration_for_another_server_is_refused() {
    let world = World::new();
    let mut invite = world.server().invite().unwrap();
    invite.server.0[0] ^= 1;
    let problem = register(&world.user.http, &identity(2), &invite).problem();
    assert_eq!(problem.kind, ProblemKind::BadRequest);
    assert!(problem.message.contains("signature"), "{problem}");
}

#[test]
fn a_challenge_can_be_answered_once() {
    let world = World::new();
    let User { http, identity, key, .. } = &world.user;
    let account = account(identity);
    let nonce = challenge(http, account).nonce;
    let signed = Login::signed_bytes(&Digest(key.fingerprint()), &nonce.0);
    let signature = Bytes(identity.sign(Context::Login, &signed).0.to_vec());
    let body = encode(&Login { account, nonce, signature }).unwrap();
    assert_eq!(http.send(Method::Post, "/v1/login", &[], &body).status, 200);
    let again = http.send(Method::Post, "/v1/login", &[], &body);
    assert_eq!(again.problem().kind, ProblemKind::Unauthenticated);
}

#[test]
fn a_stranger_cannot_tell_whether_an_account_exists() {
    let world = World::new();
    let http = &world.user.http;
    let key = server_key(http);
    let attempt = |account, signer: &pmirs_crypto::Identity| {
        let nonce = challenge(http, account).nonce;
        assert_eq!(nonce.0.len(), 32);
        let signed = Login::signed_bytes(&Digest(key.fingerprint()), &nonce.0);
        let signature = Bytes(signer.sign(Context::Login, &signed).0.to_vec());
        let body = encode(&Login { account, nonce, signature }).unwrap();
        let reply = http.send(Method::Post, "/v1/login", &[], &body);
        (reply.status, reply.problem())
    };
    let stranger = identity(9);
    let existing = attempt(account(&identity(1)), &stranger);
    let absent = attempt(account(&stranger), &stranger);
    assert_eq!(existing, absent);
}

#[test]
fn a_login_signed_for_another_server_is_refused() {
    let (world, other) = (World::new(), World::new());
    let reply = login(&world.user.http, &identity(1), &other.user.key);
    assert_eq!(reply.problem().kind, ProblemKind::Unauthenticated);
}

#[test]
fn sessions_end_and_outlive_a_restart() {
    let mut world = World::new();
    let session = world.user.session.clone();
    world.restart();
    world.user.session = session;
    assert_eq!(world.user.ask(Method::Get, "/v1/collections", &[]).status, 200);

    let limits = Limits { session_time: std::time::Duration::ZERO, ..Limits::default() };
    let short = World::with(limits);
    let refused = short.user.ask(Method::Get, "/v1/collections", &[]).problem();
    assert_eq!(refused.kind, ProblemKind::Unauthenticated);
}

#[test]
fn a_token_that_is_none_opens_nothing() {
    let world = World::new();
    let http = &world.user.http;
    let guess = format!("Bearer {}", *Token::generate(&mut client::rng(5)).to_text());
    for headers in
        [vec![], vec![("authorization", guess.as_str())], vec![("authorization", "Bearer nonsense")]]
    {
        let reply = http.send(Method::Get, "/v1/collections", &headers, &[]);
        assert_eq!((reply.status, reply.problem().kind), (401, ProblemKind::Unauthenticated));
    }
}

#[test]
fn json_is_spoken_to_those_who_ask_for_it() {
    let world = World::new();
    let http = Http::new(world.server().url());
    let json = [("accept", "application/json")];
    let reply = http.send(Method::Get, "/v1/server", &json, &[]);
    let info: ServerInfo = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(info.public_key.0, world.user.key.to_bytes());

    let body = format!("{{\"account\":\"{}\"}}", account(&identity(1)));
    let json = [("content-type", "application/json")];
    let reply = http.send(Method::Post, "/v1/login/challenge", &json, body.as_bytes());
    let challenge: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(challenge["nonce"].as_str().map(str::len), Some(43));

    let reply = http.send(Method::Post, "/v1/login/challenge", &json, b"{\"account\":3}");
    let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, problem["kind"].as_str()), (400, Some("bad-request")));
}

#[test]
fn a_session_is_only_a_hash_on_disk() {
    let world = World::new();
    let Session { token, .. } = &world.user.session;
    for field in pmirs_cloud::inspect(world.folder.path()).unwrap() {
        assert!(!field.bytes.windows(32).any(|window| window == token.0), "{}.{}", field.table, field.column);
    }
}
