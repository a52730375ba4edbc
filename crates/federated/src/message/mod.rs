//! What travels in a round: a frame around every message, and the bodies.
//!
//! ```text
//! member's frame      = head ‖ body ‖ Ed25519 signature(64)
//! coordinator's frame = head ‖ body
//! head                = version(1) ‖ step(1) ‖ round(32) ‖ sender(4), big-endian; 2³² - 1 is the coordinator
//! ```
//!
//! A member signs the digest of head and body, a hash over the hashes of the body's parts of 256 KiB. The
//! coordinator signs nothing, because nothing that it says is believed: its messages only carry what members
//! signed, or what members will compare. Transport is authenticated apart from this.

mod body;
pub(crate) mod frame;
mod upload;

pub use body::{
    Advert, Adverts, Confirm, Inbox, Piece, Proof, Received, Reveal, Roster, Seat, Shares, Signed,
};
pub use body::{MAX_NEIGHBOURS, Survivors, Wanted};
pub(crate) use frame::digest;
pub(crate) use upload::{UPLOAD_HEAD, UploadBody, write_upload};

/// The number of the member that a frame claims to be from. Nothing of the frame is checked yet.
pub fn claimed_sender(frame: &[u8]) -> Option<u32> {
    frame::claimed_sender(frame)
}

/// Bytes of the frame around an upload of this round: neither more nor fewer are one.
pub fn upload_len(round: &crate::Round) -> usize {
    frame::MEMBER_OVERHEAD + UPLOAD_HEAD + 4 * round.layout().words()
}

/// The most bytes that the frame of a member's other messages has.
pub const MAX_MEMBER_FRAME: usize = {
    let (shares, reveal) =
        (<Shares as pmirs_wire::Message>::MAX_BYTES, <Reveal as pmirs_wire::Message>::MAX_BYTES);
    let body = if shares > reveal { shares } else { reveal };
    body + frame::MEMBER_OVERHEAD
};

/// The steps of a round, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Step {
    /// Member: here I am, with this round's public keys.
    Advert = 1,
    /// Coordinator: who takes part.
    Roster = 2,
    /// Member: the keys of these, my chosen neighbours, please.
    Wanted = 3,
    /// Coordinator: those keys.
    Adverts = 4,
    /// Member: shares of my secrets, sealed to my neighbours.
    Shares = 5,
    /// Coordinator: what others sealed to you, and who shared.
    Inbox = 6,
    /// Member: my masked vector.
    Upload = 7,
    /// Coordinator: whose vectors arrived.
    Survivors = 8,
    /// Member: I know of these survivors, and of no others.
    Confirm = 9,
    /// Coordinator: enough members have confirmed the same survivors.
    Proof = 10,
    /// Member: my shares, for the masks of just these survivors.
    Reveal = 11,
}

impl Step {
    const ALL: [Self; 11] = [
        Self::Advert,
        Self::Roster,
        Self::Wanted,
        Self::Adverts,
        Self::Shares,
        Self::Inbox,
        Self::Upload,
        Self::Survivors,
        Self::Confirm,
        Self::Proof,
        Self::Reveal,
    ];

    /// The step of this number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|step| *step as u8 == number)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Advert => "advert",
            Self::Roster => "roster",
            Self::Wanted => "wanted",
            Self::Adverts => "adverts",
            Self::Shares => "shares",
            Self::Inbox => "inbox",
            Self::Upload => "upload",
            Self::Survivors => "survivors",
            Self::Confirm => "confirm",
            Self::Proof => "proof",
            Self::Reveal => "reveal",
        })
    }
}
