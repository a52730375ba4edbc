//! `pmirs eval captions|folders`.

use std::io::{self, Write};

use pmirs_lab::eval::{self, CaptionReport, EvalError, FolderReport, Selection};

use super::model;
use crate::cli::{Eval, EvalCaptions, EvalFolders};
use crate::exit::Exit;
use crate::output::{Answer, BOLD, Output};
use crate::progress::steps;
use crate::report::Failure;

pub fn run(command: &Eval, output: Output) -> Result<(), Failure> {
    match command {
        Eval::Captions(args) => captions(args, output),
        Eval::Folders(args) => folders(args, output),
    }
}

impl Answer for CaptionReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} pictures, {} captions", self.images, self.captions)?;
        for (direction, recall) in
            [("words to picture", self.text_to_image), ("picture to words", self.image_to_text)]
        {
            let (r1, r5, r10) = (recall.r1, recall.r5, recall.r10);
            writeln!(out, "  {direction}  {BOLD}R@1 {r1:.3}  R@5 {r5:.3}  R@10 {r10:.3}{BOLD:#}")?;
        }
        Ok(())
    }
}

fn captions(args: &EvalCaptions, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    output.answer(&watched(output, |watch| eval::captions(&encoder, &args.file, watch))?)
}

impl Answer for FolderReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} pictures in {} classes", self.images, self.classes)?;
        writeln!(out, "  {BOLD}accuracy {:.3}{BOLD:#}", self.accuracy)
    }
}

fn folders(args: &EvalFolders, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    let selection = if args.held_out { Selection::HeldOut } else { Selection::All };
    output.answer(&watched(output, |watch| eval::folders(&encoder, &args.dir, selection, watch))?)
}

/// Runs an evaluation under a progress bar.
fn watched<T>(
    output: Output,
    evaluate: impl FnOnce(&mut dyn FnMut(usize, usize)) -> Result<T, EvalError>,
) -> Result<T, Failure> {
    let bar = steps(output, 0);
    bar.set_message("embedding");
    let outcome = evaluate(&mut |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    Ok(outcome?)
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Encoder(error) => error.into(),
            EvalError::File { ref path, .. } if !path.exists() => {
                Self::new(Exit::NotFound, &error, "check the path for a typing mistake")
            }
            EvalError::File { .. } => {
                Self::new(Exit::Usage, &error, "`pmirs eval --help` says what is expected")
            }
            EvalError::Row { .. } => Self::new(
                Exit::Usage,
                &error,
                "it takes tab-separated lines under the header `image<TAB>caption`",
            ),
        }
    }
}
