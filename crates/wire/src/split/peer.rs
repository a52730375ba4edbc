//! What two servers say to each other around a session. The session's own frames are those of `pmirs-mpc`.

use serde::{Deserialize, Serialize};

use super::{Entry, Refused, SignedStatement, Version};
use crate::{Bytes, CollectionId, Digest, Message, limits};

/// One message over the link of two servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeerMessage {
    /// Begins a session, or joins it.
    Open(Opening),
    /// The session as this server derives it; all three must say the same.
    Confirm {
        /// Its id.
        session: Digest,
    },
    /// Ends a session before or after its rounds.
    Stop(Refused),
    /// Asks for what came after a version and a statement, because the other one is ahead.
    Behind {
        /// Of which collection.
        collection: CollectionId,
        /// What the asker has.
        version: Version,
        /// What the asker has; nothing where it has not even the first.
        statement: Option<u64>,
    },
    /// The answer: entries and statements in order, as far as they fit.
    Ahead {
        /// Entries after the version that was told.
        entries: Vec<Entry>,
        /// Statements after the number that was told.
        statements: Vec<SignedStatement>,
    },
    /// New shares of every row lie on the disk.
    Ready {
        /// The digest of the order that asked for them.
        prepared: Digest,
        /// P0's number for the change; the others repeat it.
        sequence: u64,
    },
    /// P0's word that they count from now on.
    Decided(Entry),
    /// Some words of one component, to a server that lost them.
    Words {
        /// The place of the first of them.
        at: u64,
        /// Little-endian words.
        words: Bytes,
    },
    /// What a repaired server must know beside the words: the rows, their version and the statements.
    Layout {
        /// The version.
        version: Version,
        /// The ids of all rows in order, 16 bytes each, in pieces; an empty piece ends them.
        rows: Bytes,
    },
}

impl Message for PeerMessage {
    const NAME: &'static str = "peer message";
    const MAX_BYTES: usize = limits::SPLIT_PEER_MESSAGE;
}

/// One server's contribution to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The digest of the member's order, which each server has checked on its own.
    pub order: Digest,
    /// The collection that it is about.
    pub collection: CollectionId,
    /// 32 fresh random bytes, the same to both others.
    pub nonce: Digest,
    /// The rows that this server would work on; nothing where it has none, which a repair is for.
    pub version: Option<Version>,
    /// The number of its latest statement.
    pub statement: Option<u64>,
}

impl Opening {
    /// SHA-256 of this is the session's id: all three nonces in order, the order and the version.
    pub fn session_bytes(nonces: &[Digest; 3], order: &Digest, version: &Version) -> Vec<u8> {
        let [first, second, third] = nonces;
        let label = b"pmirs/split/session/v1\0".as_slice();
        let number = version.number.to_be_bytes();
        [label, &first.0, &second.0, &third.0, &order.0, &number, &version.hash.0].concat()
    }
}
