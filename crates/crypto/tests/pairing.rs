//! Two devices and a server between them that does what it likes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

use pmirs_crypto::pairing::{Approving, Comparing, Joined, Joining};
use pmirs_crypto::{Error, Identity, IdentitySeed};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

const SERVER: [u8; 32] = [9; 32];

/// Who pairs a device.
struct World {
    seed: IdentitySeed,
    anna: Identity,
}

fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

fn world() -> World {
    let seed = IdentitySeed::generate(&mut rng(100));
    World { anna: Identity::from_seed(&seed), seed }
}

/// What a server does to a message.
type Change<'a> = &'a dyn Fn(&mut Vec<u8>);

/// The two devices once a server has passed on their messages, each changed as it likes.
fn run(
    rng: &mut ChaCha20Rng,
    identity: &Identity,
    change: [Change; 3],
) -> Result<(Joined, Comparing), Error> {
    let (joining, mut commitment) = Joining::begin(rng, SERVER);
    change[0](&mut commitment);
    let (approving, mut answer) = Approving::answer(rng, SERVER, &identity.public(), &commitment)?;
    change[1](&mut answer);
    let (joined, mut reveal) = joining.reveal(&answer)?;
    change[2](&mut reveal);
    Ok((joined, approving.check(&reveal)?))
}

fn as_it_is(_: &mut Vec<u8>) {}

#[test]
fn an_honest_server_brings_the_identity_over() {
    let world = world();
    for seed in 0..5 {
        let mut rng = rng(seed);
        let (joined, comparing) = run(&mut rng, &world.anna, [&as_it_is; 3]).unwrap();
        let words = joined.words();
        assert_eq!((words.split(' ').count(), &words), (4, &comparing.words()));
        assert_eq!(joined.account(), world.anna.public().fingerprint());
        let read = format!(" {}\n", words.to_uppercase().replace(' ', "  "));
        let sealed = comparing.approve(&mut rng, &read, &world.seed).unwrap();
        assert_eq!(joined.open_after_words_agreed(&sealed), Ok(self::world().seed));
    }
}

/// Every byte of every message, changed on its way: an error by name, or words that differ.
#[test]
fn a_changed_byte_is_refused_or_changes_the_words() {
    let world = world();
    let lengths = [33, 65, 1249];
    for (message, length) in lengths.into_iter().enumerate() {
        for at in (0..length).step_by(if message == 2 { 61 } else { 1 }) {
            let flip = |bytes: &mut Vec<u8>| {
                assert_eq!(bytes.len(), length);
                bytes[at] ^= 4;
            };
            let mut change: [Change; 3] = [&as_it_is; 3];
            change[message] = &flip;
            match run(&mut rng(1), &world.anna, change) {
                Ok((joined, comparing)) => {
                    assert_eq!(message, 1, "only an answer can be changed unnoticed until the words");
                    assert_ne!(joined.words(), comparing.words(), "byte {at}");
                    let refused = comparing.approve(&mut rng(2), &joined.words(), &world.seed);
                    assert_eq!(refused, Err(Error::WordsDiffer));
                }
                Err(Error::Version { .. }) => assert_eq!(at, 0),
                Err(error) => assert_eq!(error, Error::Unauthentic { what: "pairing reveal" }, "byte {at}"),
            }
        }
    }
}

/// A server that pairs with each device by itself, with keys of its own.
struct Between {
    with_new: Joined,
    with_old: Comparing,
    own: Joined,
}

/// It waits for everything that it may wait for: the old device's answer before it answers the new one.
fn stand_between(rng: &mut ChaCha20Rng, identity: &Identity) -> Between {
    let (joining, _commitment) = Joining::begin(rng, SERVER);
    let (own, own_commitment) = Joining::begin(rng, SERVER);
    let (approving, answer) = Approving::answer(rng, SERVER, &identity.public(), &own_commitment).unwrap();
    // The same nonce and account; its own commitment is all that tells the transcripts apart until the reveals.
    let (with_new, _reveal) = joining.reveal(&answer).unwrap();
    let (own, own_reveal) = own.reveal(&answer).unwrap();
    Between { with_new, with_old: approving.check(&own_reveal).unwrap(), own }
}

