//! A collection's key and what it derives in each epoch.

use crate::content::ContentKey;
use crate::hash::{Derive, hmac_sha256};
use crate::place::CollectionId;
use crate::prg::Prg;
use crate::record::RecordKey;
use crate::secret::secret;

secret! {
    /// The key of a collection in one epoch. Whoever holds it reads and writes that epoch.
    pub CollectionKey
}

impl CollectionKey {
    /// The keys of this epoch, each under its own HKDF label and bound to collection and epoch.
    pub fn epoch_keys(&self, collection: &CollectionId, epoch: u32) -> EpochKeys {
        let derive = Derive::new("pmirs/collection/v1", self.expose_secret());
        let key = |label| derive.key(label, &[collection, &epoch.to_be_bytes()]);
        EpochKeys {
            content: ContentKey::new(&key("content")),
            metadata: RecordKey::new(&key("metadata")),
            veil: VeilSeed::from_secret(&key("veil")),
            token: TokenKey::from_secret(&key("token")),
        }
    }
}

/// What an epoch seals and veils with.
#[derive(Debug)]
pub struct EpochKeys {
    /// Seals contents.
    pub content: ContentKey,
    /// Seals metadata and embeddings.
    pub metadata: RecordKey,
    /// Draws the veil.
    pub veil: VeilSeed,
    /// Makes search tokens for exact fields.
    pub token: TokenKey,
}

secret! {
    /// The seed of an epoch's veil.
    pub VeilSeed
}

impl VeilSeed {
    /// The generator that draws the veil's matrices: the same on every machine.
    pub fn rng(&self) -> Prg {
        Prg::new(self.expose_secret(), b"pmirs/veil/v1")
    }
}

secret! {
    /// Turns a field's value into a tag that the cloud can compare and not read.
    pub TokenKey
}

impl TokenKey {
    /// HMAC-SHA-256 of the field's length in four bytes, the field and the value. Equal values of one field
    /// have equal tags, which the cloud sees; nothing else about them shows.
    pub fn tag(&self, field: &[u8], value: &[u8]) -> [u8; 32] {
        hmac_sha256(self.expose_secret(), &[&(field.len() as u32).to_be_bytes(), field, value])
    }
}
