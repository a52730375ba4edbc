//! Items: adding, reading, removing, and following changes.

use serde::{Deserialize, Serialize};

use crate::{Bytes, FilterToken, ItemId, Message, limits};

/// A veiled embedding: signed bytes with one scale, so that coordinate i is `scale * values[i]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VeiledVector {
    /// The step between two neighbouring values; finite and positive.
    pub scale: f32,
    /// One two's-complement byte per coordinate.
    pub values: Bytes,
}

/// An item to store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewItem {
    /// Chosen at random by whoever adds it.
    pub item: ItemId,
    /// The epoch whose keys sealed it.
    pub epoch: u32,
    /// Sealed metadata.
    pub meta: Bytes,
    /// Sealed embedding.
    pub embedding: Bytes,
    /// The vector that the server scores; present exactly in `veiled` collections.
    pub veiled: Option<VeiledVector>,
    /// Sealed content.
    pub content: Bytes,
    /// What filters find it by, in ascending order, each once, at most [`limits::TOKENS`]; only in `veiled`
    /// collections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<FilterToken>,
}

/// A batch of additions, stored all or none: `POST /v1/collections/{id}/items`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewItems {
    /// At most [`limits::BATCH_ITEMS`].
    pub items: Vec<NewItem>,
}

impl Message for NewItems {
    const NAME: &'static str = "new items";
    const MAX_BYTES: usize = limits::BODY;
}

/// The answer to a change: it is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stored {
    /// Number of the latest change of the collection.
    pub seq: u64,
    /// How many items the request changed.
    pub items: u64,
}

impl Message for Stored {
    const NAME: &'static str = "acknowledgement";
    const MAX_BYTES: usize = 256;
}

/// Items to remove for good: `POST /v1/collections/{id}/remove`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RemoveItems {
    /// At most [`limits::BATCH_ITEMS`]; unknown ones are passed over.
    pub items: Vec<ItemId>,
}

impl Message for RemoveItems {
    const NAME: &'static str = "removal";
    const MAX_BYTES: usize = 32 << 10;
}

/// An item without its content: `GET /v1/collections/{id}/items/{item}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ItemRecord {
    /// Which item.
    pub item: ItemId,
    /// The epoch whose keys sealed it.
    pub epoch: u32,
    /// Sealed metadata.
    pub meta: Bytes,
    /// Sealed embedding.
    pub embedding: Bytes,
    /// What the server scores; present exactly in `veiled` collections.
    pub veiled: Option<VeiledVector>,
    /// Sealed bytes of content.
    pub content_len: u64,
    /// What the server filters by, so that a member can compare it with the sealed metadata.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<FilterToken>,
}

impl Message for ItemRecord {
    const NAME: &'static str = "item record";
    const MAX_BYTES: usize = limits::SEALED_META + limits::SEALED_EMBEDDING + limits::VEILED_DIM + (8 << 10);
}

/// Items whose records are wanted: `POST /v1/collections/{id}/records`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WantedItems {
    /// At most [`limits::BATCH_ITEMS`], each once.
    pub items: Vec<ItemId>,
}

impl Message for WantedItems {
    const NAME: &'static str = "wanted items";
    const MAX_BYTES: usize = 32 << 10;
}

/// Those of the wanted items that are there, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ItemRecords {
    /// At most as many as were wanted.
    pub records: Vec<ItemRecord>,
}

impl Message for ItemRecords {
    const NAME: &'static str = "item records";
    const MAX_BYTES: usize = limits::BODY;
}

/// What happened to an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was added and is still there.
    Added(ItemRecord),
    /// It was removed.
    Removed(ItemId),
}

/// Changes after a number, oldest first: `GET /v1/collections/{id}/changes?after=SEQ`.
///
/// Items added and removed between two visits show as removed only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Changes {
    /// At most [`limits::BATCH_ITEMS`].
    pub changes: Vec<Change>,
    /// Ask for what comes after this number next.
    pub seq: u64,
    /// There is more now.
    pub more: bool,
}

impl Message for Changes {
    const NAME: &'static str = "changes";
    const MAX_BYTES: usize = limits::BODY;
}
