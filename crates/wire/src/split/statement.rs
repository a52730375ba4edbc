//! Who may do what with a collection: statements that follow each other, each signed by an owner of the one before.

use serde::{Deserialize, Serialize};

use crate::collection::Role;
use crate::{AccountId, Bytes, CollectionId, Digest, Message, limits};

/// A member, with the key that its orders are checked by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The fingerprint of the identity.
    pub account: AccountId,
    /// The encoded public identity.
    pub identity: Bytes,
    /// What it may do.
    pub role: Role,
}

/// Who the members are, from now on.
///
/// Number 0 makes the collection and is signed by its one owner. Every later one is signed by an owner of the statement
/// before it; or it takes nobody but its author away, whoever that is. One owner at least stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Of which collection.
    pub collection: CollectionId,
    /// Counted from 0.
    pub number: u64,
    /// SHA-256 of the encoded [`SignedStatement`] before it; zeros for number 0.
    pub previous: Digest,
    /// The three servers that hold the shares, for good.
    pub trio: Digest,
    /// Coordinates of an embedding, for good.
    pub dim: u32,
    /// Who signed it.
    pub author: AccountId,
    /// In ascending order of account, each once.
    pub members: Vec<Member>,
    /// Where the rows are the weights of a model: SHA-256 of its [`ModelManifest`](super::ModelManifest), for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Digest>,
}

impl Message for Statement {
    const NAME: &'static str = "membership statement";
    const MAX_BYTES: usize = limits::MEMBERS * 1400;
}

/// A statement as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedStatement {
    /// The encoded [`Statement`].
    pub statement: Bytes,
    /// The author's, over those bytes.
    pub signature: Bytes,
}

impl Message for SignedStatement {
    const NAME: &'static str = "signed membership statement";
    const MAX_BYTES: usize = Statement::MAX_BYTES + (1 << 10);
}
