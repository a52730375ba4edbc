//! What must hold for every key, place, message and damage.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

mod world;

use pmirs_crypto::{
    CHUNK, Context, DeviceCertificate, DeviceKey, DevicePublicKey, Error, GrantContext, IdentitySeed, Kind,
    LocalKey, LockedIdentity, Place, PublicIdentity, ServerKey, ServerPublicKey, Signature, StreamError,
    Token, VeilSeed, grant, plain_len, sealed_len,
};
use proptest::prelude::*;
use rand_chacha::rand_core::Rng;
use world::{CHEAP, COLLECTION, GRANT, PLACE, World, rng, world};

/// Plaintext lengths around the edges of a chunk.
const LENGTHS: [usize; 9] = [0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 5];

fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rng(20).fill_bytes(&mut bytes);
    bytes
}

/// Every other place that differs from this one in one field.
fn elsewhere(place: Place) -> [Place; 4] {
    [
        Place { collection: [0xee; 16], ..place },
        Place { item: [0xee; 16], ..place },
        Place { epoch: place.epoch + 1, ..place },
        Place { kind: Kind::ItemThumbnail, ..place },
    ]
}

proptest! {
    #[test]
    fn records_come_back(message in prop::collection::vec(any::<u8>(), 0..2000), seed in any::<u8>()) {
        let keys = world().keys;
        let sealed = keys.metadata.seal(&mut rng(seed), &PLACE, &message);
        prop_assert_eq!(sealed.len(), message.len() + pmirs_crypto::RECORD_OVERHEAD);
        let opened = keys.metadata.open(&PLACE, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), message.as_slice());
        for place in elsewhere(PLACE) {
            prop_assert_eq!(keys.metadata.open(&place, &sealed), Err(Error::Unauthentic { what: "record" }));
        }
    }

    #[test]
    fn requests_and_answers_come_back(
        request in prop::collection::vec(any::<u8>(), 0..3000),
        answer in prop::collection::vec(any::<u8>(), 0..3000),
        seed in any::<u8>(),
    ) {
        let server = world().server;
        let (sealed, opener) = server.public().seal_request(&mut rng(seed), &request);
        prop_assert_eq!(sealed.len(), request.len() + pmirs_crypto::envelope::REQUEST_OVERHEAD);
        let (opened, sealer) = server.open_request(&sealed).unwrap();
        prop_assert_eq!(opened, request);
        let sealed = sealer.seal(&mut rng(seed), &answer);
        prop_assert_eq!(sealed.len(), answer.len() + pmirs_crypto::envelope::RESPONSE_OVERHEAD);
        prop_assert_eq!(opener.open(&sealed).unwrap(), answer);
    }

    #[test]
    fn words_and_tokens_come_back(bytes in any::<[u8; 32]>()) {
        let seed = IdentitySeed::from_secret(&bytes);
        let shouted = seed.to_words().to_uppercase().replace(' ', " \n ");
        prop_assert_eq!(IdentitySeed::from_words(&shouted).unwrap(), seed);
        let token = Token::from_secret(&bytes);
        prop_assert_eq!(Token::from_text(&token.to_text()).unwrap(), token);
    }

    #[test]
    fn arbitrary_text_is_refused(text in any::<String>(), words in prop::collection::vec("[a-z]{3,8}", 24)) {
        prop_assert!(IdentitySeed::from_words(&text).is_err());
        prop_assert!(IdentitySeed::from_words(&words.join(" ")).is_err());
        prop_assert!(Token::from_text(&text).is_err());
    }

    #[test]
    fn sealed_lengths_invert(length in 0u64..1 << 40) {
        prop_assert_eq!(plain_len(sealed_len(length)), Some(length));
    }

    /// No decoder panics on any bytes, and none takes them for its own.
    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        for (name, decode) in DECODERS {
            prop_assert!(decode(&world(), &bytes).is_err(), "{} took arbitrary bytes", name);
        }
    }

    /// Nor on a good value that was cut, grown, overwritten or shuffled in several places.
    #[test]
    fn mutated_values_are_refused(
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let world = world();
        for ((name, decode), good) in DECODERS.iter().zip(good_values(&world)) {
            let mut bytes = good.clone();
            for (index, byte, how) in &mutations {
                let at = index.index(bytes.len().max(1)).min(bytes.len());
                match how {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, *byte),
                    2 => bytes.extend_from_within(at..),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|slot| *slot = *byte),
                }
            }
            prop_assert!(bytes == good || decode(&world, &bytes).is_err(), "{} took a mutation", name);
        }
    }
}

