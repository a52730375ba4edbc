//! Who someone is: an X-Wing key pair to receive with and an Ed25519 key pair to sign with.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::Error;
use crate::bytes::Reader;
use crate::hash::{Derive, labelled_sha256};
use crate::record::LocalKey;
use crate::seed::{IdentitySeed, words_of};
use crate::suite;

const VERSION: u8 = 1;
const WHAT: &str = "public identity";

/// Both private keys of a person, and the root of the keys for their local files.
pub struct Identity {
    kem: suite::PrivateKey,
    signing: SigningKey,
    local: Derive,
    public: PublicIdentity,
}

impl Identity {
    /// Derives everything from the seed by HKDF-SHA-256 with labels: the same seed, the same identity.
    pub fn from_seed(seed: &IdentitySeed) -> Self {
        let derive = Derive::new("pmirs/identity/v1", seed.expose_secret());
        let kem = suite::private_key(&derive.key("x-wing", &[]));
        let signing = SigningKey::from_bytes(&derive.key("ed25519", &[]));
        let public = PublicIdentity { kem: suite::public_key(&kem), verifying: signing.verifying_key() };
        let local = Derive::new("pmirs/local/v1", &derive.key("local", &[]));
        Self { kem, signing, local, public }
    }

    /// What others may know.
    pub fn public(&self) -> PublicIdentity {
        self.public.clone()
    }

    /// Signs a message for one purpose (Ed25519, RFC 8032).
    pub fn sign(&self, context: Context, message: &[u8]) -> Signature {
        Signature(self.signing.sign(&context.frame(message)).to_bytes())
    }

    /// The key for one of this identity's local files or groups of files.
    pub fn local_key(&self, label: &str) -> LocalKey {
        LocalKey::from_secret(&self.local.key("file", &[label.as_bytes()]))
    }

    /// A digest of something that only this identity can compute: it tells two things apart, and lets nobody else test a
    /// guess (HKDF-SHA-256 under the identity's local root).
    pub fn keyed_digest(&self, label: &str, of: &[u8; 32]) -> [u8; 32] {
        *self.local.key("digest", &[label.as_bytes(), of])
    }

    pub(crate) fn kem(&self) -> &suite::PrivateKey {
        &self.kem
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity(redacted, {:?})", self.public)
    }
}

/// Both public keys of a person.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicIdentity {
    kem: suite::PublicKey,
    verifying: VerifyingKey,
}

impl PublicIdentity {
    /// Bytes of an encoded public identity.
    pub const LEN: usize = 1 + suite::PUBLIC_KEY + 32;

    /// `version(1) ‖ X-Wing public key(1216) ‖ Ed25519 public key(32)`
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[VERSION], suite::public_key_bytes(&self.kem).as_slice(), self.verifying.as_bytes()].concat()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Refuses keys that no honest seed gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let malformed = Error::Malformed { what: WHAT };
        let mut reader = Reader::exact(WHAT, bytes, Self::LEN)?;
        reader.version(VERSION)?;
        let kem = suite::public_key_from(reader.array()?).ok_or_else(|| malformed.clone())?;
        let verifying = VerifyingKey::from_bytes(reader.array()?).map_err(|_| malformed.clone())?;
        if verifying.is_weak() {
            return Err(malformed);
        }
        Ok(Self { kem, verifying })
    }

    /// SHA-256 over a label and the encoded identity: what contacts pin and grants name.
    pub fn fingerprint(&self) -> [u8; 32] {
        labelled_sha256("pmirs/fingerprint/identity/v1", &self.to_bytes())
    }

    /// The fingerprint's first 128 bits as 12 BIP-39 words, for two people to compare aloud. To find another
    /// identity with the same words takes 2¹²⁸ tries.
    pub fn safety_words(&self) -> String {
        let fingerprint = self.fingerprint();
        let (half, _) = fingerprint.as_chunks::<16>();
        half.first().map_or_else(String::new, words_of)
    }

    /// Checks a signature on a message for one purpose, strictly: no key of small order, no second encoding.
    pub fn verify(&self, context: Context, message: &[u8], signature: &Signature) -> Result<(), Error> {
        self.verifying
            .verify_strict(&context.frame(message), &ed25519_dalek::Signature::from_bytes(&signature.0))
            .map_err(|_| Error::BadSignature { context: context.name() })
    }

    pub(crate) fn kem(&self) -> &suite::PublicKey {
        &self.kem
    }
}

impl std::fmt::Debug for PublicIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fingerprint = data_encoding::HEXLOWER.encode(&self.fingerprint());
        write!(f, "PublicIdentity({})", fingerprint.get(..16).unwrap_or_default())
    }
}

/// An Ed25519 signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// 86 characters of base64url without padding (RFC 4648 section 5).
    pub fn to_text(&self) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.0)
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    pub fn from_text(text: &str) -> Result<Self, Error> {
        const WHAT: &str = "signature";
        const LENGTH: usize = 86;
        if text.len() != LENGTH {
            return Err(Error::Length { what: WHAT, expected: LENGTH, got: text.len() });
        }
        let bytes = data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(Error::Malformed { what: WHAT })
    }
}

/// What a signature is for. A signature made for one purpose is none for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// An answer to a server's login challenge.
    Login,
    /// A collection key granted to a member.
    Grant,
    /// A collection's header.
    Collection,
    /// An item as its writer published it.
    Item,
    /// An entry of a collection's log of changes.
    Change,
    /// A device that a person lets act for them.
    Certificate,
    /// Whatever a device signs with its own key.
    Device,
    /// A request to a server, so that others can see who made it.
    Request,
    /// An entry of a member's own ledger of what they let out.
    Ledger,
    /// What a server of the split level says of its store, signed by its own key.
    Party,
    /// A request to the three servers of the split level.
    Order,
    /// Who may do what with a collection of the split level.
    Membership,
    /// A message of a round of federated learning.
    Federated,
}

impl Context {
    /// The name that is signed with the message.
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Grant => "grant",
            Self::Collection => "collection",
            Self::Item => "item",
            Self::Change => "change",
            Self::Certificate => "certificate",
            Self::Device => "device",
            Self::Request => "request",
            Self::Ledger => "ledger",
            Self::Party => "party",
            Self::Order => "order",
            Self::Membership => "membership",
            Self::Federated => "federated",
        }
    }

    /// Names hold no zero byte, so no message of one context is a message of another.
    pub(crate) fn frame(self, message: &[u8]) -> Vec<u8> {
        [b"pmirs/signature/v1/", self.name().as_bytes(), &[0], message].concat()
    }
}
