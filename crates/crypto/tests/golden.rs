//! Every format that is stored or sent, byte for byte, and damaged ones that must be refused by name.
//!
//! After a deliberate change of format: `PMIRS_BLESS=1 cargo test -p pmirs-crypto --test golden --
//! --test-threads=1`, in which the wrong files come last and are made from the good ones; then read the
//! difference. A format in use never changes under its version byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

mod world;

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use pmirs_crypto::pairing::{Approving, Joined, Joining};
use pmirs_crypto::shamir::{self, Share};
use pmirs_crypto::{
    Context, DeviceCertificate, DeviceKey, Error, ExchangePublicKey, ExchangeSeed, LockedIdentity, MaskRoot,
    Place, Prg, PublicIdentity, ResponseOpener, ServerKey, ServerPublicKey, Signature, Token, are_head_words,
    entry_hash, grant, head_words, leaf_digest, merkle, pairing,
};
use rand_chacha::rand_core::Rng;
use world::{CHEAP, COLLECTION, GRANT, PLACE, World, rng, world};

const MESSAGE: &[u8] = b"a small brown dog runs along a beach";
const PASSPHRASE: &str = "correct horse battery stapl\u{e9}";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn blessing() -> bool {
    std::env::var_os("PMIRS_BLESS").is_some()
}

fn write(name: &str, bytes: &[u8]) {
    let hex = HEXLOWER.encode(bytes);
    let lines = hex.as_bytes().chunks(96).map(|line| String::from_utf8_lossy(line) + "\n");
    std::fs::write(path(name), lines.collect::<String>()).unwrap();
}

fn read(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    HEXLOWER.decode(text.replace('\n', "").as_bytes()).unwrap()
}

/// What the fixed world makes today is what the file holds; returns the file's bytes to be opened.
fn golden(name: &str, made: &[u8]) -> Vec<u8> {
    if blessing() {
        write(name, made);
    }
    let kept = read(name);
    assert_eq!(HEXLOWER.encode(&kept), HEXLOWER.encode(made), "{name} is not what this program writes");
    kept
}

#[test]
fn records_and_local_files() {
    let world = world();
    let record = golden("record.hex", &world.keys.metadata.seal(&mut rng(2), &PLACE, MESSAGE));
    assert_eq!(world.keys.metadata.open(&PLACE, &record).unwrap().as_slice(), MESSAGE);

    let key = world.anna.local_key("cache");
    let file = golden("local_file.hex", &key.seal(&mut rng(3), b"index", MESSAGE));
    assert_eq!(key.open(b"index", &file).unwrap().as_slice(), MESSAGE);
}

#[test]
fn contents() {
    let world = world();
    for (name, plaintext) in [("content.hex", MESSAGE), ("content_empty.hex", b"")] {
        let content = golden(name, &world.keys.content.seal(&mut rng(4), &PLACE, plaintext));
        assert_eq!(world.keys.content.open(&PLACE, &content).unwrap(), plaintext);
    }
}

#[test]
fn identities() {
    let world = world();
    let public = golden("public_identity.hex", &world.anna.public().to_bytes());
    assert_eq!(PublicIdentity::from_bytes(&public).unwrap(), world.anna.public());

    let made = LockedIdentity::lock(&world.seed, PASSPHRASE, CHEAP, &mut rng(5)).unwrap();
    let locked = LockedIdentity::from_bytes(&golden("locked_identity.hex", &made.to_bytes())).unwrap();
    assert_eq!(locked.unlock(PASSPHRASE).unwrap(), world.seed);
    assert_eq!(locked.unlock("correct horse battery staple\u{301}").unwrap(), world.seed, "the same in NFD");
}

#[test]
fn devices() {
    let world = world();
    let device = DeviceKey::generate(&mut rng(9));
    let made = DeviceCertificate::issue(&world.anna, device.public(), 1_700_000_000_000);
    let certificate = golden("device_certificate.hex", &made.to_bytes());
    assert_eq!(DeviceCertificate::open(&world.anna.public(), &certificate), Ok(made));
    golden("device_id.hex", &device.public().id());
    let signature = golden("device_signature.hex", &device.sign(MESSAGE).0);
    let signature = Signature(signature.try_into().unwrap());
    assert_eq!(device.public().verify(MESSAGE, &signature), Ok(()));
}

