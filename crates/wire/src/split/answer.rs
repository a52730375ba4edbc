//! What a server says of itself and to orders.

use serde::{Deserialize, Serialize};

use super::{Encoded, ModelEntry, SignedStatement, Touched, TreeState, Version};
use crate::problem::Problem;
use crate::{Bytes, CollectionId, Digest, Message, limits};

/// What a server says of itself to anyone: `GET /v1/party`. What it says is checked against the file of parties.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyInfo {
    /// Its own version of PMIRS.
    pub version: String,
    /// Its Ed25519 public key.
    pub signs: Digest,
    /// The encoded key that requests are sealed to.
    pub seals: Bytes,
    /// The three servers that it works with.
    pub trio: Digest,
    /// Its place among them: 0, 1 or 2.
    pub place: u8,
    /// Its clock, in milliseconds since 1970.
    pub now_ms: u64,
}

const _: () = assert!(limits::SPLIT_MANIFEST + (4 << 10) <= Answer::MAX_BYTES, "an answer holds a manifest");

impl Message for PartyInfo {
    const NAME: &'static str = "party information";
    const MAX_BYTES: usize = 8 << 10;
}

/// The answer to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The collection as it is now.
    State(State),
    /// Who the members are.
    Members(Membership),
    /// A batch lies ready; or P0 took a statement.
    Receipt(Receipt),
    /// This server's shares of the best rows.
    Found(Found),
    /// Whose rows are where.
    Rows(RowPage),
    /// The collection's tree, if it has one.
    Tree(Option<TreeState>),
    /// The collection is no more.
    Gone,
    /// An encoded [`ModelManifest`](super::ModelManifest).
    Manifest(Bytes),
    /// Models that the account may use, at most [`limits::SPLIT_MODELS`].
    Models(Vec<ModelEntry>),
    /// This server's shares of an embedding.
    Encoded(Encoded),
    /// No.
    Refused(Refused),
}

impl Message for Answer {
    const NAME: &'static str = "split answer";
    const MAX_BYTES: usize = limits::SPLIT_QUERIES * (limits::SPLIT_CANDIDATES * 4 * 4 + 64)
        + SignedStatement::MAX_BYTES
        + (8 << 10);
}

/// A collection at one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its version.
    pub version: Version,
    /// How many rows it has.
    pub rows: u64,
    /// Coordinates of an embedding.
    pub dim: u32,
    /// The number of the latest statement.
    pub statement: u64,
    /// Its SHA-256.
    pub statement_hash: Digest,
    /// The digest of the order whose batch lies ready, if one does.
    pub pending: Option<Digest>,
    /// The entry that led to this version; what P1 and P2 take as P0's decision.
    pub decision: Option<Bytes>,
}

/// Who the members of a collection are at one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The latest statement.
    pub statement: SignedStatement,
    /// Whether a statement took somebody away since all shares were fresh last.
    pub stale: bool,
}

/// A server's word that a batch lies on its disk; of P0 also that it took a statement, by its digest and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The digest of the order that prepared it.
    pub prepared: Digest,
    /// P0's number for it: of two changes of the same version, the one with the larger number takes the place of the other.
    pub sequence: u64,
    /// The server's, over [`Receipt::signed_bytes`].
    pub signature: Bytes,
}

impl Message for Receipt {
    const NAME: &'static str = "split receipt";
    const MAX_BYTES: usize = 512;
}

impl Receipt {
    /// What a server signs when a batch lies ready.
    pub fn signed_bytes(
        collection: &CollectionId,
        prepared: &Digest,
        base: &Version,
        sequence: u64,
        place: u8,
    ) -> Vec<u8> {
        let (number, sequence) = (base.number.to_be_bytes(), sequence.to_be_bytes());
        let label = b"prepared\0".as_slice();
        [label, &collection.0, &prepared.0, &number, &base.hash.0, &sequence, &[place]].concat()
    }

    /// What P0 signs when it took a statement.
    pub fn governed_bytes(collection: &CollectionId, statement: &Digest, number: u64) -> Vec<u8> {
        [b"governed\0".as_slice(), &collection.0, &statement.0, &number.to_be_bytes()].concat()
    }
}

/// Items in the order of their rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowPage {
    /// The version that has them.
    pub version: Version,
    /// The number of the first of them.
    pub from: u64,
    /// Their ids, 16 bytes each, at most [`limits::SPLIT_ROW_PAGE`] of them; fewer only at the end.
    pub items: Bytes,
}

/// One server's shares of the answer to a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The session that the three agreed on; complaints name it.
    pub session: Digest,
    /// The version that was searched.
    pub version: Version,
    /// How many rows it has.
    pub rows: u64,
    /// One for each query, in no order that means anything: whoever joins the shares sorts.
    pub lists: Vec<List>,
    /// Rounds of the session.
    pub rounds: u32,
    /// Bytes that this server sent to the two others.
    pub sent: u64,
    /// What it did with a tree. Then the lists hold the tree's numbers, from 1 on, instead of row numbers; 0 is no row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touched: Option<Touched>,
}

/// Shares of one query's candidates, all equally many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Row numbers of the version that was searched; [`Rows`](super::Action::Rows) tells whose they are.
    pub rows: SharePair,
    /// Each one's score: the inner product, or the squared distance with a minus before it.
    pub scores: SharePair,
}

/// One server's two components of some words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharePair {
    /// x_i, as little-endian words.
    pub own: Bytes,
    /// x_{i+1}, as little-endian words.
    pub next: Bytes,
}

/// How a server says no, and whom it blames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// What is the matter.
    pub problem: Problem,
    /// The places of the servers at fault, where it is one of the three.
    pub blamed: Vec<u8>,
    /// The session that failed, where there was one.
    pub session: Option<Digest>,
}
