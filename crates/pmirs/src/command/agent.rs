//! `pmirs agent`: started by the program itself after a passphrase was entered.

use crate::agent;
use crate::cli::Global;
use crate::exit::Exit;
use crate::home;
use crate::report::Failure;

pub fn run(global: &Global) -> Result<(), Failure> {
    agent::run(&home::folder(global)?, agent::ttl()).map_err(|error| {
        Failure::new(Exit::Failure, format!("the agent ended: {error}"), "run `pmirs unlock`")
    })
}
