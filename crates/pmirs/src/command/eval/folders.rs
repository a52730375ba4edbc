//! `pmirs eval folders`.

use std::io::{self, Write};

use pmirs_lab::eval::{self, ClassReport, FolderReport};

use super::{selection, watched};
use crate::cli::EvalFolders;
use crate::command::model;
use crate::output::{Answer, BOLD, Output, plain};
use crate::report::Failure;

/// Classes that are printed, the worst first.
const SHOWN: usize = 10;

pub fn run(args: &EvalFolders, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    let selection = selection(args.held_out);
    output.answer(&watched(output, |watch| eval::folders(&encoder, &args.dir, selection, watch))?)
}

impl Answer for FolderReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} pictures in {} classes", self.images, self.classes)?;
        writeln!(out, "  {BOLD}accuracy {:.3}{BOLD:#}", self.accuracy)?;
        let share = |class: &ClassReport| class.right as f64 / class.images.max(1) as f64;
        let mut classes: Vec<&ClassReport> = self.by_class.iter().collect();
        classes.sort_by(|a, b| share(a).total_cmp(&share(b)));
        for class in classes.iter().take(SHOWN) {
            write!(out, "  {:.3} {}", share(class), plain(&class.class))?;
            match &class.taken_for {
                Some(other) => writeln!(out, ", taken for {}", plain(other))?,
                None => writeln!(out)?,
            }
        }
        match classes.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(out, "  and {more} classes that fare better; --json lists all"),
        }
    }
}
