//! `pmirs eval sheet`.

use std::io::{self, Write};

use pmirs_lab::eval::{self, SheetReport};

use super::{watched, write};
use crate::cli::EvalSheet;
use crate::command::model;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, DIM, Output, plain};
use crate::report::Failure;

pub fn run(args: &EvalSheet, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    let sheet =
        watched(output, |watch| eval::sheet(&encoder, &args.source, &args.queries, args.columns, watch))?;
    let png = sheet.page.to_png();
    let png = png.map_err(|error| Failure::new(Exit::Failure, &error, "this is a bug; please report it"))?;
    write(&args.out, &png)?;
    output.answer(&sheet.report)
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
