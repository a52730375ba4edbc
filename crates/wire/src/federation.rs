//! Members of a federation and the coordinator that carries their messages.
//!
//! What the coordinator carries is opaque here, as bytes: charters, records and the messages of a round are
//! `pmirs-federated`'s, which checks them. A model's numbers travel in pieces, raw little-endian 32-bit words.

use serde::{Deserialize, Serialize};

use crate::{Bytes, Digest, Message, limits};

/// Starts a federation: `POST /v1/federations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewFederation {
    /// The encoded charter, whose digest is the federation's name.
    pub charter: Bytes,
    /// The owner's signature on that.
    pub signature: Bytes,
}

impl Message for NewFederation {
    const NAME: &'static str = "new federation";
    const MAX_BYTES: usize = limits::FEDERATION_CHARTER + 1024;
}

/// The identity that signs what rounds gave: `GET /v1/coordinator`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Coordinator {
    /// The encoded public identity.
    pub identity: Bytes,
}

impl Message for Coordinator {
    const NAME: &'static str = "coordinator";
    const MAX_BYTES: usize = 4 << 10;
}

/// What a federation is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The owner has not sent all of the model yet.
    AwaitsModel,
    /// Rounds are run.
    Running,
    /// All rounds are done.
    Finished,
    /// It came to an end before: too many tries of one round failed.
    Stopped,
}

/// Where a federation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Standing {
    /// What it is at.
    pub phase: Phase,
    /// The round that is due, counted from 0: as many as are done.
    pub round: u32,
    /// Which try at it.
    pub attempt: u32,
    /// The number of the step whose messages are waited for.
    pub step: u8,
    /// Members that have spoken at this step.
    pub heard: u32,
    /// Members that may.
    pub expected: u32,
    /// When the step ends, by the server's clock, in milliseconds since 1970; open while too few members are here.
    pub deadline_ms: Option<u64>,
    /// The server's clock.
    pub now_ms: u64,
    /// Why the last try failed, or the federation stopped.
    pub reason: Option<String>,
    /// Grows with every change of the above but of who has spoken.
    pub serial: u64,
}

/// A federation: `GET /v1/federations/{federation}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Federation {
    /// The encoded charter.
    pub charter: Bytes,
    /// The owner's signature on it.
    pub signature: Bytes,
    /// The owner's encoded public identity.
    pub owner: Bytes,
    /// That of the coordinator, which signs records.
    pub coordinator: Bytes,
    /// Where it stands.
    pub standing: Standing,
}

impl Message for Federation {
    const NAME: &'static str = "federation";
    const MAX_BYTES: usize = limits::FEDERATION_CHARTER + (16 << 10);
}

/// One federation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FederationRow {
    /// Its name: the digest of its charter.
    pub id: Digest,
    /// What people call it.
    pub name: String,
    /// What it is at.
    pub phase: Phase,
    /// Rounds that are done.
    pub round: u32,
}

/// The caller's federations: `GET /v1/federations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FederationList {
    /// Those that the caller owns or is a member of, the oldest first.
    pub federations: Vec<FederationRow>,
}

impl Message for FederationList {
    const NAME: &'static str = "federation list";
    const MAX_BYTES: usize = 8 << 20;
}

/// Part of a model or of a masked update, on its way to the coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Piece {
    /// What it belongs to: the model's digest, or the round's name.
    pub of: Digest,
    /// Bytes before it.
    pub offset: u64,
    /// Bytes in all.
    pub total: u64,
    /// At most [`limits::FEDERATION_PIECE`].
    pub bytes: Bytes,
}

impl Message for Piece {
    const NAME: &'static str = "piece";
    const MAX_BYTES: usize = limits::FEDERATION_PIECE + 1024;
}

/// How much of it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Arrived {
    /// Bytes; the next piece begins there. A piece that begins elsewhere changes nothing.
    pub bytes: u64,
    /// All are there and were found good.
    pub whole: bool,
}

impl Message for Arrived {
    const NAME: &'static str = "arrived";
    const MAX_BYTES: usize = 256;
}

/// Part of a model: `GET /v1/federations/{federation}/models/{model}?offset=N`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Weights {
    /// Bytes in all.
    pub total: u64,
    /// Those from the offset, at most [`limits::FEDERATION_PIECE`].
    pub bytes: Bytes,
}

impl Message for Weights {
    const NAME: &'static str = "weights";
    const MAX_BYTES: usize = limits::FEDERATION_PIECE + 1024;
}

/// What the coordinator has for one member: `GET /v1/federations/{federation}/turn?after=SERIAL`, which waits a while for
/// a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Turn {
    /// Where the federation stands.
    pub standing: Standing,
    /// The coordinator's message of this step, for those with a part in it.
    pub message: Option<Bytes>,
    /// Whether the caller has spoken at this step.
    pub spoken: bool,
    /// Ask again no sooner than in so many milliseconds; 0 where the server waits itself.
    pub again_ms: u32,
}

impl Message for Turn {
    const NAME: &'static str = "turn";
    const MAX_BYTES: usize = limits::FEDERATION_MESSAGE + (4 << 10);
}

/// A member's message of a round: `POST /v1/federations/{federation}/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spoken {
    /// Its frame, which says of which step and round it is.
    pub frame: Bytes,
}

impl Message for Spoken {
    const NAME: &'static str = "spoken";
    const MAX_BYTES: usize = limits::FEDERATION_SPOKEN + 1024;
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Heard {
    /// It was there before.
    pub again: bool,
    /// The answer, where the message asks for one.
    pub answer: Option<Bytes>,
}

impl Message for Heard {
    const NAME: &'static str = "heard";
    const MAX_BYTES: usize = limits::FEDERATION_SPOKEN + 1024;
}

/// What one round gave, as the coordinator signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RoundRecord {
    /// The encoded record.
    pub record: Bytes,
    /// The coordinator's signature.
    pub signature: Bytes,
}

/// Records in order: `GET /v1/federations/{federation}/records?after=N`, those from number N on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecordPage {
    /// At most [`limits::FEDERATION_RECORDS`].
    pub records: Vec<RoundRecord>,
    /// There are more.
    pub more: bool,
}

impl Message for RecordPage {
    const NAME: &'static str = "record page";
    const MAX_BYTES: usize = limits::FEDERATION_RECORDS * (24 << 10) + 1024;
}