type Decoder = (&'static str, fn(&World, &[u8]) -> Result<(), Error>);

/// Everything that reads bytes from a disk or a network. A key with no checksum of its own is read and then
/// compared with the right one, as pinning does.
const DECODERS: [Decoder; 11] = [
    ("record", |world, bytes| world.keys.metadata.open(&PLACE, bytes).map(drop)),
    ("local file", |world, bytes| world.anna.local_key("cache").open(b"index", bytes).map(drop)),
    ("content", |world, bytes| world.keys.content.open(&PLACE, bytes).map(drop)),
    ("content stream", |world, bytes| {
        let mut plaintext = Vec::new();
        match world.keys.content.open_stream(&PLACE, bytes, &mut plaintext) {
            Ok(_) => Ok(()),
            Err(StreamError::Crypto(error)) => Err(error),
            Err(StreamError::Io(error)) => panic!("memory does not fail: {error}"),
        }
    }),
    ("grant", |world, bytes| grant::open(&world.ben, &world.anna.public(), bytes, &GRANT).map(drop)),
    ("request", |world, bytes| world.server.open_request(bytes).map(drop)),
    ("answer", |world, bytes| answer_opener(world).open(bytes).map(drop)),
    ("locked identity", |_, bytes| {
        let locked = LockedIdentity::from_bytes(bytes)?;
        // A mutation may ask for up to a gibibyte and many passes, which is allowed and slow.
        if bytes[1..13] == good_locked()[1..13] { locked.unlock("passphrase").map(drop) } else { REFUSED }
    }),
    ("public identity", |world, bytes| pinned(PublicIdentity::from_bytes(bytes)? == world.anna.public())),
    ("device certificate", |world, bytes| DeviceCertificate::open(&world.anna.public(), bytes).map(drop)),
    ("server's public key", |world, bytes| {
        pinned(ServerPublicKey::from_bytes(bytes)? == world.server.public())
    }),
];

const REFUSED: Result<(), Error> = Err(Error::WrongPassphrase);

fn pinned(same: bool) -> Result<(), Error> {
    if same { Ok(()) } else { Err(Error::Malformed { what: "pinned key" }) }
}

fn good_locked() -> Vec<u8> {
    LockedIdentity::lock(&world().seed, "passphrase", CHEAP, &mut rng(5)).unwrap().to_bytes()
}

fn certificate(world: &World) -> DeviceCertificate {
    DeviceCertificate::issue(&world.anna, DeviceKey::generate(&mut rng(9)).public(), 1_700_000_000_000)
}

fn answer_opener(world: &World) -> pmirs_crypto::ResponseOpener {
    world.server.public().seal_request(&mut rng(7), b"request").1
}

/// One good value for each decoder, in the same order.
fn good_values(world: &World) -> [Vec<u8>; 11] {
    let (request, _) = world.server.public().seal_request(&mut rng(7), b"request");
    let (_, sealer) = world.server.open_request(&request).unwrap();
    [
        world.keys.metadata.seal(&mut rng(2), &PLACE, b"metadata"),
        world.anna.local_key("cache").seal(&mut rng(3), b"index", b"rows"),
        world.keys.content.seal(&mut rng(4), &PLACE, b"pixels"),
        world.keys.content.seal(&mut rng(4), &PLACE, b"pixels in a stream"),
        grant::seal(&mut rng(6), &world.anna, &world.ben.public(), &world.key, &GRANT),
        request,
        sealer.seal(&mut rng(8), b"answer"),
        good_locked(),
        world.anna.public().to_bytes(),
        certificate(world).to_bytes(),
        world.server.public().to_bytes(),
    ]
}

#[test]
fn every_flipped_byte_is_an_error() {
    let world = world();
    for ((name, decode), good) in DECODERS.iter().zip(good_values(&world)) {
        assert_eq!(decode(&world, &good), Ok(()), "{name}");
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 1 << (position % 8);
            assert!(decode(&world, &bytes).is_err(), "{name}: byte {position} flipped and not noticed");
        }
    }
}

