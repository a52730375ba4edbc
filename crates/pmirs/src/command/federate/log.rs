//! `pmirs federate log`: what each round gave, checked.

use std::io::{self, Write};

use pmirs_vault::federate::Membership;
use serde::Serialize;

use super::find;
use crate::cli::{FederateLog, Global};
use crate::moment::rfc3339;
use crate::output::{Answer, BOLD, DIM, Output, plain};
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Log {
    federation: String,
    name: String,
    rounds: Vec<Row>,
    /// The hash of the last record: the same for all members.
    head: String,
    model: String,
}

#[derive(Serialize)]
struct Row {
    round: u32,
    attempt: u32,
    ended: String,
    survivors: Vec<u32>,
    discarded: bool,
    loss: f64,
    quality: f64,
    within: f64,
    norm: f64,
    model: String,
}

impl Answer for Log {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{BOLD}{}{BOLD:#}  {DIM}{}{DIM:#}", plain(&self.name), self.federation)?;
        for row in &self.rounds {
            let Row { round, attempt, ended, survivors, loss, quality, within, norm, .. } = row;
            let again = if *attempt > 0 { format!(" at try {}", attempt + 1) } else { String::new() };
            let fate = if row.discarded { "; discarded: longer than honest members can make it" } else { "" };
            writeln!(
                out,
                "{:>4}  {DIM}{ended}{DIM:#}  {} members{again}  loss {loss:.4}  R@1 {:.1}%  norm {norm:.4}, {:.0}% within the \
                 clip{fate}",
                round + 1,
                survivors.len(),
                100.0 * quality,
                100.0 * within
            )?;
        }
        writeln!(out, "Every record is signed and follows the one before; the last is {}.", self.head)
    }
}

pub fn run(args: &FederateLog, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let mut membership = Membership::look(&vault, find::federation(&vault, args.federation.as_deref())?)?;
    membership.standing()?;
    let chain = membership.chain();
    let rounds = membership.records().iter().map(|record| Row {
        round: record.number,
        attempt: record.attempt,
        ended: rfc3339(record.ended_ms),
        survivors: record.survivors.clone(),
        discarded: record.discarded,
        loss: record.loss,
        quality: record.quality,
        within: record.within,
        norm: record.norm,
        model: record.model.to_string(),
    });
    output.answer(&Log {
        federation: chain.id().to_string(),
        name: chain.charter().name.clone(),
        rounds: rounds.collect(),
        head: chain.head().to_string(),
        model: chain.model().to_string(),
    })
}
