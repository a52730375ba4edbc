//! Steps 2 and 3: neighbours' keys are handed out, and sealed shares carried.

use std::collections::BTreeMap;

use pmirs_crypto::shamir::Share;
use pmirs_crypto::{ENCAPSULATION, EXCHANGE_OVERHEAD};
use pmirs_wire::{Bytes, Message};

use super::gather::Table;
use super::{Heard, Mail, Register, Summing};
use crate::Error;
use crate::message::{Adverts, Inbox, Piece, Received, Shares, Step, Wanted, frame};
use crate::pair::{Edges, is_ascending, list_digest, piece_digest, pieces_statement};

const STEP: Step = Step::Shares;

/// Collects sealed shares.
#[derive(Debug)]
pub struct Sharing {
    table: Table,
    heard: Register,
    /// What each member sent, and the digests of its pieces.
    shared: BTreeMap<u32, (Shares, Vec<u8>)>,
}

impl Sharing {
    pub(super) fn new(table: Table) -> Self {
        Self { table, heard: Register::default(), shared: BTreeMap::new() }
    }

    /// Answers a member who asks for its neighbours' adverts. This changes nothing, and may be asked again.
    ///
    /// # Errors
    /// For a message that is not one, of another roster, or about members that are not on it.
    pub fn adverts(&self, wanted: &[u8]) -> Result<Vec<u8>, Error> {
        const STEP: Step = Step::Wanted;
        let opened = frame::open(&self.table.round, STEP, Wanted::MAX_BYTES, wanted)?;
        let member = opened.member;
        let wanted: Wanted = pmirs_wire::decode(opened.body)?;
        if wanted.roster != self.table.roster {
            return Err(Error::OtherView { member, step: STEP, what: "roster" });
        }
        let wrong = |what| Error::Member { member, step: STEP, what };
        if wanted.members.len() > self.table.parameters.neighbours {
            return Err(wrong("more neighbours than there are to be"));
        }
        let frames = wanted.members.iter().map(|wanted| {
            let present = self.table.present.get(wanted).ok_or(wrong("a neighbour who is not here"))?;
            Ok(Bytes(present.frame.clone()))
        });
        let adverts = Adverts { frames: frames.collect::<Result<_, Error>>()? };
        frame::announce(&self.table.round, Step::Adverts, &adverts)
    }

    /// Takes a member's sealed shares.
    ///
    /// # Errors
    /// For a message that is not one, of someone who is not on the roster, the second of a member, or with
    /// shares that are not signed, not for as many neighbours as there are to be, or not for members of the
    /// roster.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<Heard, Error> {
        let round = &self.table.round;
        let opened = frame::open(round, STEP, Shares::MAX_BYTES, bytes)?;
        let member = opened.member;
        if !self.table.present.contains_key(&member) {
            return Err(Error::Stranger { member, step: STEP });
        }
        if self.heard.check(member, STEP, &opened.digest)? == Heard::Again {
            return Ok(Heard::Again);
        }
        let shares: Shares = pmirs_wire::decode(opened.body)?;
        if shares.roster != self.table.roster {
            return Err(Error::OtherView { member, step: STEP, what: "roster" });
        }
        let wrong = |what| Err(Error::Member { member, step: STEP, what });
        if shares.pieces.len() != self.table.parameters.neighbours
            || !is_ascending(shares.pieces.iter().map(|piece| piece.to))
        {
            return wrong("not the number of neighbours that there are to be, or out of order");
        }
        if shares.pieces.iter().any(|piece| piece.to == member || !self.table.present.contains_key(&piece.to))
        {
            return wrong("a neighbour who is not here");
        }
        let is_whole = |piece: &Piece| {
            piece.encapsulation.as_ref().len() == ENCAPSULATION
                && piece.sealed.as_ref().len() == EXCHANGE_OVERHEAD + 2 * Share::LEN
        };
        if !shares.pieces.iter().all(is_whole) {
            return wrong("a piece of the wrong length");
        }
        // Checked here as well as by the neighbours, so that a bad signature costs its sender its place, and
        // not theirs.
        let digest = |piece| piece_digest(round, &self.table.roster, member, piece).0;
        let digests: Vec<u8> = shares.pieces.iter().flat_map(digest).collect();
        let signed = pieces_statement(round, &self.table.roster, member, &digests);
        round.group().verify(member, STEP, "a piece", &signed, shares.signature.as_ref())?;
        self.heard.insert(member, opened.digest);
        self.shared.insert(member, (shares, digests));
        Ok(Heard::New)
    }

    /// Members that have shared.
    pub fn members(&self) -> Vec<u32> {
        self.heard.members()
    }

    /// Members who may share: all on the roster.
    pub fn expected(&self) -> Vec<u32> {
        self.table.present.keys().copied().collect()
    }

    pub(super) fn needed(&self) -> usize {
        self.table.needed()
    }

    /// Ends the step: an inbox for every member who shared.
    ///
    /// # Errors
    /// [`Error::TooFew`] where too few shared.
    pub fn close(self) -> Result<(Summing, Mail), Error> {
        self.heard.close(STEP, self.table.needed())?;
        let sharers = self.heard.members();
        let mut inboxes: BTreeMap<u32, Vec<Received>> =
            sharers.iter().map(|member| (*member, Vec::new())).collect();
        let (mut edges, mut encapsulations) = (Edges::default(), BTreeMap::new());
        for (from, (shares, digests)) in self.shared {
            for piece in shares.pieces {
                edges.insert(from, piece.to);
                encapsulations.insert((from, piece.to), piece.encapsulation.0.clone());
                if let Some(inbox) = inboxes.get_mut(&piece.to) {
                    let (digests, signature) = (Bytes(digests.clone()), shares.signature.clone());
                    inbox.push(Received { from, piece, digests, signature });
                }
            }
        }
        let mail = inboxes.into_iter().map(|(to, pieces)| {
            let inbox = Inbox { sharers: sharers.clone(), pieces };
            Ok((to, frame::announce(&self.table.round, Step::Inbox, &inbox)?))
        });
        let mail = mail.collect::<Result<_, Error>>()?;
        let graph = Graph { edges, encapsulations };
        let digest = list_digest("sharers", &sharers);
        Ok((Summing::new(self.table, graph, sharers, digest), mail))
    }
}

/// Who chose whom, and what they encapsulated.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) edges: Edges,
    pub(super) encapsulations: BTreeMap<(u32, u32), Vec<u8>>,
}
