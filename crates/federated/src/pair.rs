//! What two neighbours have in common: the text that binds a piece to them, and who adds and who subtracts
//! their mask.
//!
//! ```text
//! i chose j:   i ── encapsulation to j's mask key, HPKE(j's exchange key, shares of i's secrets) ──▶ j
//!
//! vector of i  =  x_i  +  mask(b_i)  +  Σ_{j > i} mask(s_ij)  −  Σ_{j < i} mask(s_ij)     over neighbours j that shared
//! Σ over survivors U = Σ x_i + Σ_{i ∈ U} mask(b_i) ± Σ_{i ∈ U, j ∉ U} mask(s_ij)
//! ```
//!
//! b_i comes back from the shares of a survivor, s_ij from the root of a member who shared and then vanished.
//! Nobody reveals both kinds of share of one member. Where two members chose each other, the encapsulation of
//! the lower number counts.

use std::collections::BTreeSet;

use pmirs_wire::Digest;

use crate::Round;
use crate::message::{Piece, digest};

/// Binds encapsulation and shares to round, roster and both members.
pub(crate) fn info(round: &Round, roster: &Digest, from: u32, to: u32) -> [u8; 32] {
    digest("pair", &[&round.id().0, &roster.0, &from.to_be_bytes(), &to.to_be_bytes()]).0
}

/// What the sender of pieces signs: the digests of all of them.
pub(crate) fn pieces_statement(round: &Round, roster: &Digest, from: u32, digests: &[u8]) -> Digest {
    digest("pieces", &[&round.id().0, &roster.0, &from.to_be_bytes(), digests])
}

/// A digest of a piece and of those it is for.
pub(crate) fn piece_digest(round: &Round, roster: &Digest, from: u32, piece: &Piece) -> Digest {
    let pair = info(round, roster, from, piece.to);
    digest("piece", &[&pair, piece.encapsulation.as_ref(), piece.sealed.as_ref()])
}

/// A digest of the seed of a member's own mask.
pub(crate) fn commitment(round: &Round, member: u32, seed: &[u8; 32]) -> Digest {
    digest("own mask", &[&round.id().0, &member.to_be_bytes(), seed])
}

/// What an uploader signs: with whom it masked.
pub(crate) fn upload_statement(round: &Round, roster: &Digest, sharers: &Digest, member: u32) -> Digest {
    digest("upload", &[&round.id().0, &roster.0, &sharers.0, &member.to_be_bytes()])
}

/// What a survivor signs: who else survived.
pub(crate) fn survivors_statement(
    round: &Round,
    roster: &Digest,
    sharers: &Digest,
    survivors: &Digest,
) -> Digest {
    digest("confirm", &[&round.id().0, &roster.0, &sharers.0, &survivors.0])
}

/// A digest of a list of members under a name.
pub(crate) fn list_digest(name: &str, members: &[u32]) -> Digest {
    let bytes: Vec<u8> = members.iter().flat_map(|member| member.to_be_bytes()).collect();
    digest(name, &[&bytes])
}

/// Whether members are in ascending order, each once.
pub(crate) fn is_ascending(members: impl IntoIterator<Item = u32>) -> bool {
    let mut last = None;
    members.into_iter().all(|member| last.replace(member).is_none_or(|last| last < member))
}

/// Whether the first of two neighbours adds their mask; the other subtracts it.
pub(crate) fn adds(member: u32, other: u32) -> bool {
    member < other
}

/// Choices of neighbours, as directed edges.
#[derive(Debug, Default)]
pub(crate) struct Edges(BTreeSet<(u32, u32)>);

impl Edges {
    pub(crate) fn insert(&mut self, from: u32, to: u32) {
        self.0.insert((from, to));
    }

    /// The edge whose encapsulation makes the mask of two members.
    pub(crate) fn carrying(&self, one: u32, other: u32) -> Option<(u32, u32)> {
        let (low, high) = (one.min(other), one.max(other));
        [(low, high), (high, low)].into_iter().find(|edge| self.0.contains(edge))
    }
}
