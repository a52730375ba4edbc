//! Where output goes: answers to standard output, remarks and progress to standard error, colour only to a
//! terminal.
//!
//! With `--json` standard output carries exactly one object and nothing else.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::cli::{ColorArg, Global};
use crate::report::Failure;

/// Headings.
pub const BOLD: Style = Style::new().bold();
/// What matters less.
pub const DIM: Style = Style::new().dimmed();
/// What went well, and names of things found.
pub const GOOD: Style = AnsiColor::Green.on_default();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// What a command found out: printed for a person, or serialised as the one JSON object.
pub trait Answer: Serialize {
    /// The same content for a person.
    fn print(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// How this run talks, as the global options ask.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    /// Applies the global options, colour included.
    pub fn new(global: &Global) -> Self {
        match global.color {
            ColorArg::Auto => {}
            ColorArg::Always => anstream::ColorChoice::Always.write_global(),
            ColorArg::Never => anstream::ColorChoice::Never.write_global(),
        }
        Self { json: global.json, quiet: global.quiet }
    }

    /// Whether a program reads the answer.
    pub fn json(self) -> bool {
        self.json
    }

    /// Whether progress can be drawn: standard error is a terminal and nobody asked for silence.
    pub fn shows_progress(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Prints the command's answer.
    pub fn answer(self, answer: &impl Answer) -> Result<(), Failure> {
        if self.json { Self::object(answer) } else { Self::draw(|out| answer.print(out)) }
    }

    /// Prints part of an answer as it comes to be; with `--json` nothing, since the object follows at the
    /// end.
    pub fn say(self, print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        if self.json { Ok(()) } else { Self::draw(print) }
    }

    /// A remark on standard error; silent with `--quiet`.
    pub fn note(self, text: impl Display) {
        if !self.quiet {
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// Something that the person should know although the command goes on.
    pub fn warn(text: impl Display) {
        let _ = writeln!(anstream::stderr(), "{WARNING}warning:{WARNING:#} {text}");
    }

    /// Prints the one JSON object.
    pub fn object(answer: &impl Serialize) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, answer)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush())
            .map_err(|error| Failure::print(&error))
    }

    fn draw(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        print(&mut out).and_then(|()| out.flush()).map_err(|error| Failure::print(&error))
    }
}

/// Text from outside, made harmless for a terminal: control characters, and those that turn the direction of
/// what follows, show as escapes.
pub fn plain(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| match c {
        c if c.is_control() => c.escape_default().collect(),
        c if turns(c) => c.escape_unicode().collect(),
        c => vec![c],
    };
    text.chars().flat_map(shown).collect()
}

/// A word as a shell takes it: in quotes where it needs them.
pub fn quoted(text: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "-_./:@%+,".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.to_owned();
    }
    format!("'{}'", plain(text).replace('\'', "'\\''"))
}

/// A size as people say it: `1.4 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "B";
    for larger in UNITS {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

/// `1 picture`, `2 pictures`.
pub fn count(number: usize, singular: &str) -> String {
    if number == 1 { format!("1 {singular}") } else { format!("{number} {singular}s") }
}

/// `1 entry`, `2 entries`.
pub fn log_entries(number: u64) -> String {
    if number == 1 { "1 entry".to_owned() } else { format!("{number} entries") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let read: Vec<_> = [0, 999, 1000, 1_440_000, 3_000_000_000].into_iter().map(bytes).collect();
        assert_eq!(read, ["0 B", "999 B", "1.0 kB", "1.4 MB", "3.0 GB"]);
        assert_eq!(count(1, "item"), "1 item");
        assert_eq!(count(0, "item"), "0 items");
    }

    #[test]
    fn a_name_can_be_pasted_into_a_shell() {
        let pasted: Vec<_> = ["photos", "my photos", "it's", ""].into_iter().map(quoted).collect();
        assert_eq!(pasted, ["photos", "'my photos'", r"'it'\''s'", "''"]);
    }

    #[test]
    fn a_file_name_cannot_drive_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(plain("größe 你好"), "größe 你好");
    }
}
