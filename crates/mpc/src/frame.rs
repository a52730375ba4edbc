//! What one party sends another in one round.
//!
//! ```text
//! frame = version(1) ‖ session(32) ‖ sender(1) ‖ step(1) ‖ round(4, little endian) ‖ length(4, little endian)
//!         ‖ payload
//! ```
//!
//! A transport reads [`HEADER`] bytes, asks [`payload_length`] how many follow, which is bounded before any memory is
//! taken, and hands over the whole frame. What a frame must say is known before it comes: every party is at the same
//! step of the same round and knows how many bytes it has. So a frame is not interpreted, but compared.

use crate::error::Error;
use crate::role::Role;

/// The session that a frame belongs to: a hash of all parties' fresh nonces and the request.
pub type SessionId = [u8; 32];

/// Bytes before the payload.
pub const HEADER: usize = 1 + 32 + 1 + 1 + 4 + 4;
/// Bytes of the longest payload. Larger batches are the caller's to cut.
pub const MAX_PAYLOAD: usize = 256 << 20;

const VERSION: u8 = 1;

/// What a round is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Step {
    /// A party stops and says why.
    Abort = 0,
    /// Additive parts become replicated shares.
    Reshare = 1,
    /// Values become known to all parties.
    Reveal = 2,
    /// A third of a batch is dealt as bits by the party that knows it.
    SignDeal = 3,
    /// Block carries become replicated.
    SignBlocks = 4,
    /// A level of the carry tree.
    SignCombine = 5,
    /// A bit becomes a ring element, and chooses.
    SelectDeal = 6,
    /// The second half of choosing.
    SelectFinish = 7,
    /// The first pair permutes.
    ShuffleFirst = 8,
    /// The second pair permutes.
    ShuffleSecond = 9,
    /// The third pair permutes.
    ShuffleThird = 10,
    /// Parts of two parties become replicated shares.
    Replicate = 11,
    /// Truncation: operands and top bits.
    TruncateDeal = 12,
    /// Truncation: the wrapped carry.
    TruncateFinish = 13,
    /// A party's own contribution becomes known to the others.
    Commit = 14,
}

impl Step {
    const ALL: [Self; 15] = [
        Self::Abort,
        Self::Reshare,
        Self::Reveal,
        Self::SignDeal,
        Self::SignBlocks,
        Self::SignCombine,
        Self::SelectDeal,
        Self::SelectFinish,
        Self::ShuffleFirst,
        Self::ShuffleSecond,
        Self::ShuffleThird,
        Self::Replicate,
        Self::TruncateDeal,
        Self::TruncateFinish,
        Self::Commit,
    ];

    /// The step of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// A frame's header, as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The session.
    pub session: SessionId,
    /// Who sends it.
    pub sender: Role,
    /// What the round is for.
    pub step: Step,
    /// The number of the round within the session.
    pub round: u32,
}

/// Room for a frame whose payload is appended after it; [`seal`] writes the header.
pub fn draft(payload: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + payload);
    frame.resize(HEADER, 0);
    frame
}

/// Writes the header in front of a drafted payload.
///
/// # Panics
/// When the frame was not drafted by [`draft`], or its payload is longer than [`MAX_PAYLOAD`].
pub fn seal(frame: &mut [u8], label: &Label) {
    assert!((HEADER..=HEADER + MAX_PAYLOAD).contains(&frame.len()), "a frame of {} bytes", frame.len());
    let length = (frame.len() - HEADER) as u32;
    let header = std::iter::once(VERSION)
        .chain(label.session)
        .chain([label.sender as u8, label.step as u8])
        .chain(label.round.to_le_bytes())
        .chain(length.to_le_bytes());
    frame.iter_mut().zip(header).for_each(|(slot, byte)| *slot = byte);
}

/// How many payload bytes follow a header, for a transport that reads a stream.
///
/// # Errors
/// A version that is not known, or a length above `most` or [`MAX_PAYLOAD`].
pub fn payload_length(from: Role, header: &[u8; HEADER], most: usize) -> Result<usize, Error> {
    let parts = Parts::of(from, header)?;
    let step = Step::from_number(parts.step).unwrap_or(Step::Abort);
    let most = most.min(MAX_PAYLOAD);
    if parts.length > most {
        return Err(Error::Length { from, step, expected: most, got: parts.length });
    }
    Ok(parts.length)
}

/// What came in place of a frame, when it is the frame that was expected: its payload.
pub(crate) enum Opened {
    Payload(Payload),
    Abort(Payload),
}

/// A checked frame, kept whole so that its payload need not be moved.
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    /// The payload of a round that has none.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }
}

/// Checks a frame against what it must be. An abort of the same session is accepted at any time.
pub(crate) fn open(frame: Vec<u8>, label: &Label, length: usize) -> Result<Opened, Error> {
    let from = label.sender;
    let parts = Parts::of(from, &frame)?;
    let got = frame.len() - HEADER;
    if parts.session != label.session {
        return Err(Error::Session { from });
    }
    if parts.sender != from as u8 {
        return Err(Error::Sender { from, got: parts.sender });
    }
    if got != parts.length {
        return Err(Error::Length { from, step: label.step, expected: parts.length, got });
    }
    if parts.step == Step::Abort as u8 {
        return Ok(Opened::Abort(Payload(frame)));
    }
    // The round first: a repeated frame is of another round, and most often of another step as well.
    if parts.round != label.round {
        return Err(Error::Round { from, expected: label.round, got: parts.round });
    }
    if parts.step != label.step as u8 {
        return Err(Error::Step { from, expected: label.step, got: parts.step });
    }
    if got != length {
        return Err(Error::Length { from, step: label.step, expected: length, got });
    }
    Ok(Opened::Payload(Payload(frame)))
}

/// A header taken apart.
struct Parts {
    session: SessionId,
    sender: u8,
    step: u8,
    round: u32,
    length: usize,
}

impl Parts {
    fn of(from: Role, frame: &[u8]) -> Result<Self, Error> {
        let short = Error::Truncated { from, expected: HEADER, got: frame.len() };
        let (&[version], rest) = frame.split_first_chunk().ok_or(short.clone())?;
        if version != VERSION {
            return Err(Error::Version { from, expected: VERSION, got: version });
        }
        let (session, rest) = rest.split_first_chunk::<32>().ok_or(short.clone())?;
        let (&[sender, step], rest) = rest.split_first_chunk().ok_or(short.clone())?;
        let (round, rest) = rest.split_first_chunk::<4>().ok_or(short.clone())?;
        let (length, _) = rest.split_first_chunk::<4>().ok_or(short)?;
        Ok(Self {
            session: *session,
            sender,
            step,
            round: u32::from_le_bytes(*round),
            length: u32::from_le_bytes(*length) as usize,
        })
    }
}
