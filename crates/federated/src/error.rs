//! What can go wrong in a round, by whose fault.

use pmirs_wire::{DecodeError, EncodeError};
use thiserror::Error;

use crate::message::Step;

/// Why a message was refused, or a round cannot go on.
///
/// A message that is refused changes nothing: the state that refused it waits for the right one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    // The caller's misuse
    /// A plan that no honest round can have.
    #[error("the plan's {field} is {got}, expected {expected}")]
    Plan {
        /// Which field.
        field: &'static str,
        /// What it is.
        got: String,
        /// What it may be.
        expected: String,
    },
    /// An identity that is not a member of the group.
    #[error("this identity is not a member of the group")]
    NotAMember,
    /// A vector of another length than the round's.
    #[error("{what} has {got} numbers, the round has {expected}")]
    Length {
        /// Which vector.
        what: &'static str,
        /// Numbers of the round.
        expected: usize,
        /// Numbers that were given.
        got: usize,
    },
    /// A number that is not finite: training went astray.
    #[error("number {at} of {what} is not finite")]
    NotFinite {
        /// Which vector.
        what: &'static str,
        /// Where in it.
        at: usize,
    },
    /// No graph of this many members is safe under the plan's assumptions.
    #[error("{members} members cannot aggregate safely with {dropout} dropping out and {corrupt} corrupt")]
    NoGraph {
        /// Members of the round.
        members: usize,
        /// Members that may vanish.
        dropout: usize,
        /// Members that may lie.
        corrupt: usize,
    },
    /// A message of our own that would break its limit.
    #[error(transparent)]
    Encode(#[from] EncodeError),

    // A bad payload
    /// Fewer or more bytes than a message has.
    #[error("message of step {step}: {got} bytes, expected {least} to {most}")]
    Size {
        /// The step that was expected.
        step: Step,
        /// The least it has.
        least: usize,
        /// The most it has.
        most: usize,
        /// What was given.
        got: usize,
    },
    /// A message of another version of this protocol.
    #[error("message of step {step} has version {got}, this program knows {expected}")]
    Version {
        /// The step that was expected.
        step: Step,
        /// The version that this crate speaks.
        expected: u8,
        /// The version found.
        got: u8,
    },
    /// A message of another step: reordered, or sent to the wrong place.
    #[error("expected a message of step {expected}, got one of step number {got}")]
    WrongStep {
        /// The step that is due.
        expected: Step,
        /// The step's number in the message.
        got: u8,
    },
    /// A message of another round: replayed, or misdirected.
    #[error("a message of step {step} belongs to another round")]
    WrongRound {
        /// The step.
        step: Step,
    },
    /// A sender outside the group, or outside those who may speak at this step.
    #[error("member {member} has no part in step {step}")]
    Stranger {
        /// The sender's number.
        member: u32,
        /// The step.
        step: Step,
    },
    /// A signature that is not the sender's.
    #[error("the signature of member {member} on {what} does not fit")]
    Forged {
        /// Whose signature it would be.
        member: u32,
        /// What was signed.
        what: &'static str,
    },
    /// A second, different message where one is allowed.
    #[error("member {member} has sent another message of step {step} before")]
    Repeated {
        /// The sender.
        member: u32,
        /// The step.
        step: Step,
    },
    /// A body that does not decode.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// A message about another roster or another set of members than the receiver knows.
    #[error("member {member}, step {step}: it speaks of another {what}")]
    OtherView {
        /// The sender.
        member: u32,
        /// The step.
        step: Step,
        /// What differs.
        what: &'static str,
    },
    /// Content that a correct member never sends.
    #[error("member {member}, step {step}: {what}")]
    Member {
        /// The sender.
        member: u32,
        /// The step.
        step: Step,
        /// What is wrong.
        what: &'static str,
    },
    /// Content that an honest coordinator never sends. Nothing more is told to it in this round.
    #[error("the coordinator's message of step {step} is false: {what}")]
    Coordinator {
        /// The step.
        step: Step,
        /// What is wrong.
        what: &'static str,
    },
    /// A key, seal or share that the cryptography refused.
    #[error("step {step}: {source}")]
    Crypto {
        /// The step.
        step: Step,
        /// Why.
        source: pmirs_crypto::Error,
    },

    /// A record that does not continue a federation's chain, or is not its coordinator's.
    #[error("the record of round {number} is false: {what}")]
    Record {
        /// The round that is due.
        number: u32,
        /// What is wrong.
        what: &'static str,
    },

    // The round fails, and nothing is revealed
    /// Too many members vanished.
    #[error("the round ends at step {step}: {got} members, {needed} are needed")]
    TooFew {
        /// The step that could not be closed.
        step: Step,
        /// Members that were heard.
        got: usize,
        /// Members that are needed.
        needed: usize,
    },
    /// A member's secret cannot be put together, because too few neighbours revealed their share.
    #[error("the round ends: {got} shares of member {member}, {needed} are needed")]
    Unrecoverable {
        /// Whose secret.
        member: u32,
        /// Shares that came.
        got: usize,
        /// Shares that are needed.
        needed: usize,
    },
    /// What was put together of a member's shares is not what it committed to. Nobody can say who lied: the member when
    /// it shared, or more of those who hold its shares than the honest ones can outvote.
    #[error(
        "the round ends: the shares of member {member} do not give the secret that it committed to; \
         it or some of those who hold them gave false ones"
    )]
    FalseShares {
        /// Whose secret.
        member: u32,
    },
}
