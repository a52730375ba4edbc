//! `pmirs`: private search over your own pictures and notes.
//!
//! The binary is a thin shell: [`cli`] says what can be typed, [`command`] has one module per command,
//! [`output`] and [`report`] decide how anything is printed. All work happens in the crates below.

mod agent;
mod cli;
mod command;
mod confirm;
mod exit;
mod explain;
mod gallery;
mod home;
mod job;
mod learns;
mod models;
mod moment;
mod output;
mod progress;
mod report;
mod secret;
mod session;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::main()
}
