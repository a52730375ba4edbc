//! What can go wrong, by whose fault.

use thiserror::Error;

/// Why a key, a signature or a sealed thing was refused.
///
/// Failures to authenticate say what failed, never why: a wrong key, a wrong place and an altered byte look
/// alike, to the attacker and to us.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    // The caller's misuse
    /// An Argon2id parameter outside the limits that this crate accepts.
    #[error("Argon2id {parameter} is {got}, outside {min} to {max}")]
    Argon2Limit {
        /// Which parameter.
        parameter: &'static str,
        /// Smallest accepted value.
        min: u32,
        /// Largest accepted value.
        max: u32,
        /// What was given.
        got: u32,
    },
    /// Recovery words of the wrong number.
    #[error("{got} recovery words instead of {expected}")]
    WordCount {
        /// Words of a full phrase.
        expected: usize,
        /// Words that were given.
        got: usize,
    },
    /// A recovery word that is not in the BIP-39 English list.
    #[error("recovery word {position} is not in the word list")]
    UnknownWord {
        /// Which word, counted from 1. The word itself is a secret and is not repeated.
        position: usize,
    },
    /// Recovery words that are all known, but do not belong together.
    #[error("the recovery words do not fit together: one of them is wrong, or two are exchanged")]
    WordChecksum,
    /// The passphrase does not open the identity file, or the file was altered; nobody can tell which.
    #[error("the passphrase does not open this identity file")]
    WrongPassphrase,
    /// Two devices show different words: somebody stands between them, or a word was misread.
    #[error("the words of the two devices differ")]
    WordsDiffer,
    /// A request sealed to another server key than this one.
    #[error("the request was sealed to another server key")]
    WrongServerKey,

    // A bad payload
    /// Fewer or more bytes than the format has.
    #[error("{what}: {got} bytes instead of {expected}")]
    Length {
        /// What was being read.
        what: &'static str,
        /// Bytes of the format; the least it can have, where its length varies.
        expected: usize,
        /// Bytes that were given.
        got: usize,
    },
    /// More bytes than this crate reads or writes at once.
    #[error("{what}: {got} bytes, more than the limit of {limit}")]
    TooLong {
        /// What was being read.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
        /// Bytes that were given.
        got: usize,
    },
    /// A format version that this crate does not know.
    #[error("{what}: format version {got}, this program knows {expected}")]
    Version {
        /// What was being read.
        what: &'static str,
        /// The version that this crate writes.
        expected: u8,
        /// The version found.
        got: u8,
    },
    /// Bytes of the right length that are no valid value.
    #[error("{what}: not a valid value")]
    Malformed {
        /// What was being read.
        what: &'static str,
    },
    /// An authentication tag that does not fit: another key, another place, or altered bytes.
    #[error("{what}: not authentic (other key, other place, or altered)")]
    Unauthentic {
        /// What was being opened.
        what: &'static str,
    },
    /// A signature that does not fit the message, the context or the signer.
    #[error("the signature on this {context} does not fit")]
    BadSignature {
        /// What the signature was for.
        context: &'static str,
    },

    /// Fewer shares of a secret than its threshold.
    #[error("{got} shares of a secret, {expected} are needed")]
    TooFewShares {
        /// The threshold.
        expected: usize,
        /// Shares that were given.
        got: usize,
    },

    // A failed dependency
    /// The memory that Argon2id was asked to fill is not there.
    #[error("no memory for Argon2id ({memory_kib} KiB)")]
    OutOfMemory {
        /// Memory asked for, in KiB.
        memory_kib: u32,
    },
}

/// Why a stream could not be sealed or opened.
#[derive(Debug, Error)]
pub enum StreamError {
    /// What was read is not what was sealed.
    #[error(transparent)]
    Crypto(#[from] Error),
    /// The reader or the writer failed.
    #[error("reading or writing failed: {0}")]
    Io(#[from] std::io::Error),
}
