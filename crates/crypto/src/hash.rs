//! SHA-256, HKDF with labels, and comparison in constant time.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Whether two byte strings are equal, in time that depends on their lengths alone.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// SHA-256 over a label and a message, so that equal bytes of two kinds have different digests.
pub(crate) fn labelled_sha256(label: &str, message: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(label).chain_update([0]).chain_update(message).finalize().into()
}

/// HMAC-SHA-256 (RFC 2104) over the parts, one after the other.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HKDF-SHA-256 (RFC 5869) from one 32-byte secret to many, each under its own label.
///
/// The domain is the salt of the extraction; label, a zero byte and the context are the info of the
/// expansion. Labels hold no zero byte, so no two pairs of label and context give the same info.
pub(crate) struct Derive(Hkdf<Sha256>);

impl Derive {
    pub(crate) fn new(domain: &str, secret: &[u8; 32]) -> Self {
        Self(Hkdf::new(Some(domain.as_bytes()), secret))
    }

    pub(crate) fn key(&self, label: &str, context: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let mut info = vec![label.as_bytes(), &[0]];
        info.extend_from_slice(context);
        #[expect(clippy::expect_used, reason = "HKDF-SHA-256 refuses only above 255 blocks; this is one")]
        self.0.expand_multi_info(&info, key.as_mut()).expect("one block");
        key
    }
}
