//! The links to the two other parties.

mod link;
mod mesh;
mod tls;
mod wire;

pub(crate) use link::{Ends, PeerLink};
#[cfg(test)]
pub(crate) use link::{Fate, Tamper};
pub(crate) use mesh::{Mesh, NotMet, run};
pub(crate) use wire::{Incoming, Missing, Wire};