/// What a log of changes is made of: a history that is signed breaks if one of them changes.
#[test]
fn histories() {
    golden("leaf_digest.hex", &leaf_digest(&PLACE.item, 7, b"meta", b"embedding"));
    let hash = entry_hash(b"entry", &[5; 64]);
    golden("entry_hash.hex", &hash);
    let words = head_words(&hash);
    golden("head_words.hex", words.as_bytes());
    assert!(are_head_words(&words) && are_head_words(&format!(" {}\n", words.to_uppercase())));
    let (_, last) = words.rsplit_once(' ').unwrap();
    for wrong in ["", "about", &words[words.find(' ').unwrap()..], &format!("{last} {words}")] {
        assert!(!are_head_words(wrong), "{wrong:?}");
    }
    let leaves = (0..100_u8).map(|i| (pmirs_crypto::sha256(&[i])[..16].try_into().unwrap(), [i; 32]));
    golden("item_set_root.hex", &merkle::ItemSet::new(leaves).root());
}

#[test]
fn grants() {
    let world = world();
    let made = grant::seal(&mut rng(6), &world.anna, &world.ben.public(), &world.key, &GRANT);
    let granted = golden("grant.hex", &made);
    assert_eq!(granted.len(), grant::LEN);
    assert_eq!(grant::verify(&world.anna.public(), &world.ben.public(), &granted, &GRANT), Ok(()));
    assert_eq!(grant::open(&world.ben, &world.anna.public(), &granted, &GRANT).unwrap(), world.key);
}

#[test]
fn envelopes() {
    let world = world();
    let key = ServerKey::from_bytes(&golden("server_key.hex", &world.server.expose())).unwrap();
    let public = golden("server_public_key.hex", &key.public().to_bytes());
    assert_eq!(ServerPublicKey::from_bytes(&public).unwrap(), key.public());

    let (made, opener) = request(&world);
    let (request, sealer) = key.open_request(&golden("request.hex", &made)).unwrap();
    assert_eq!(request, MESSAGE);
    let answer = golden("answer.hex", &sealer.seal(&mut rng(8), b"64 candidates"));
    assert_eq!(opener.open(&answer).unwrap(), b"64 candidates");
}

fn request(world: &World) -> (Vec<u8>, ResponseOpener) {
    world.server.public().seal_request(&mut rng(7), MESSAGE)
}

#[test]
fn pairings() {
    let world = world();
    let (server, mut rng) = (world.server.public().fingerprint(), rng(13));
    let (joining, made) = Joining::begin(&mut rng, server);
    let commitment = golden("pairing_commitment.hex", &made);
    assert_eq!(commitment.len(), pairing::COMMITMENT_LEN);
    let (approving, made) = Approving::answer(&mut rng, server, &world.anna.public(), &commitment).unwrap();
    let answer = golden("pairing_answer.hex", &made);
    assert_eq!(answer.len(), pairing::ANSWER_LEN);
    let (joined, made) = joining.reveal(&answer).unwrap();
    let reveal = golden("pairing_reveal.hex", &made);
    assert_eq!(reveal.len(), pairing::REVEAL_LEN);
    let comparing = approving.check(&reveal).unwrap();
    golden("pairing_words.hex", joined.words().as_bytes());
    let made = comparing.approve(&mut rng, &joined.words(), &world.seed).unwrap();
    let sealed = golden("pairing_seed.hex", &made);
    assert_eq!(sealed.len(), pairing::SEED_LEN);
    assert_eq!(joined.open_after_words_agreed(&sealed), Ok(world.seed));
}

/// The devices of [`pairings`] once each has the other's first message.
fn paired(world: &World) -> (Joined, Approving) {
    let (server, mut rng) = (world.server.public().fingerprint(), rng(13));
    let (joining, commitment) = Joining::begin(&mut rng, server);
    let (approving, answer) = Approving::answer(&mut rng, server, &world.anna.public(), &commitment).unwrap();
    (joining.reveal(&answer).unwrap().0, approving)
}

