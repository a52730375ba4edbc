//! Talking to a cloud: typed calls over a [`Transport`] that seals every request to the server's pinned key.

mod client;
mod http;
mod transport;

pub(crate) use client::{Remote, Timing};
pub(crate) use http::read_problem;
pub use http::{Connection, HttpTransport};
pub use transport::{Exchange, Transport, TransportError};
