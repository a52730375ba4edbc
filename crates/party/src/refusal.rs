//! How a party says no.

use pmirs_mpc::Role;
use pmirs_wire::Digest;
use pmirs_wire::problem::{Problem, ProblemKind};
use pmirs_wire::split::{Answer, Refused};

use crate::error::Error;
use crate::members::Rejected;

/// A no on its way to the client.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(pub(crate) Box<Refused>);

impl Refusal {
    pub(crate) fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        let message = message.into().chars().take(1000).collect();
        Self(Box::new(Refused { problem: Problem { kind, message }, blamed: Vec::new(), session: None }))
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::BadRequest, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Conflict, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Unavailable, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ProblemKind::Forbidden, message)
    }

    /// The collection is not there, or not this account's to see: the two look alike.
    pub(crate) fn not_found() -> Self {
        Self::new(ProblemKind::NotFound, "there is no such collection")
    }

    /// The server's own fault; what it was stays in its log.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "an order failed");
        Self::new(ProblemKind::Internal, "the server failed; its log says why")
    }

    pub(crate) fn blaming(mut self, roles: &[Role]) -> Self {
        self.0.blamed = roles.iter().map(|role| role.index() as u8).collect();
        self
    }

    pub(crate) fn in_session(mut self, session: [u8; 32]) -> Self {
        self.0.session = Some(Digest(session));
        self
    }

    pub(crate) fn into_answer(self) -> Answer {
        Answer::Refused(*self.0)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Damaged { .. } => {
                tracing::error!(%error, "a store is damaged");
                Self::new(ProblemKind::Damaged, "this server's shares are damaged: they need a repair")
            }
            _ => Self::internal(&error),
        }
    }
}

impl From<Rejected> for Refusal {
    fn from(rejected: Rejected) -> Self {
        let kind = match rejected {
            Rejected::NotOwner | Rejected::Signature => ProblemKind::Forbidden,
            Rejected::Number { .. } | Rejected::Fork => ProblemKind::Conflict,
            _ => ProblemKind::BadRequest,
        };
        Self::new(kind, rejected.to_string())
    }
}

/// What went wrong while a thread worked.
impl From<String> for Refusal {
    fn from(error: String) -> Self {
        Self::internal(&error)
    }
}
