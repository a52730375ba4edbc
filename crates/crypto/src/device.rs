//! The devices of a person: each signs with a key of its own, and each can be revoked by itself.
//!
//! ```text
//! certificate = version(1) ‖ device key(32) ‖ created_ms(8) ‖ signature(64)
//! signed      = label ‖ account's fingerprint(32) ‖ device key(32) ‖ created_ms(8)
//! ```
//!
//! The identity signs the certificate, so a server that holds it cannot add a device of its own.

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::Error;
use crate::bytes::Reader;
use crate::hash::{Derive, labelled_sha256};
use crate::identity::{Context, Identity, PublicIdentity, Signature};
use crate::secret::secret;

const VERSION: u8 = 1;
const WHAT: &str = "device certificate";

secret! {
    /// The root of one device's Ed25519 key, made on that device and never leaving it.
    pub DeviceKey
}

impl DeviceKey {
    /// What others may know.
    pub fn public(&self) -> DevicePublicKey {
        DevicePublicKey(self.signing().verifying_key())
    }

    /// Signs as this device (Ed25519, RFC 8032), under [`Context::Device`].
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.signing().sign(&Context::Device.frame(message)).to_bytes())
    }

    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&Derive::new("pmirs/device/v1", self.expose_secret()).key("ed25519", &[]))
    }
}

/// The key that a device's signatures are checked with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DevicePublicKey(VerifyingKey);

impl DevicePublicKey {
    /// Bytes of an encoded key.
    pub const LEN: usize = 32;

    /// The Ed25519 public key.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        self.0.to_bytes()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote. Refuses keys that no honest device has.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, Error> {
        let malformed = Error::Malformed { what: "device key" };
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| malformed.clone())?;
        if key.is_weak() { Err(malformed) } else { Ok(Self(key)) }
    }

    /// What a server calls the device: the first 128 bits of SHA-256 over a label and the key.
    pub fn id(&self) -> [u8; 16] {
        let digest = labelled_sha256("pmirs/fingerprint/device/v1", self.0.as_bytes());
        digest.first_chunk().copied().unwrap_or_default()
    }

    /// Checks a signature of this device, strictly.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), Error> {
        self.0
            .verify_strict(
                &Context::Device.frame(message),
                &ed25519_dalek::Signature::from_bytes(&signature.0),
            )
            .map_err(|_| Error::BadSignature { context: Context::Device.name() })
    }
}

impl std::fmt::Debug for DevicePublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DevicePublicKey({})", data_encoding::HEXLOWER.encode(&self.id()))
    }
}

/// An identity's word that a device acts for it. A value of this type has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCertificate {
    device: DevicePublicKey,
    created_ms: u64,
    signature: Signature,
}

impl DeviceCertificate {
    /// Bytes of an encoded certificate.
    pub const LEN: usize = 1 + DevicePublicKey::LEN + 8 + 64;

    /// Signs for a device.
    pub fn issue(identity: &Identity, device: DevicePublicKey, created_ms: u64) -> Self {
        let signed = signed(&identity.public(), &device, created_ms);
        Self { device, created_ms, signature: identity.sign(Context::Certificate, &signed) }
    }

    /// `version(1) ‖ device key(32) ‖ created_ms(8) ‖ signature(64)`
    pub fn to_bytes(&self) -> Vec<u8> {
        let created = self.created_ms.to_be_bytes();
        [&[VERSION], self.device.0.as_bytes().as_slice(), &created, &self.signature.0].concat()
    }

    /// Reads a certificate and checks that this identity signed it.
    pub fn open(identity: &PublicIdentity, bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::exact(WHAT, bytes, Self::LEN)?;
        reader.version(VERSION)?;
        let device = DevicePublicKey::from_bytes(reader.array()?)?;
        let created_ms = u64::from_be_bytes(*reader.array()?);
        let signature = Signature(*reader.array()?);
        identity.verify(Context::Certificate, &signed(identity, &device, created_ms), &signature)?;
        Ok(Self { device, created_ms, signature })
    }

    /// The device's key.
    pub fn device(&self) -> DevicePublicKey {
        self.device
    }

    /// When it was signed, in milliseconds since 1970, as its signer says.
    pub fn created_ms(&self) -> u64 {
        self.created_ms
    }
}

fn signed(identity: &PublicIdentity, device: &DevicePublicKey, created_ms: u64) -> Vec<u8> {
    [
        b"pmirs/device certificate/v1\0".as_slice(),
        &identity.fingerprint(),
        device.0.as_bytes(),
        &created_ms.to_be_bytes(),
    ]
    .concat()
}
