//! `pmirs completions`: the completion script of a shell.

use std::io::{self, Write};

use clap::CommandFactory;
use serde::Serialize;

use crate::cli::{Cli, Completions};
use crate::output::{Answer, Output};
use crate::report::Failure;

#[derive(Serialize)]
struct Script {
    shell: String,
    script: String,
}

impl Answer for Script {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.script.as_bytes())
    }
}

pub fn run(args: &Completions, output: Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pmirs", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    output.answer(&Script { shell: args.shell.to_string(), script })
}
