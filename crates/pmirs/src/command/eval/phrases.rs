//! `pmirs eval phrases`.

use std::io::{self, Write};

use pmirs_lab::eval::{self, Cutoff, PhraseOptions, PhraseReport, PhraseRow, SummaryRow};

use super::{keep, receives, selection, watched};
use crate::cli::EvalPhrases;
use crate::command::model;
use crate::output::{Answer, BOLD, DIM, Output, plain};
use crate::report::Failure;

const RULES: [&str; 5] = ["fixed", "threshold", "threshold/max", "fitted", "fitted/max"];
const LEVELS: [&str; 3] = ["plaintext", "veiled", "sealed"];

/// The rule whose rows stand side by side: the paper's, on the softmax over its largest value.
const COMPARED: &str = "threshold/max";

pub fn run(args: &EvalPhrases, output: Output) -> Result<(), Failure> {
    args.out.as_deref().map_or(Ok(()), receives)?;
    let encoder = model::encoder(args.model.as_deref())?;
    let options = PhraseOptions {
        selection: selection(args.held_out),
        sizes: args.sizes.clone(),
        iterations: args.iterations,
        per_class: args.per_class,
        seed: args.seed,
    };
    let report = watched(output, |watch| eval::phrases(&encoder, &args.dir, &args.domains, &options, watch))?;
    if let Some(folder) = &args.out {
        keep(folder, "phrases", &report, &report.figures())?;
    }
    output.answer(&report)
}

impl Answer for PhraseReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { model, labels, images_judged, images_fitted, iterations, logit_scale, encode_ms, .. } =
            self;
        writeln!(out, "{model}: {labels} classes, {images_judged} pictures judge and {images_fitted} fit")?;
        writeln!(
            out,
            "{DIM}F1 by rule: mean and deviation of {iterations} iterations, plaintext; softmax of {logit_scale:.1} x \
             cosine\nms: from a picture's embedding to all phrases with their scores; the embedding took \
             {encode_ms:.1} ms{DIM:#}"
        )?;
        let mut domains: Vec<&str> = self.rows.iter().map(|row| row.domain.as_str()).collect();
        domains.dedup();
        domains.into_iter().try_for_each(|domain| print_domain(self, domain, out))?;
        print_summary(&self.summary, out)?;
        writeln!(out, "\n{BOLD}Fitted on the other half of the pictures{BOLD:#}")?;
        for fit in &self.fitted {
            let (rule, alpha, beta) = (fit.rule, fit.alpha, fit.beta);
            let (own, judged) = (fit.f1_fitted_half, fit.f1_judged_half);
            writeln!(
                out,
                "  {rule:<13}  alpha {alpha:.2}  beta {beta}  F1 {own:.3} where fitted, {judged:.3} where judged"
            )?;
        }
        print_no_match(self, out)
    }
}

/// F1 by rule in the clear, then the paper's rule at each level.
fn print_domain(report: &PhraseReport, domain: &str, out: &mut dyn Write) -> io::Result<()> {
    let rows = |level: &str, rule: &str| -> Vec<&PhraseRow> {
        let belongs = |row: &&PhraseRow| row.domain == domain && row.protection == level && row.rule == rule;
        report.rows.iter().filter(belongs).collect()
    };
    let sizes: Vec<usize> = rows("plaintext", "fixed").into_iter().map(|row| row.classes).collect();

    writeln!(out, "\n{BOLD}{}{BOLD:#}", plain(domain))?;
    write!(out, "  {DIM}classes")?;
    RULES.iter().try_for_each(|rule| write!(out, "  {rule:>13}"))?;
    writeln!(out, "{DIM:#}")?;
    let by_rule = RULES.map(|rule| rows("plaintext", rule));
    for (at, classes) in sizes.iter().enumerate() {
        write!(out, "  {classes:>7}")?;
        for row in by_rule.iter().filter_map(|rows| rows.get(at)) {
            write!(out, "  {:>6.3} ±{:.3}", row.f1, row.f1_std)?;
        }
        writeln!(out)?;
    }

    writeln!(out, "  {DIM}{COMPARED}, from left to right: {}", LEVELS.join(", "))?;
    write!(out, "  classes")?;
    LEVELS
        .iter()
        .try_for_each(|_| write!(out, "  {:>5}  {:>5}  {:>5}  {:>7}", "prec.", "rec.", "F1", "ms"))?;
    writeln!(out, "{DIM:#}")?;
    let by_level = LEVELS.map(|level| rows(level, COMPARED));
    for (at, classes) in sizes.iter().enumerate() {
        write!(out, "  {classes:>7}")?;
        for row in by_level.iter().filter_map(|rows| rows.get(at)) {
            let PhraseRow { precision, recall, f1, ms, .. } = row;
            write!(out, "  {precision:.3}  {recall:.3}  {f1:.3}  {ms:>7.3}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn print_summary(rows: &[SummaryRow], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Mean over domains and sizes{BOLD:#}")?;
    writeln!(
        out,
        "  {DIM}protection  rule           precision  recall     F1  answered  F1 over fixed  differs from \
         plaintext by{DIM:#}"
    )?;
    for row in rows {
        let SummaryRow { protection, rule, precision, recall, f1, answered, .. } = row;
        writeln!(
            out,
            "  {protection:<10}  {rule:<13}  {precision:>9.3}  {recall:>6.3}  {f1:.3}  {answered:>8.3}  {:>+12.1}%  \
             {:.4}",
            100.0 * row.f1_over_fixed,
            row.largest_difference
        )?;
    }
    Ok(())
}

fn print_no_match(report: &PhraseReport, out: &mut dyn Write) -> io::Result<()> {
    let found = &report.no_match;
    writeln!(out, "\n{BOLD}\"No match\" when words look for pictures{BOLD:#}")?;
    writeln!(
        out,
        "  {DIM}{} phrases over {} pictures, with and without what they name{DIM:#}",
        found.queries, found.images
    )?;
    let mut print = |name: &str, cutoff: &Cutoff| {
        let Cutoff { cosine, false_positive_rate, false_negative_rate } = cutoff;
        writeln!(
            out,
            "  {name:<10}  cosine {cosine:.3}  false positives {false_positive_rate:.3}  false negatives \
             {false_negative_rate:.3}"
        )
    };
    print("calibrated", &found.calibrated)?;
    found.pack.iter().try_for_each(|cutoff| print("pack's own", cutoff))
}
