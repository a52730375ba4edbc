//! How the server says no.

use serde::{Deserialize, Serialize};

use crate::Message;

/// What kind of no it is; the client chooses its hint by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The request is not well formed, or a field is out of its range.
    BadRequest,
    /// No valid token.
    Unauthenticated,
    /// Absent, or not this account's to see: the two look alike.
    NotFound,
    /// The member's role does not allow it.
    Forbidden,
    /// It exists already, or changed meanwhile.
    Conflict,
    /// Over a limit or a quota.
    TooLarge,
    /// Too often; try again later.
    TooMany,
    /// The server cannot serve now.
    Unavailable,
    /// The server's own fault.
    Internal,
    /// What the server stored is damaged or lost.
    Damaged,
}

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{message}")]
pub struct Problem {
    /// What kind.
    pub kind: ProblemKind,
    /// One sentence for a person, which names the field at fault.
    pub message: String,
}

impl Message for Problem {
    const NAME: &'static str = "problem";
    const MAX_BYTES: usize = 4 << 10;
}
