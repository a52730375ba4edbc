//! The digests that a collection's log of changes is made of, the same on both sides.

use crate::hash::{labelled_sha256, sha256};
use crate::place::ItemId;
use crate::seed::{are_words, words_of};

/// What the log says of one item: SHA-256 over a label, the item, its epoch and the digests of its sealed
/// metadata and embedding.
///
/// The sealed metadata authenticates the digests of the content and of the veiled vector, so this one digest
/// stands for all that a server stores of the item.
pub fn leaf_digest(item: &ItemId, epoch: u32, meta: &[u8], embedding: &[u8]) -> [u8; 32] {
    let parts = [item.as_slice(), &epoch.to_be_bytes(), &sha256(meta), &sha256(embedding)];
    labelled_sha256("pmirs/leaf/v1", &parts.concat())
}

/// What an entry's successor names: SHA-256 over a label, the encoded entry and its signature.
///
/// The signature has a fixed length and comes last, so no two pairs run together.
pub fn entry_hash(entry: &[u8], signature: &[u8; 64]) -> [u8; 32] {
    labelled_sha256("pmirs/log entry/v1", &[entry, signature].concat())
}

/// A digest's first 128 bits as 12 BIP-39 words, for two people to compare aloud: the head of a log says that
/// they saw the same history. To find another history with the same words takes 2¹²⁸ tries.
pub fn head_words(digest: &[u8; 32]) -> String {
    let (halves, _) = digest.as_chunks::<16>();
    halves.first().map_or_else(String::new, words_of)
}

/// Whether a text could be what [`head_words`] gives: twelve words of the list with a right checksum, which 15 of 16
/// slips of the pen do not have.
pub fn are_head_words(text: &str) -> bool {
    are_words(text, 12)
}
