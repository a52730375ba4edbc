//! One of the three servers that together search what none of them can see.
//!
//! A [`Server`] holds one party's shares of every collection in one folder. It takes orders that members signed, checks
//! each on its own, and computes with the two others over links of mutual TLS. It links no crate that could tell it what
//! an item shows, and none of a client's.
//!
//! ```
//! use pmirs_party::Embedded;
//!
//! // Three parties in one process, for tests and examples: three folders, three keys, six ports.
//! let folder = tempfile::tempdir()?;
//! let trio = Embedded::trio(folder.path())?;
//! assert_ne!(trio[0].entry().signs, trio[1].entry().signs);
//! for party in trio {
//!     party.stop()?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An order comes in through the `http` gate as an envelope, is checked by `orders` (signature, time, once only, role)
//! and then changes a `store`, or becomes a `session` of all three: `search`, `encode`, `refresh`, `repair`. `models` are
//! stores whose rows are the weights of an encoder. `peers` are the links.

#[cfg(test)]
#[path = "../tests/client/mod.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod client;
mod clock;
mod commands;
mod config;
mod embedded;
mod error;
mod folder;
#[cfg(test)]
mod hostile;
mod http;
mod members;
mod models;
mod orders;
mod parties;
mod peers;
mod plant;
mod refusal;
mod server;
mod session;
mod state;
mod store;

pub use config::{Config, Limits, TlsFiles};
pub use embedded::Embedded;
pub use error::Error;
pub use folder::describe;
pub use parties::{read_parties, write_parties};
pub use server::{Server, shutdown_signal};
