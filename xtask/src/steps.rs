//! The steps of `cargo xtask test`, in their order. A failed step does not keep the later ones from running.

use std::process::ExitCode;
use std::time::Instant;

use crate::cargo::{Lines, cargo, run as run_command};
use crate::summary::{Outcome, Summary};
use crate::{closure, tools};

/// A named part of the tests.
pub struct Step {
    name: &'static str,
    run: fn(&mut Lines) -> Result<(), String>,
}

/// The check that servers cannot reach what would let them understand anything.
pub const TRUST_EDGES: Step = Step { name: "trust edges", run: |_| closure::check() };

/// Everything, the quick checks first.
pub const ALL: [Step; 10] = [
    Step { name: "tools", run: |_| tools::install() },
    TRUST_EDGES,
    Step { name: "formatting", run: |lines| keep(lines, &["fmt", "--all", "--", "--check"]) },
    Step { name: "bans, licences, sources", run: |lines| keep(lines, &DENY) },
    Step { name: "advisories", run: advisories },
    Step { name: "clippy", run: |lines| keep(lines, &CLIPPY) },
    Step { name: "documentation", run: documentation },
    Step { name: "test programs", run: |lines| keep(lines, &[&TEST[..], &["--no-run"]].concat()) },
    Step { name: "doc tests", run: |lines| keep(lines, &DOC_TEST) },
    Step { name: "tests", run: |lines| keep(lines, &[&TEST[..], &SHOW[..]].concat()) },
];

const DENY: [&str; 7] = ["deny", "--all-features", "--locked", "check", "bans", "licenses", "sources"];
const CLIPPY: [&str; 8] =
    ["clippy", "--workspace", "--all-targets", "--all-features", "--locked", "--", "-D", "warnings"];
const TEST: [&str; 9] = [
    "test",
    "--workspace",
    "--all-features",
    "--locked",
    "--no-fail-fast",
    "--lib",
    "--bins",
    "--tests",
    "--examples",
];
/// Passing tests show their output too: that is where a skipped one says why.
const SHOW: [&str; 2] = ["--", "--show-output"];
const DOC_TEST: [&str; 6] = ["test", "--workspace", "--all-features", "--locked", "--no-fail-fast", "--doc"];

/// Runs the steps and prints the summary; the exit code says whether all passed.
pub fn run(steps: &[Step]) -> ExitCode {
    let mut summary = Summary::default();
    for (number, step) in steps.iter().enumerate() {
        println!("\n== {} of {}: {}", number + 1, steps.len(), step.name);
        let begun = Instant::now();
        let mut lines = Lines::new();
        let result = (step.run)(&mut lines);
        if let Err(reason) = &result {
            println!("{reason}\n== failed: {}", step.name);
        }
        summary.add(Outcome { step: step.name, seconds: begun.elapsed().as_secs_f64(), result }, &lines);
    }
    print!("\n{summary}");
    if summary.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn keep(lines: &mut Lines, arguments: &[&str]) -> Result<(), String> {
    let (printed, outcome) = run_command(cargo(arguments));
    lines.extend(printed);
    outcome
}

/// Known vulnerabilities. The database lives on the network; without it the step is skipped, and says so.
fn advisories(lines: &mut Lines) -> Result<(), String> {
    if keep(lines, &["deny", "--locked", "fetch", "db"]).is_err() {
        let skipped = "skipped: advisories: the RustSec database could not be fetched";
        println!("{skipped}");
        lines.push(skipped.to_owned());
        return Ok(());
    }
    keep(lines, &["deny", "--all-features", "--locked", "check", "--disable-fetch", "advisories"])
}

fn documentation(lines: &mut Lines) -> Result<(), String> {
    let mut command = cargo(["doc", "--workspace", "--no-deps", "--all-features", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    let (printed, outcome) = run_command(command);
    lines.extend(printed);
    outcome
}
