//! The bodies of all messages but the upload: a version byte and CBOR, within limits.

use pmirs_crypto::{ENCAPSULATION, EXCHANGE_OVERHEAD, ExchangePublicKey};
use pmirs_wire::{Bytes, Digest, Message};
use serde::{Deserialize, Serialize};

use crate::group::MAX_MEMBERS;

/// Room for the names of fields and the lengths of one small structure.
const ROOM: usize = 256;
const PIECE: usize = ENCAPSULATION + EXCHANGE_OVERHEAD + 66 + 64 + ROOM;
const ADVERT: usize = 2 * ExchangePublicKey::LEN + 32 + ROOM;
/// Most neighbours that a member chooses: shares are numbered in one byte.
pub const MAX_NEIGHBOURS: usize = 255;

/// A member's public keys for one round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advert {
    /// Neighbours seal shares to this key. Its private half never leaves the member.
    pub exchange: Bytes,
    /// Neighbours agree on masks with this key; its root is what members share.
    pub mask: Bytes,
    /// A digest of the seed of the member's own mask, which shares are checked by.
    pub commitment: Digest,
}

impl Message for Advert {
    const NAME: &'static str = "advert";
    const MAX_BYTES: usize = ADVERT;
}

/// One member of a roster. What its signature is on follows from the round, the step, the member and these: so a seat
/// proves that the member sent an advert in this very round, to readers who have not seen the advert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The member's number.
    pub member: u32,
    /// SHA-256 of its advert's body.
    pub advert: Digest,
    /// Bytes of that body.
    pub length: u32,
    /// The signature of its advert's frame.
    pub signature: Bytes,
}

/// Who takes part in a round, and how many neighbours and shares that takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Neighbours that every member chooses.
    pub neighbours: u32,
    /// Shares that give a secret back.
    pub threshold: u32,
    /// Members in ascending order.
    pub seats: Vec<Seat>,
}

impl Message for Roster {
    const NAME: &'static str = "roster";
    const MAX_BYTES: usize = ROOM + MAX_MEMBERS * 160;
}

/// Whose keys a member asks for: the neighbours that it chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The roster that it chose from.
    pub roster: Digest,
    /// Members in ascending order.
    pub members: Vec<u32>,
}

impl Message for Wanted {
    const NAME: &'static str = "wanted";
    const MAX_BYTES: usize = ROOM + MAX_NEIGHBOURS * 5;
}

/// Frames of adverts, in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adverts {
    /// Each as its member sent it.
    pub frames: Vec<Bytes>,
}

impl Message for Adverts {
    const NAME: &'static str = "adverts";
    const MAX_BYTES: usize = ROOM + MAX_NEIGHBOURS * (ADVERT + super::frame::MEMBER_OVERHEAD + 8);
}

/// What one member gives one neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The neighbour.
    pub to: u32,
    /// From it the neighbour decapsulates the mask of the two.
    pub encapsulation: Bytes,
    /// A share of the seed of the sender's own mask and one of its root, sealed.
    pub sealed: Bytes,
}

/// Shares for all chosen neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shares {
    /// The roster that they were chosen from.
    pub roster: Digest,
    /// One for each neighbour, in ascending order.
    pub pieces: Vec<Piece>,
    /// The sender's signature on the digests of all pieces.
    pub signature: Bytes,
}

impl Message for Shares {
    const NAME: &'static str = "shares";
    const MAX_BYTES: usize = ROOM + MAX_NEIGHBOURS * PIECE;
}

/// A piece, and who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The sender.
    pub from: u32,
    /// What it sent to this member.
    pub piece: Piece,
    /// The digests of all pieces that it sent, one behind the other.
    pub digests: Bytes,
    /// Its signature on them: one for all pieces, so that the coordinator has one to check.
    pub signature: Bytes,
}

/// What others gave one member, and who of the roster has shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbox {
    /// Everyone who shared, in ascending order.
    pub sharers: Vec<u32>,
    /// All pieces to this member, by sender in ascending order.
    pub pieces: Vec<Received>,
}

impl Message for Inbox {
    const NAME: &'static str = "inbox";
    const MAX_BYTES: usize = ROOM + MAX_MEMBERS * (PIECE + 32 * MAX_NEIGHBOURS);
}

/// Whose vectors arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivors {
    /// In ascending order.
    pub members: Vec<u32>,
}

impl Message for Survivors {
    const NAME: &'static str = "survivors";
    const MAX_BYTES: usize = ROOM + MAX_MEMBERS * 5;
}

/// A member's word that it knows of one list of survivors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// The signature on round, roster, sharers and survivors.
    pub signature: Bytes,
}

impl Message for Confirm {
    const NAME: &'static str = "confirm";
    const MAX_BYTES: usize = ROOM;
}

/// A member's signature on something that the reader knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// Who signed.
    pub member: u32,
    /// The signature.
    pub signature: Bytes,
}

/// That enough members confirmed one list of survivors, and that a member's neighbours masked for the same
/// sharers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Confirmations, by member in ascending order.
    pub confirmations: Vec<Signed>,
    /// Upload statements of the survivors who gave this member a share, in ascending order.
    pub statements: Vec<Signed>,
}

impl Message for Proof {
    const NAME: &'static str = "proof";
    const MAX_BYTES: usize = ROOM + 2 * MAX_MEMBERS * 110;
}

/// One share for each member that gave one: of its own mask's seed if it survived, of its root otherwise. It is empty
/// where what the member gave was none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// Whose secret, and the share, in ascending order.
    pub shares: Vec<(u32, Bytes)>,
}

impl std::fmt::Debug for Reveal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reveal({} shares, redacted)", self.shares.len())
    }
}

impl Message for Reveal {
    const NAME: &'static str = "reveal";
    const MAX_BYTES: usize = ROOM + MAX_MEMBERS * 48;
}