#[test]
fn every_cut_and_every_extension_is_an_error() {
    let world = world();
    for ((name, decode), good) in DECODERS.iter().zip(good_values(&world)) {
        for length in 0..good.len() {
            assert!(decode(&world, &good[..length]).is_err(), "{name}: cut to {length} and not noticed");
        }
        let extended = [good.as_slice(), &[0]].concat();
        assert!(decode(&world, &extended).is_err(), "{name}: extended and not noticed");
    }
}

#[test]
fn contents_of_every_length_come_back() {
    let keys = world().keys;
    for length in LENGTHS {
        let plaintext = noise(length);
        let sealed = keys.content.seal(&mut rng(4), &PLACE, &plaintext);
        assert_eq!(sealed.len() as u64, sealed_len(length as u64));
        assert_eq!(plain_len(sealed.len() as u64), Some(length as u64));
        assert!(keys.content.open(&PLACE, &sealed).unwrap() == plaintext, "{length} bytes");
        for place in elsewhere(PLACE) {
            assert_eq!(keys.content.open(&place, &sealed), Err(Error::Unauthentic { what: "content" }));
        }
    }
}

#[test]
fn chunks_cannot_be_dropped_repeated_or_reordered() {
    let keys = world().keys;
    let sealed = keys.content.seal(&mut rng(4), &PLACE, &noise(3 * CHUNK + 50));
    let (header, body) = sealed.split_at(68);
    let chunks: Vec<_> = body.chunks(CHUNK + 16).collect();
    let arrangements: [&[usize]; 10] = [
        &[0, 1, 2],
        &[1, 2, 3],
        &[0, 2, 3],
        &[1, 0, 2, 3],
        &[0, 0, 1, 2, 3],
        &[0, 1, 1, 3],
        &[3],
        &[],
        &[0, 1, 2, 3, 3],
        &[0, 1, 2, 3, 0],
    ];
    for order in arrangements {
        let parts = order.iter().map(|&index| chunks[index]);
        let bytes = [header].into_iter().chain(parts).collect::<Vec<_>>().concat();
        assert!(keys.content.open(&PLACE, &bytes).is_err(), "chunks {order:?} opened");
    }
}

#[test]
fn chunks_of_another_content_do_not_fit() {
    let keys = world().keys;
    let one = keys.content.seal(&mut rng(4), &PLACE, &noise(2 * CHUNK));
    let two = keys.content.seal(&mut rng(5), &PLACE, &noise(2 * CHUNK));
    let cut = 68 + CHUNK + 16;
    let spliced = [&one[..cut], &two[cut..]].concat();
    assert_eq!(keys.content.open(&PLACE, &spliced), Err(Error::Unauthentic { what: "content" }));
}

/// A reader that gives few bytes at a time, as sockets do.
struct Trickle<'a>(&'a [u8]);

impl std::io::Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(4097);
        self.0.read(&mut buffer[..length])
    }
}

#[test]
fn a_stream_is_the_same_as_memory() {
    let keys = world().keys;
    for length in LENGTHS {
        let plaintext = noise(length);
        let (mut sealed, mut opened) = (Vec::new(), Vec::new());
        let read = keys.content.seal_stream(&mut rng(4), &PLACE, Trickle(&plaintext), &mut sealed).unwrap();
        assert_eq!(read, length as u64);
        assert!(sealed == keys.content.seal(&mut rng(4), &PLACE, &plaintext));
        let written = keys.content.open_stream(&PLACE, Trickle(&sealed), &mut opened).unwrap();
        assert_eq!(written, length as u64);
        assert!(opened == plaintext);
    }
}

