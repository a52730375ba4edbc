//! The key of one of the three servers of the split level: it is the server in TLS, and it signs what the server says.
//!
//! Ed25519 (RFC 8032) as a raw public key (RFC 7250): the two others and every client pin these 32 bytes, so there is
//! no certificate, no authority and no date. In TLS 1.3 a signature covers 64 spaces before anything else, and what a
//! party signs here begins with a label, so that neither is ever the other.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use crate::Error;
use crate::hash::Derive;
use crate::identity::{Context, Signature};
use crate::secret::secret;

/// PKCS #8 (RFC 8410 section 7) around an Ed25519 seed.
const PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// SubjectPublicKeyInfo (RFC 8410 section 4) around an Ed25519 public key.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

secret! {
    /// The root of a party's Ed25519 key, made on its machine and never leaving it.
    pub PartyKey
}

impl PartyKey {
    /// What others pin.
    pub fn public(&self) -> PartyPublicKey {
        PartyPublicKey(self.signing().verifying_key())
    }

    /// Signs as this party, under [`Context::Party`].
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.signing().sign(&Context::Party.frame(message)).to_bytes())
    }

    /// The private key for a TLS library, as PKCS #8.
    pub fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([PKCS8.as_slice(), &*self.seed()].concat())
    }

    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&self.seed())
    }

    fn seed(&self) -> Zeroizing<[u8; 32]> {
        Derive::new("pmirs/party/v1", self.expose_secret()).key("ed25519", &[])
    }
}

/// The key that a party is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PartyPublicKey(VerifyingKey);

impl PartyPublicKey {
    /// Bytes of an encoded key.
    pub const LEN: usize = 32;

    /// The Ed25519 public key.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0.to_bytes()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Refuses keys that no honest party has.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, Error> {
        let malformed = Error::Malformed { what: "party key" };
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| malformed.clone())?;
        if key.is_weak() { Err(malformed) } else { Ok(Self(key)) }
    }

    /// The key as TLS shows it: a SubjectPublicKeyInfo in DER.
    pub fn spki(&self) -> Vec<u8> {
        [SPKI.as_slice(), self.0.as_bytes()].concat()
    }

    /// Checks a signature of this party, strictly.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), Error> {
        self.0
            .verify_strict(
                &Context::Party.frame(message),
                &ed25519_dalek::Signature::from_bytes(&signature.0),
            )
            .map_err(|_| Error::BadSignature { context: Context::Party.name() })
    }
}

impl std::fmt::Debug for PartyPublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = data_encoding::HEXLOWER.encode(self.0.as_bytes());
        write!(f, "PartyPublicKey({})", key.get(..16).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_signs_for_itself_and_in_no_other_context() {
        let [north, south] = [1, 2].map(|byte| PartyKey::from_secret(&[byte; 32]));
        let signature = north.sign(b"prepared");
        assert_eq!(north.public().verify(b"prepared", &signature), Ok(()));
        assert!(south.public().verify(b"prepared", &signature).is_err());
        assert!(north.public().verify(b"decided", &signature).is_err());
        let tls = Signature(north.signing().sign(&[&[b' '; 64], b"TLS".as_slice()].concat()).to_bytes());
        assert!(north.public().verify(b"TLS", &tls).is_err());
        assert_eq!(PartyPublicKey::from_bytes(&north.public().to_bytes()), Ok(north.public()));
        assert!(PartyPublicKey::from_bytes(&[0; 32]).is_err(), "a key of small order");
    }

    #[test]
    fn tls_libraries_read_the_key() {
        let key = PartyKey::from_secret(&[1; 32]);
        assert_eq!((key.pkcs8().len(), key.public().spki().len()), (48, 44));
        assert!(key.public().spki().ends_with(&key.public().to_bytes()));
    }
}