/// Values that are derived and compared, never opened. A veil, a pinned contact or a login breaks if one of
/// them changes.
#[test]
fn derived_values() {
    let world = world();
    let mut stream = [0; 48];
    Prg::new(&[9; 32], b"label").fill_bytes(&mut stream);
    golden("prg.hex", &stream);
    world.keys.veil.rng().fill_bytes(&mut stream);
    golden("veil_stream.hex", &stream);
    golden("token_tag.hex", &world.keys.token.tag(b"camera", b"pinhole"));
    golden("fingerprint_identity.hex", &world.anna.public().fingerprint());
    golden("fingerprint_server.hex", &world.server.public().fingerprint());
    golden("safety_words.hex", world.anna.public().safety_words().as_bytes());
    golden("recovery_words.hex", world.seed.to_words().as_bytes());
    let signature = world.anna.sign(Context::Login, MESSAGE);
    golden("signature_login.hex", &signature.0);
    assert_eq!(world.anna.public().verify(Context::Login, MESSAGE, &signature), Ok(()));
    let signature = world.anna.sign(Context::Request, MESSAGE);
    golden("signature_request.hex", &signature.0);
    let text = golden("signature_text.hex", signature.to_text().as_bytes());
    assert_eq!(Signature::from_text(std::str::from_utf8(&text).unwrap()), Ok(signature));
    for bad in [&text[1..], &[b"=", &text[1..]].concat(), &[&text[..85], b"_"].concat()] {
        assert!(Signature::from_text(std::str::from_utf8(bad).unwrap()).is_err());
    }
    let token = Token::generate(&mut rng(10));
    golden("token_text.hex", token.to_text().as_bytes());
    golden("token_hash.hex", &token.hash());
    assert_eq!(Token::from_text(&token.to_text()), Ok(token));
}

/// A damaged file: how it was made, how it is opened, and the error that must come.
struct Bad {
    name: &'static str,
    make: fn(&World) -> Vec<u8>,
    open: fn(&World, &[u8]) -> Result<(), Error>,
    error: Error,
}

#[test]
fn wrong_files_are_refused_by_name() {
    let world = world();
    for bad in bad_sealed().into_iter().chain(bad_sent()).chain(bad_keys()).chain(bad_pairings()) {
        if blessing() {
            write(bad.name, &(bad.make)(&world));
        }
        assert_eq!((bad.open)(&world, &read(bad.name)), Err(bad.error), "{}", bad.name);
    }
}

/// A good file with one byte replaced; a negative position counts from the end.
fn with(name: &str, position: isize, byte: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut bytes = read(name);
    let index = position.rem_euclid(bytes.len() as isize) as usize;
    bytes[index] = byte(bytes[index]);
    bytes
}

fn flip(byte: u8) -> u8 {
    byte ^ 1
}

fn bad_sealed() -> Vec<Bad> {
    let record = |world: &World, bytes: &[u8]| world.keys.metadata.open(&PLACE, bytes).map(drop);
    let content = |world: &World, bytes: &[u8]| world.keys.content.open(&PLACE, bytes).map(drop);
    let unauthentic = |what| Error::Unauthentic { what };
    vec![
        Bad {
            name: "bad_record_version.hex",
            make: |_| with("record.hex", 0, |_| 2),
            open: record,
            error: Error::Version { what: "record", expected: 1, got: 2 },
        },
        Bad {
            name: "bad_record_tag.hex",
            make: |_| with("record.hex", -1, flip),
            open: record,
            error: unauthentic("record"),
        },
        Bad {
            name: "bad_record_short.hex",
            make: |_| read("record.hex")[..28].to_vec(),
            open: record,
            error: Error::Length { what: "record", expected: 29, got: 28 },
        },
        Bad {
            name: "bad_record_other_item.hex",
            make: |world| {
                let elsewhere = Place { item: [0; 16], ..PLACE };
                world.keys.metadata.seal(&mut rng(2), &elsewhere, MESSAGE)
            },
            open: record,
            error: unauthentic("record"),
        },
        Bad {
            name: "bad_local_file_label.hex",
            make: |world| world.anna.local_key("cache").seal(&mut rng(3), b"other", MESSAGE),
            open: |world, bytes| world.anna.local_key("cache").open(b"index", bytes).map(drop),
            error: unauthentic("local file"),
        },
        Bad {
            name: "bad_content_version.hex",
            make: |_| with("content.hex", 0, |_| 9),
            open: content,
            error: Error::Version { what: "content", expected: 1, got: 9 },
        },
        Bad {
            name: "bad_content_short.hex",
            make: |_| read("content.hex")[..83].to_vec(),
            open: content,
            error: Error::Length { what: "content", expected: 84, got: 83 },
        },
        Bad {
            name: "bad_content_file_key.hex",
            make: |_| with("content.hex", 20, flip),
            open: content,
            error: unauthentic("content"),
        },
        Bad {
            name: "bad_content_stream_nonce.hex",
            make: |_| with("content.hex", 62, flip),
            open: content,
            error: unauthentic("content"),
        },
        Bad {
            name: "bad_content_truncated.hex",
            make: |_| read("content.hex").split_last().unwrap().1.to_vec(),
            open: content,
            error: unauthentic("content"),
        },
    ]
}