#[test]
fn a_server_that_puts_its_key_in_the_place_of_the_new_one_is_seen() {
    let world = world();
    let mut rng = rng(3);
    let Between { with_new, with_old, own } = stand_between(&mut rng, &world.anna);
    assert_eq!(own.words(), with_old.words(), "the server knows what the old device shows");
    // The person reads the new device's words to the old one.
    assert_eq!(with_old.approve(&mut rng, &with_new.words(), &world.seed), Err(Error::WordsDiffer));

    // A person who does not compare loses the identity: it is the comparison that protects.
    let Between { with_new, with_old, own } = stand_between(&mut rng, &world.anna);
    let words = with_old.words();
    let sealed = with_old.approve(&mut rng, &words, &world.seed).unwrap();
    assert_eq!(with_new.open_after_words_agreed(&sealed), Err(Error::Unauthentic { what: "pairing seed" }));
    assert_eq!(own.open_after_words_agreed(&sealed), Ok(world.seed));
}

/// A word has 11 bits: of the attempts of a server in between, one in 2048 matches one word, and of none do four.
#[test]
fn words_agree_by_chance_as_often_as_their_bits_say() {
    const ATTEMPTS: usize = 16_384;
    let world = world();
    let (mut rng, mut matches) = (ChaCha20Rng::seed_from_u64(4), [0; 5]);
    for _ in 0..ATTEMPTS {
        let Between { with_new, with_old, .. } = stand_between(&mut rng, &world.anna);
        let (new, old) = (with_new.words(), with_old.words());
        let agree: Vec<bool> = new.split(' ').zip(old.split(' ')).map(|(a, b)| a == b).collect();
        for (position, agrees) in agree.iter().enumerate() {
            matches[position] += usize::from(*agrees);
        }
        matches[4] += usize::from(agree.iter().all(|&agrees| agrees));
    }
    // Eight expected of each word.
    for (position, count) in matches[..4].iter().enumerate() {
        assert!((1..=20).contains(count), "word {position} agreed {count} times of {ATTEMPTS}");
    }
    assert_eq!(matches[4], 0);
}

/// Once it knows the old device's nonce, a server would like another reveal; it is bound to the first.
#[test]
fn a_commitment_binds() {
    let world = world();
    let mut rng = rng(5);
    let (_, commitment) = Joining::begin(&mut rng, SERVER);
    let (approving, answer) = Approving::answer(&mut rng, SERVER, &world.anna.public(), &commitment).unwrap();
    let (another, _) = Joining::begin(&mut rng, SERVER);
    let (_, reveal) = another.reveal(&answer).unwrap();
    assert_eq!(approving.check(&reveal).unwrap_err(), Error::Unauthentic { what: "pairing reveal" });
}

/// The server seals an identity of its own to the key that it saw: it is not the account that the words cover.
#[test]
fn an_identity_cannot_be_slipped_in() {
    let world = world();
    let mut rng = rng(6);
    let (joining, commitment) = Joining::begin(&mut rng, SERVER);
    let (approving, answer) = Approving::answer(&mut rng, SERVER, &world.anna.public(), &commitment).unwrap();
    let (joined, reveal) = joining.reveal(&answer).unwrap();
    let comparing = approving.check(&reveal).unwrap();
    let (words, other) = (comparing.words(), IdentitySeed::generate(&mut rng));
    let sealed = comparing.approve(&mut rng, &words, &other).unwrap();
    assert_eq!(joined.open_after_words_agreed(&sealed), Err(Error::Unauthentic { what: "pairing seed" }));
}

/// Devices that see other servers see other words.
#[test]
fn the_words_cover_the_server() {
    let world = world();
    let mut rng = rng(7);
    let (joining, commitment) = Joining::begin(&mut rng, [8; 32]);
    let (approving, answer) = Approving::answer(&mut rng, SERVER, &world.anna.public(), &commitment).unwrap();
    let (joined, reveal) = joining.reveal(&answer).unwrap();
    assert_ne!(joined.words(), approving.check(&reveal).unwrap().words());
}

#[test]
fn states_print_their_kind_alone() {
    let (joining, _) = Joining::begin(&mut rng(8), SERVER);
    assert_eq!(format!("{joining:?}"), "Joining(redacted)");
}
