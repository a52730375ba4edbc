//! `pmirs federate`: learning together.

pub(super) mod find;
mod join;
mod log;
mod pace;
mod rules;
mod simulate;
mod start;
mod status;

use crate::cli::{Federate, Global};
use crate::output::Output;
use crate::report::Failure;

pub fn run(command: &Federate, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        Federate::Start(args) => start::run(args, global, output),
        Federate::Join(args) => join::run(args, global, output),
        Federate::Status(args) => status::run(args, global, output),
        Federate::Log(args) => log::run(args, global, output),
        Federate::Simulate(args) => simulate::run(args, output),
    }
}
