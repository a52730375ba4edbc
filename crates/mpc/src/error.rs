//! What ends a session, and whose fault it is.

use thiserror::Error;

use crate::frame::Step;
use crate::role::Role;

/// Why a protocol stopped. No result of a stopped session is ever used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    // The caller's misuse
    /// Operands whose sizes do not fit each other.
    #[error("{what}: {got} instead of {expected}")]
    Shape {
        /// Which operand.
        what: &'static str,
        /// The size that fits.
        expected: usize,
        /// The size given.
        got: usize,
    },
    /// A number outside of what the protocol is defined for.
    #[error("{what} is {got}, outside {min} to {max}")]
    Range {
        /// Which number.
        what: &'static str,
        /// Smallest number that is allowed.
        min: usize,
        /// Largest number that is allowed.
        max: usize,
        /// What was given.
        got: usize,
    },
    /// Common randomness asked for twice at the same address: used twice, it would uncover what it hides.
    #[error("common randomness of step {step:?}, round {round}, lane {lane} was used before")]
    ReusedRandomness {
        /// The step of the address.
        step: Step,
        /// The round of the address.
        round: u32,
        /// The lane of the address.
        lane: u8,
    },
    /// A session that failed before is asked to go on.
    #[error("the session failed before and cannot go on")]
    SessionOver,

    // A bad payload, and who sent it
    /// A frame shorter than its header.
    #[error("{from} sent a frame of {got} bytes, shorter than its header of {expected}")]
    Truncated {
        /// Who sent it.
        from: Role,
        /// Bytes of a header.
        expected: usize,
        /// Bytes received.
        got: usize,
    },
    /// A frame of a version that this program does not know.
    #[error("{from} sent a frame of version {got}, this program knows {expected}")]
    Version {
        /// Who sent it.
        from: Role,
        /// The version that this program writes.
        expected: u8,
        /// The version found.
        got: u8,
    },
    /// A frame of another session.
    #[error("{from} sent a frame of another session")]
    Session {
        /// Who sent it.
        from: Role,
    },
    /// A frame that says it comes from somebody else.
    #[error("{from} sent a frame that claims to come from party number {got}")]
    Sender {
        /// Whose connection it came over.
        from: Role,
        /// The number it claims.
        got: u8,
    },
    /// A frame of another step.
    #[error("{from} sent a frame of step number {got} instead of {expected:?}")]
    Step {
        /// Who sent it.
        from: Role,
        /// The step that all parties are at.
        expected: Step,
        /// The number of the step found.
        got: u8,
    },
    /// A frame of another round: a repeated, a late or an early one.
    #[error("{from} sent a frame of round {got} instead of {expected}")]
    Round {
        /// Who sent it.
        from: Role,
        /// The round that all parties are at.
        expected: u32,
        /// The round found.
        got: u32,
    },
    /// A frame with more or fewer bytes than this round has.
    #[error("{from} sent {got} bytes in step {step:?} instead of {expected}")]
    Length {
        /// Who sent it.
        from: Role,
        /// The step.
        step: Step,
        /// Bytes that the round has.
        expected: usize,
        /// Bytes that the frame has, or says to have.
        got: usize,
    },
    /// Bytes of the right length that no honest party sends.
    #[error("{from} sent an impossible value in step {step:?}")]
    Malformed {
        /// Who sent it.
        from: Role,
        /// The step.
        step: Step,
    },
    /// Two holders of the same share opened different values; one of them lies, and nobody can tell which.
    #[error("{} and {} opened different values of the same share", pair[0], pair[1])]
    Disagree {
        /// The two holders.
        pair: [Role; 2],
    },

    // A failed dependency
    /// Nothing came within the deadline.
    #[error("{from} sent nothing within the deadline of step {step:?}")]
    Silent {
        /// Who was waited for.
        from: Role,
        /// The step.
        step: Step,
    },
    /// The connection is gone.
    #[error("the connection to {from} ended in step {step:?}")]
    Closed {
        /// Whose connection.
        from: Role,
        /// The step.
        step: Step,
    },
    /// Another party stopped, and says why.
    #[error("{by} stopped the session: {reason}, {}", culprits(.culprit))]
    Aborted {
        /// Who told.
        by: Role,
        /// Whom it blames, less the one that is told; itself, where it blames nobody but that one.
        culprit: Vec<Role>,
        /// What it says happened.
        reason: Reason,
    },
}

impl Error {
    /// Whom this error blames. Empty for the caller's own mistakes.
    pub fn culprits(&self) -> Vec<Role> {
        match self {
            Self::Shape { .. } | Self::Range { .. } | Self::ReusedRandomness { .. } | Self::SessionOver => {
                Vec::new()
            }
            Self::Truncated { from, .. }
            | Self::Version { from, .. }
            | Self::Session { from }
            | Self::Sender { from, .. }
            | Self::Step { from, .. }
            | Self::Round { from, .. }
            | Self::Length { from, .. }
            | Self::Malformed { from, .. }
            | Self::Silent { from, .. }
            | Self::Closed { from, .. } => vec![*from],
            Self::Disagree { pair } => pair.to_vec(),
            Self::Aborted { culprit, .. } => culprit.clone(),
        }
    }

    /// The reason as it is told to the other parties.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Shape { .. } | Self::Range { .. } | Self::ReusedRandomness { .. } | Self::SessionOver => {
                Reason::Misuse
            }
            Self::Truncated { .. } | Self::Version { .. } | Self::Length { .. } | Self::Malformed { .. } => {
                Reason::Malformed
            }
            Self::Session { .. } | Self::Sender { .. } | Self::Step { .. } | Self::Round { .. } => {
                Reason::Mislabelled
            }
            Self::Disagree { .. } => Reason::Disagree,
            Self::Silent { .. } => Reason::Silent,
            Self::Closed { .. } => Reason::Closed,
            Self::Aborted { reason, .. } => *reason,
        }
    }
}

/// Why a party stopped, in the few words that go over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It was asked for something impossible.
    Misuse,
    /// It received what no honest party sends.
    Malformed,
    /// It received a frame of another session, step, round or sender.
    Mislabelled,
    /// Two others opened different values.
    Disagree,
    /// It received nothing within the deadline.
    Silent,
    /// It lost a connection.
    Closed,
}

impl Reason {
    pub(crate) const ALL: [Self; 6] =
        [Self::Misuse, Self::Malformed, Self::Mislabelled, Self::Disagree, Self::Silent, Self::Closed];
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Misuse => "asked for something impossible",
            Self::Malformed => "a malformed frame",
            Self::Mislabelled => "a mislabelled frame",
            Self::Disagree => "different values of one share",
            Self::Silent => "nothing within the deadline",
            Self::Closed => "a lost connection",
        })
    }
}

fn culprits(roles: &[Role]) -> String {
    let names: Vec<String> = roles.iter().map(ToString::to_string).collect();
    if names.is_empty() { "blaming nobody".to_owned() } else { format!("blaming {}", names.join(" and ")) }
}

pub(crate) fn shape(what: &'static str, expected: usize, got: usize) -> Result<(), Error> {
    if expected == got { Ok(()) } else { Err(Error::Shape { what, expected, got }) }
}

pub(crate) fn range(what: &'static str, min: usize, max: usize, got: usize) -> Result<(), Error> {
    if (min..=max).contains(&got) { Ok(()) } else { Err(Error::Range { what, min, max, got }) }
}
