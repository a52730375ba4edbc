//! A round as its coordinator keeps it between messages: at whichever step it is.

use std::collections::BTreeMap;

use super::{Confirming, Gathering, Heard, Mail, Revealed, Sharing, Summing, Unmasking};
use crate::message::Step;
use crate::{Error, Round};

/// A round at the step that its coordinator waits at, with what it last told its members.
#[derive(Debug)]
pub enum Course {
    /// Waits for adverts.
    Gathering(Gathering),
    /// Waits for shares.
    Sharing {
        /// The state.
        state: Sharing,
        /// For everyone on it.
        roster: Vec<u8>,
    },
    /// Waits for uploads.
    Summing {
        /// The state.
        state: Summing,
        /// One for everyone who shared.
        inboxes: BTreeMap<u32, Vec<u8>>,
    },
    /// Waits for confirmations.
    Confirming {
        /// The state.
        state: Confirming,
        /// For everyone on the list.
        survivors: Vec<u8>,
    },
    /// Waits for shares of secrets.
    Unmasking {
        /// The state.
        state: Unmasking,
        /// One for everyone who confirmed.
        proofs: BTreeMap<u32, Vec<u8>>,
    },
}

/// What the end of a step gives.
#[derive(Debug)]
pub enum Closed {
    /// The next step.
    Next(Box<Course>),
    /// The end of the round.
    Revealed(Revealed),
}

impl Course {
    /// Opens a round.
    pub fn begin(round: &Round) -> Self {
        Self::Gathering(Gathering::new(round))
    }

    /// The step whose messages are waited for.
    pub fn due(&self) -> Step {
        match self {
            Self::Gathering(_) => Step::Advert,
            Self::Sharing { .. } => Step::Shares,
            Self::Summing { .. } => Step::Upload,
            Self::Confirming { .. } => Step::Confirm,
            Self::Unmasking { .. } => Step::Reveal,
        }
    }

    /// Takes a member's message of the step that is due.
    ///
    /// # Errors
    /// As the state's own `accept`.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<Heard, Error> {
        match self {
            Self::Gathering(state) => state.accept(bytes),
            Self::Sharing { state, .. } => state.accept(bytes),
            Self::Summing { state, .. } => state.accept(bytes),
            Self::Confirming { state, .. } => state.accept(bytes),
            Self::Unmasking { state, .. } => state.accept(bytes),
        }
    }

    /// Answers a member who asks for its neighbours' adverts, while shares are due.
    ///
    /// # Errors
    /// As [`Sharing::adverts`], and [`Error::WrongStep`] at other steps.
    pub fn adverts(&self, wanted: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Sharing { state, .. } => state.adverts(wanted),
            other => Err(Error::WrongStep { expected: other.due(), got: Step::Wanted as u8 }),
        }
    }

    /// What the coordinator tells this member at this step, if it has a part in it.
    pub fn message_for(&self, member: u32) -> Option<&[u8]> {
        match self {
            Self::Gathering(_) => None,
            Self::Sharing { state, roster } => state.expected().contains(&member).then_some(roster),
            Self::Summing { inboxes, .. } => inboxes.get(&member).map(Vec::as_slice),
            Self::Confirming { state, survivors } => {
                state.expected().binary_search(&member).is_ok().then_some(survivors)
            }
            Self::Unmasking { proofs, .. } => proofs.get(&member).map(Vec::as_slice),
        }
    }

    /// Members that have spoken at this step.
    pub fn heard(&self) -> Vec<u32> {
        match self {
            Self::Gathering(state) => state.members(),
            Self::Sharing { state, .. } => state.members(),
            Self::Summing { state, .. } => state.members(),
            Self::Confirming { state, .. } => state.members(),
            Self::Unmasking { state, .. } => state.members(),
        }
    }

    /// How many may speak at this step.
    pub fn expected(&self) -> usize {
        match self {
            Self::Gathering(state) => state.most(),
            Self::Sharing { state, .. } => state.expected().len(),
            Self::Summing { state, .. } => state.expected().len(),
            Self::Confirming { state, .. } => state.expected().len(),
            Self::Unmasking { state, .. } => state.expected().len(),
        }
    }

    /// Whether all have spoken who can.
    pub fn is_complete(&self) -> bool {
        self.heard().len() >= self.expected()
    }

    /// Whether enough have spoken for the round to go on.
    pub fn is_enough(&self) -> bool {
        match self {
            Self::Gathering(state) => state.is_enough(),
            Self::Sharing { state, .. } => state.members().len() >= state.needed(),
            Self::Summing { state, .. } => state.members().len() >= state.needed(),
            Self::Confirming { state, .. } => state.members().len() >= state.needed(),
            Self::Unmasking { state, .. } => state.is_ready(),
        }
    }

    /// Ends the step.
    ///
    /// # Errors
    /// Why the round cannot go on; nothing was revealed then.
    pub fn close(self) -> Result<Closed, Error> {
        let by_member = |mail: Mail| mail.into_iter().collect();
        Ok(Closed::Next(Box::new(match self {
            Self::Gathering(state) => {
                let (state, roster) = state.close()?;
                Self::Sharing { state, roster }
            }
            Self::Sharing { state, .. } => {
                let (state, inboxes) = state.close()?;
                Self::Summing { state, inboxes: by_member(inboxes) }
            }
            Self::Summing { state, .. } => {
                let (state, survivors) = state.close()?;
                Self::Confirming { state, survivors }
            }
            Self::Confirming { state, .. } => {
                let (state, proofs) = state.close()?;
                Self::Unmasking { state, proofs: by_member(proofs) }
            }
            Self::Unmasking { state, .. } => return Ok(Closed::Revealed(state.finish()?)),
        })))
    }
}
