//! The HPKE suite (RFC 9180): X-Wing (draft-connolly-cfrg-xwing-kem), HKDF-SHA-256, AES-256-GCM.
//!
//! X-Wing joins X25519 and ML-KEM-768, so that what is recorded today stays closed unless both fall. It is
//! an IETF draft: a change to it would be a new version byte in every format that uses it.

use hpke::aead::{AeadCtxR, AeadCtxS, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable};
use rand_core::CryptoRng;

pub(crate) type PrivateKey = <XWing as Kem>::PrivateKey;
pub(crate) type PublicKey = <XWing as Kem>::PublicKey;
pub(crate) type Sender = AeadCtxS<AesGcm256, HkdfSha256, XWing>;
pub(crate) type Receiver = AeadCtxR<AesGcm256, HkdfSha256, XWing>;

/// Bytes of a public key.
pub(crate) const PUBLIC_KEY: usize = 1216;
/// Bytes of an encapsulated key.
pub(crate) const ENCAPSULATED: usize = 1120;

/// X-Wing's private key is a 32-byte seed, and every seed is one.
pub(crate) fn private_key(seed: &[u8; 32]) -> PrivateKey {
    #[expect(clippy::expect_used, reason = "it refuses only lengths other than 32")]
    PrivateKey::from_bytes(seed).expect("32 bytes")
}

pub(crate) fn public_key(private: &PrivateKey) -> PublicKey {
    XWing::sk_to_pk(private)
}

pub(crate) fn public_key_bytes(public: &PublicKey) -> [u8; PUBLIC_KEY] {
    public.to_bytes().into()
}

pub(crate) fn public_key_from(bytes: &[u8; PUBLIC_KEY]) -> Option<PublicKey> {
    PublicKey::from_bytes(bytes).ok()
}

/// A context to one recipient, and the encapsulated key that opens it.
pub(crate) fn sender(rng: &mut impl CryptoRng, to: &PublicKey, info: &[u8]) -> ([u8; ENCAPSULATED], Sender) {
    #[expect(
        clippy::expect_used,
        reason = "X-Wing encapsulates to every key that parsed, and the mode has no sender key"
    )]
    let (encapsulated, sender) =
        hpke::setup_sender_with_rng::<AesGcm256, HkdfSha256, XWing>(&OpModeS::Base, to, info, rng)
            .expect("X-Wing encapsulates");
    (encapsulated.to_bytes().into(), sender)
}

/// The recipient's side of a context.
pub(crate) fn receiver(
    key: &PrivateKey,
    encapsulated: &[u8; ENCAPSULATED],
    info: &[u8],
) -> Result<Receiver, HpkeError> {
    let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated)?;
    hpke::setup_receiver(&OpModeR::Base, key, &encapsulated, info)
}

/// Seals the one message of a context.
pub(crate) fn seal(sender: &mut Sender, plaintext: &[u8]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "AES-GCM refuses only above 64 GiB, HPKE above 2^64 messages")]
    sender.seal(plaintext, &[]).expect("under 64 GiB")
}
