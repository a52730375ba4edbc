//! One version byte, then CBOR, within a limit.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message or record with a fixed version and a limit on its encoded size.
pub trait Message: Serialize + DeserializeOwned {
    /// What errors call it.
    const NAME: &'static str;
    /// The first byte of its encoding.
    const VERSION: u8 = 1;
    /// The most bytes it may take, version byte included.
    const MAX_BYTES: usize;
}

/// Why bytes are not the message that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Larger than the message may be; nothing was decoded.
    #[error("{name} has {got} bytes, the limit is {limit}")]
    TooLong {
        /// The message.
        name: &'static str,
        /// Bytes received.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// There is not even a version byte.
    #[error("{name} is empty")]
    Empty {
        /// The message.
        name: &'static str,
    },
    /// Written by another version of PMIRS.
    #[error("{name} has version {got}, expected {expected}")]
    Version {
        /// The message.
        name: &'static str,
        /// The version byte received.
        got: u8,
        /// The version this build reads.
        expected: u8,
    },
    /// Not CBOR, or not of this shape.
    #[error("{name} is malformed: {detail}")]
    Malformed {
        /// The message.
        name: &'static str,
        /// What the decoder found.
        detail: String,
    },
    /// The message ended before the bytes did.
    #[error("{name} is followed by {extra} unexpected bytes")]
    Trailing {
        /// The message.
        name: &'static str,
        /// How many.
        extra: usize,
    },
}

/// Why a message could not be encoded: our own mistake, or a caller's oversized field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The encoding would break the message's own limit.
    #[error("{name} would take {got} bytes, the limit is {limit}")]
    TooLong {
        /// The message.
        name: &'static str,
        /// Bytes it would take.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A value that CBOR cannot hold.
    #[error("{name} cannot be encoded: {detail}")]
    Unencodable {
        /// The message.
        name: &'static str,
        /// What the encoder found.
        detail: String,
    },
}

/// Encodes a message as its version byte and its CBOR.
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![M::VERSION];
    ciborium::into_writer(message, &mut bytes)
        .map_err(|error| EncodeError::Unencodable { name: M::NAME, detail: error.to_string() })?;
    if bytes.len() > M::MAX_BYTES {
        return Err(EncodeError::TooLong { name: M::NAME, got: bytes.len(), limit: M::MAX_BYTES });
    }
    Ok(bytes)
}

/// How deep CBOR may nest: no message needs more, and the decoder's stack stays small.
const MAX_DEPTH: usize = 16;

/// Decodes a message, checking limit, version and that nothing follows it.
pub fn decode<M: Message>(bytes: &[u8]) -> Result<M, DecodeError> {
    let name = M::NAME;
    if bytes.len() > M::MAX_BYTES {
        return Err(DecodeError::TooLong { name, got: bytes.len(), limit: M::MAX_BYTES });
    }
    let (&version, mut body) = bytes.split_first().ok_or(DecodeError::Empty { name })?;
    if version != M::VERSION {
        return Err(DecodeError::Version { name, got: version, expected: M::VERSION });
    }
    let message = ciborium::de::from_reader_with_recursion_limit(&mut body, MAX_DEPTH)
        .map_err(|error| DecodeError::Malformed { name, detail: error.to_string() })?;
    match body.len() {
        0 => Ok(message),
        extra => Err(DecodeError::Trailing { name, extra }),
    }
}
