//! What a member wants of all three servers, in the same signed bytes for each.

use serde::{Deserialize, Serialize};

use super::{Batch, Encode, Probing, SignedStatement, TreeAction, Version};
use crate::{AccountId, Bytes, CollectionId, Digest, Message, limits};

/// A member's will. SHA-256 of its encoding is its digest, by which sessions and receipts name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// SHA-256 of [`Trio::pinned_bytes`](super::Trio::pinned_bytes): no other three servers take it.
    pub trio: Digest,
    /// Which collection.
    pub collection: CollectionId,
    /// Who wants it.
    pub account: AccountId,
    /// The member's clock in milliseconds since 1970: an old order is refused.
    pub sent_ms: u64,
    /// 32 random bytes: the same order is served once.
    pub nonce: Digest,
    /// What is wanted.
    pub action: Action,
}

impl Message for Order {
    const NAME: &'static str = "split order";
    const MAX_BYTES: usize = SignedStatement::MAX_BYTES + (4 << 10);
}

/// What a member may want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The collection's state at one server. By a reader.
    Show,
    /// Who the members are, as one server has it. By a reader.
    Members,
    /// A new statement of who may do what; number 0 makes the collection. By its author, to P0 first: so that of two
    /// statements of one number no two servers take different ones, the others follow P0's receipt for it.
    Govern {
        /// The statement.
        statement: SignedStatement,
    },
    /// Stores a batch aside until P0 decides. By a writer, with parts where rows are added.
    Prepare {
        /// The batch.
        batch: Batch,
        /// SHA-256 of the encoded [`Parts`](super::Parts) of P0, P1 and P2; of nothing, where none travel.
        parts: [Digest; 3],
    },
    /// Makes a prepared batch part of the collection. By the member who prepared it.
    Commit {
        /// The digest of the order that prepared it.
        prepared: Digest,
        /// P0's number for it, which all receipts carry.
        sequence: u64,
        /// The signatures of P0, P1 and P2 over [`Receipt::signed_bytes`](super::Receipt::signed_bytes).
        receipts: [Bytes; 3],
    },
    /// Which items have which rows, from a number on. By a reader. A search finds numbers of rows, because these are public
    /// before its shuffle and so travel through it for nothing; a client keeps the list, and asks again when the version
    /// is another one.
    Rows {
        /// The number of the first row.
        from: u64,
    },
    /// The best rows for some queries. By a reader, with parts.
    Search(Search),
    /// Fresh shares of every row; the old ones are erased. By an owner.
    Refresh {
        /// The version that it changes.
        base: Version,
    },
    /// Gives a server that lost its store the shares that it is entitled to. By a writer.
    Repair {
        /// 0, 1 or 2.
        place: u8,
    },
    /// About the collection's index.
    Tree(TreeAction),
    /// Erases the collection. By an owner.
    Delete,
    /// Has the three meet and catch up with each other, and nothing else. By a reader.
    Meet,
    /// Keeps what is public of a model beside its weights: the manifest travels in place of parts, and must be the one that
    /// the statements name. By a reader, since nobody can make up another one.
    Describe {
        /// SHA-256 of the manifest.
        manifest: Digest,
    },
    /// What is public of a model. By a reader.
    Manifest,
    /// Which models the account may use; the order is about no collection, whose identifier is zeros.
    Models,
    /// A picture or a sentence through a model. By a reader, with parts.
    Encode(Encode),
}

impl Action {
    /// What errors and logs call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Members => "members",
            Self::Govern { .. } => "govern",
            Self::Prepare { .. } => "prepare",
            Self::Commit { .. } => "commit",
            Self::Rows { .. } => "rows",
            Self::Search(_) => "search",
            Self::Refresh { .. } => "refresh",
            Self::Repair { .. } => "repair",
            Self::Tree(TreeAction::Show) => "show-tree",
            Self::Tree(TreeAction::Rows { .. }) => "tree-rows",
            Self::Tree(TreeAction::Piece { .. }) => "tree-piece",
            Self::Tree(TreeAction::Plant { .. }) => "plant-tree",
            Self::Delete => "delete",
            Self::Meet => "meet",
            Self::Describe { .. } => "describe",
            Self::Manifest => "manifest",
            Self::Models => "models",
            Self::Encode(_) => "encode",
        }
    }
}

/// A search for the best rows of one or more queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// How many queries the parts hold, one after another; at most [`limits::SPLIT_QUERIES`].
    pub queries: u32,
    /// How many rows to return for each; at most [`limits::SPLIT_CANDIDATES`].
    pub k: u32,
    /// What is compared.
    pub metric: Metric,
    /// No score is larger than this, whatever its sign: the narrower, the cheaper a comparison. It is the member's word,
    /// and one that is too small spoils the answer. For int8 vectors of about unit length times 127 it is about 127².
    pub largest: u32,
    /// SHA-256 of the encoded [`Parts`](super::Parts) of P0, P1 and P2.
    pub parts: [Digest; 3],
    /// Which cells of which tree to look at; nothing for every row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<Probing>,
}

/// What makes a row better than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The larger inner product.
    InnerProduct,
    /// The smaller squared Euclidean distance.
    SquaredDistance,
}

/// An order as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedOrder {
    /// The encoded [`Order`].
    pub order: Bytes,
    /// The member's, over those bytes.
    pub signature: Bytes,
}

/// What travels to one server inside its envelope: `POST /v1/envelope`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyRequest {
    /// The order, the same for all three.
    pub order: SignedOrder,
    /// The encoded [`Parts`](super::Parts) of this server; empty where the order has none.
    pub parts: Bytes,
    /// P0's word, to P1 and P2: its encoded [`Receipt`](super::Receipt) beside a [`Prepare`](Action::Prepare) and a
    /// [`Govern`](Action::Govern), its encoded [`Entry`](super::Entry) beside a [`Commit`](Action::Commit).
    pub first: Option<Bytes>,
}

impl Message for PartyRequest {
    const NAME: &'static str = "split request";
    const MAX_BYTES: usize = super::Parts::MAX_BYTES + Order::MAX_BYTES + (4 << 10);
}

const _: () = assert!(PartyRequest::MAX_BYTES <= limits::BODY, "a request fits its envelope");
