//! One party of a session: its place, its links, its common randomness, and the round that all three are at.

use crate::error::{Error, Reason, range};
use crate::frame::{self, HEADER, Label, MAX_PAYLOAD, Opened, Payload, SessionId, Step};
use crate::link::{Link, LinkFault};
use crate::prss::{Address, PairKeys, Prss};
use crate::ring::Ring;
use crate::role::{Role, Side};

/// Payload bytes of an abort.
const ABORT: usize = 2;

/// What a session has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Rounds: how often the three waited for each other.
    pub rounds: u32,
    /// Bytes that this party sent, headers included.
    pub sent: u64,
    /// Bytes that this party received, headers included.
    pub received: u64,
}

/// One party within one session.
///
/// All protocols take it by mutable reference and run in lockstep: the three parties make the same calls in the same
/// order with operands of the same sizes. After an error the session is over, and the other two were told.
pub struct Party {
    role: Role,
    session: SessionId,
    link: Box<dyn Link>,
    pub(crate) prss: Prss,
    round: u32,
    traffic: Traffic,
    over: bool,
}

impl Party {
    /// A party at the start of a session.
    ///
    /// `session` must be fresh: the hash of nonces from all three parties and of the request. The keys may be the
    /// same for many sessions.
    pub fn new(role: Role, session: SessionId, keys: &PairKeys, link: Box<dyn Link>) -> Self {
        let prss = Prss::new(keys, &session);
        Self { role, session, link, prss, round: 0, traffic: Traffic::default(), over: false }
    }

    /// Which of the three this is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What the session has cost so far.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Whether an error ended the session.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Ends the session for a reason of the caller's own, and tells the others.
    pub fn abort(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.over, true) {
            self.tell(error);
        }
    }

    /// Elements that this party and its neighbour draw alike, for the round that comes next.
    pub(crate) fn draw<R: Ring>(
        &mut self,
        side: Side,
        step: Step,
        lane: u8,
        count: usize,
    ) -> Result<Vec<R>, Error> {
        self.prss.draw(side, Address { step, round: self.round, lane }, count)
    }

    /// One round: sends a drafted frame to each side and returns what came from each. An empty vector is no frame, and
    /// where zero bytes are expected none is waited for.
    pub(crate) fn exchange(&mut self, step: Step, round: Round) -> Result<[Payload; 2], Error> {
        if self.over {
            return Err(Error::SessionOver);
        }
        self.try_exchange(step, round).map_err(|error| {
            self.abort(&error);
            self.heard_out(error)
        })
    }

    /// Whoever is silent may itself be waiting for another. Told that somebody waits for it, it has one more deadline
    /// to say so, and then that one is to blame.
    fn heard_out(&mut self, error: Error) -> Error {
        let Error::Silent { from, step } = error else { return error };
        let side = if from == self.role.next() { Side::Next } else { Side::Previous };
        match self.receive(side, step, 1) {
            Err(Error::Aborted { by, culprit, reason }) if !culprit.contains(&by) => {
                Error::Aborted { by, culprit, reason }
            }
            _ => error,
        }
    }

    fn try_exchange(&mut self, step: Step, round: Round) -> Result<[Payload; 2], Error> {
        for (side, frame) in [(Side::Previous, round.to_previous), (Side::Next, round.to_next)] {
            if frame.len() > HEADER {
                self.send(side, step, frame)?;
            }
        }
        let from_previous = self.receive(Side::Previous, step, round.from_previous)?;
        let from_next = self.receive(Side::Next, step, round.from_next)?;
        self.round += 1;
        self.traffic.rounds += 1;
        Ok([from_previous, from_next])
    }

    fn send(&mut self, side: Side, step: Step, mut frame: Vec<u8>) -> Result<(), Error> {
        range("the bytes of one round to one party", 0, MAX_PAYLOAD, frame.len().saturating_sub(HEADER))?;
        frame::seal(&mut frame, &self.label(self.role, step));
        self.traffic.sent += frame.len() as u64;
        let to = self.role.neighbour(side);
        self.link.send(side, frame).map_err(|_| Error::Closed { from: to, step })
    }

    fn receive(&mut self, side: Side, step: Step, length: usize) -> Result<Payload, Error> {
        if length == 0 {
            return Ok(Payload::none());
        }
        let from = self.role.neighbour(side);
        let frame = self.link.receive(side, length.max(ABORT)).map_err(|fault| match fault {
            LinkFault::Silent => Error::Silent { from, step },
            LinkFault::Closed => Error::Closed { from, step },
            LinkFault::Malformed => Error::Malformed { from, step },
        })?;
        self.traffic.received += frame.len() as u64;
        match frame::open(frame, &self.label(from, step), length)? {
            Opened::Payload(payload) => Ok(payload),
            Opened::Abort(told) => Err(aborted(self.role, from, told.bytes())),
        }
    }

    /// Tells both others, as far as they can still be reached.
    fn tell(&mut self, error: &Error) {
        let blamed = error.culprits().iter().fold(0_u8, |set, role| set | 1 << role.index());
        for side in [Side::Previous, Side::Next] {
            let mut frame = frame::draft(ABORT);
            frame.extend([error.reason() as u8, blamed]);
            frame::seal(&mut frame, &self.label(self.role, Step::Abort));
            let _ = self.link.send(side, frame);
        }
    }

    fn label(&self, sender: Role, step: Step) -> Label {
        Label { session: self.session, sender, step, round: self.round }
    }
}

/// What goes out in a round and how many payload bytes must come in.
pub(crate) struct Round {
    pub(crate) to_previous: Vec<u8>,
    pub(crate) to_next: Vec<u8>,
    pub(crate) from_previous: usize,
    pub(crate) from_next: usize,
}

impl Round {
    /// Everyone sends to the previous party, and as much comes from the next.
    pub(crate) fn backward(frame: Vec<u8>) -> Self {
        let from_next = frame.len().saturating_sub(HEADER);
        Self { to_previous: frame, to_next: Vec::new(), from_previous: 0, from_next }
    }
}

/// What another party said. Who is blamed itself blames the others that are, or else the one that says so.
fn aborted(here: Role, by: Role, told: &[u8]) -> Error {
    let &[reason, blamed] = told else { return Error::Malformed { from: by, step: Step::Abort } };
    let Some(&reason) = Reason::ALL.get(usize::from(reason)) else {
        return Error::Malformed { from: by, step: Step::Abort };
    };
    let blames = |role: Role| blamed >> role.index() & 1 == 1;
    let mut culprit: Vec<Role> = Role::ALL.into_iter().filter(|&role| blames(role) && role != here).collect();
    if culprit.is_empty() && blames(here) {
        culprit.push(by);
    }
    Error::Aborted { by, culprit, reason }
}
