//! Federated learning.

pub mod bench;
pub mod client;
pub mod clip;
pub mod compress;
mod draw;
mod error;
pub mod fixed;
pub mod graph;
mod group;
pub mod message;
pub mod model;
pub mod optimiser;
mod pair;
pub mod partition;
pub mod plan;
mod round;
pub mod server;
pub mod simulate;
pub mod trainer;

pub use error::Error;
pub use group::{Group, MAX_MEMBERS};
pub use round::Round;
