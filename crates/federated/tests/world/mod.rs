//! Members, plans and altered messages for the tests.

#![allow(
    dead_code,
    clippy::unnecessary_wraps,
    clippy::allow_attributes,
    reason = "each test file uses a part of it, and hooks have the signature that they have"
)]

pub mod hostile;

use std::sync::Arc;

use pmirs_crypto::{Context, Identity, IdentitySeed, Prg, sha256};
use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::message::{Piece, Shares, Step};
use pmirs_federated::plan::{Noise, RoundPlan, Schedule, Training, Weighting};
use pmirs_federated::simulate::{Report, Unwatched, Wire, World};
use pmirs_federated::{Error, Group, Round};
use pmirs_wire::{Digest, Message};
use rand_chacha::rand_core::Rng;

/// Bytes of a frame's head.
pub const HEAD: usize = 38;

pub fn identities(count: u32) -> Vec<Identity> {
    let mut rng = Prg::new(&[count as u8; 32], b"identities");
    (0..count).map(|_| Identity::from_seed(&IdentitySeed::generate(&mut rng))).collect()
}

pub fn group(identities: &[Identity]) -> Arc<Group> {
    Arc::new(Group::new(identities.iter().map(Identity::public).collect()).unwrap())
}

/// A plan for a group of this size: two of eight may vanish, one in eight may lie.
pub fn plan(members: u32, weights: u32) -> RoundPlan {
    RoundPlan {
        federation: Digest([1; 32]),
        number: 3,
        attempt: 0,
        model: Digest([2; 32]),
        weights,
        training: Training {
            local_steps: 10,
            batch: 16,
            schedule: Schedule::Constant { rate: 0.05 },
            proximal: 0.0,
        },
        clip: 1.0,
        noise: Noise::None,
        weighting: Weighting::Uniform,
        compression: Compression::None,
        rates: Rates { dropout: 0.25, corrupt: 0.125 },
        quorum: members / 2,
        cohort: members,
        deadline_ms: 0,
    }
}

/// A group and a round of it.
pub struct Fixture {
    pub identities: Vec<Identity>,
    pub round: Round,
    pub present: Vec<u32>,
}

impl Fixture {
    pub fn new(members: u32, weights: u32) -> Self {
        Self::with(plan(members, weights))
    }

    /// A group as large as the plan's cohort.
    pub fn with(plan: RoundPlan) -> Self {
        let identities = identities(plan.cohort);
        let present = (0..plan.cohort).collect();
        let round = Round::new(plan, group(&identities)).unwrap();
        Self { identities, round, present }
    }

    pub fn world(&self, seed: u8) -> World<'_> {
        let (round, identities, present) = (&self.round, self.identities.as_slice(), self.present.as_slice());
        World { round, identities, present, seed: [seed; 32], at_once: 8 }
    }

    pub fn run(&self, seed: u8, wire: &mut impl Wire) -> Result<Report, Error> {
        self.world(seed).run(wire, &mut Unwatched, |member| self.vector(member))
    }

    /// A member's words: anything at all.
    pub fn vector(&self, member: u32) -> Vec<u32> {
        let mut rng = Prg::new(&[9; 32], &member.to_be_bytes());
        (0..self.round.layout().words()).map(|_| rng.next_u32()).collect()
    }

    pub fn sum(&self, members: &[u32]) -> Vec<u32> {
        let mut sum = vec![0_u32; self.round.layout().words()];
        for member in members {
            sum.iter_mut().zip(self.vector(*member)).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
        }
        sum
    }
}

/// Changes the body of a coordinator's message.
pub fn rewrite<M: Message>(bytes: &[u8], change: impl FnOnce(&mut M)) -> Vec<u8> {
    let (head, body) = bytes.split_at(HEAD);
    let mut message: M = pmirs_wire::decode(body).unwrap();
    change(&mut message);
    [head, &pmirs_wire::encode(&message).unwrap()].concat()
}

/// Changes the body of a member's message, whose signature then does not fit.
pub fn rewrite_signed<M: Message>(bytes: &[u8], change: impl FnOnce(&mut M)) -> Vec<u8> {
    let (frame, signature) = bytes.split_at(bytes.len() - 64);
    [rewrite(frame, change), signature.to_vec()].concat()
}

/// A digest of the protocol, written out: label, then parts with their lengths.
pub fn digest(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut bytes = format!("pmirs/federated/{label}/v1\0").into_bytes();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    sha256(&bytes)
}

/// Signs a member's message anew, as that member could.
pub fn resign(bytes: &[u8], identity: &Identity) -> Vec<u8> {
    let frame = &bytes[..bytes.len() - 64];
    let (head, body) = frame.split_at(HEAD);
    let leaves: Vec<u8> = body.chunks(256 << 10).flat_map(sha256).collect();
    let signed = digest("frame", &[head, &(body.len() as u64).to_be_bytes(), &leaves]);
    [frame, &identity.sign(Context::Federated, &signed).0].concat()
}

/// Signs a member's pieces anew, as that member could.
pub fn resign_pieces(shares: &mut Shares, round: &Round, member: u32, identity: &Identity) {
    let of = |piece: &Piece| hostile::piece_digest(round, &shares.roster, member, piece);
    let digests: Vec<u8> = shares.pieces.iter().flat_map(of).collect();
    let signed = digest("pieces", &[&round.id().0, &shares.roster.0, &member.to_be_bytes(), &digests]);
    shares.signature.0 = identity.sign(Context::Federated, &signed).0.to_vec();
}

/// A wire that hands every message of one direction to a closure.
pub struct Tap<U, D> {
    pub up: U,
    pub down: D,
}

impl<U, D> Wire for Tap<U, D>
where
    U: FnMut(u32, Step, Vec<u8>) -> Option<Vec<u8>>,
    D: FnMut(u32, Step, Vec<u8>) -> Option<Vec<u8>>,
{
    fn carry_up(&mut self, member: u32, step: Step, bytes: Vec<u8>) -> Option<Vec<u8>> {
        (self.up)(member, step, bytes)
    }

    fn carry_down(&mut self, member: u32, step: Step, bytes: Vec<u8>) -> Option<Vec<u8>> {
        (self.down)(member, step, bytes)
    }
}

pub fn pass(_: u32, _: Step, bytes: Vec<u8>) -> Option<Vec<u8>> {
    Some(bytes)
}

pub const MEMBER_STEPS: [Step; 6] =
    [Step::Advert, Step::Wanted, Step::Shares, Step::Upload, Step::Confirm, Step::Reveal];
pub const COORDINATOR_STEPS: [Step; 5] =
    [Step::Roster, Step::Adverts, Step::Inbox, Step::Survivors, Step::Proof];
