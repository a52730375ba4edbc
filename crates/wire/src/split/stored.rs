//! What a server keeps on its disk, beside the shares themselves.

use serde::{Deserialize, Serialize};

use super::{Entry, Parts, SignedOrder, SignedStatement, Version};
use crate::{Bytes, CollectionId, Digest, ItemId, Message, limits};

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreHeader {
    /// The collection.
    pub collection: CollectionId,
    /// The three servers.
    pub trio: Digest,
    /// This server's place among them: a store of another place holds other components.
    pub place: u8,
    /// Coordinates of an embedding.
    pub dim: u32,
}

impl Message for StoreHeader {
    const NAME: &'static str = "split store header";
    const MAX_BYTES: usize = 1 << 10;
}

/// One line of a collection's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// A statement of who may do what.
    Statement(SignedStatement),
    /// A batch was committed.
    Batch {
        /// What led to it.
        entry: Entry,
        /// SHA-256 of the bytes that it appended to the file of x_i.
        own: Digest,
        /// SHA-256 of the bytes that it appended to the file of x_{i+1}.
        next: Digest,
    },
    /// All shares lie in new files, rows in order without gaps.
    Rewritten {
        /// The refresh that led to it; nothing after a repair.
        entry: Option<Entry>,
        /// The version of the rows.
        version: Version,
        /// The number of the files.
        generation: u64,
        /// How many rows they hold.
        rows: u64,
        /// SHA-256 of all words of x_i.
        own: Digest,
        /// SHA-256 of all words of x_{i+1}.
        next: Digest,
    },
    /// A tree was planted, or taken away.
    Tree {
        /// What led to it.
        entry: Entry,
    },
    /// After [`Rewritten`](Self::Rewritten) by a repair: the rows' items, in pieces.
    Rows {
        /// In order.
        items: Vec<ItemId>,
    },
}

impl Message for Record {
    const NAME: &'static str = "split journal record";
    const MAX_BYTES: usize = limits::SPLIT_PEER_MESSAGE;
}

/// A change that lies ready until P0 decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The order.
    pub order: SignedOrder,
    /// The encoded public identity of whoever gave it, as the statement of that time had it.
    pub identity: Bytes,
    /// P0's number for it.
    pub sequence: u64,
    /// What it brings.
    pub kind: PendingKind,
}

/// What a change brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PendingKind {
    /// Rows; nothing where it only removes.
    Batch(Option<Parts>),
    /// A tree that was uploaded, or the end of the present one.
    Tree,
    /// New files of shares, which lie beside the present ones.
    Refresh {
        /// Their number.
        generation: u64,
        /// SHA-256 of all words of x_i.
        own: Digest,
        /// SHA-256 of all words of x_{i+1}.
        next: Digest,
    },
}

impl Message for Pending {
    const NAME: &'static str = "pending change";
    const MAX_BYTES: usize = Parts::MAX_BYTES + Entry::MAX_BYTES + (8 << 10);
}
