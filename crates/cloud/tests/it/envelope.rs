use pmirs_cloud::Limits;
use pmirs_crypto::ServerKey;
use pmirs_wire::collection::{CollectionList, Protection};
use pmirs_wire::envelope::{InnerRequest, InnerResponse, Method};
use pmirs_wire::problem::{Problem, ProblemKind};
use pmirs_wire::{Bytes, CollectionId, decode, encode};

use crate::World;
use crate::client::{Reply, item, now_ms, random, rng, stored, vector};

const ID: CollectionId = CollectionId([5; 16]);

fn inner(world: &World, path: &str) -> InnerRequest {
    let token = Some(world.user.session.token.clone());
    InnerRequest {
        sent_ms: now_ms(),
        method: Method::Get,
        path: path.to_owned(),
        token,
        body: Bytes::default(),
        signature: None,
    }
}

fn post(world: &World, sealed: &[u8]) -> Reply {
    world.user.http.send(Method::Post, "/v1/envelope", &[], sealed)
}

#[test]
fn everything_works_inside_an_envelope() {
    let mut world = World::new();
    world.user.enveloped = true;
    let mut rng = rng(1);
    world.user.create(ID, Protection::Veiled);
    // Small answers are sealed where they are made, large ones on a thread of their own.
    let mut large = item(&mut rng, Protection::Veiled);
    large.content = Bytes(random(&mut rng, 3 << 20));
    let small = item(&mut rng, Protection::Veiled);
    stored(&world.user.add(ID, vec![large.clone(), small.clone()]));
    for new in [&large, &small] {
        let content = world.user.content(ID, new.item);
        assert!((content.status, content.body) == (200, new.content.0.clone()));
    }
    assert_eq!(world.user.search(ID, &vector(&mut rng), 0, 10).candidates.len(), 2);
    assert_eq!(world.user.all_changes(ID, 0).0.len(), 2);
    assert_eq!(stored(&world.user.remove(ID, vec![small.item])).items, 1);
    let list: CollectionList = world.user.ask(Method::Get, "/v1/collections", &[]).message();
    assert_eq!(list.collections.len(), 1);
    stored(&world.user.ask(Method::Delete, &format!("/v1/collections/{ID}"), &[]));
    assert_eq!(world.user.content(ID, large.item).problem().kind, ProblemKind::NotFound);
    // A wrong session is refused inside.
    world.user.session.token.0[0] ^= 1;
    assert_eq!(world.user.ask(Method::Get, "/v1/collections", &[]).status, 401);
}

#[test]
fn a_replayed_envelope_is_refused() {
    let world = World::new();
    let request = encode(&inner(&world, "/v1/collections")).unwrap();
    let (sealed, opener) = world.user.key.seal_request(&mut rng(1), &request);
    let first = post(&world, &sealed);
    let answer: InnerResponse = decode(&opener.open(&first.body).unwrap()).unwrap();
    assert_eq!((first.status, answer.status), (200, 200));
    let again = post(&world, &sealed);
    assert_eq!((again.status, again.problem().kind), (409, ProblemKind::Conflict));
}

#[test]
fn an_envelope_from_another_time_is_refused() {
    let mut world = World::new();
    let seal = |world: &World, sent_ms| {
        let request = InnerRequest { sent_ms, ..inner(world, "/v1/collections") };
        world.user.key.seal_request(&mut rng(sent_ms), &encode(&request).unwrap()).0
    };
    for off in [-301_000, 301_000] {
        let reply = post(&world, &seal(&world, now_ms().saturating_add_signed(off)));
        assert_eq!(reply.status, 400);
        assert!(reply.problem().message.starts_with("sent_ms"));
    }
    // One that was recorded before a restart, when nothing is remembered any more.
    let recorded = seal(&world, now_ms());
    assert_eq!(post(&world, &recorded).status, 200);
    world.restart();
    assert_eq!(post(&world, &recorded).problem().kind, ProblemKind::Unavailable);
}

#[test]
fn a_full_memory_of_envelopes_refuses_instead_of_forgetting() {
    let mut world = World::with(Limits { remembered_requests: 2, ..Limits::default() });
    world.user.enveloped = true;
    assert_eq!(world.user.ask(Method::Get, "/v1/collections", &[]).status, 200);
    assert_eq!(world.user.ask(Method::Get, "/v1/collections", &[]).status, 200);
    let third = world.user.ask(Method::Get, "/v1/collections", &[]);
    assert_eq!(third.problem().kind, ProblemKind::Unavailable);
}

#[test]
fn an_altered_or_misdirected_envelope_is_refused() {
    let world = World::new();
    let request = encode(&inner(&world, "/v1/collections")).unwrap();
    let (sealed, _) = world.user.key.seal_request(&mut rng(1), &request);
    // The version, the key's name, the encapsulated key, the ciphertext, the tag.
    for position in [0, 1, 8, 9, 500, 1128, sealed.len() - 17, sealed.len() - 1] {
        let mut altered = sealed.clone();
        altered[position] ^= 0x80;
        assert_eq!(post(&world, &altered).status, 400, "byte {position}");
    }
    assert_eq!(post(&world, &sealed[..sealed.len() - 1]).status, 400);
    assert_eq!(post(&world, &[sealed.as_slice(), &[0]].concat()).status, 400);
    assert_eq!(post(&world, &[]).status, 400);
    let (other, _) = ServerKey::generate(&mut rng(2)).public().seal_request(&mut rng(3), &request);
    assert!(post(&world, &other).problem().message.contains("another server key"));
    // And the untouched one still works: nothing of the above used it up.
    assert_eq!(post(&world, &sealed).status, 200);
}

#[test]
fn an_envelope_leads_to_the_routes_and_nowhere_else() {
    let world = World::new();
    for (path, status) in [
        ("/metrics", 400),
        ("/healthz", 400),
        ("/v1/envelope", 404),
        ("/v1/../metrics", 404),
        ("/v1/ x", 400),
        ("http://elsewhere/v1/collections", 400),
        ("/v1/collections", 200),
    ] {
        let request = encode(&inner(&world, path)).unwrap();
        let (sealed, opener) = world.user.key.seal_request(&mut rng(path.len() as u64), &request);
        let reply = post(&world, &sealed);
        let answer: InnerResponse = decode(&opener.open(&reply.body).unwrap()).unwrap();
        assert_eq!((reply.status, answer.status), (200, status), "{path}");
        if status != 200 {
            decode::<Problem>(&answer.body.0).unwrap();
        }
    }
}
