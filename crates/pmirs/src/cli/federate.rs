//! Learning together.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::federation::{FederateJoin, FederateLog, FederateStart, FederateStatus, Rules};
use super::measure::between;

/// Improve a model together, without anybody showing a picture
#[derive(Debug, Subcommand)]
pub enum Federate {
    Start(Box<FederateStart>),
    Join(Box<FederateJoin>),
    Status(FederateStatus),
    Log(FederateLog),
    Simulate(Box<FederateSimulate>),
}

/// Simulate a federation on pictures with captions
///
/// Every member trains on its share of the pictures, and only sums of updates are looked at, as in a real federation:
/// the same code, all members in one process. After each round the model is judged on pictures that nobody has, and
/// where it stands is written into OUT: the same command goes on from there.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs federate simulate --data train.tsv --dev dev.tsv --clients 8 --alpha 0.3 --pooled --out results\n  \
    pmirs federate simulate --data train.tsv --dev dev.tsv --part adapter:5000 --clients 1000 \\\n      \
    --epsilon 4 --clip 0.1 --server-rate 80 --rate 3e-2 --rounds 10 --out results\n  \
    pmirs federate simulate --data train.tsv --dev dev.tsv --study study.toml --out results\n\n\
    Tables have the header `image<TAB>caption`; pictures are looked for beside them and in their folder `images`.\n\
    A study is a TOML file of tables [[run]]: `name`, `figure`, `part`, and [run.setting] with what differs from the usual.")]
pub struct FederateSimulate {
    /// Captions to learn from
    #[arg(long, value_name = "FILE.tsv", value_hint = ValueHint::FilePath)]
    pub data: PathBuf,
    /// Captions to judge by
    #[arg(long, value_name = "FILE.tsv", value_hint = ValueHint::FilePath)]
    pub dev: PathBuf,
    /// Folder that receives the answer as JSON, plots, and where the run stands
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    /// Folder for what can be computed again; without it, OUT
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub work: Option<PathBuf>,
    /// Name of a model or folder of a pack to begin from; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
    /// Several federations, described in a file; the options below are not looked at
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    pub study: Option<PathBuf>,
    /// What trains: heads, all, adapter, or adapter:WEIGHTS
    #[arg(long, value_name = "PART", default_value = "heads")]
    pub part: String,
    /// Members
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = between(3, 4096))]
    pub clients: usize,
    /// Members that take part in each round; without it, all
    #[arg(long, value_name = "N", value_parser = between(3, 4096))]
    pub cohort: Option<usize>,
    /// Uneven shares: concentration of a Dirichlet distribution over 20 clusters of captions
    #[arg(long, value_name = "A", conflicts_with = "iid")]
    pub alpha: Option<f64>,
    /// Equal shares at random, as without --alpha
    #[arg(long)]
    pub iid: bool,
    /// Rounds
    #[arg(long, value_name = "R", default_value_t = 20, value_parser = between(1, 100_000))]
    pub rounds: usize,
    /// Local steps of a round
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = between(0, 1_000_000))]
    pub steps: usize,
    /// Pictures of a local step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = between(2, 8192))]
    pub batch: usize,
    /// Local learning rate of the first round; falls to a tenth along half a cosine
    #[arg(long, value_name = "RATE", default_value_t = 1e-3)]
    pub rate: f64,
    #[command(flatten)]
    pub rules: Rules,
    /// Longest update, in L2 norm
    #[arg(long, value_name = "C", default_value_t = 100.0)]
    pub clip: f64,
    /// Differential privacy of every member over all rounds: noise for this epsilon; without it, none
    #[arg(long, value_name = "E")]
    pub epsilon: Option<f64>,
    /// At this delta
    #[arg(long, value_name = "D", default_value_t = 1e-5)]
    pub delta: f64,
    /// How updates are added up
    #[arg(long, value_name = "HOW", default_value = "plain")]
    pub aggregation: AggregationArg,
    /// Share of members that a round survives the loss of
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub dropout: f64,
    /// Share of members that may work for the coordinator: their noise is not counted on
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub corrupt: f64,
    /// Where every draw starts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Beside it, train on the same total of examples in one hand
    #[arg(long)]
    pub pooled: bool,
}

/// How updates are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AggregationArg {
    /// By the protocol, with every message
    Secure,
    /// The same integers in the open, for many members
    Plain,
    /// In floating point, to compare with
    Exact,
}
