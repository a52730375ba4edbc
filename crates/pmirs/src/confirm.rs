//! Asking before something that cannot be undone.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal};

use crate::exit::Exit;
use crate::report::Failure;

/// Whether the person at the terminal types `yes`. `whether` says what is asked where there is no terminal, and
/// `instead` what to do there.
pub fn yes(question: impl Display, whether: &str, instead: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            format!("there is no terminal to ask whether {whether}"),
            instead,
        ));
    }
    eprint!("{question} Type yes: ");
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(Exit::Failure, format!("cannot read the answer: {error}"), instead))?;
    Ok(answer.trim() == "yes")
}
