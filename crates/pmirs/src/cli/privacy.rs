//! What was let out for others to learn from.

use clap::{Args, Subcommand};

/// What your data let out, and how much more they may
///
/// Whoever trains a model together with others gives something away in every round, however little: how little is a
/// number, epsilon, at a small chance delta. This home writes every release down before it leaves.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
pub enum Privacy {
    Ledger(PrivacyLedger),
    Budget(PrivacyBudget),
}

/// Check the ledger of releases and list it
///
/// Every entry is signed by your identity and names the one before. A ledger that was altered, or lost an entry, is
/// reported with exit code 6.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs privacy ledger\n  \
    pmirs privacy ledger --delta 1e-6 --json")]
pub struct PrivacyLedger {
    /// The chance beyond which epsilon is promised; by default that of the budget, or 1e-5
    #[arg(long, value_name = "DELTA", value_parser = delta)]
    pub delta: Option<f64>,
}

/// Show or set the most that this home lets out
///
/// A release that would exceed it is refused, whatever a command or a federation asks for. The budget is for everything
/// that ever leaves this home, not for a day.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs privacy budget\n  \
    pmirs privacy budget --epsilon 8\n  \
    pmirs privacy budget --epsilon 4 --delta 1e-6 --least-noise 0.5\n  \
    pmirs privacy budget --none")]
pub struct PrivacyBudget {
    /// The largest epsilon of all releases together
    #[arg(long, value_name = "EPSILON", value_parser = epsilon)]
    pub epsilon: Option<f64>,
    /// The chance beyond which epsilon is promised
    #[arg(long, value_name = "DELTA", value_parser = delta, default_value = "1e-5", requires = "epsilon")]
    pub delta: f64,
    /// The least noise of any single release, as a multiple of what it can give away
    #[arg(long, value_name = "MULTIPLE", value_parser = multiple, default_value = "0", requires = "epsilon")]
    pub least_noise: f64,
    /// Take the budget away: every command and federation has its own limits alone
    #[arg(long, conflicts_with = "epsilon")]
    pub none: bool,
}

fn epsilon(text: &str) -> Result<f64, String> {
    within(text, 0.0, 1e4, "from 0 to 10000")
}

fn delta(text: &str) -> Result<f64, String> {
    within(text, f64::MIN_POSITIVE, 0.5, "above 0 and at most 0.5")
}

fn multiple(text: &str) -> Result<f64, String> {
    within(text, 0.0, 1e8, "from 0 to 1e8")
}

fn within(text: &str, least: f64, most: f64, expected: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("it is a number {expected}"))
}
