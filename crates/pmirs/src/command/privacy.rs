//! `pmirs privacy`: what was let out of this home, and how much more may be.

use std::io::{self, Write};

use data_encoding::HEXLOWER;
use pmirs_privacy::ledger::{Ledger, Release, Share};
use pmirs_privacy::{Adversary, RdpCurve};
use pmirs_vault::VaultError;
use pmirs_vault::privacy::{Limits, Privacy};
use serde::Serialize;

use crate::cli::{Global, Privacy as Command, PrivacyBudget, PrivacyLedger};
use crate::moment::rfc3339;
use crate::output::{Answer, BOLD, DIM, GOOD, Output, count, plain};
use crate::report::Failure;
use crate::session;

/// Where neither the command nor a budget says otherwise.
const DELTA: f64 = 1e-5;

pub fn run(command: &Command, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        Command::Ledger(args) => ledger(args, global, output),
        Command::Budget(args) => budget(args, global, output),
    }
}

/// A checked ledger.
#[derive(Serialize)]
struct Told {
    path: String,
    /// Chain and signatures hold: otherwise the command fails.
    verified: bool,
    delta: f64,
    /// Nothing where no promise is left.
    epsilon: Option<f64>,
    budget: Option<Allowed>,
    releases: Vec<Row>,
    data: Vec<OfData>,
    coordinators: Vec<OfCoordinator>,
}

#[derive(Serialize)]
struct Row {
    number: usize,
    at: String,
    purpose: &'static str,
    round: u64,
    coordinator: String,
    data: String,
    data_name: Option<String>,
    model: String,
    occasion: String,
    message: String,
    mechanism: &'static str,
    noise_multiplier: f64,
    /// Of all releases up to this one.
    epsilon_so_far: Option<f64>,
}

#[derive(Serialize)]
struct OfData {
    data: String,
    name: Option<String>,
    releases: usize,
    last: String,
    epsilon: Option<f64>,
}

#[derive(Serialize)]
struct OfCoordinator {
    coordinator: String,
    purpose: &'static str,
    releases: usize,
    last: String,
    epsilon: Option<f64>,
}

impl Answer for Told {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.releases.is_empty() {
            return writeln!(out, "Nothing was let out of this home yet.");
        }
        for row in &self.releases {
            let Row { number, at, purpose, round, coordinator, noise_multiplier, .. } = row;
            writeln!(
                out,
                "{number:>5}  {DIM}{at}{DIM:#}  {purpose} {round} to {}, from {}  {DIM}noise {noise_multiplier:.2}, \
                 epsilon so far {}{DIM:#}",
                short(coordinator),
                called(row.data_name.as_deref(), &row.data),
                number_or_none(row.epsilon_so_far),
            )?;
        }
        writeln!(out)?;
        for OfData { data, name, releases, last, epsilon } in &self.data {
            let (name, epsilon) = (called(name.as_deref(), data), number_or_none(*epsilon));
            let releases = count(*releases, "release");
            writeln!(out, "{BOLD}{name}{BOLD:#}: {releases}, the last {last}, epsilon {epsilon}")?;
        }
        let total = number_or_none(self.epsilon);
        writeln!(out, "{BOLD}Everything{BOLD:#}: epsilon {total} at delta {:e}", self.delta)?;
        if let Some(budget) = &self.budget {
            budget.print(out)?;
        }
        writeln!(out, "{GOOD}The chain is whole and every entry is signed by you.{GOOD:#}")
    }
}

fn ledger(args: &PrivacyLedger, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let privacy = vault.privacy();
    let limits = privacy.limits()?;
    let delta = args.delta.or(limits.map(|limits| limits.delta)).unwrap_or(DELTA);
    let ledger = privacy.ledger()?;
    let summary = ledger.summary(delta, Adversary::Coordinator).map_err(VaultError::from)?;
    let data = summary.data.iter().map(|share| {
        Ok(OfData {
            data: hex(&share.data),
            name: privacy.data_name(&share.data)?,
            releases: share.releases,
            last: rfc3339(share.last_ms),
            epsilon: finite(share.epsilon),
        })
    });
    let of_coordinator = |share: &Share| OfCoordinator {
        coordinator: hex(&share.coordinator),
        purpose: share.purpose.name(),
        releases: share.releases,
        last: rfc3339(share.last_ms),
        epsilon: finite(share.epsilon),
    };
    output.answer(&Told {
        path: privacy.path().display().to_string(),
        verified: true,
        delta,
        epsilon: finite(summary.epsilon),
        budget: limits.map(Allowed::from),
        releases: rows(privacy, &ledger, delta)?,
        data: data.collect::<Result<_, VaultError>>()?,
        coordinators: summary.shares.iter().map(of_coordinator).collect(),
    })
}

