//! What travels inside the HPKE envelope: a whole request, a whole answer.
//!
//! A proxy that ends TLS sees only `POST /v1/envelope`: method, path, token and body lie inside.

use serde::{Deserialize, Serialize};

use crate::{Bytes, Message, limits};

/// The methods that PMIRS uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Changes or asks with a body.
    Post,
    /// Deletes.
    Delete,
}

impl Method {
    /// As HTTP spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// A request inside its envelope.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct InnerRequest {
    /// The client's clock in milliseconds since 1970: an old request is refused.
    pub sent_ms: u64,
    /// What to do.
    pub method: Method,
    /// Path and query, such as `/v1/collections`.
    pub path: String,
    /// The bearer token, where the route wants one.
    pub token: Option<Bytes>,
    /// The encoded message; empty for reads.
    pub body: Bytes,
    /// The sender's, over a [`SignedRequest`](crate::access::SignedRequest); present where the route wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Bytes>,
}

/// Method and path, and nothing that a log must not hold.
impl std::fmt::Debug for InnerRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InnerRequest({:?} {})", self.method, self.path)
    }
}

impl Message for InnerRequest {
    const NAME: &'static str = "enveloped request";
    const MAX_BYTES: usize = limits::BODY + (64 << 10);
}

/// An answer inside its envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InnerResponse {
    /// The HTTP status of the inner request.
    pub status: u16,
    /// The encoded message, or a [`Problem`](crate::problem::Problem) where the status is an error.
    pub body: Bytes,
}

impl Message for InnerResponse {
    const NAME: &'static str = "enveloped answer";
    const MAX_BYTES: usize = limits::BODY + (64 << 10);
}
