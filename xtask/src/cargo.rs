//! Running cargo: its output is passed on line by line and kept for the summary.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command printed, both streams in the order of their lines.
pub type Lines = Vec<String>;

/// The command `cargo` with these arguments, in the workspace's root and with an empty standard input.
pub fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    command.args(arguments).current_dir(manifest.parent().unwrap_or(manifest)).stdin(Stdio::null());
    command
}

/// Runs a command and passes its output on.
///
/// # Errors
///
/// How the command ended, if not with success; what it printed comes along either way.
pub fn run(mut command: Command) -> (Lines, Result<(), String>) {
    println!("$ {}", shown(&command));
    let mut lines = Lines::new();
    let outcome = stream(&mut command, &mut lines).map_err(|error| format!("{}: {error}", shown(&command)));
    let outcome = outcome
        .and_then(|success| if success { Ok(()) } else { Err(format!("failed: {}", shown(&command))) });
    (lines, outcome)
}

/// Whether a command starts and succeeds, and what it printed; nothing is shown.
pub fn quietly(mut command: Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn stream(command: &mut Command, lines: &mut Lines) -> std::io::Result<bool> {
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn()?;
    // The command holds the pipe's writing end: until it lets go, reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        println!("{text}");
        lines.push(text);
        line.clear();
    }
    Ok(child.wait()?.success())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or_default().to_string_lossy();
    let arguments = command.get_args().map(OsStr::to_string_lossy);
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_and_failure_names_the_command() {
        let (lines, outcome) = run(cargo(["--version"]));
        assert_eq!(outcome, Ok(()));
        assert!(lines.iter().any(|line| line.starts_with("cargo ")), "{lines:?}");

        let (lines, outcome) = run(cargo(["no-such-subcommand"]));
        assert_eq!(outcome, Err("failed: cargo no-such-subcommand".to_owned()));
        assert!(lines.iter().any(|line| line.starts_with("error")), "{lines:?}");
    }
}
