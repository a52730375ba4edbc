//! One module per command; here is only which is which.

mod accesses;
mod account;
mod add;
mod agent;
mod audit;
mod bench;
mod collection;
mod completions;
mod contact;
mod demo;
mod devices;
mod distill;
mod eval;
mod federate;
mod init;
mod invite;
mod item;
mod jobs;
mod log;
mod login;
mod man;
mod model;
mod party;
mod people;
mod privacy;
mod search;
mod serve;
mod share;
mod status;
mod table;
mod unlock;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Account, Cli, Command};
use crate::exit::Exit;
use crate::home;
use crate::job;
use crate::output::Output;
use crate::report::{self, Failure};

/// Reads the command line, runs the command, tells how it went.
pub fn main() -> ExitCode {
    // Known before the command line is understood, since it may be the command line that is wrong.
    let json = std::env::args_os().any(|argument| argument == "--json");
    let exit = match job::take_up().map_err(|error| not_taken_up(&error)) {
        Err(failure) => failure.tell(json),
        Ok(()) => match Cli::try_parse() {
            Err(error) => report::usage(&error, json),
            Ok(cli) => match run(&cli) {
                Ok(()) => Exit::Success,
                Err(failure) => failure.tell(json),
            },
        },
    };
    job::ended(exit);
    exit.into()
}

fn not_taken_up(error: &std::io::Error) -> Failure {
    let hint = "PMIRS_JOB is for the program itself: take it out of the environment";
    Failure::new(Exit::Failure, format!("the job that PMIRS_JOB names was not taken up: {error}"), hint)
}

fn run(Cli { global, command }: &Cli) -> Result<(), Failure> {
    let output = Output::new(global);
    home::settle(global);
    match command {
        Command::Demo(args) => demo::run(args, output),
        Command::Init(_) => init::init(global, output),
        Command::Restore(args) => init::restore(args, global, output),
        Command::Unlock => unlock::unlock(global, output),
        Command::Lock => unlock::lock(global, output),
        Command::Serve(args) => serve::run(args, output),
        Command::Party(command) => party::run(command, global, output),
        Command::Login(args) => login::run(args, global, output),
        Command::Invite(args) => invite::run(args, global, output),
        Command::Contact(command) => contact::run(command, global, output),
        Command::Collection(command) => collection::run(command, global, output),
        Command::Add(args) => add::run(args, global, output),
        Command::Search(args) => search::run(args, global, output),
        Command::Get(args) => item::get(args, global, output),
        Command::Rm(args) => item::rm(args, global, output),
        Command::Tag(args) => item::tag(args, global, output),
        Command::Devices(args) => devices::run(args, global, output),
        Command::Join(args) => devices::join(args, global, output),
        Command::Account(Account::Delete(args)) => account::delete(args, global, output),
        Command::Export(args) => account::export(args, global, output),
        Command::Accesses(args) => accesses::run(args, global, output),
        Command::Status(_) => status::run(global, output),
        Command::Verify(args) => verify::run(args, global, output),
        Command::Share(args) => share::share(args, global, output),
        Command::Revoke(args) => share::revoke(args, global, output),
        Command::Rekey(args) => share::rekey(args, global, output),
        Command::Log(args) => log::run(args, global, output),
        Command::Model(command) => model::run(command, global, output),
        Command::Eval(command) => eval::run(command, output),
        Command::Bench(command) => bench::run(command, output),
        Command::Audit(args) => audit::run(args, output),
        Command::Privacy(command) => privacy::run(command, global, output),
        Command::Completions(args) => completions::run(args, output),
        Command::Man(args) => man::run(args, output),
        Command::Table => table::run(output),
        Command::Federate(command) => federate::run(command, global, output),
        Command::Jobs(args) => jobs::run(args, global, output),
        Command::Agent => agent::run(global),
    }
}
