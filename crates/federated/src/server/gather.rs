//! Step 1: who is here.

use std::collections::BTreeMap;

use pmirs_crypto::sha256;
use pmirs_wire::{Bytes, Digest, Message};

use super::{Heard, Register, Sharing};
use crate::client::{Keys, roster_digest};
use crate::graph::Parameters;
use crate::message::{Advert, Roster, Seat, Step, frame};
use crate::{Error, Round};

const STEP: Step = Step::Advert;

/// Collects adverts.
#[derive(Debug)]
pub struct Gathering {
    round: Round,
    heard: Register,
    present: BTreeMap<u32, Present>,
}

/// A member that is here.
#[derive(Debug)]
pub(super) struct Present {
    /// The advert's frame, for those who will choose this member.
    pub(super) frame: Vec<u8>,
    pub(super) mask: pmirs_crypto::ExchangePublicKey,
    pub(super) commitment: Digest,
    seat: Seat,
}

/// A roster and what goes with it, as all later steps know it.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) round: Round,
    pub(super) roster: Digest,
    pub(super) parameters: Parameters,
    pub(super) present: BTreeMap<u32, Present>,
}

impl Table {
    pub(super) fn needed(&self) -> usize {
        self.round.needed(&self.parameters)
    }
}

impl Gathering {
    /// Opens a round.
    pub fn new(round: &Round) -> Self {
        Self { round: round.clone(), heard: Register::default(), present: BTreeMap::new() }
    }

    /// Takes a member's advert.
    ///
    /// # Errors
    /// For a message that is not one, of a stranger, or the second of a member; and when the cohort is full.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<Heard, Error> {
        let opened = frame::open(&self.round, STEP, Advert::MAX_BYTES, bytes)?;
        let member = opened.member;
        if self.heard.check(member, STEP, &opened.digest)? == Heard::Again {
            return Ok(Heard::Again);
        }
        if self.heard.len() >= self.round.plan().cohort as usize {
            return Err(Error::Member { member, step: STEP, what: "the cohort is full" });
        }
        let advert: Advert = pmirs_wire::decode(opened.body)?;
        let Keys { mask, .. } = Keys::read(&advert)?;
        let (signature, length) = (Bytes(opened.signature.to_vec()), opened.body.len() as u32);
        let seat = Seat { member, advert: Digest(sha256(opened.body)), length, signature };
        let present = Present { frame: bytes.to_vec(), mask, commitment: advert.commitment, seat };
        self.heard.insert(member, opened.digest);
        self.present.insert(member, present);
        Ok(Heard::New)
    }

    /// Members that are here.
    pub fn members(&self) -> Vec<u32> {
        self.heard.members()
    }

    /// Whether those who are here can run the round.
    pub fn is_enough(&self) -> bool {
        let members = self.heard.len();
        let needed = self.round.parameters(members).map(|parameters| self.round.needed(&parameters));
        needed.is_ok_and(|needed| members >= needed)
    }

    /// Most members that may come: the cohort, or all of a smaller group.
    pub fn most(&self) -> usize {
        (self.round.plan().cohort as usize).min(self.round.group().len())
    }

    /// Ends the step: the roster, which goes to every member on it.
    ///
    /// # Errors
    /// [`Error::TooFew`] or [`Error::NoGraph`] where too few are here.
    pub fn close(self) -> Result<(Sharing, Vec<u8>), Error> {
        let members = self.heard.len();
        self.heard.close(STEP, self.round.plan().quorum as usize)?;
        let parameters = self.round.parameters(members)?;
        self.heard.close(STEP, self.round.needed(&parameters))?;
        let seats = self.present.values().map(|present| present.seat.clone());
        let (neighbours, threshold) = (parameters.neighbours as u32, parameters.threshold as u32);
        let roster = Roster { neighbours, threshold, seats: seats.collect() };
        let bytes = frame::announce(&self.round, Step::Roster, &roster)?;
        let digest = roster_digest(&self.round, &roster);
        let table = Table { round: self.round, roster: digest, parameters, present: self.present };
        Ok((Sharing::new(table), bytes))
    }
}
