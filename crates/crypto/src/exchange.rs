//! Keys that live for one round of a protocol: members of a group seal to each other through a server, and
//! agree on masks, with X-Wing (see `suite`).
//!
//! ```text
//! sealed = version(1) ‖ encapsulated key(1120) ‖ AES-256-GCM(plaintext) ‖ tag(16)      HPKE, base mode, info bound
//!
//! MaskRoot ──HKDF("x-wing")──────────────────> an X-Wing key pair, whose public half others encapsulate to
//!          └─HKDF("encapsulate", info)──Prg──> the randomness of encapsulating to one other
//! mask seed of a pair = HPKE context of the encapsulation . Export("pmirs/mask/v1", 32)
//! ```
//!
//! A pair's seed thus follows from either end's [`MaskRoot`] and the public keys and encapsulations that a
//! server relays: whoever learns the root of someone who vanished can take all of that one's masks away
//! again. Diffie-Hellman gives this by itself; a KEM needs its randomness to be derived.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::Error;
use crate::aead::TAG;
use crate::bytes::Reader;
use crate::hash::Derive;
use crate::mask::MaskSeed;
use crate::prg::Prg;
use crate::secret::secret;
use crate::suite::{self, ENCAPSULATED};

const VERSION: u8 = 1;
const SEALED: &str = "sealed message of a member";
const EXPORT: &[u8] = b"pmirs/mask/v1";

/// Bytes that [`ExchangePublicKey::seal`] adds.
pub const EXCHANGE_OVERHEAD: usize = 1 + ENCAPSULATED + TAG;
/// Plain bytes of the longest sealed message.
pub const MAX_EXCHANGE: usize = 4 << 10;
/// Bytes of an encapsulation that two members agree on a mask by.
pub const ENCAPSULATION: usize = ENCAPSULATED;

secret! {
    /// What a round's [`ExchangeKey`] is made from.
    pub ExchangeSeed
}

impl ExchangeSeed {
    /// The key pair of this seed.
    pub fn key(&self) -> ExchangeKey {
        ExchangeKey(suite::private_key(self.expose_secret()))
    }
}

secret! {
    /// From it follow all pairwise masks of one member in one round, and nothing else.
    pub MaskRoot
}

impl MaskRoot {
    /// The key pair that others encapsulate to.
    pub fn key(&self) -> ExchangeKey {
        ExchangeKey(suite::private_key(&self.derive().key("x-wing", &[])))
    }

    /// Encapsulates to one other member: what that one needs, and the seed of the mask of the two. `info`
    /// names round and pair; the same root, recipient and info give the same again.
    pub fn encapsulate(&self, to: &ExchangePublicKey, info: &[u8]) -> (Box<[u8; ENCAPSULATION]>, MaskSeed) {
        let seed = self.derive().key("encapsulate", &[info]);
        let (encapsulated, sender) = suite::sender(&mut Prg::new(&seed, b"encapsulate"), &to.0, info);
        (Box::new(encapsulated), mask_of(&sender))
    }

    fn derive(&self) -> Derive {
        Derive::new("pmirs/mask root/v1", self.expose_secret())
    }
}

/// The private half of a round's key pair.
pub struct ExchangeKey(suite::PrivateKey);

impl ExchangeKey {
    /// What others may know.
    pub fn public(&self) -> ExchangePublicKey {
        ExchangePublicKey(suite::public_key(&self.0))
    }

    /// Opens what was sealed to this key with this info.
    pub fn open(&self, info: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let most = MAX_EXCHANGE + EXCHANGE_OVERHEAD;
        let mut reader = Reader::between(SEALED, sealed, EXCHANGE_OVERHEAD, most)?;
        reader.version(VERSION)?;
        let encapsulated = reader.array()?;
        let unauthentic = |_| Error::Unauthentic { what: SEALED };
        let mut receiver = suite::receiver(&self.0, encapsulated, info).map_err(unauthentic)?;
        receiver.open(reader.rest(), &[]).map(Zeroizing::new).map_err(unauthentic)
    }

    /// The seed of the mask with the member who made this encapsulation. A false encapsulation gives a seed
    /// that nobody else has.
    pub fn decapsulate(&self, info: &[u8], encapsulation: &[u8; ENCAPSULATION]) -> Result<MaskSeed, Error> {
        let unauthentic = |_| Error::Unauthentic { what: "encapsulation" };
        let receiver = suite::receiver(&self.0, encapsulation, info).map_err(unauthentic)?;
        let mut secret = Zeroizing::new([0; 32]);
        receiver.export(EXPORT, secret.as_mut()).map_err(unauthentic)?;
        Ok(MaskSeed::from_secret(&secret))
    }
}

impl std::fmt::Debug for ExchangeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExchangeKey(redacted)")
    }
}

/// The public half of a round's key pair.
#[derive(Clone, PartialEq, Eq)]
pub struct ExchangePublicKey(suite::PublicKey);

impl ExchangePublicKey {
    /// Bytes of an encoded key.
    pub const LEN: usize = 1 + suite::PUBLIC_KEY;

    /// `version(1) ‖ X-Wing public key(1216)`
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[VERSION], suite::public_key_bytes(&self.0).as_slice()].concat()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "public key of a round";
        let mut reader = Reader::exact(WHAT, bytes, Self::LEN)?;
        reader.version(VERSION)?;
        suite::public_key_from(reader.array()?).map(Self).ok_or(Error::Malformed { what: WHAT })
    }

    /// Seals a short message; it opens with the same info alone.
    ///
    /// # Panics
    /// Above [`MAX_EXCHANGE`] bytes.
    pub fn seal(&self, rng: &mut impl CryptoRng, info: &[u8], plaintext: &[u8]) -> Vec<u8> {
        assert!(plaintext.len() <= MAX_EXCHANGE, "{} bytes to a member, above the limit", plaintext.len());
        let (encapsulated, mut sender) = suite::sender(rng, &self.0, info);
        [&[VERSION], encapsulated.as_slice(), &suite::seal(&mut sender, plaintext)].concat()
    }
}

impl std::fmt::Debug for ExchangePublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExchangePublicKey")
    }
}

fn mask_of(sender: &suite::Sender) -> MaskSeed {
    let mut secret = Zeroizing::new([0; 32]);
    #[expect(clippy::expect_used, reason = "HKDF-SHA-256 exports up to 255 blocks; this is one")]
    sender.export(EXPORT, secret.as_mut()).expect("one block");
    MaskSeed::from_secret(&secret)
}
