//! `pmirs completions`: the completion script of a shell.

use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::output::Output;
use crate::report::Failure;

pub fn run(args: &Completions, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pmirs", &mut script);
    output.say(|out| out.write_all(&script))
}
