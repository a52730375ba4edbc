//! `pmirs unlock` and `pmirs lock`: starting and ending the time without a passphrase.

use std::io::{self, Write};

use serde::Serialize;

use crate::agent;
use crate::cli::Global;
use crate::exit::Exit;
use crate::home;
use crate::output::{Answer, Output};
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Unlocked {
    unlocked: bool,
    seconds: u64,
}

impl Answer for Unlocked {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.unlocked {
            let minutes = self.seconds.div_ceil(60);
            writeln!(out, "Unlocked; locks itself after {minutes} min without use, or with `pmirs lock`.")
        } else {
            writeln!(
                out,
                "The passphrase is right; no agent holds the identity, so every command asks for it."
            )
        }
    }
}

pub fn unlock(global: &Global, output: Output) -> Result<(), Failure> {
    let home = home::folder(global)?;
    if agent::remaining(&home).is_none() {
        session::unlock(global, &home)?;
    }
    let remaining = agent::remaining(&home);
    output
        .answer(&Unlocked { unlocked: remaining.is_some(), seconds: remaining.unwrap_or_default().as_secs() })
}

#[derive(Serialize)]
struct Locked {
    was_unlocked: bool,
}

impl Answer for Locked {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", if self.was_unlocked { "Locked." } else { "It was locked already." })
    }
}

pub fn lock(global: &Global, output: Output) -> Result<(), Failure> {
    let home = home::folder(global)?;
    let was_unlocked = agent::lock(&home).map_err(|error| {
        Failure::new(
            Exit::Failure,
            format!("the agent does not lock: {error}"),
            "end the process `pmirs agent` by hand",
        )
    })?;
    output.answer(&Locked { was_unlocked })
}
