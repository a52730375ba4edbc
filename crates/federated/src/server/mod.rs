//! The coordinator's side of a round: it carries messages, adds words up, and learns one sum.
//!
//! ```text
//! Gathering ─close─▶ Sharing ─close─▶ Summing ─close─▶ Confirming ─close─▶ Unmasking ─finish─▶ Revealed
//!   adverts │roster    shares │inboxes   uploads │survivors  confirms │proofs      reveals
//! ```
//!
//! A step is closed when its caller says so: when all have spoken, or the deadline has passed. Closing with
//! too few members ends the round with [`Error::TooFew`], and what was received is of no use to anyone.
//!
//! [`Course`] is whichever of them a round is at, for callers that keep it between messages.
//!
//! No state draws randomness or reads a clock. A coordinator that was restarted feeds the messages that it
//! kept into the same states again and stands where it stood; a member's message that comes twice is taken
//! once ([`Heard::Again`]).

mod confirm;
mod course;
mod gather;
mod share;
mod sum;
mod unmask;

use std::collections::BTreeMap;

use pmirs_wire::Digest;

use crate::Error;
use crate::message::Step;

pub use confirm::Confirming;
pub use course::{Closed, Course};
pub use gather::Gathering;
pub use share::Sharing;
pub use sum::{Checked, Counted, Summing};
pub use unmask::{Revealed, Unmasking};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was new.
    New,
    /// It is the same as before: a member that was restarted, or a network that was slow.
    Again,
}

/// Messages for members, each with the number of the one that it is for.
pub type Mail = Vec<(u32, Vec<u8>)>;

/// Whose message of a step was heard, and which.
#[derive(Debug, Default)]
struct Register(BTreeMap<u32, Digest>);

impl Register {
    /// Whether a message is the member's first, its first again, or another one, which is refused.
    fn check(&self, member: u32, step: Step, message: &Digest) -> Result<Heard, Error> {
        match self.0.get(&member) {
            None => Ok(Heard::New),
            Some(before) if before == message => Ok(Heard::Again),
            Some(_) => Err(Error::Repeated { member, step }),
        }
    }

    fn insert(&mut self, member: u32, message: Digest) {
        self.0.insert(member, message);
    }

    fn members(&self) -> Vec<u32> {
        self.0.keys().copied().collect()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn close(&self, step: Step, needed: usize) -> Result<(), Error> {
        let got = self.len();
        if got < needed { Err(Error::TooFew { step, got, needed }) } else { Ok(()) }
    }
}
