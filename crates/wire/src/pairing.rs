//! The mailbox over which a new device gets the identity from one that has it.
//!
//! The messages are those of `pmirs_crypto::pairing`; the server passes them on, each slot written once, and a
//! person compares what both devices show. The new device opens the mailbox and has no account to log in with; the
//! other finds it by the code that a person types.

use serde::{Deserialize, Serialize};

use crate::{Bytes, Message, limits};

/// One step of a pairing: the commitment at `POST /v1/pairings`, and at `POST /v1/pairings/{code}/answer`,
/// `.../reveal` and `.../seed` what their names say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PairingStep {
    /// By `pmirs-crypto`.
    pub message: Bytes,
}

impl Message for PairingStep {
    const NAME: &'static str = "pairing step";
    const MAX_BYTES: usize = limits::PAIRING_MESSAGE + 64;
}

/// A mailbox that was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NewPairing {
    /// Eight characters for a person to type.
    pub code: String,
    /// When it is forgotten, in milliseconds since 1970.
    pub expires_ms: u64,
}

impl Message for NewPairing {
    const NAME: &'static str = "new pairing";
    const MAX_BYTES: usize = 256;
}

/// What a mailbox holds so far: `GET /v1/pairings/{code}`, and the answer to each step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PairingState {
    /// From the new device.
    pub commitment: Bytes,
    /// From the other one.
    pub answer: Option<Bytes>,
    /// From the new device.
    pub reveal: Option<Bytes>,
    /// From the other one, once a person said that the words agree.
    pub seed: Option<Bytes>,
    /// When it is forgotten, in milliseconds since 1970.
    pub expires_ms: u64,
}

impl Message for PairingState {
    const NAME: &'static str = "pairing state";
    const MAX_BYTES: usize = 4 * limits::PAIRING_MESSAGE + 256;
}

/// Characters of a code: Crockford's base 32 without those that are misread.
pub const CODE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// How many a code has: 40 bits.
pub const CODE_LEN: usize = 8;

/// A code from 40 random bits; higher ones do not matter.
pub fn code_from_bits(bits: u64) -> String {
    let digit = |position: usize| (bits >> (5 * (CODE_LEN - 1 - position))) as usize % CODE_ALPHABET.len();
    let digits = (0..CODE_LEN).filter_map(|position| CODE_ALPHABET.get(digit(position)).copied());
    digits.map(char::from).collect()
}

/// The code that a person typed: case, spaces and dashes do not matter, and what is misread is taken for what was
/// meant (I and L for 1, O for 0). `None` for what is no code.
pub fn code_from_typed(typed: &str) -> Option<String> {
    let meant = |typed: char| match typed.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    };
    let code: String =
        typed.chars().filter(|typed| !matches!(typed, ' ' | '-')).take(CODE_LEN + 1).map(meant).collect();
    let is_digit = |byte| CODE_ALPHABET.contains(&byte);
    (code.len() == CODE_LEN && code.bytes().all(is_digit)).then_some(code)
}