/// An endless stream ends at its first false chunk: memory is bounded by chunks, not by the sender.
#[test]
fn an_endless_stream_is_refused_at_its_first_chunk() {
    use std::io::Read;
    let keys = world().keys;
    let sealed = keys.content.seal(&mut rng(4), &PLACE, b"");
    let endless = sealed[..68].chain(std::io::repeat(0));
    let mut written = Vec::new();
    let error = keys.content.open_stream(&PLACE, endless, &mut written).unwrap_err();
    assert!(matches!(error, StreamError::Crypto(Error::Unauthentic { what: "content" })), "{error}");
    assert_eq!(written, b"");
}

#[test]
fn a_failing_reader_is_an_io_error() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let keys = world().keys;
    let error = keys.content.seal_stream(&mut rng(4), &PLACE, Broken, Vec::new()).unwrap_err();
    assert!(matches!(error, StreamError::Io(_)), "{error}");
}

/// Lengths above the limits are refused by their length alone, before a copy is made.
#[test]
fn too_long_is_refused() {
    let world = world();
    let long = vec![1; pmirs_crypto::envelope::MAX_MESSAGE + 2000];
    assert!(matches!(world.keys.metadata.open(&PLACE, &long), Err(Error::TooLong { what: "record", .. })));
    assert!(matches!(world.server.open_request(&long), Err(Error::TooLong { what: "sealed request", .. })));
    assert!(matches!(answer_opener(&world).open(&long), Err(Error::TooLong { what: "sealed answer", .. })));
}

#[test]
fn a_grant_fits_one_collection_epoch_role_granter_and_member() {
    let world = world();
    let granted = grant::seal(&mut rng(6), &world.anna, &world.ben.public(), &world.key, &GRANT);
    let refused = Err(Error::BadSignature { context: "grant" });
    for context in [
        GrantContext { collection: [0xee; 16], ..GRANT },
        GrantContext { epoch: 8, ..GRANT },
        GrantContext { role: 3, ..GRANT },
    ] {
        assert_eq!(grant::open(&world.ben, &world.anna.public(), &granted, &context), refused);
    }
    assert_eq!(grant::open(&world.ben, &world.ben.public(), &granted, &GRANT), refused, "another granter");
    assert_eq!(grant::open(&world.anna, &world.anna.public(), &granted, &GRANT), refused, "another member");
}

#[test]
fn a_signature_fits_one_signer_context_and_message() {
    let world = world();
    let signature = world.anna.sign(Context::Item, b"digest");
    let anna = world.anna.public();
    assert_eq!(anna.verify(Context::Item, b"digest", &signature), Ok(()));
    for context in [
        Context::Login,
        Context::Grant,
        Context::Collection,
        Context::Change,
        Context::Certificate,
        Context::Device,
        Context::Request,
        Context::Ledger,
        Context::Party,
        Context::Order,
        Context::Membership,
        Context::Federated,
    ] {
        let refused = Err(Error::BadSignature { context: context.name() });
        assert_eq!(anna.verify(context, b"digest", &signature), refused);
    }
    let refused = Err(Error::BadSignature { context: "item" });
    assert_eq!(anna.verify(Context::Item, b"Digest", &signature), refused);
    assert_eq!(world.ben.public().verify(Context::Item, b"digest", &signature), refused);
    assert_eq!(anna.verify(Context::Item, b"digest", &Signature([0; 64])), refused);
}

