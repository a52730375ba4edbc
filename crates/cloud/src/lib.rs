//! The HTTP service that stores, ranks and returns what it cannot read.
//!
//! A [`Server`] keeps accounts, collections, sealed items and veiled vectors in one folder. It links no crate
//! that could tell it what an item shows: neither the encoder, nor the veil, nor the client.
//!
//! ```
//! use pmirs_cloud::{Config, Embedded};
//!
//! let folder = tempfile::tempdir()?;
//! let server = Embedded::start(Config::loopback(folder.path()))?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! assert!(server.first_invite().is_some()); // nobody has an account yet
//! server.stop()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A request comes in through the `gate` (rates, memory, time), is opened if it is an `envelope`, reaches its
//! route, which checks who asks (`auth`) and every field (`check`), and then works on `storage` and, for a
//! search, on the `ranking`. Bodies are the messages of `pmirs-wire`: CBOR, or JSON where a header asks for it.

mod app;
mod auth;
mod check;
mod clock;
mod commitment;
mod config;
mod connection;
mod embedded;
mod error;
mod federation;
mod folder;
mod gate;
mod history;
#[cfg(test)]
mod hostile;
mod inspect;
mod mailbox;
mod metrics;
mod openapi;
mod ranking;
mod refusal;
mod replay;
mod routes;
mod server;
mod speech;
mod storage;
mod throttle;
mod tls;

pub use config::{Config, Limits, Rate, TlsFiles};
pub use embedded::Embedded;
pub use error::Error;
pub use inspect::{Class, StoredField, inspect};
pub use pmirs_wire::account::Invite;
pub use routes::route_list;
pub use server::{Server, shutdown_signal};
pub use storage::StorageError;
