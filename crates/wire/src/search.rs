//! Search over veiled vectors.

use serde::{Deserialize, Serialize};

use crate::item::VeiledVector;
use crate::{Bytes, FilterToken, ItemId, Message, limits};

/// A veiled query: `POST /v1/collections/{id}/search`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Search {
    /// The epoch whose veil made the query.
    pub epoch: u32,
    /// The veiled query.
    pub query: VeiledVector,
    /// How many of the best to leave out, because an earlier answer held them.
    pub skip: u32,
    /// How many candidates to return, at most [`limits::CANDIDATES`]; `skip + count` is at most
    /// [`limits::SEARCH_DEPTH`].
    pub count: u32,
    /// Only items that have all of these are ranked. In ascending order, each once, at most [`limits::TOKENS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<FilterToken>,
}

impl Message for Search {
    const NAME: &'static str = "search";
    const MAX_BYTES: usize = limits::VEILED_DIM + (4 << 10);
}

/// One candidate, for the client to open and judge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// Which item.
    pub item: ItemId,
    /// `query.scale * row.scale * <query.values, row.values>`, in f32.
    pub score: f32,
    /// Sealed metadata.
    pub meta: Bytes,
    /// Sealed embedding.
    pub embedding: Bytes,
}

/// The best candidates, best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidates {
    /// Fewer than asked for only when the epoch has no more.
    pub candidates: Vec<Candidate>,
    /// Rows that were scored: all of the epoch, or those that the filter left.
    pub rows: u64,
    /// Microseconds that scoring took.
    pub score_us: u64,
}

impl Message for Candidates {
    const NAME: &'static str = "candidates";
    const MAX_BYTES: usize = limits::BODY;
}
