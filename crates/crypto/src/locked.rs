//! The identity file: a seed under a passphrase.
//!
//! ```text
//! file = version(1) ‖ memory KiB(4) ‖ passes(4) ‖ lanes(4) ‖ salt(16) ‖ nonce(12) ‖ sealed seed(32 + 16)
//! ```
//!
//! Argon2id (RFC 9106) turns passphrase and salt into an AES-256-GCM key; everything before the sealed seed
//! is its associated data. Integers are big-endian. The passphrase is taken in Unicode's NFKD form, so that
//! it is the same typed on any keyboard.

use std::borrow::Cow;

use argon2::{Algorithm, Argon2, Params, Version};
use bip39::Mnemonic;
use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::aead::{Cipher, NONCE, TAG};
use crate::bytes::Reader;
use crate::seed::IdentitySeed;

const VERSION: u8 = 1;
const WHAT: &str = "identity file";
const SALT: usize = 16;
const SEALED: usize = 32 + TAG;
const HEADER: usize = 1 + 12 + SALT + NONCE;

/// What guessing a passphrase costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Params {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes that may be filled at once.
    pub lanes: u32,
}

impl Argon2Params {
    /// The most memory that a file can ask for: 1 GiB.
    pub const MAX_MEMORY_KIB: u32 = 1 << 20;
    /// The most passes that a file can ask for.
    pub const MAX_PASSES: u32 = 64;
    /// The most lanes that a file can ask for.
    pub const MAX_LANES: u32 = 16;

    /// RFC 9106's second recommendation (section 4): 64 MiB, 3 passes, 4 lanes.
    pub const fn recommended() -> Self {
        Self { memory_kib: 64 << 10, passes: 3, lanes: 4 }
    }

    /// The least that Argon2id takes. It protects nothing: for tests and throw-away identities alone.
    pub const fn insecure_fast() -> Self {
        Self { memory_kib: 8, passes: 1, lanes: 1 }
    }

    /// Limits come before the memory: a forged file cannot ask for more than this machine should give.
    fn check(self) -> Result<Self, Error> {
        within("lanes", self.lanes, 1, Self::MAX_LANES)?;
        within("memory in KiB", self.memory_kib, 8 * self.lanes, Self::MAX_MEMORY_KIB)?;
        within("passes", self.passes, 1, Self::MAX_PASSES)?;
        Ok(self)
    }
}

/// A seed that only a passphrase opens.
#[derive(Clone, PartialEq, Eq)]
pub struct LockedIdentity {
    params: Argon2Params,
    salt: [u8; SALT],
    nonce: [u8; NONCE],
    sealed: [u8; SEALED],
}

impl LockedIdentity {
    /// Bytes of an identity file.
    pub const LEN: usize = HEADER + SEALED;

    /// Locks a seed. Takes as long as [`unlock`](Self::unlock), on purpose.
    pub fn lock(
        seed: &IdentitySeed,
        passphrase: &str,
        params: Argon2Params,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Error> {
        let params = params.check()?;
        let (mut salt, mut nonce) = ([0; SALT], [0; NONCE]);
        rng.fill_bytes(&mut salt);
        rng.fill_bytes(&mut nonce);
        let mut locked = Self { params, salt, nonce, sealed: [0; SEALED] };
        let mut sealed = Vec::with_capacity(SEALED);
        locked.cipher(passphrase)?.seal_onto(&mut sealed, &nonce, &locked.header(), seed.expose_secret());
        locked.sealed.iter_mut().zip(sealed).for_each(|(slot, byte)| *slot = byte);
        Ok(locked)
    }

    /// Opens the seed, or says that passphrase and file do not fit.
    pub fn unlock(&self, passphrase: &str) -> Result<IdentitySeed, Error> {
        let seed = self.cipher(passphrase)?.open(&self.nonce, &self.header(), &self.sealed);
        let seed = seed.ok_or(Error::WrongPassphrase)?;
        let seed = <&[u8; 32]>::try_from(seed.as_slice()).map_err(|_| Error::Malformed { what: WHAT })?;
        Ok(IdentitySeed::from_secret(seed))
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.header().as_slice(), &self.sealed].concat()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Parameters above the limits are refused here, before
    /// anything is allocated for them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::exact(WHAT, bytes, Self::LEN)?;
        reader.version(VERSION)?;
        let mut number = || reader.array().map(|bytes| u32::from_be_bytes(*bytes));
        let params = Argon2Params { memory_kib: number()?, passes: number()?, lanes: number()? }.check()?;
        let (salt, nonce, sealed) = (*reader.array()?, *reader.array()?, *reader.array()?);
        Ok(Self { params, salt, nonce, sealed })
    }

    fn header(&self) -> Vec<u8> {
        let Argon2Params { memory_kib, passes, lanes } = self.params;
        let [memory, passes, lanes] = [memory_kib, passes, lanes].map(u32::to_be_bytes);
        [&[VERSION], memory.as_slice(), &passes, &lanes, &self.salt, &self.nonce].concat()
    }

    fn cipher(&self, passphrase: &str) -> Result<Cipher, Error> {
        let Argon2Params { memory_kib, passes, lanes } = self.params;
        let malformed = |_| Error::Malformed { what: WHAT };
        let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(malformed)?;
        let mut text = Cow::Borrowed(passphrase);
        Mnemonic::normalize_utf8_cow(&mut text);
        let mut key = Zeroizing::new([0; 32]);
        let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
            text.as_bytes(),
            &self.salt,
            key.as_mut(),
        );
        if let Cow::Owned(mut normalised) = text {
            normalised.zeroize();
        }
        result.map_err(|error| match error {
            argon2::Error::OutOfMemory => Error::OutOfMemory { memory_kib },
            _ => Error::Malformed { what: WHAT },
        })?;
        Ok(Cipher::new(&key))
    }
}

impl std::fmt::Debug for LockedIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LockedIdentity({:?})", self.params)
    }
}

fn within(parameter: &'static str, got: u32, min: u32, max: u32) -> Result<(), Error> {
    if (min..=max).contains(&got) { Ok(()) } else { Err(Error::Argon2Limit { parameter, min, max, got }) }
}
