//! A new device gets a person's identity from a device that has it, over a server that neither believes.
//!
//! ```text
//! new device                                                             device that is there
//! n, key pair (sk, pk)     ── commitment = v ‖ SHA-256(label ‖ reveal) ──▶
//!                          ◀── answer = v ‖ e(32) ‖ account(32) ──────────  e
//! reveal = v ‖ n(32) ‖ pk  ── reveal ────────────────────────────────────▶ is it what was committed to?
//! both: T = SHA-256(label ‖ server's fingerprint ‖ commitment ‖ answer ‖ reveal)
//!       words = four words of SHA-256(label ‖ T), 11 bits each
//! a person compares them
//!                          ◀── seed = v ‖ HPKE(pk, info = label ‖ T, identity seed) ──
//! opens it, and checks that its identity is the account of the answer
//! ```
//!
//! # What a server in between can do
//!
//! To read the seed, it must have the old device seal to a key of its own, so the two devices end with different
//! transcripts and it needs their words to agree by chance. It commits to its reveal before it sees e, so what the
//! old device shows is drawn by e after everything else of that transcript is fixed. It answers the new device
//! before it sees n, which the commitment hides, so what the new device shows is drawn by n in the same way. Either
//! way the last draw is an honest device's, and no amount of computing helps: four words agree with probability 2⁻⁴⁴
//! at each attempt, and a failed attempt is seen by a person. (Two reveals for one commitment would be a collision
//! of SHA-256.)
//!
//! The words also cover the account, so that the new device cannot be given somebody else's identity, and the
//! server's fingerprint, so that the new device may pin it. Each state is spent by its one step.

use bip39::Language;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Error;
use crate::aead::TAG;
use crate::bytes::Reader;
use crate::hash::labelled_sha256;
use crate::identity::{Identity, PublicIdentity};
use crate::seed::IdentitySeed;
use crate::suite::{self, ENCAPSULATED, PUBLIC_KEY};

const VERSION: u8 = 1;
const NONCE: usize = 32;
const WORDS: usize = 4;

const COMMITMENT: &str = "pairing commitment";
const ANSWER: &str = "pairing answer";
const REVEAL: &str = "pairing reveal";
const SEED: &str = "pairing seed";

/// Bytes of a commitment.
pub const COMMITMENT_LEN: usize = 1 + 32;
/// Bytes of an answer.
pub const ANSWER_LEN: usize = 1 + NONCE + 32;
/// Bytes of a reveal.
pub const REVEAL_LEN: usize = 1 + NONCE + PUBLIC_KEY;
/// Bytes of a sealed seed.
pub const SEED_LEN: usize = 1 + ENCAPSULATED + 32 + TAG;

/// A new device that has committed to its key and waits for the answer.
pub struct Joining {
    server: [u8; 32],
    key: Zeroizing<[u8; 32]>,
    commitment: Vec<u8>,
    reveal: Zeroizing<Vec<u8>>,
}

impl Joining {
    /// Begins at the server with this fingerprint; returns the commitment to send.
    pub fn begin(rng: &mut impl CryptoRng, server: [u8; 32]) -> (Self, Vec<u8>) {
        let (mut key, mut nonce) = (Zeroizing::new([0; 32]), Zeroizing::new([0; NONCE]));
        rng.fill_bytes(key.as_mut());
        rng.fill_bytes(nonce.as_mut());
        let public = suite::public_key(&suite::private_key(&key));
        let reveal =
            Zeroizing::new([&[VERSION], nonce.as_slice(), &suite::public_key_bytes(&public)].concat());
        let commitment = commitment_to(&reveal);
        (Self { server, key, commitment: commitment.clone(), reveal }, commitment)
    }

    /// Takes the answer; returns the reveal to send. From here on the key is fixed on both sides.
    pub fn reveal(self, answer: &[u8]) -> Result<(Joined, Vec<u8>), Error> {
        let account = read_answer(answer)?;
        let transcript = transcript(&self.server, &self.commitment, answer, &self.reveal);
        Ok((Joined { key: self.key, transcript, account }, self.reveal.to_vec()))
    }
}

/// A new device that shows its words and waits for the seed.
pub struct Joined {
    key: Zeroizing<[u8; 32]>,
    transcript: [u8; 32],
    account: [u8; 32],
}

impl Joined {
    /// What a person compares with the other device.
    pub fn words(&self) -> String {
        words_of(&self.transcript)
    }

    /// The fingerprint of the identity that the other device says it has.
    pub fn account(&self) -> [u8; 32] {
        self.account
    }

