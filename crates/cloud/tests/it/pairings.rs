//! A device is paired over the server, and nobody else gets between.

use pmirs_cloud::Limits;
use pmirs_crypto::pairing::{ANSWER_LEN, Approving, COMMITMENT_LEN, Joining, REVEAL_LEN, SEED_LEN};
use pmirs_crypto::{Identity, IdentitySeed};
use pmirs_wire::envelope::Method;
use pmirs_wire::pairing::{NewPairing, PairingState, PairingStep};
use pmirs_wire::{Bytes, encode};

use crate::World;
use crate::client::{Http, Reply, User, rng};

/// A step whose message has this length, and nothing in it.
pub fn step(len: usize) -> Vec<u8> {
    encode(&PairingStep { message: Bytes(vec![1; len]) }).unwrap()
}

/// A pairing in which what this route wants to write comes next; returns its code.
pub fn as_far_as(user: &User, path: &str) -> String {
    let code = open(&user.http, &step(COMMITMENT_LEN)).message::<NewPairing>().code;
    for (name, len) in [("answer", ANSWER_LEN), ("reveal", REVEAL_LEN)] {
        if path.ends_with(name) || path.ends_with("{code}") {
            break;
        }
        assert_eq!(user.ask(Method::Post, &format!("/v1/pairings/{code}/{name}"), &step(len)).status, 200);
    }
    code
}

fn open(http: &Http, commitment: &[u8]) -> Reply {
    http.send(Method::Post, "/v1/pairings", &[], commitment)
}

fn put(user: &User, code: &str, name: &str, message: Vec<u8>) -> Reply {
    let step = encode(&PairingStep { message: Bytes(message) }).unwrap();
    user.ask(Method::Post, &format!("/v1/pairings/{code}/{name}"), &step)
}

fn show(http: &Http, code: &str) -> Reply {
    http.send(Method::Get, &format!("/v1/pairings/{code}"), &[], &[])
}

#[test]
fn a_new_device_gets_the_identity_and_the_server_keeps_nothing() {
    let mut world = World::new();
    let seed = IdentitySeed::generate(&mut rng(1)); // of the first user, as `client::identity` makes it
    let anonymous = Http::new(world.server().url());
    let server = world.user.key.fingerprint();

    let (joining, commitment) = Joining::begin(&mut rng(70), server);
    let step = encode(&PairingStep { message: Bytes(commitment.clone()) }).unwrap();
    let NewPairing { code, .. } = open(&anonymous, &step).message();

    // A person types the code into the old device.
    let typed = format!("{}-{}", code[..4].to_lowercase(), &code[4..]);
    let state: PairingState = show(&world.user.http, &typed).message();
    let public = world.user.identity.public();
    let (approving, answer) = Approving::answer(&mut rng(71), server, &public, &state.commitment.0).unwrap();
    put(&world.user, &typed, "answer", answer).message::<PairingState>();

    let state: PairingState = show(&anonymous, &code).message();
    let (joined, reveal) = joining.reveal(&state.answer.unwrap().0).unwrap();
    let reveal = encode(&PairingStep { message: Bytes(reveal) }).unwrap();
    anonymous
        .send(Method::Post, &format!("/v1/pairings/{code}/reveal"), &[], &reveal)
        .message::<PairingState>();

    let state: PairingState = show(&world.user.http, &code).message();
    let comparing = approving.check(&state.reveal.unwrap().0).unwrap();
    let sealed = comparing.approve(&mut rng(72), &joined.words(), &seed).unwrap();
    put(&world.user, &code, "seed", sealed).message::<PairingState>();

    let state: PairingState = show(&anonymous, &code).message();
    let got = joined.open_after_words_agreed(&state.seed.unwrap().0).unwrap();
    let identity = Identity::from_seed(&got);
    assert_eq!(identity.public(), public);
    User::resume(Http::new(world.server().url()), identity);

    let stored = pmirs_cloud::inspect(world.folder.path()).unwrap();
    assert!(stored.iter().all(|field| !field.bytes.windows(33).any(|bytes| bytes == commitment)));
    world.restart();
    assert_eq!(show(&world.user.http, &code).status, 404);
}

#[test]
fn slots_are_written_in_order_once_and_by_one_account() {
    let world = World::new();
    let other = world.another(2);
    let code = open(&world.user.http, &step(COMMITMENT_LEN)).message::<NewPairing>().code;
    let status = |user: &User, name: &str, message: Vec<u8>| put(user, &code, name, message).status;
    assert_eq!(status(&world.user, "reveal", vec![1; REVEAL_LEN]), 409, "too early");
    assert_eq!(status(&world.user, "seed", vec![1; SEED_LEN]), 409, "too early");
    for len in [0, ANSWER_LEN - 1, ANSWER_LEN + 1] {
        assert_eq!(status(&world.user, "answer", vec![1; len]), 400);
    }
    let path = format!("/v1/pairings/{code}/answer");
    assert_eq!(world.user.ask(Method::Post, &path, &[1; 4 << 10]).status, 413);
    assert_eq!(status(&world.user, "answer", vec![1; ANSWER_LEN]), 200);
    assert_eq!(status(&world.user, "answer", vec![1; ANSWER_LEN]), 200, "the answer to it was lost");
    assert_eq!(status(&world.user, "answer", vec![2; ANSWER_LEN]), 409);
    assert_eq!(status(&other, "answer", vec![1; ANSWER_LEN]), 409);
    assert_eq!(status(&world.user, "seed", vec![1; SEED_LEN]), 409, "too early");
    assert_eq!(status(&other, "reveal", vec![1; REVEAL_LEN]), 200);
    assert_eq!(status(&world.user, "reveal", vec![2; REVEAL_LEN]), 409);
    assert_eq!(status(&other, "seed", vec![1; SEED_LEN]), 409);
    assert_eq!(status(&world.user, "seed", vec![3; SEED_LEN]), 200);
    assert_eq!(status(&world.user, "seed", vec![4; SEED_LEN]), 409);
    let state: PairingState = show(&world.user.http, &code).message();
    assert_eq!(
        (state.answer, state.reveal, state.seed),
        (Some(Bytes(vec![1; ANSWER_LEN])), Some(Bytes(vec![1; REVEAL_LEN])), Some(Bytes(vec![3; SEED_LEN])))
    );
}

#[test]
fn what_is_no_code_is_not_there_and_guessing_is_throttled() {
    let world = World::with(Limits { login_rate: pmirs_cloud::Rate::new(1, 20), ..Limits::default() });
    for code in ["00000000", "x", "%ff", "0000000000", "..."] {
        assert_eq!(show(&world.user.http, code).status, 404, "{code}");
    }
    let guesses: Vec<_> = (0..20).map(|_| show(&world.user.http, "00000000").status).collect();
    assert_eq!((guesses[0], guesses[19]), (404, 429));
}

#[test]
fn open_pairings_are_bounded() {
    let world = World::with(Limits { open_pairings: 2, ..Limits::default() });
    let statuses: Vec<_> = (0..3).map(|_| open(&world.user.http, &step(COMMITMENT_LEN)).status).collect();
    assert_eq!(statuses, [201, 201, 429]);
}
