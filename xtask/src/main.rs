//! The project's chores, as `cargo xtask COMMAND`.
//!
//! - `test`: installs what the tests need, then runs every check and test there is, and says at the end what
//!   ran, how long it took, and what was skipped and why. `.ci/run` calls exactly this.
//! - `figures`: runs the commands whose output README.md and SECURITY.md hold, and writes it there.
//! - `results`: the same for docs/results alone, with the plots and contact sheets beside it.
//! - `closure`: checks that no server can reach a crate that would let it understand anything.

use std::process::ExitCode;

mod cargo;
mod closure;
mod figures;
mod house;
mod steps;
mod summary;
mod tools;

const USAGE: &str = "\
usage: cargo xtask COMMAND

commands:
  test     install what the tests need, then run every check and test
  closure  check the trust edges between the crates
  figures [PART]
           measure again what README.md, SECURITY.md and docs/results print; only commands that contain PART
  results [PART]
           measure again what docs/results holds, plots and contact sheets included; only commands that contain PART";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => steps::run(&steps::ALL),
        ["figures"] => figures::write(""),
        ["figures", part] => figures::write(part),
        ["results"] => figures::write_results(""),
        ["results", part] => figures::write_results(part),
        ["closure"] => steps::run(&[steps::TRUST_EDGES]),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        unknown => {
            eprintln!("error: unknown command: {}\n\n{USAGE}", unknown.join(" "));
            ExitCode::from(2)
        }
    }
}
