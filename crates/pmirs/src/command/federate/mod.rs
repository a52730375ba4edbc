//! `pmirs federate simulate`.

mod simulate;

use crate::cli::Federate;
use crate::output::Output;
use crate::report::Failure;

pub fn run(command: &Federate, output: Output) -> Result<(), Failure> {
    match command {
        Federate::Simulate(args) => simulate::run(args, output),
    }
}