fn bad_sent() -> Vec<Bad> {
    let granted =
        |world: &World, bytes: &[u8]| grant::open(&world.ben, &world.anna.public(), bytes, &GRANT).map(drop);
    let request_open = |world: &World, bytes: &[u8]| world.server.open_request(bytes).map(drop);
    let answer_open = |world: &World, bytes: &[u8]| request(world).1.open(bytes).map(drop);
    let unauthentic = |what| Error::Unauthentic { what };
    vec![
        Bad {
            name: "bad_grant_version.hex",
            make: |_| with("grant.hex", 0, |_| 0),
            open: granted,
            error: Error::Version { what: "grant", expected: 1, got: 0 },
        },
        Bad {
            name: "bad_grant_signature.hex",
            make: |_| with("grant.hex", -1, flip),
            open: granted,
            error: Error::BadSignature { context: "grant" },
        },
        Bad {
            name: "bad_grant_other_role.hex",
            make: |world| {
                let owner = pmirs_crypto::GrantContext { role: 3, ..GRANT };
                grant::seal(&mut rng(6), &world.anna, &world.ben.public(), &world.key, &owner)
            },
            open: granted,
            error: Error::BadSignature { context: "grant" },
        },
        Bad {
            name: "bad_grant_sealed_key.hex",
            make: |world| sign_again(world, with("grant.hex", 1130, flip)),
            open: granted,
            error: unauthentic("grant"),
        },
        Bad {
            name: "bad_request_version.hex",
            make: |_| with("request.hex", 0, |_| 2),
            open: request_open,
            error: Error::Version { what: "sealed request", expected: 1, got: 2 },
        },
        Bad {
            name: "bad_request_other_server.hex",
            make: |_| ServerKey::generate(&mut rng(11)).public().seal_request(&mut rng(7), MESSAGE).0,
            open: request_open,
            error: Error::WrongServerKey,
        },
        Bad {
            name: "bad_request_encapsulated.hex",
            make: |_| with("request.hex", 500, flip),
            open: request_open,
            error: unauthentic("sealed request"),
        },
        Bad {
            name: "bad_request_ciphertext.hex",
            make: |_| with("request.hex", 1130, flip),
            open: request_open,
            error: unauthentic("sealed request"),
        },
        Bad {
            name: "bad_answer_version.hex",
            make: |_| with("answer.hex", 0, |_| 2),
            open: answer_open,
            error: Error::Version { what: "sealed answer", expected: 1, got: 2 },
        },
        Bad {
            name: "bad_answer_nonce.hex",
            make: |_| with("answer.hex", 3, flip),
            open: answer_open,
            error: unauthentic("sealed answer"),
        },
        Bad {
            name: "bad_answer_other_request.hex",
            make: |world| {
                let (other, _) = world.server.public().seal_request(&mut rng(12), MESSAGE);
                world.server.open_request(&other).unwrap().1.seal(&mut rng(8), b"64 candidates")
            },
            open: answer_open,
            error: unauthentic("sealed answer"),
        },
    ]
}

