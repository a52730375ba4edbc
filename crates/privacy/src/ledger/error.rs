use pmirs_crypto::Error as CryptoError;

/// Why bytes are not the ledger of this member.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LedgerError {
    /// Larger than a ledger may be; nothing was decoded.
    #[error("privacy ledger of {got} bytes, the limit is {limit}")]
    TooLong {
        /// Bytes allowed.
        limit: usize,
        /// Bytes received.
        got: usize,
    },
    /// It ends in the middle of its header or of an entry.
    #[error("the privacy ledger breaks off in entry {entry}")]
    Truncated {
        /// The entry that is not whole; 0 also for the header.
        entry: u64,
    },
    /// Written by another version of PMIRS.
    #[error("privacy ledger version {got}, this program knows {expected}")]
    Version {
        /// The version this build reads.
        expected: u8,
        /// The version byte found.
        got: u8,
    },
    /// Another member's ledger.
    #[error("this is another member's privacy ledger")]
    OtherMember,
    /// An entry that says nothing that could be said.
    #[error("entry {entry} of the privacy ledger is malformed: {field}")]
    Malformed {
        /// Which entry.
        entry: u64,
        /// Which of its fields.
        field: &'static str,
    },
    /// An entry that does not follow the one before it: something was altered, moved or left out.
    #[error("entry {entry} of the privacy ledger does not follow the one before it")]
    BrokenChain {
        /// Which entry.
        entry: u64,
    },
    /// An entry that the member did not sign.
    #[error("entry {entry} of the privacy ledger is not signed by its member: {source}")]
    Signature {
        /// Which entry.
        entry: u64,
        /// What the check found.
        source: CryptoError,
    },
    /// The ledger lacks an entry that was seen in it before.
    #[error("the privacy ledger no longer holds its entry {entry} as it was remembered")]
    RolledBack {
        /// The remembered entry.
        entry: u64,
    },
}

impl LedgerError {
    /// Whether this entry, and not what lies around it, is what is wrong.
    pub(crate) fn is_of_entry(&self, number: u64) -> bool {
        match self {
            Self::Truncated { entry }
            | Self::Malformed { entry, .. }
            | Self::BrokenChain { entry }
            | Self::Signature { entry, .. } => *entry == number,
            _ => false,
        }
    }
}
