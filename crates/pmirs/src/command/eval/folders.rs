//! `pmirs eval folders`.

use std::io::{self, Write};

use pmirs_lab::eval::{self, FolderReport};

use super::{selection, watched};
use crate::cli::EvalFolders;
use crate::command::model;
use crate::output::{Answer, BOLD, Output};
use crate::report::Failure;

pub fn run(args: &EvalFolders, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    let selection = selection(args.held_out);
    output.answer(&watched(output, |watch| eval::folders(&encoder, &args.dir, selection, watch))?)
}

impl Answer for FolderReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} pictures in {} classes", self.images, self.classes)?;
        writeln!(out, "  {BOLD}accuracy {:.3}{BOLD:#}", self.accuracy)
    }
}
