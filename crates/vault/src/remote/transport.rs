//! The seam between the client and whatever carries its requests; tests put a lying server here.

use std::time::Duration;

use pmirs_wire::Digest;
use pmirs_wire::envelope::{InnerRequest, InnerResponse};

/// An answer, with where its time went.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What the server said.
    pub response: InnerResponse,
    /// Sealing the request.
    pub seal: Duration,
    /// From the first byte out to the last byte in.
    pub network: Duration,
    /// Opening the answer.
    pub open: Duration,
}

/// Carries a request to the server and its answer back.
pub trait Transport: Send + Sync {
    /// One round trip.
    ///
    /// # Errors
    /// When there is no answer, or none that the server's key vouches for.
    fn exchange(&self, request: &InnerRequest) -> Result<Exchange, TransportError>;

    /// What to call the server in messages.
    fn name(&self) -> &str;
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// An answer that is not one.
    #[error("{0}")]
    Malformed(String),
    /// The server holds another key than the pinned one.
    #[error("its key {got} is not the pinned one {pinned}")]
    KeyChanged {
        /// Fingerprint that it shows.
        got: Digest,
        /// Fingerprint that was pinned.
        pinned: Digest,
    },
    /// The server refused the envelope itself.
    #[error("{0}")]
    Refused(pmirs_wire::problem::Problem),
}
