//! Saying no: one status and one sentence that names the field.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pmirs_wire::problem::{Problem, ProblemKind};

use crate::speech::Answer;
use crate::storage::StorageError;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    problem: Problem,
}

impl Refusal {
    fn new(status: StatusCode, kind: ProblemKind, message: impl Into<String>) -> Self {
        Self { status, problem: Problem { kind, message: message.into() } }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ProblemKind::BadRequest, message)
    }

    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, ProblemKind::Unauthenticated, message)
    }

    /// The same for what is absent and for what is not this account's to see.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, ProblemKind::NotFound, format!("there is no such {what}"))
    }

    pub(crate) fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            ProblemKind::BadRequest,
            "this address does not take this method",
        )
    }

    pub(crate) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, ProblemKind::Forbidden, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, ProblemKind::Conflict, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, ProblemKind::TooLarge, message)
    }

    pub(crate) fn too_many(message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, ProblemKind::TooMany, message)
    }

    pub(crate) fn unavailable(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ProblemKind::Unavailable, message)
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, ProblemKind::Unavailable, "the request took too long")
    }

    /// Status and problem, for an answer that is not HTTP.
    pub(crate) fn into_parts(self) -> (StatusCode, Problem) {
        (self.status, self.problem)
    }

    /// What is stored is not what was stored: asking again will not help.
    pub(crate) fn damaged(detail: &dyn std::fmt::Display) -> Self {
        tracing::error!(%detail, "stored data is damaged");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ProblemKind::Damaged,
            "what the server stored is damaged or lost; its log names the file or record",
        )
    }

    /// Our own fault: the client learns that much, the log the rest.
    pub(crate) fn internal(detail: &dyn std::fmt::Display) -> Self {
        tracing::error!(%detail, "a request failed by the server's own fault");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ProblemKind::Internal,
            "the server failed; its operator finds the reason in the log",
        )
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        let damaged = match &error {
            StorageError::Damaged { .. } => true,
            StorageError::Content { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        };
        if damaged { Self::damaged(&error) } else { Self::internal(&error) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        Answer::new(self.status, self.problem).into_response()
    }
}
