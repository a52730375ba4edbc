//! `pmirs federate status`: where federations stand, and what they cost so far.

use std::io::{self, Write};

use pmirs_federated::message::Step;
use pmirs_privacy::Adversary;
use pmirs_vault::federate::{Membership, Phase};
use pmirs_vault::{Vault, VaultError};
use serde::Serialize;

use super::find;
use crate::cli::{FederateStatus, Global};
use crate::output::{Answer, BOLD, DIM, Output, plain};
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Status {
    federations: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    federation: String,
    name: String,
    words: String,
    phase: Phase,
    round: u32,
    rounds: u32,
    attempt: u32,
    step: String,
    heard: u32,
    expected: u32,
    members: usize,
    /// Seconds until the step ends.
    step_ends_in_s: Option<f64>,
    reason: Option<String>,
    /// Of the latest round.
    loss: Option<f64>,
    quality: Option<f64>,
    member: Option<u32>,
    /// What this home agreed to, and has spent on everything.
    consent: Option<String>,
    epsilon_spent: Option<f64>,
    delta: Option<f64>,
    /// By the pace of the rounds so far.
    seconds_left: Option<f64>,
}

impl Answer for Status {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.federations.is_empty() {
            writeln!(out, "You own no federation and are a member of none.")?;
        }
        self.federations.iter().try_for_each(|row| row.print(out))
    }
}

impl Row {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { name, round, rounds, attempt, step, heard, expected, members, .. } = self;
        let id = self.federation.get(..12).unwrap_or_default();
        writeln!(out, "{BOLD}{}{BOLD:#}  {DIM}{id}{DIM:#}", plain(name))?;
        match self.phase {
            Phase::AwaitsModel => writeln!(out, "  waits for its model")?,
            Phase::Finished => writeln!(out, "  finished: {rounds} rounds of {members} members")?,
            Phase::Stopped => writeln!(out, "  stopped after {round} of {rounds} rounds")?,
            Phase::Running => {
                let again = if *attempt > 0 { format!(", try {}", attempt + 1) } else { String::new() };
                writeln!(
                    out,
                    "  round {} of {rounds}{again}: {step} of {heard} of {expected} members",
                    round + 1
                )?;
            }
        }
        if let Some(reason) = &self.reason {
            writeln!(out, "  the last try failed: {}", plain(reason))?;
        }
        if let (Some(loss), Some(quality)) = (self.loss, self.quality) {
            writeln!(
                out,
                "  loss {loss:.4}, the members' own held-out R@1 {:.1}%, as far as noise lets it show",
                100.0 * quality
            )?;
        }
        if let Some(source) = &self.consent {
            let spent = match self.epsilon_spent {
                Some(spent) if spent.is_finite() => format!("epsilon {spent:.2} spent"),
                _ => "without a bound on what is let out".to_owned(),
            };
            writeln!(out, "  you take part with {}: {spent}", plain(source))?;
        }
        if let Some(left) = self.seconds_left {
            writeln!(out, "  about {:.0} minutes left", (left / 60.0).ceil())?;
        }
        Ok(())
    }
}

pub fn run(args: &FederateStatus, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let look = |id| row(&vault, Membership::look(&vault, id)?);
    if let Some(named) = &args.federation {
        return output.answer(&Status { federations: vec![look(find::federation(&vault, Some(named))?)?] });
    }
    let mut federations = Vec::new();
    for listed in vault.federations()? {
        // One that is damaged hides no other.
        match look(listed.id) {
            Ok(row) => federations.push(row),
            Err(failed) => Output::warn(format_args!("{}: {}", plain(&listed.name), failed.error())),
        }
    }
    output.answer(&Status { federations })
}

fn row(vault: &Vault, mut membership: Membership<'_>) -> Result<Row, Failure> {
    let standing = membership.standing()?;
    let (chain, records) = (membership.chain(), membership.records());
    let charter = chain.charter();
    let consent = membership.consent()?;
    let spent = consent.as_ref().map(|agreed| -> Result<f64, VaultError> {
        Ok(vault.privacy().ledger()?.epsilon(agreed.delta, Adversary::Coordinator)?)
    });
    let (first, latest) = (records.first(), records.last());
    let each = first.zip(latest).filter(|_| records.len() > 1).map(|(first, latest)| {
        latest.ended_ms.saturating_sub(first.ended_ms) as f64 / 1000.0 / (records.len() - 1) as f64
    });
    let running = standing.phase == Phase::Running;
    Ok(Row {
        federation: chain.id().to_string(),
        name: charter.name.clone(),
        words: pmirs_crypto::head_words(&chain.id().0),
        phase: standing.phase,
        round: standing.round,
        rounds: charter.terms.rounds,
        attempt: standing.attempt,
        step: Step::of(standing.step).map(|step| step.to_string()).unwrap_or_default(),
        heard: standing.heard,
        expected: standing.expected,
        members: chain.group().len(),
        step_ends_in_s: standing
            .deadline_ms
            .map(|deadline| deadline.saturating_sub(standing.now_ms) as f64 / 1000.0),
        reason: standing.reason,
        loss: latest.map(|record| record.loss),
        quality: latest.map(|record| record.quality),
        member: membership.number(),
        delta: consent.as_ref().map(|agreed| agreed.delta),
        consent: consent.map(|agreed| agreed.source),
        epsilon_spent: spent.transpose()?,
        seconds_left: each
            .filter(|_| running)
            .map(|each| each * f64::from(charter.terms.rounds - standing.round)),
    })
}
