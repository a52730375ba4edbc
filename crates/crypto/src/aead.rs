//! AES-256-GCM (SP 800-38D) with its key schedule held ready.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use zeroize::Zeroizing;

pub(crate) const NONCE: usize = 12;
pub(crate) const TAG: usize = 16;

/// A cipher whose round keys and hash key are computed once; both are zeroised on drop.
pub(crate) struct Cipher(Aes256Gcm);

impl Cipher {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// Appends ciphertext and tag to `out`.
    pub(crate) fn seal_onto(&self, out: &mut Vec<u8>, nonce: &[u8; NONCE], ad: &[u8], plaintext: &[u8]) {
        let start = out.len();
        out.reserve_exact(plaintext.len() + TAG);
        out.extend_from_slice(plaintext);
        let (_, body) = out.split_at_mut(start);
        #[expect(
            clippy::expect_used,
            reason = "AES-GCM refuses only above 64 GiB; every caller limits itself far below"
        )]
        let tag = self.0.encrypt_inout_detached(nonce.into(), ad, body.into()).expect("under 64 GiB");
        out.extend_from_slice(&tag);
    }

    /// Ciphertext and tag to plaintext, or `None` where the tag does not fit.
    pub(crate) fn open(&self, nonce: &[u8; NONCE], ad: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (body, tag) = sealed.split_last_chunk::<TAG>()?;
        let mut plaintext = Zeroizing::new(body.to_vec());
        self.0
            .decrypt_inout_detached(nonce.into(), ad, plaintext.as_mut_slice().into(), tag.into())
            .ok()
            .map(|()| plaintext)
    }

    /// The cipher itself, for the STREAM construction.
    pub(crate) fn into_inner(self) -> Aes256Gcm {
        self.0
    }
}