#[test]
fn a_device_signs_for_itself_and_is_certified_by_one_identity() {
    let world = world();
    let (device, other) = (DeviceKey::generate(&mut rng(9)), DeviceKey::generate(&mut rng(10)));
    let signature = device.sign(b"challenge");
    assert_eq!(device.public().verify(b"challenge", &signature), Ok(()));
    let refused = Err(Error::BadSignature { context: "device" });
    assert_eq!(device.public().verify(b"Challenge", &signature), refused);
    assert_eq!(other.public().verify(b"challenge", &signature), refused);
    assert_eq!(
        DeviceKey::from_secret(device.expose_secret()).public(),
        device.public(),
        "kept and read again"
    );
    assert_ne!(device.public().id(), other.public().id());

    let bytes = certificate(&world).to_bytes();
    let opened = DeviceCertificate::open(&world.anna.public(), &bytes).unwrap();
    assert_eq!((opened.device(), opened.created_ms()), (device.public(), 1_700_000_000_000));
    let refused = Err(Error::BadSignature { context: "certificate" });
    assert_eq!(DeviceCertificate::open(&world.ben.public(), &bytes), refused);
    let neutral = [1_u8].into_iter().chain([0; 31]).collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(DevicePublicKey::from_bytes(&neutral), Err(Error::Malformed { what: "device key" }));
}

#[test]
fn every_epoch_collection_and_use_has_keys_of_its_own() {
    let world = world();
    let sealed = world.keys.metadata.seal(&mut rng(2), &PLACE, b"metadata");
    for other in [world.key.epoch_keys(&COLLECTION, 8), world.key.epoch_keys(&[0xee; 16], 7)] {
        assert!(other.metadata.open(&PLACE, &sealed).is_err());
        assert!(other.veil != world.keys.veil && other.token != world.keys.token);
    }
    assert!(world.keys.veil.expose_secret() != world.keys.token.expose_secret());
    let file = world.anna.local_key("cache").seal(&mut rng(3), b"index", b"rows");
    assert!(world.anna.local_key("pins").open(b"index", &file).is_err());
    assert!(world.ben.local_key("cache").open(b"index", &file).is_err());
}

#[test]
fn equal_plaintexts_do_not_look_alike() {
    let world = world();
    let mut rng = rng(2);
    let mut seal = || world.keys.metadata.seal(&mut rng, &PLACE, b"the same");
    assert_ne!(seal()[13..], seal()[13..]);
}

#[test]
fn a_field_and_its_value_do_not_run_together() {
    let token = world().keys.token;
    assert_eq!(token.tag(b"ab", b"c"), token.tag(b"ab", b"c"));
    assert_ne!(token.tag(b"ab", b"c"), token.tag(b"a", b"bc"));
}

#[test]
fn slips_in_recovery_words_are_named() {
    let words = world().seed.to_words();
    let mut list: Vec<_> = words.split(' ').collect();
    assert_eq!(
        IdentitySeed::from_words(&list[..23].join(" ")),
        Err(Error::WordCount { expected: 24, got: 23 })
    );
    list.swap(3, 11);
    assert_eq!(IdentitySeed::from_words(&list.join(" ")), Err(Error::WordChecksum));
    list[4] = "doggo";
    assert_eq!(IdentitySeed::from_words(&list.join(" ")), Err(Error::UnknownWord { position: 5 }));
}

#[test]
fn secrets_print_their_kind_alone() {
    let world = world();
    let mut rng = rng(2);
    let (_, opener) = world.server.public().seal_request(&mut rng, b"request");
    let printed = [
        format!("{:?}", world.seed),
        format!("{:?}", world.anna),
        format!("{:?}", world.key),
        format!("{:?}", world.keys),
        format!("{:?}", world.server),
        format!("{:?}", world.keys.veil.rng()),
        format!("{:?}", Token::generate(&mut rng)),
        format!("{:?}", LocalKey::generate(&mut rng)),
        format!("{:?}", VeilSeed::generate(&mut rng)),
        format!("{:?}", DeviceKey::generate(&mut rng)),
        format!("{opener:?}"),
    ];
    for text in &printed {
        assert!(text.contains("redacted"), "{text}");
    }
    // A derived Debug of [u8; 32] would print numbers separated by commas.
    assert!(!printed[0].contains(','), "{}", printed[0]);
    assert_eq!(printed[2], "CollectionKey(redacted)");
    assert!(ServerKey::from_bytes(&world.server.expose()).unwrap().public() == world.server.public());
}
