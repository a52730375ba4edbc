//! Finding people by the names they took.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Bytes, Message, limits};

/// A person of this server: `GET /v1/people/{name}`.
///
/// The server could name anybody's key here, so a client pins what it saw first, and people compare safety
/// words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Person {
    /// As it was asked for.
    pub name: String,
    /// The fingerprint of the identity.
    pub account: AccountId,
    /// The encoded public identity.
    pub identity: Bytes,
}

impl Message for Person {
    const NAME: &'static str = "person";
    const MAX_BYTES: usize = 4 << 10;
}

/// Whether an account may have this name: 1 to 64 of `a` to `z`, `0` to `9`, `.`, `_` and `-`.
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
    (1..=limits::PERSON_NAME).contains(&name.len()) && name.bytes().all(allowed)
}
