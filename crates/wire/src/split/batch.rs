//! Changes of the rows: what a batch is, what one server gets of it, and how versions follow each other.

use serde::{Deserialize, Serialize};

use super::SignedOrder;
use crate::{Bytes, CollectionId, Digest, ItemId, Message, limits};

/// A state of a collection's rows. Shares of different versions are never combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// How many changes there were.
    pub number: u64,
    /// Over all of them, see [`Version::first_bytes`] and [`Version::next_bytes`].
    pub hash: Digest,
}

impl Version {
    /// SHA-256 of this is the hash of version 0.
    pub fn first_bytes(collection: &CollectionId, trio: &Digest, dim: u32) -> Vec<u8> {
        [b"pmirs/split/version/v1\0".as_slice(), &collection.0, &trio.0, &dim.to_be_bytes()].concat()
    }

    /// SHA-256 of this is the hash of the version after, once the order of this digest is committed.
    pub fn next_bytes(&self, order: &Digest) -> Vec<u8> {
        let number = (self.number.wrapping_add(1)).to_be_bytes();
        [b"pmirs/split/version/v1\0".as_slice(), &self.hash.0, &number, &order.0].concat()
    }
}

/// Rows to add and to remove, together or not at all.
///
/// A row is known by its item's whole id, and not by a short handle, which two items may share: the right one must go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The version that it changes.
    pub base: Version,
    /// Items that are not there once the others are removed, in the order of the parts; at most [`limits::SPLIT_ROWS`].
    pub add: Vec<ItemId>,
    /// Items that are there; at most [`limits::SPLIT_ROWS`]. Removed before the others are added, so that one that is named
    /// in both gets another row.
    pub remove: Vec<ItemId>,
}

/// One server's parts of a dealt secret: of the embeddings of a batch, or of queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// x_i.
    pub own: Component,
    /// x_{i+1}.
    pub next: Component,
    /// 32 random bytes of this server's alone. The order pins the parts of all three by digest, and P0, which has both
    /// seeds, could else test a guess of the secret by what P1's parts would be.
    pub salt: Digest,
}

impl Message for Parts {
    const NAME: &'static str = "parts of a secret";
    const MAX_BYTES: usize = 2 * 4 * limits::SPLIT_WORDS + (1 << 10);
}

impl Parts {
    /// The parts of all three servers: x₀ and x₁ as seeds, x₂ as words.
    pub fn of_three(first: [u8; 32], second: [u8; 32], rest: &[u32], salts: [[u8; 32]; 3]) -> [Self; 3] {
        let (first, second) =
            (Component::Seed(first.to_vec().into()), Component::Seed(second.to_vec().into()));
        let words: Vec<u8> = rest.iter().flat_map(|word| word.to_le_bytes()).collect();
        let words = Component::Words(words.into());
        let [p0, p1, p2] = salts.map(Digest);
        [
            Self { own: first.clone(), next: second.clone(), salt: p0 },
            Self { own: second, next: words.clone(), salt: p1 },
            Self { own: words, next: first, salt: p2 },
        ]
    }
}

/// One component of a dealt secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Component {
    /// 32 bytes, to be expanded by `ShareSeed` of `pmirs-crypto`.
    Seed(Bytes),
    /// The words, little-endian.
    Words(Bytes),
}

/// A change that P0 decided on: what the other two, and whoever audits, need to follow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The order that was prepared: [`Action::Prepare`](super::Action::Prepare) or
    /// [`Action::Refresh`](super::Action::Refresh).
    pub prepared: SignedOrder,
    /// The order that committed it; nothing after a refresh, which the servers commit among themselves.
    pub commit: Option<SignedOrder>,
    /// The version that it leads to.
    pub version: Version,
    /// P0's signature over [`Entry::decided_bytes`].
    pub decision: Bytes,
}

impl Entry {
    /// What P0 signs when it commits.
    pub fn decided_bytes(collection: &CollectionId, prepared: &Digest, version: &Version) -> Vec<u8> {
        let number = version.number.to_be_bytes();
        [b"decided\0".as_slice(), &collection.0, &prepared.0, &number, &version.hash.0].concat()
    }
}

impl Message for Entry {
    const NAME: &'static str = "split entry";
    const MAX_BYTES: usize = limits::SPLIT_ROWS * 2 * 20 + (16 << 10);
}
