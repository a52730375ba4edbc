//! Heads, signatures and digests: who says what, in which step of which round.

use pmirs_crypto::{Context, Identity, sha256};
use pmirs_wire::{Digest, Message};
use rayon::prelude::*;

use super::Step;
use crate::group::Group;
use crate::{Error, Round};

const VERSION: u8 = 1;
const HEAD: usize = 1 + 1 + 32 + 4;
const SIGNATURE: usize = 64;
/// Bytes that are hashed apart, so that a vector of megabytes is hashed on every core.
const LEAF: usize = 256 << 10;

/// Bytes that a member's frame adds to its body.
pub(crate) const MEMBER_OVERHEAD: usize = HEAD + SIGNATURE;

/// Who sent a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender {
    Member(u32),
    Coordinator,
}

impl Sender {
    fn number(self) -> u32 {
        match self {
            Self::Member(number) => number,
            Self::Coordinator => u32::MAX,
        }
    }
}

/// A member's frame whose head and signature have been checked.
pub(crate) struct Opened<'a> {
    pub(crate) member: u32,
    pub(crate) body: &'a [u8],
    pub(crate) digest: Digest,
    pub(crate) signature: &'a [u8],
}

/// SHA-256 over a label and parts, each with its length before it.
pub(crate) fn digest(label: &str, parts: &[&[u8]]) -> Digest {
    let mut bytes = [b"pmirs/federated/", label.as_bytes(), b"/v1\0"].concat();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    Digest(sha256(&bytes))
}

/// A member's frame around a body that the caller writes.
pub(crate) fn seal_with(
    round: &Round,
    identity: &Identity,
    member: u32,
    step: Step,
    write: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut bytes = head(round, step, Sender::Member(member));
    write(&mut bytes);
    let signed = frame_digest(&bytes);
    bytes.extend_from_slice(&identity.sign(Context::Federated, &signed.0).0);
    bytes
}

/// A member's frame around a message.
pub(crate) fn seal<M: Message>(
    round: &Round,
    identity: &Identity,
    member: u32,
    step: Step,
    message: &M,
) -> Result<Vec<u8>, Error> {
    let body = pmirs_wire::encode(message)?;
    Ok(seal_with(round, identity, member, step, |bytes| bytes.extend_from_slice(&body)))
}

/// The coordinator's frame around a message.
pub(crate) fn announce<M: Message>(round: &Round, step: Step, message: &M) -> Result<Vec<u8>, Error> {
    let mut bytes = head(round, step, Sender::Coordinator);
    bytes.extend_from_slice(&pmirs_wire::encode(message)?);
    Ok(bytes)
}

/// Checks head and signature of a member's frame with a body of at most `limit` bytes.
pub(crate) fn open<'a>(
    round: &Round,
    step: Step,
    limit: usize,
    bytes: &'a [u8],
) -> Result<Opened<'a>, Error> {
    let opened = open_unsigned(round, step, limit, bytes)?;
    check_signature(round.group(), step, &opened)?;
    Ok(opened)
}

/// As [`open`], without the signature: for frames whose digest a signature is known for.
pub(crate) fn open_unsigned<'a>(
    round: &Round,
    step: Step,
    limit: usize,
    bytes: &'a [u8],
) -> Result<Opened<'a>, Error> {
    let (sender, body) = read_head(round, step, SIGNATURE, limit, bytes)?;
    let size = Error::Size { step, least: MEMBER_OVERHEAD, most: limit + MEMBER_OVERHEAD, got: bytes.len() };
    let (body, signature) = body.split_last_chunk::<SIGNATURE>().ok_or(size.clone())?;
    let signed = bytes.get(..bytes.len() - SIGNATURE).ok_or(size)?;
    if round.group().member(sender).is_none() {
        return Err(Error::Stranger { member: sender, step });
    }
    Ok(Opened { member: sender, body, digest: frame_digest(signed), signature })
}

/// The number of the member that a frame claims to be from.
pub(super) fn claimed_sender(frame: &[u8]) -> Option<u32> {
    let (head, _) = frame.split_first_chunk::<HEAD>()?;
    head.last_chunk().map(|number| u32::from_be_bytes(*number))
}

/// A message of the coordinator.
pub(crate) fn hear<M: Message>(round: &Round, step: Step, bytes: &[u8]) -> Result<M, Error> {
    let (sender, body) = read_head(round, step, 0, M::MAX_BYTES, bytes)?;
    if sender != Sender::Coordinator.number() {
        return Err(Error::Stranger { member: sender, step });
    }
    Ok(pmirs_wire::decode(body)?)
}

fn check_signature(group: &Group, step: Step, opened: &Opened<'_>) -> Result<(), Error> {
    group.verify(opened.member, step, "a message", &opened.digest, opened.signature)
}

fn head(round: &Round, step: Step, sender: Sender) -> Vec<u8> {
    [&[VERSION, step as u8], round.id().0.as_slice(), &sender.number().to_be_bytes()].concat()
}

/// The digest of a member's frame around a body of one leaf, from that body's length and hash: a signature on it says
/// what was said, by whom, in which step of which round, to a reader who has not seen the body.
pub(crate) fn digest_of(round: &Round, step: Step, member: u32, length: u32, body: &Digest) -> Digest {
    let head = head(round, step, Sender::Member(member));
    digest("frame", &[&head, &u64::from(length).to_be_bytes(), &body.0])
}

/// The sender's number and what follows the head.
fn read_head<'a>(
    round: &Round,
    step: Step,
    behind: usize,
    limit: usize,
    bytes: &'a [u8],
) -> Result<(u32, &'a [u8]), Error> {
    let (least, most) = (HEAD + behind, HEAD + behind + limit);
    let size = Error::Size { step, least, most, got: bytes.len() };
    if !(least..=most).contains(&bytes.len()) {
        return Err(size);
    }
    let (head, rest) = bytes.split_first_chunk::<HEAD>().ok_or(size)?;
    let [version, got, rest_of_head @ ..] = head;
    if *version != VERSION {
        return Err(Error::Version { step, expected: VERSION, got: *version });
    }
    if *got != step as u8 {
        return Err(Error::WrongStep { expected: step, got: *got });
    }
    let (id, sender) = rest_of_head.split_at(32);
    if id != round.id().0 {
        return Err(Error::WrongRound { step });
    }
    let sender = sender.try_into().map_or(0, u32::from_be_bytes);
    Ok((sender, rest))
}

/// `SHA-256(label ‖ head ‖ SHA-256(leaf₀) ‖ SHA-256(leaf₁) ‖ …)` over the body's leaves of 256 KiB.
fn frame_digest(signed: &[u8]) -> Digest {
    let (head, body) = signed.split_at(HEAD.min(signed.len()));
    // A short message is hashed where it is: to wake another thread would take longer.
    let leaves: Vec<[u8; 32]> = if body.len() <= LEAF {
        body.chunks(LEAF).map(sha256).collect()
    } else {
        body.par_chunks(LEAF).map(sha256).collect()
    };
    let length = (body.len() as u64).to_be_bytes();
    digest("frame", &[head, &length, leaves.concat().as_slice()])
}
