//! Collections and the grants that open them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Bytes, CollectionId, Message, limits};

/// How a collection is protected; see the "who learns what" table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protection {
    /// Matching on the client; the cloud holds ciphertext alone.
    Sealed,
    /// Matching on the cloud, over obfuscated embeddings.
    Veiled,
    /// Matching on three servers of different operators, over secret shares; the cloud holds ciphertext alone.
    Split,
}

impl Protection {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::Sealed, Self::Veiled, Self::Split];
    /// Those that one cloud suffices for, the stronger first.
    pub const ONE_CLOUD: [Self; 2] = [Self::Sealed, Self::Veiled];

    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Veiled => "veiled",
            Self::Split => "split",
        }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Protection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| format!("'{text}' is not a protection level: choose sealed, veiled or split"))
    }
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Role {
    /// Search and read.
    Reader = 1,
    /// Also add and remove items.
    Writer = 2,
    /// Also share, revoke and delete.
    Owner = 3,
}

impl Role {
    /// All roles, the least first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Owner];

    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One epoch's collection key, wrapped for one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EpochGrant {
    /// The epoch, counted from 0.
    pub epoch: u32,
    /// What it allows.
    pub role: Role,
    /// Who granted it: an encoded public identity.
    pub granter: Bytes,
    /// The wrapped key, by `pmirs-crypto`.
    pub grant: Bytes,
}

/// A new collection with its creator's own grant: `POST /v1/collections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewCollection {
    /// Chosen at random by the creator.
    pub id: CollectionId,
    /// How it is protected, for good.
    pub protection: Protection,
    /// Coordinates of a veiled vector; 0 at `sealed`.
    pub veiled_dim: u32,
    /// Name and settings, sealed.
    pub header: Bytes,
    /// The creator's grant for epoch 0.
    pub grant: EpochGrant,
}

impl Message for NewCollection {
    const NAME: &'static str = "new collection";
    const MAX_BYTES: usize = limits::SEALED_HEADER + limits::GRANT + (4 << 10);
}

/// A collection as one member sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CollectionRecord {
    /// Which collection.
    pub id: CollectionId,
    /// Who made it.
    pub owner: AccountId,
    /// How it is protected.
    pub protection: Protection,
    /// Coordinates of a veiled vector; 0 at `sealed`.
    pub veiled_dim: u32,
    /// Name and settings, sealed.
    pub header: Bytes,
    /// This member's grants, one per epoch.
    pub grants: Vec<EpochGrant>,
    /// Items it holds now.
    pub items: u64,
    /// Bytes that its items take on the server.
    pub bytes: u64,
    /// Number of the latest change.
    pub seq: u64,
}

impl Message for CollectionRecord {
    const NAME: &'static str = "collection record";
    const MAX_BYTES: usize = 1 << 20;
}

/// Every collection that an account may read: `GET /v1/collections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CollectionList {
    /// In order of creation.
    pub collections: Vec<CollectionRecord>,
}

impl Message for CollectionList {
    const NAME: &'static str = "collection list";
    const MAX_BYTES: usize = 32 << 20;
}
