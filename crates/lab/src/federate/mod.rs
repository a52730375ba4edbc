//! Federations simulated on real pictures and captions: what members who share nothing but sums reach together.
//!
//! ```text
//! table of captions ─▶ Data (examples, clusters) ─▶ partition ─▶ federated::simulate ─▶ Outcome ─▶ figures
//!                                              └──▶ pooled: the same examples, one learner ────┘
//! ```
//!
//! Every draw follows from the setting's seed. A run writes where it stands after each round and goes on from there.

mod data;
mod error;
mod exact;
mod kmeans;
mod outcome;
mod run;
mod saved;
mod setting;
mod study;

pub use pmirs_federated::compress::Compression;
pub use pmirs_federated::optimiser::Rule;

pub use data::Data;
pub use error::SimulateError;
pub use outcome::{Outcome, Row};
pub use run::{pooled, simulate};
pub use setting::{Aggregation, Privacy, Setting, Split};
pub use study::{Run, Study, StudyReport, StudyRow, Tables, study};

use crate::eval::Watch;
