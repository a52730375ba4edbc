//! A collection's history: every change is an entry that its author signed, chained by hash to the one before.
//!
//! An [`Entry`] says what was done and what the live items are afterwards, as one Merkle root. It travels and
//! rests as a [`SignedEntry`], the very bytes that were signed, so that no two readers disagree on its hash. An
//! [`Append`] brings an entry to the server together with what it speaks of.

use serde::{Deserialize, Serialize};

use crate::collection::{Protection, Role};
use crate::item::NewItem;
use crate::{AccountId, Bytes, CollectionId, Digest, ItemId, Message, limits};

/// One change of a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Entry {
    /// The collection that it changes.
    pub collection: CollectionId,
    /// Its place in the log, counted from 0.
    pub number: u64,
    /// The hash of the entry before it; zeros for number 0.
    pub previous: Digest,
    /// The collection's epoch once it is applied: one more than before at `Revoke` and `Rotate`.
    pub epoch: u32,
    /// Who signed it.
    pub author: AccountId,
    /// When, in milliseconds since 1970, by the author's clock.
    pub at_ms: u64,
    /// What was done.
    pub action: Action,
    /// How many items there are once it is applied.
    pub items: u64,
    /// The Merkle root over them.
    pub root: Digest,
}

impl Message for Entry {
    const NAME: &'static str = "log entry";
    const MAX_BYTES: usize = limits::LOG_ENTRY;
}

/// What an entry does. Digests are SHA-256 of what travels beside the entry, so that the entry pins it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Begins the log of a collection, which may hold items by then.
    Create {
        /// How it is protected.
        protection: Protection,
        /// Of its sealed header.
        header: Digest,
        /// The owner's encoded public identity.
        identity: Bytes,
        /// Of the owner's own grant for epoch 0.
        grant: Digest,
    },
    /// Adds items that were not there.
    Add {
        /// At most [`limits::BATCH_ITEMS`], in the order of the payload.
        items: Vec<Leaf>,
    },
    /// Removes items that were there.
    Remove {
        /// At most [`limits::BATCH_ITEMS`].
        items: Vec<ItemId>,
    },
    /// Seals items anew: under another epoch, or with other metadata.
    Replace {
        /// At most [`limits::BATCH_ITEMS`], in the order of the payload.
        items: Vec<Leaf>,
    },
    /// Makes somebody a member, or gives a member another role.
    Share {
        /// Who.
        member: AccountId,
        /// Their encoded public identity.
        identity: Bytes,
        /// What they may do.
        role: Role,
        /// One grant for every live epoch, by ascending epoch.
        grants: Vec<(u32, Digest)>,
    },
    /// The author takes what was shared.
    Accept,
    /// The author is a member no more, or declines.
    Leave,
    /// Ends somebody's membership and starts an epoch.
    Revoke {
        /// Whose.
        member: AccountId,
        /// The new epoch's grant for every member that stays.
        grants: Vec<(AccountId, Digest)>,
    },
    /// Starts an epoch for the same members.
    Rotate {
        /// The new epoch's grant for every member.
        grants: Vec<(AccountId, Digest)>,
    },
    /// Ends an epoch that holds no item any more: its grants are deleted.
    Retire {
        /// Which, never the latest.
        epoch: u32,
    },
    /// Puts other settings, sealed, in the place of those before: another model, above all.
    Settings {
        /// Of the sealed header.
        header: Digest,
    },
}

impl Action {
    /// What errors and histories call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Add { .. } => "add",
            Self::Remove { .. } => "remove",
            Self::Replace { .. } => "replace",
            Self::Share { .. } => "share",
            Self::Accept => "accept",
            Self::Leave => "leave",
            Self::Revoke { .. } => "revoke",
            Self::Rotate { .. } => "rotate",
            Self::Retire { .. } => "retire",
            Self::Settings { .. } => "settings",
        }
    }
}

/// An item as the log pins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Leaf {
    /// Which item.
    pub item: ItemId,
    /// The epoch whose keys sealed it.
    pub epoch: u32,
    /// By `leaf_digest` of `pmirs-crypto`.
    pub digest: Digest,
}

/// An entry as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SignedEntry {
    /// The encoded [`Entry`].
    pub entry: Bytes,
    /// The author's, over those bytes.
    pub signature: Bytes,
}

impl Message for SignedEntry {
    const NAME: &'static str = "signed log entry";
    const MAX_BYTES: usize = limits::LOG_ENTRY + (1 << 10);
}

/// A change to make, if nobody was faster: `POST /v1/collections/{id}/log`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Append {
    /// The change.
    pub entry: SignedEntry,
    /// What it speaks of.
    pub payload: Payload,
}

impl Message for Append {
    const NAME: &'static str = "log append";
    const MAX_BYTES: usize = limits::BODY;
}

/// What travels beside an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Payload {
    /// Beside `Create`, `Remove`, `Accept`, `Leave` and `Retire`.
    Nothing,
    /// Beside `Add` and `Replace`: the items, in the entry's order.
    Items(Vec<NewItem>),
    /// Beside `Share`, `Revoke` and `Rotate`: the wrapped keys, in the entry's order.
    Grants(Vec<Bytes>),
    /// Beside `Settings`: the sealed header.
    Header(Bytes),
}

/// Where a log ends: `GET /v1/collections/{id}/head`, and the answer to an append.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Head {
    /// The latest entry; nothing where the log was not begun.
    pub latest: Option<SignedEntry>,
    /// Its hash; zeros without one.
    pub hash: Digest,
    /// Number of the latest change of the items, for whoever follows them.
    pub seq: u64,
}

impl Message for Head {
    const NAME: &'static str = "log head";
    const MAX_BYTES: usize = limits::LOG_ENTRY + (2 << 10);
}

/// Entries in order: `GET /v1/collections/{id}/log?after=N`, from the first where `after` is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogPage {
    /// One at least, where there is any.
    pub entries: Vec<SignedEntry>,
    /// There is more now.
    pub more: bool,
}

impl Message for LogPage {
    const NAME: &'static str = "log page";
    const MAX_BYTES: usize = limits::LOG_PAGE + limits::LOG_ENTRY + (64 << 10);
}