/// A grant altered by its own granter: the signature fits, and what it carries does not open.
fn sign_again(world: &World, mut granted: Vec<u8>) -> Vec<u8> {
    granted.truncate(grant::LEN - 64);
    let mut signed = b"pmirs/grant/v1\0".to_vec();
    signed.extend_from_slice(&COLLECTION);
    signed.extend_from_slice(&[0, 0, 0, 7, 2]);
    signed.extend_from_slice(&world.anna.public().fingerprint());
    signed.extend_from_slice(&world.ben.public().fingerprint());
    signed.extend_from_slice(&granted);
    granted.extend_from_slice(&world.anna.sign(Context::Grant, &signed).0);
    granted
}

fn bad_pairings() -> Vec<Bad> {
    let commitment = |world: &World, bytes: &[u8]| {
        Approving::answer(&mut rng(13), [0; 32], &world.anna.public(), bytes).map(drop)
    };
    let answer = |_: &World, bytes: &[u8]| Joining::begin(&mut rng(13), [0; 32]).0.reveal(bytes).map(drop);
    let reveal = |world: &World, bytes: &[u8]| paired(world).1.check(bytes).map(drop);
    let seed = |world: &World, bytes: &[u8]| paired(world).0.open_after_words_agreed(bytes).map(drop);
    vec![
        Bad {
            name: "bad_pairing_commitment_version.hex",
            make: |_| with("pairing_commitment.hex", 0, |_| 2),
            open: commitment,
            error: Error::Version { what: "pairing commitment", expected: 1, got: 2 },
        },
        Bad {
            name: "bad_pairing_answer_short.hex",
            make: |_| read("pairing_answer.hex")[..64].to_vec(),
            open: answer,
            error: Error::Length { what: "pairing answer", expected: 65, got: 64 },
        },
        Bad {
            name: "bad_pairing_reveal_nonce.hex",
            make: |_| with("pairing_reveal.hex", 1, flip),
            open: reveal,
            error: Error::Unauthentic { what: "pairing reveal" },
        },
        Bad {
            name: "bad_pairing_seed_version.hex",
            make: |_| with("pairing_seed.hex", 0, |_| 2),
            open: seed,
            error: Error::Version { what: "pairing seed", expected: 1, got: 2 },
        },
        Bad {
            name: "bad_pairing_seed_tag.hex",
            make: |_| with("pairing_seed.hex", -1, flip),
            open: seed,
            error: Error::Unauthentic { what: "pairing seed" },
        },
    ]
}

