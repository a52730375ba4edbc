//! A collection's history: the signed log, followed, checked and extended by this client.
//!
//! The server keeps the log and is not believed about it. Every entry must be signed by its author, follow the
//! one before it by hash, be something that its author's role allowed at that place, and lead to the Merkle root
//! that it states. What was followed is remembered on this machine: where the log stood, the hash of every entry,
//! and what it pins of each live item. So a server can neither go back, nor change what was, nor show an item that
//! no member wrote; and two clients that compare heads find out whether they were shown the same history.
//!
//! - [`rules`]: which entry may follow, without a network or a disk.
//! - [`follow`]: brings a client to the server's head.
//! - [`append`]: signs what comes next; whoever loses a race signs anew.
//! - [`tell`]: the whole of it, for people to read.

mod append;
mod follow;
mod rules;
mod tell;

pub(crate) use append::{Change, digests};
pub(crate) use follow::History;
pub(crate) use rules::{LeafChange, Member, State};
pub use tell::{Event, Happening};
pub(crate) use tell::{Told, tell};
