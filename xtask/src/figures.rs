//! Figures in documents: a block between two comments holds what a command printed, and nobody types it.
//!
//! ```text
//! <!-- figures: audit --full -->
//! whatever `pmirs audit --full` printed
//! <!-- end of figures -->
//! ```

use std::fs;
use std::path::Path;
use std::process::{ExitCode, Stdio};

use crate::cargo::cargo;

/// Documents that hold figures.
const DOCUMENTS: [&str; 3] = ["README.md", "SECURITY.md", RESULTS];

/// What the built-in model achieves. Its blocks begin with their command, and the commands write plots beside it.
const RESULTS: &str = "docs/results/README.md";

const BEGIN: &str = "<!-- figures: ";
const BEGIN_ENDS: &str = " -->\n";
const END: &str = "<!-- end of figures -->";

/// Runs every document's commands again and writes what they print; `only` narrows them by a part of the command.
pub fn write(only: &str) -> ExitCode {
    write_documents(&DOCUMENTS, only)
}

/// The same for the results alone: everything in `docs/results` that a command writes.
pub fn write_results(only: &str) -> ExitCode {
    write_documents(&[RESULTS], only)
}

fn write_documents(documents: &[&str], only: &str) -> ExitCode {
    for document in documents {
        if let Err(reason) = write_document(document, only) {
            eprintln!("error: {document}: {reason}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn write_document(document: &str, only: &str) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join(document);
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let renewed = renew(&text, &|command| {
        if !command.contains(only) {
            return Ok(None);
        }
        let printed = measure(command)?;
        Ok(Some(if document == RESULTS { format!("$ pmirs {command}\n{printed}") } else { printed }))
    })?;
    if renewed == text { Ok(()) } else { fs::write(&path, renewed).map_err(|error| error.to_string()) }
}

/// The text with each block's body replaced by what `measure` says; `None` keeps it.
fn renew(text: &str, measure: &dyn Fn(&str) -> Result<Option<String>, String>) -> Result<String, String> {
    let mut parts = text.split(BEGIN);
    let mut renewed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (command, rest) = part.split_once(BEGIN_ENDS).ok_or("a block's first line is not closed")?;
        let (body, after) = rest.split_once(END).ok_or_else(|| format!("no end after `{command}`"))?;
        let body = measure(command)?.map_or_else(|| body.to_owned(), |printed| block(&printed));
        renewed.extend([BEGIN, command, BEGIN_ENDS, &body, END, after]);
    }
    Ok(renewed)
}

/// Markdown as it is, anything else as preformatted text.
fn block(printed: &str) -> String {
    let printed = printed.trim_end();
    if printed.starts_with('|') { format!("{printed}\n") } else { format!("```text\n{printed}\n```\n") }
}

fn measure(command: &str) -> Result<String, String> {
    eprintln!("$ pmirs {command}");
    let mut run = cargo(["run", "--release", "--locked", "--quiet", "--"]);
    let output = run
        .args(command.split_whitespace())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("`{command}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{command}` failed"));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("`{command}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "before\n<!-- figures: a b -->\nold\n<!-- end of figures -->\nafter\n";

    #[test]
    fn a_block_holds_what_its_command_printed() {
        let renewed = renew(TEXT, &|command| Ok(Some(format!("{command}: 3 ms\n"))));
        let expected =
            "before\n<!-- figures: a b -->\n```text\na b: 3 ms\n```\n<!-- end of figures -->\nafter\n";
        assert_eq!(renewed.as_deref(), Ok(expected));
        let table = renew(TEXT, &|_| Ok(Some("| x |\n".to_owned())));
        assert!(table.is_ok_and(|it| it.contains("-->\n| x |\n<!--")));
        assert_eq!(renew(TEXT, &|_| Ok(None)).as_deref(), Ok(TEXT));
    }

    #[test]
    fn an_open_block_and_a_failed_command_are_errors() {
        assert!(renew("<!-- figures: a -->\nnever closed", &|_| Ok(None)).is_err());
        assert_eq!(renew(TEXT, &|_| Err("failed".to_owned())), Err("failed".to_owned()));
    }

    #[test]
    fn the_documents_hold_figures() {
        for document in DOCUMENTS {
            let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document));
            let text = text.unwrap_or_default();
            let count = text.matches(BEGIN).count();
            assert!(count > 0, "{document} holds no figures");
            assert_eq!(count, text.matches(END).count(), "{document}");
            assert!(!text.contains("to be measured"), "{document}: run `cargo xtask figures`");
        }
    }
}
