//! How a failure is told: one `error:` line and one `hint:` line on standard error, and with `--json` also
//! one object on standard output, so that a program reads success and failure from the same place.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::CommandFactory;
use serde::Serialize;

use crate::cli::Cli;
use crate::exit::Exit;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// A failure in words that a person can act on: what went wrong, and what to do next.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: String,
    hint: String,
    answered: bool,
}

impl Failure {
    /// A failure with its exit code, what went wrong (naming the culprit) and what to try.
    pub fn new(exit: Exit, error: impl Display, hint: impl Display) -> Self {
        Self { exit, error: one_line(&error.to_string()), hint: one_line(&hint.to_string()), answered: false }
    }

    /// A file or folder that could not be read or written.
    pub fn file(path: &std::path::Path, action: &str, error: &io::Error) -> Self {
        let path = path.display();
        match error.kind() {
            io::ErrorKind::NotFound => Self::new(
                Exit::NotFound,
                format!("{path} does not exist"),
                "check the path for a typing mistake",
            ),
            io::ErrorKind::PermissionDenied => Self::new(
                Exit::Failure,
                format!("cannot {action} {path}: permission denied"),
                format!("look at its owner and mode with `ls -ld {path}`"),
            ),
            _ => Self::new(
                Exit::Failure,
                format!("cannot {action} {path}: {error}"),
                "check the path and the disk",
            ),
        }
    }

    /// A failure to print. A reader that went away is no failure.
    pub fn print(error: &io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Success } else { Exit::Failure };
        Self::new(
            exit,
            format!("cannot write the output: {error}"),
            "check the disk or the program that reads it",
        )
    }

    /// What went wrong, in one line.
    pub fn error(&self) -> &str {
        &self.error
    }

    /// A failure that the command's answer tells already, so that no second JSON object follows it.
    #[must_use]
    pub fn answered(self) -> Self {
        Self { answered: true, ..self }
    }

    /// The code that the process will end with.
    #[cfg(test)]
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Prints the failure and gives back the exit code.
    pub fn tell(&self, json: bool) -> Exit {
        if self.exit == Exit::Success {
            return self.exit;
        }
        // Nothing useful is left to do when even the error cannot be printed.
        let _ = writeln!(
            anstream::stderr(),
            "{ERROR}error:{ERROR:#} {}\n{HINT}hint:{HINT:#} {}",
            self.error,
            self.hint
        );
        if json && !self.answered {
            let object = Object { error: &self.error, hint: &self.hint, code: self.exit as u8 };
            if let Ok(line) = serde_json::to_string(&object) {
                let _ = writeln!(io::stdout(), "{line}");
            }
        }
        self.exit
    }
}

#[derive(Serialize)]
struct Object<'a> {
    error: &'a str,
    hint: &'a str,
    code: u8,
}

/// What `clap` found wrong with the command line, in the same two lines as everything else.
///
/// # Errors
/// None: `--help` and `--version` arrive here as well, and are printed as they are.
pub fn usage(error: &clap::Error, json: bool) -> Exit {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match error.print() {
            Err(error) => Failure::print(&error).tell(json),
            Ok(()) => Exit::Success,
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Exit::Usage
        }
        _ => in_two_lines(&error.render().to_string(), &command_path()).tell(json),
    }
}

/// The command that was meant, as far as its words are known: `pmirs collection new`.
fn command_path() -> String {
    let mut command = Cli::command();
    let mut path = command.get_name().to_owned();
    for argument in std::env::args_os().skip(1) {
        let argument = argument.to_string_lossy();
        let Some(subcommand) = command.find_subcommand(&*argument).cloned() else { continue };
        path = format!("{path} {argument}");
        command = subcommand;
    }
    path
}

/// `clap` renders paragraphs: the error, its tips, the usage, where to get help.
fn in_two_lines(rendered: &str, command: &str) -> Failure {
    let mut paragraphs = rendered.split("\n\n").map(one_line);
    let error = paragraphs.next().unwrap_or_default();
    let error = error.strip_prefix("error: ").unwrap_or(&error).to_owned();
    let mut tip = None;
    let mut usage = None;
    for paragraph in paragraphs {
        if let Some(text) = paragraph.strip_prefix("tip: ") {
            tip.get_or_insert_with(|| text.split(" tip: ").next().unwrap_or(text).to_owned());
        } else if let Some(text) = paragraph.strip_prefix("Usage: ") {
            usage.get_or_insert_with(|| format!("usage: {text}; `{command} --help` explains it"));
        }
    }
    let hint = tip.or(usage).unwrap_or_else(|| format!("`{command} --help` explains it"));
    Failure::new(Exit::Usage, error, hint)
}

/// Error texts of other libraries may span lines; the promise is one line each.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_usage_error_becomes_two_lines() {
        let failure = in_two_lines(
            "error: unrecognized subcommand 'serch'\n\n  tip: a similar subcommand exists: 'search'\n\nUsage: pmirs \
             [OPTIONS] <COMMAND>\n\nFor more information, try '--help'.\n",
            "pmirs",
        );
        assert_eq!(failure.error, "unrecognized subcommand 'serch'");
        assert_eq!(failure.hint, "a similar subcommand exists: 'search'");
        assert_eq!(failure.exit(), Exit::Usage);
    }

    #[test]
    fn without_a_tip_the_usage_is_the_hint() {
        let failure = in_two_lines(
            "error: missing:\n  <WORDS>\n\nUsage: pmirs search <COLLECTION> <WORDS>\n",
            "pmirs search",
        );
        assert_eq!(failure.error, "missing: <WORDS>");
        assert_eq!(
            failure.hint,
            "usage: pmirs search <COLLECTION> <WORDS>; `pmirs search --help` explains it"
        );
    }

    #[test]
    fn a_reader_that_goes_away_is_success() {
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::print(&gone).tell(true), Exit::Success);
    }
}
