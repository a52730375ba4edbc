//! Small things sealed whole: an item's metadata and embedding for the cloud, files at rest on the client.
//!
//! ```text
//! sealed = version(1) ‖ nonce(12) ‖ AES-256-GCM(plaintext) ‖ tag(16)
//! ```
//!
//! # How many records one key seals
//!
//! Nonces are random. After n records under one key, two of them share a nonce with probability about
//! n²/2⁹⁷, and SP 800-38D (section 8.3) stops at n = 2³², where that is 2⁻³³. A record key lives for one
//! epoch of one collection. With three records to an item, the limit lies at 1.4 billion items; at the ten
//! million that the largest collections are planned for, the probability is below 2⁻⁴⁷. A key of its own
//! for every record would double the cost of opening one and buy nothing at these sizes. A local key seals
//! whole files, a few in every command, and is further still from the limit.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Error;
use crate::aead::{Cipher, NONCE, TAG};
use crate::bytes::Reader;
use crate::place::Place;
use crate::secret::secret;

const VERSION: u8 = 1;

/// Bytes that sealing adds to a record.
pub const RECORD_OVERHEAD: usize = 1 + NONCE + TAG;
/// Plain bytes of the longest record.
pub const MAX_RECORD: usize = 16 << 20;
/// Plain bytes of the longest file that a [`LocalKey`] seals.
pub const MAX_LOCAL: usize = 1 << 30;

/// Seals an epoch's records, each bound to its [`Place`]. The cipher is held ready, so that opening the
/// thousands of records of a cold start costs no key schedules.
pub struct RecordKey(Cipher);

impl RecordKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Cipher::new(key))
    }

    /// Seals a record for this place.
    ///
    /// # Panics
    /// Above [`MAX_RECORD`] bytes, which no encoder of records produces.
    pub fn seal(&self, rng: &mut impl CryptoRng, place: &Place, plaintext: &[u8]) -> Vec<u8> {
        seal(&self.0, rng, &place.associated_data(VERSION), plaintext, MAX_RECORD)
    }

    /// Opens a record that was sealed for this place.
    pub fn open(&self, place: &Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        open("record", &self.0, &place.associated_data(VERSION), sealed, MAX_RECORD)
    }
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordKey(redacted)")
    }
}

/// Seals an identity's own files on the client: caches, settings, pinned keys. Like a [`RecordKey`], it holds
/// its cipher ready.
pub struct LocalKey {
    secret: LocalSecret,
    cipher: Cipher,
}

secret! {
    /// What a local key is made from.
    pub(crate) LocalSecret
}

impl LocalKey {
    /// Fresh from the caller's randomness.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::from_secret(LocalSecret::generate(rng).expose_secret())
    }

    /// Takes secret bytes that were exposed before. The caller zeroises its own copy.
    pub fn from_secret(bytes: &[u8; 32]) -> Self {
        Self { secret: LocalSecret::from_secret(bytes), cipher: Cipher::new(bytes) }
    }

    /// The secret bytes themselves: whoever holds them reads every file under this key.
    pub fn expose_secret(&self) -> &[u8; 32] {
        self.secret.expose_secret()
    }

    /// Seals a file's bytes under a label, usually its name.
    ///
    /// # Panics
    /// Above [`MAX_LOCAL`] bytes: longer files are the caller's to split.
    pub fn seal(&self, rng: &mut impl CryptoRng, label: &[u8], plaintext: &[u8]) -> Vec<u8> {
        seal(&self.cipher, rng, &local(label), plaintext, MAX_LOCAL)
    }

    /// Opens bytes that were sealed under this label.
    pub fn open(&self, label: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        open("local file", &self.cipher, &local(label), sealed, MAX_LOCAL)
    }
}

impl std::fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalKey(redacted)")
    }
}

impl PartialEq for LocalKey {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

impl Eq for LocalKey {}

fn local(label: &[u8]) -> Vec<u8> {
    [&[VERSION], label].concat()
}

fn seal(cipher: &Cipher, rng: &mut impl CryptoRng, ad: &[u8], plaintext: &[u8], limit: usize) -> Vec<u8> {
    assert!(plaintext.len() <= limit, "{} bytes to seal, more than the limit of {limit}", plaintext.len());
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let mut sealed = Vec::with_capacity(plaintext.len() + RECORD_OVERHEAD);
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    cipher.seal_onto(&mut sealed, &nonce, ad, plaintext);
    sealed
}

fn open(
    what: &'static str,
    cipher: &Cipher,
    ad: &[u8],
    sealed: &[u8],
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut reader = Reader::between(what, sealed, RECORD_OVERHEAD, limit + RECORD_OVERHEAD)?;
    reader.version(VERSION)?;
    let nonce = reader.array()?;
    cipher.open(nonce, ad, reader.rest()).ok_or(Error::Unauthentic { what })
}
