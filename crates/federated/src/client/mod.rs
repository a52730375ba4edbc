//! A member's side of a round: one state for each step, each eaten by the next.
//!
//! ```text
//! advertise ─▶ Advertised ─roster─▶ Chosen ─adverts─▶ Shared ─inbox, vector─▶ Masked ─survivors─▶ Confirmed ─proof─▶ done
//!     │advert         │wanted          │shares            │upload                │confirm            │reveal
//! ```
//!
//! # Stop and resume
//!
//! Every step gives a message and the next state. A caller keeps both ([`Progress`]) *before* it sends the
//! message, and after a restart sends that same message again; the coordinator takes a repetition for what it
//! is. A caller that sent first and forgot could be made to answer twice, and two answers can give an update
//! away: two uploads under one mask differ by what their updates differ by, and two confirmations are two
//! lists of survivors. What is kept is secret, and goes to disk under a `LocalKey`.
//!
//! # Once
//!
//! A caller takes part in one try of a round at a time, and counts every reveal as a release of its update,
//! also when the coordinator says that the round came to nothing and asks again: two sums over sets that
//! differ in one member give that member's update away. So a second reveal for one round number is for fresh
//! noise and fresh budget, or it is refused.
//!
//! A message that is refused leaves the state as it was: it comes back in the [`Refusal`].

mod advertise;
mod choose;
mod confirm;
mod mask;
mod progress;
mod reveal;
mod share;

use pmirs_crypto::{Context, Identity};
use pmirs_wire::Digest;
use serde::{Deserialize, Serialize};

use crate::{Error, Round};

pub use advertise::{Advertised, advertise};
pub use choose::Chosen;
pub(crate) use choose::roster_digest;
pub use confirm::Confirmed;
pub use mask::Masked;
pub(crate) use mask::apply;
pub use progress::Progress;
pub(crate) use share::Keys;
pub use share::Shared;

/// A member at the table of one round.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    round: &'a Round,
    identity: &'a Identity,
    number: u32,
}

impl<'a> Member<'a> {
    /// The seat of an identity.
    ///
    /// # Errors
    /// [`Error::NotAMember`] for an identity outside the group.
    pub fn new(round: &'a Round, identity: &'a Identity) -> Result<Self, Error> {
        let number = round.group().number_of(&identity.public()).ok_or(Error::NotAMember)?;
        Ok(Self { round, identity, number })
    }

    /// The same seat, if the round reckons with as many corrupt members as this member does: a share of the group.
    /// Whether a bound holds is arithmetic; how many may work for the coordinator, each member must judge.
    ///
    /// # Errors
    /// [`Error::Plan`] for a round that reckons with fewer.
    pub fn suspecting(self, corrupt: f64) -> Result<Self, Error> {
        let got = self.round.plan().rates.corrupt;
        if got >= corrupt {
            return Ok(self);
        }
        let expected = format!("at least {corrupt} corrupt, which this member reckons with");
        Err(Error::Plan { field: "rates", got: format!("{got} corrupt"), expected })
    }

    /// The member's number in the group.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The round.
    pub fn round(&self) -> &'a Round {
        self.round
    }

    fn sign(&self, digest: &Digest) -> [u8; 64] {
        self.identity.sign(Context::Federated, &digest.0).0
    }
}

/// A message that was refused, and the state that refused it, unharmed.
#[derive(Debug)]
pub struct Refusal<S> {
    /// Waits for the right message.
    pub state: S,
    /// Why.
    pub error: Error,
}

/// The next state and the message to send, or the state and why not.
pub type Outcome<Next, Now> = Result<(Next, Vec<u8>), Box<Refusal<Now>>>;

/// Ends a step: the state moves on if its checks passed, and stays otherwise.
fn advance<Now, Next>(
    now: Now,
    step: impl FnOnce(&Now) -> Result<(Next, Vec<u8>), Error>,
) -> Outcome<Next, Now> {
    match step(&now) {
        Ok(next) => Ok(next),
        Err(error) => Err(Box::new(Refusal { state: now, error })),
    }
}

/// The roster as a member believed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) digest: Digest,
    pub(crate) members: Vec<u32>,
    pub(crate) neighbours: u32,
    pub(crate) threshold: u32,
    pub(crate) confirmations: u32,
    pub(crate) needed: u32,
}

impl Table {
    fn has(&self, member: u32) -> bool {
        self.members.binary_search(&member).is_ok()
    }
}
