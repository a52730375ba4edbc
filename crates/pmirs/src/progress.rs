//! Progress bars on standard error, when it is a terminal.

use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::job::Reporter;
use crate::output::Output;

/// Shows how far the vault is.
pub struct Bar {
    bar: ProgressBar,
    /// In a job, for whoever asks how far it is.
    reporter: Option<Reporter>,
}

/// A bar with so many steps, a message before it and a note behind it; hidden where nobody watches.
pub fn steps(output: Output, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), target(output));
    if let Ok(style) = ProgressStyle::with_template(
        "  {msg} {wide_bar:.cyan/dim} {human_pos}/{human_len} {eta:.dim} {prefix}",
    ) {
        bar.set_style(style.progress_chars("━╸━"));
    }
    bar
}

fn target(output: Output) -> ProgressDrawTarget {
    if output.shows_progress() {
        ProgressDrawTarget::stderr_with_hz(10)
    } else {
        ProgressDrawTarget::hidden()
    }
}

impl Bar {
    /// A bar for a person at a terminal, nothing at all for anyone else.
    pub fn new(output: Output) -> Self {
        Self { bar: steps(output, 0), reporter: Reporter::new() }
    }
}

impl pmirs_vault::Progress for Bar {
    fn start(&self, phase: &'static str, total: Option<u64>) {
        if let Some(reporter) = &self.reporter {
            reporter.phase(phase, total);
        }
        self.bar.reset();
        self.bar.set_message(phase);
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
    }

    fn advance(&self, steps: u64) {
        if let Some(reporter) = &self.reporter {
            reporter.advance(steps);
        }
        self.bar.inc(steps);
    }

    /// The report at the end lists them.
    fn skipped(&self, _path: &Path, _reason: &str) {
        self.advance(1);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
