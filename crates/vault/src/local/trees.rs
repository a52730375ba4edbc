//! Which items the numbers of a split collection's index stand for.

use pmirs_crypto::sha256;
use pmirs_wire::{CollectionId, Digest, ItemId};

use super::Local;
use crate::VaultError;

impl Local {
    /// The items of a tree by number, if this is the tree that was remembered.
    pub(crate) fn tree_items(
        &self,
        collection: CollectionId,
        tree: Digest,
    ) -> Result<Option<Vec<ItemId>>, VaultError> {
        self.rows(key(collection), tree)
    }

    /// Remembers the items of a tree in the place of an earlier one's.
    pub(crate) fn remember_tree_items(
        &self,
        collection: CollectionId,
        tree: Digest,
        items: &[ItemId],
    ) -> Result<(), VaultError> {
        self.remember_rows(key(collection), tree, items)
    }
}

/// Lists of rows lie in one table, under the collection or, for its tree's, under this.
pub(super) fn key(CollectionId(id): CollectionId) -> CollectionId {
    let digest = sha256(&[b"pmirs/local/tree\0".as_slice(), &id].concat());
    CollectionId(digest.first_chunk().copied().unwrap_or_default())
}
