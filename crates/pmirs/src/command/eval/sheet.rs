//! `pmirs eval sheet`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use pmirs_lab::eval::{self, SheetReport};

use super::{receives, unwritable, watched, write};
use crate::cli::EvalSheet;
use crate::command::model;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, DIM, Output, plain};
use crate::report::Failure;

pub fn run(args: &EvalSheet, output: Output) -> Result<(), Failure> {
    receives_file(&args.out)?;
    let encoder = model::encoder(args.model.as_deref())?;
    let sheet =
        watched(output, |watch| eval::sheet(&encoder, &args.source, &args.queries, args.columns, watch))?;
    let png = sheet.page.to_png();
    let png = png.map_err(|error| Failure::new(Exit::Failure, &error, "this is a bug; please report it"))?;
    write(&args.out, &png)?;
    output.answer(&sheet.report)
}

/// The same of the sheet itself: what is there already must be a file that can be written.
fn receives_file(path: &Path) -> Result<(), Failure> {
    receives(path.parent().unwrap_or(path))?;
    match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(path, &error)),
        _ => Ok(()),
    }
}

impl Answer for SheetReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} pictures, {}", self.images, self.model)?;
        for row in &self.rows {
            writeln!(out, "{BOLD}\"{}\"{BOLD:#}", plain(&row.query))?;
            write!(out, " ")?;
            for hit in &row.hits {
                write!(out, " {DIM}{:.2}{DIM:#} {}", hit.score, plain(&hit.name))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
