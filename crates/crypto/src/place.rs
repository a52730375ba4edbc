//! Where a sealed thing belongs. It opens there and nowhere else.

/// A collection's identifier.
pub type CollectionId = [u8; 16];
/// An item's identifier.
pub type ItemId = [u8; 16];

/// What a sealed thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A collection's name and settings.
    CollectionHeader = 1,
    /// An item's metadata.
    ItemMeta = 2,
    /// An item's true embedding.
    ItemEmbedding = 3,
    /// An item's content.
    ItemContent = 4,
    /// A small picture of an item's content.
    ItemThumbnail = 5,
}

/// Collection, item, epoch and kind: the associated data of everything that is sealed for the cloud, so that
/// it cannot be moved, swapped or replayed into another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The collection.
    pub collection: CollectionId,
    /// The item; all zero for what belongs to the collection as a whole.
    pub item: ItemId,
    /// The epoch whose keys seal it.
    pub epoch: u32,
    /// What it is.
    pub kind: Kind,
}

impl Place {
    /// Bytes of a place as associated data.
    pub(crate) const LEN: usize = 38;

    /// The version of what is sealed, then every field: fixed lengths in a fixed order, so that no two
    /// places and versions look alike.
    pub(crate) fn associated_data(&self, version: u8) -> [u8; Self::LEN] {
        let mut bytes = [version; Self::LEN];
        let epoch = self.epoch.to_be_bytes();
        let fields = self.collection.iter().chain(&self.item).chain(&epoch).copied();
        for (slot, byte) in bytes.iter_mut().skip(1).zip(fields.chain([self.kind as u8])) {
            *slot = byte;
        }
        bytes
    }
}
