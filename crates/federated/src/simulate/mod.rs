//! Many members in one process: the state machines of a real round, with every message encoded, carried and
//! decoded.
//!
//! [`World`] runs one round of secure aggregation over a [`Wire`], which can lose and alter messages;
//! [`Federation`] runs rounds of learning. Everything follows from a seed.

mod federation;
mod world;

pub use federation::{Aggregation, Failed, Federation, RoundReport};
pub use world::{Direct, Report, Script, Unwatched, Watch, Wire, World};