fn bad_keys() -> Vec<Bad> {
    let public = |_: &World, bytes: &[u8]| PublicIdentity::from_bytes(bytes).map(drop);
    let locked = |_: &World, bytes: &[u8]| LockedIdentity::from_bytes(bytes)?.unlock(PASSPHRASE).map(drop);
    let certificate =
        |world: &World, bytes: &[u8]| DeviceCertificate::open(&world.anna.public(), bytes).map(drop);
    let token = |_: &World, bytes: &[u8]| Token::from_text(std::str::from_utf8(bytes).unwrap()).map(drop);
    let limit = |parameter, min, max, got| Error::Argon2Limit { parameter, min, max, got };
    vec![
        Bad {
            name: "bad_public_identity_version.hex",
            make: |_| with("public_identity.hex", 0, |_| 2),
            open: public,
            error: Error::Version { what: "public identity", expected: 1, got: 2 },
        },
        Bad {
            name: "bad_public_identity_weak_signer.hex",
            make: |_| {
                let neutral = [&[1], [0; 31].as_slice()].concat();
                [&read("public_identity.hex")[..1217], &neutral].concat()
            },
            open: public,
            error: Error::Malformed { what: "public identity" },
        },
        Bad {
            name: "bad_public_identity_kem.hex",
            make: |_| {
                let good = read("public_identity.hex");
                [&good[..1], [0xff; 1184].as_slice(), &good[1185..]].concat()
            },
            open: public,
            error: Error::Malformed { what: "public identity" },
        },
        Bad {
            name: "bad_locked_identity_memory.hex",
            make: |_| with("locked_identity.hex", 1, |_| 0x40),
            open: locked,
            error: limit("memory in KiB", 16, 1 << 20, 0x4000_0040),
        },
        Bad {
            name: "bad_locked_identity_passes.hex",
            make: |_| with("locked_identity.hex", 5, |_| 0xff),
            open: locked,
            error: limit("passes", 1, 64, 0xff00_0002),
        },
        Bad {
            name: "bad_locked_identity_lanes.hex",
            make: |_| with("locked_identity.hex", 12, |_| 0),
            open: locked,
            error: limit("lanes", 1, 16, 0),
        },
        Bad {
            name: "bad_locked_identity_passphrase.hex",
            make: |world| LockedIdentity::lock(&world.seed, "guess", CHEAP, &mut rng(5)).unwrap().to_bytes(),
            open: locked,
            error: Error::WrongPassphrase,
        },
        Bad {
            name: "bad_device_certificate_version.hex",
            make: |_| with("device_certificate.hex", 0, |_| 2),
            open: certificate,
            error: Error::Version { what: "device certificate", expected: 1, got: 2 },
        },
        Bad {
            name: "bad_device_certificate_time.hex",
            make: |_| with("device_certificate.hex", 40, flip),
            open: certificate,
            error: Error::BadSignature { context: "certificate" },
        },
        Bad {
            name: "bad_device_certificate_short.hex",
            make: |_| read("device_certificate.hex")[..104].to_vec(),
            open: certificate,
            error: Error::Length { what: "device certificate", expected: 105, got: 104 },
        },
        Bad {
            name: "bad_server_key_version.hex",
            make: |_| with("server_key.hex", 0, |_| 2),
            open: |_, bytes| ServerKey::from_bytes(bytes).map(drop),
            error: Error::Version { what: "server key", expected: 1, got: 2 },
        },
        Bad {
            name: "bad_server_public_key_short.hex",
            make: |_| read("server_public_key.hex")[..1216].to_vec(),
            open: |_, bytes| ServerPublicKey::from_bytes(bytes).map(drop),
            error: Error::Length { what: "server's public key", expected: 1217, got: 1216 },
        },
        Bad {
            name: "bad_token_alphabet.hex",
            make: |_| with("token_text.hex", 5, |_| b'+'),
            open: token,
            error: Error::Malformed { what: "token" },
        },
        Bad {
            name: "bad_token_trailing_bits.hex",
            make: |_| with("token_text.hex", -1, |_| b'_'),
            open: token,
            error: Error::Malformed { what: "token" },
        },
    ]
}

/// The encapsulation and the mask's seed are pinned as well: a member and a server of two versions must derive the same.
#[test]
fn exchanges_of_a_round() {
    let (root, other) = (MaskRoot::from_secret(&[5; 32]), MaskRoot::from_secret(&[6; 32]));
    let (encapsulation, seed) = root.encapsulate(&other.key().public(), b"round, 1 to 2");
    let made = [encapsulation.as_slice(), seed.expose_secret()].concat();
    golden("mask_agreement.hex", &made);
    assert_eq!(other.key().decapsulate(b"round, 1 to 2", &encapsulation).unwrap(), seed);
    assert_ne!(other.key().decapsulate(b"round, 2 to 1", &encapsulation).unwrap(), seed);

    let key = ExchangeSeed::from_secret(&[7; 32]).key();
    let public = golden("exchange_key.hex", &key.public().to_bytes());
    assert_eq!(ExchangePublicKey::from_bytes(&public).unwrap(), key.public());
    let sealed = golden("exchange.hex", &key.public().seal(&mut rng(30), b"info", MESSAGE));
    assert_eq!(key.open(b"info", &sealed).unwrap().as_slice(), MESSAGE);
    assert!(matches!(key.open(b"other", &sealed), Err(Error::Unauthentic { .. })));
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        assert!(key.open(b"info", &damaged).is_err(), "byte {at}");
        assert!(key.open(b"info", &sealed[..at]).is_err(), "{at} bytes");
    }
}

#[test]
fn shares_of_a_secret() {
    let shares = shamir::split(&mut rng(31), &[8; 32], 3, 5);
    let bytes: Vec<u8> = shares.iter().flat_map(|share| share.expose().to_vec()).collect();
    let kept = golden("shares.hex", &bytes);
    let last: Vec<Share> =
        kept.chunks(33).skip(2).map(|share| Share::from_bytes(share.try_into().unwrap()).unwrap()).collect();
    assert_eq!(*shamir::combine(3, &last).unwrap(), [8; 32]);
}
