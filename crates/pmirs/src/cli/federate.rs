//! Learning together.

use clap::Subcommand;

use super::federation::{FederateJoin, FederateLog, FederateStart, FederateStatus};

/// Improve a model together, without anybody showing a picture
#[derive(Debug, Subcommand)]
pub enum Federate {
    Start(Box<FederateStart>),
    Join(Box<FederateJoin>),
    Status(FederateStatus),
    Log(FederateLog),
}