fn rows(privacy: Privacy<'_>, ledger: &Ledger, delta: f64) -> Result<Vec<Row>, Failure> {
    let mut spent = RdpCurve::zero();
    let row = |(number, release): (usize, &Release)| {
        spent = spent.compose(&release.curve(Adversary::Coordinator));
        let epsilon = spent.epsilon(delta).map_err(VaultError::from)?;
        Ok(Row {
            number,
            at: rfc3339(release.at_ms),
            purpose: release.purpose.name(),
            round: release.round,
            coordinator: hex(&release.coordinator),
            data: hex(&release.data),
            data_name: privacy.data_name(&release.data)?,
            model: hex(&release.model),
            occasion: hex(&release.occasion),
            message: hex(&release.message),
            mechanism: release.mechanism.name(),
            noise_multiplier: release.mechanism.noise_multiplier(),
            epsilon_so_far: finite(epsilon),
        })
    };
    ledger.releases().iter().enumerate().map(row).collect::<Result<_, VaultError>>().map_err(Failure::from)
}

#[derive(Serialize)]
struct Allowed {
    /// Nothing: no limit.
    epsilon: Option<f64>,
    delta: f64,
    least_noise: f64,
}

impl From<Limits> for Allowed {
    fn from(limits: Limits) -> Self {
        let Limits { epsilon, delta, least_noise } = limits;
        Self { epsilon: finite(epsilon), delta, least_noise }
    }
}

impl Answer for Allowed {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { epsilon, delta, least_noise } = self;
        let epsilon = epsilon.unwrap_or(f64::INFINITY);
        writeln!(
            out,
            "This home lets out at most epsilon {epsilon} at delta {delta:e}, with noise {least_noise} at least."
        )
    }
}

#[derive(Serialize)]
struct Budgeted {
    budget: Option<Allowed>,
    spent: Option<f64>,
}

impl Answer for Budgeted {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.budget {
            Some(budget) => budget.print(out)?,
            None => writeln!(out, "This home has no budget: `pmirs privacy budget --epsilon 8` sets one.")?,
        }
        writeln!(out, "Spent until now: epsilon {}", number_or_none(self.spent))
    }
}

fn budget(args: &PrivacyBudget, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let privacy = vault.privacy();
    if args.none {
        privacy.set_limits(None)?;
    } else if let Some(epsilon) = args.epsilon {
        let PrivacyBudget { delta, least_noise, .. } = *args;
        privacy.set_limits(Some(&Limits { epsilon, delta, least_noise }))?;
    }
    let limits = privacy.limits()?;
    let delta = limits.map_or(DELTA, |limits| limits.delta);
    let spent = privacy.ledger()?.epsilon(delta, Adversary::Coordinator).map_err(VaultError::from)?;
    output.answer(&Budgeted { budget: limits.map(Allowed::from), spent: finite(spent) })
}

fn finite(epsilon: f64) -> Option<f64> {
    Some(epsilon).filter(|epsilon| epsilon.is_finite())
}

fn number_or_none(epsilon: Option<f64>) -> String {
    epsilon.map_or_else(|| "without limit (no noise)".to_owned(), |epsilon| format!("{epsilon:.3}"))
}

fn called(name: Option<&str>, digest: &str) -> String {
    name.map_or_else(|| format!("data {}", short(digest)), plain)
}

fn short(hex: &str) -> &str {
    hex.get(..12).unwrap_or(hex)
}

fn hex(bytes: &[u8; 32]) -> String {
    HEXLOWER.encode(bytes)
}
