//! `pmirs eval captions`.

use std::io::{self, Write};

use pmirs_lab::eval::{self, CaptionReport};

use super::{keep, receives, watched};
use crate::cli::EvalCaptions;
use crate::command::model;
use crate::output::{Answer, BOLD, DIM, Output};
use crate::report::Failure;

pub fn run(args: &EvalCaptions, output: Output) -> Result<(), Failure> {
    args.out.as_deref().map_or(Ok(()), receives)?;
    let encoder = model::encoder(args.model.as_deref())?;
    let report = watched(output, |watch| eval::captions(&encoder, &args.file, args.seed, watch))?;
    if let Some(folder) = &args.out {
        keep(folder, "captions", &report, &[("recall", report.figure())])?;
    }
    output.answer(&report)
}

impl Answer for CaptionReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} pictures, {} captions, {}", self.images, self.captions, self.model)?;
        writeln!(out, "{DIM}in brackets: 95% of a bootstrap over pictures{DIM:#}")?;
        let sides = [("words to picture", &self.text_to_image), ("picture to words", &self.image_to_text)];
        for (direction, found) in sides {
            let ci = &found.ci95;
            writeln!(out, "  {BOLD}{direction}{BOLD:#}")?;
            for (name, value, [low, high]) in [
                ("R@1", found.r1, ci.r1),
                ("R@5", found.r5, ci.r5),
                ("R@10", found.r10, ci.r10),
                ("nDCG@10", found.ndcg10, ci.ndcg10),
            ] {
                writeln!(out, "    {name:<12} {BOLD}{value:.3}{BOLD:#}  [{low:.3}, {high:.3}]")?;
            }
            let ([low, high], median) = (ci.median_rank, found.median_rank);
            writeln!(out, "    {:<12} {BOLD}{median:5}{BOLD:#}  [{low}, {high}]", "median rank")?;
        }
        Ok(())
    }
}