    /// Opens the seed. Only for after a person said that the words of both devices agree: before that it may be
    /// anybody's.
    pub fn open_after_words_agreed(self, sealed: &[u8]) -> Result<IdentitySeed, Error> {
        let mut reader = Reader::exact(SEED, sealed, SEED_LEN)?;
        reader.version(VERSION)?;
        let unauthentic = Error::Unauthentic { what: SEED };
        let encapsulated = reader.array()?;
        let key = suite::private_key(&self.key);
        let opened = suite::receiver(&key, encapsulated, &info(&self.transcript))
            .and_then(|mut receiver| receiver.open(reader.rest(), &[]));
        let seed = Zeroizing::new(opened.map_err(|_| unauthentic.clone())?);
        let seed = seed.first_chunk().map(IdentitySeed::from_secret).ok_or_else(|| unauthentic.clone())?;
        let fits = Identity::from_seed(&seed).public().fingerprint() == self.account;
        if fits { Ok(seed) } else { Err(unauthentic) }
    }
}

/// A device that has the identity, has answered, and waits for the reveal.
pub struct Approving {
    server: [u8; 32],
    commitment: Vec<u8>,
    answer: Vec<u8>,
}

impl Approving {
    /// Answers a commitment for this identity, at the server with this fingerprint; returns the answer to send.
    pub fn answer(
        rng: &mut impl CryptoRng,
        server: [u8; 32],
        identity: &PublicIdentity,
        commitment: &[u8],
    ) -> Result<(Self, Vec<u8>), Error> {
        Reader::exact(COMMITMENT, commitment, COMMITMENT_LEN)?.version(VERSION)?;
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let answer = [&[VERSION], nonce.as_slice(), &identity.fingerprint()].concat();
        Ok((Self { server, commitment: commitment.to_vec(), answer: answer.clone() }, answer))
    }

    /// Takes the reveal, if it is what was committed to.
    pub fn check(self, reveal: &[u8]) -> Result<Comparing, Error> {
        let mut reader = Reader::exact(REVEAL, reveal, REVEAL_LEN)?;
        reader.version(VERSION)?;
        if commitment_to(reveal) != self.commitment {
            return Err(Error::Unauthentic { what: REVEAL });
        }
        let _nonce: &[u8; NONCE] = reader.array()?;
        let key = suite::public_key_from(reader.array()?).ok_or(Error::Malformed { what: REVEAL })?;
        let transcript = transcript(&self.server, &self.commitment, &self.answer, reveal);
        Ok(Comparing { key, transcript })
    }
}

/// A device that has the identity, and asks a person whether the words agree.
pub struct Comparing {
    key: suite::PublicKey,
    transcript: [u8; 32],
}

impl Comparing {
    /// What a person compares with the new device.
    pub fn words(&self) -> String {
        words_of(&self.transcript)
    }

    /// Seals the seed of the identity that was answered with, if the words that a person read off the new device are
    /// those of this one. Case and spacing do not matter. There is no second try.
    pub fn approve(
        self,
        rng: &mut impl CryptoRng,
        words_of_new_device: &str,
        seed: &IdentitySeed,
    ) -> Result<Vec<u8>, Error> {
        let read = words_of_new_device.to_lowercase();
        if !self.words().split(' ').eq(read.split_whitespace()) {
            return Err(Error::WordsDiffer);
        }
        let (encapsulated, mut sender) = suite::sender(rng, &self.key, &info(&self.transcript));
        let sealed = suite::seal(&mut sender, seed.expose_secret());
        Ok([&[VERSION], encapsulated.as_slice(), &sealed].concat())
    }
}

/// A state prints its kind alone.
macro_rules! redacted {
    ($($state:ident)*) => {$(
        impl std::fmt::Debug for $state {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($state), "(redacted)"))
            }
        }
    )*};
}

redacted!(Joining Joined Approving Comparing);

fn commitment_to(reveal: &[u8]) -> Vec<u8> {
    [&[VERSION], labelled_sha256("pmirs/pairing/commitment/v1", reveal).as_slice()].concat()
}

/// Checks an answer's form and returns its account.
fn read_answer(answer: &[u8]) -> Result<[u8; 32], Error> {
    let mut reader = Reader::exact(ANSWER, answer, ANSWER_LEN)?;
    reader.version(VERSION)?;
    let _nonce: &[u8; NONCE] = reader.array()?;
    reader.array().copied()
}

/// Every part has a fixed length, so no two transcripts run together.
fn transcript(server: &[u8; 32], commitment: &[u8], answer: &[u8], reveal: &[u8]) -> [u8; 32] {
    labelled_sha256("pmirs/pairing/transcript/v1", &[server, commitment, answer, reveal].concat())
}

fn info(transcript: &[u8; 32]) -> Vec<u8> {
    [b"pmirs/pairing/seed/v1\0".as_slice(), transcript].concat()
}

/// The first 44 bits of a digest of the transcript as words of the BIP-39 English list.
fn words_of(transcript: &[u8; 32]) -> String {
    let digest = labelled_sha256("pmirs/pairing/words/v1", transcript);
    let bits = digest.iter().take(8).fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
    let list = Language::English.word_list();
    let word = |position: usize| list.get((bits >> (53 - 11 * position)) as usize % list.len()).copied();
    (0..WORDS).filter_map(word).collect::<Vec<_>>().join(" ")
}
