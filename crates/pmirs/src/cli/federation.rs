//! Federations over the network: started, joined, looked at.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::measure::between;

/// Start a federation at your cloud
///
/// You decide who trains together, on which model and under which terms; all of that is fixed by the federation's name.
/// The cloud gets the numbers that train, by name, and adds up what the members send it masked: it learns sums, never
/// anyone's update. Each member decides on their own machine whether to take part.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs federate start --group friends.toml --rounds 20\n  \
    pmirs federate start --group clinics.toml --rounds 10 --epsilon 4 --part adapter:5000 --clip 0.1 --server-rate 80\n\n\
    FILE lists the members, each as a table [[member]] with `name`, as they are found at this cloud, and `fingerprint` or\n\
    `words` where they are not among your contacts.")]
pub struct FederateStart {
    /// Who trains together
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub group: PathBuf,
    /// Rounds
    #[arg(long, value_name = "N", value_parser = between(1, 10_000))]
    pub rounds: usize,
    /// Name of a model or folder of a pack to begin from; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
    /// What the federation is called
    #[arg(long, value_name = "NAME", default_value = "federation")]
    pub name: String,
    /// What trains: heads, all, adapter, or adapter:WEIGHTS
    #[arg(long, value_name = "PART", default_value = "heads")]
    pub part: String,
    /// Local steps of a round
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = between(1, 1_000_000))]
    pub local_steps: usize,
    /// Pictures of a local step
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = between(2, 8192))]
    pub batch: usize,
    /// Local learning rate of the first round; falls to a tenth along half a cosine
    #[arg(long, value_name = "RATE", default_value_t = 4e-3)]
    pub rate: f64,
    #[command(flatten)]
    pub rules: Rules,
    /// Largest norm of a member's update; longer ones are scaled down to it
    #[arg(long, value_name = "NORM", default_value_t = 10.0)]
    pub clip: f64,
    /// Let the clip follow the updates from round to round, so that this share of them needs no scaling
    #[arg(long, value_name = "SHARE")]
    pub adaptive_clip: Option<f64>,
    /// Each member's noise, as a multiple of the clip; 0 is none, and promises nothing
    #[arg(long, value_name = "FACTOR", default_value_t = 0.0, conflicts_with = "epsilon")]
    pub noise: f64,
    /// As much noise as it takes for this epsilon of a member over all rounds; a round that is tried again costs more
    #[arg(long, value_name = "E")]
    pub epsilon: Option<f64>,
    /// The delta of that promise
    #[arg(long, value_name = "D", default_value_t = 1e-5)]
    pub delta: f64,
    /// Fewest members whose sum may be looked at; without it, two thirds of the group
    #[arg(long, value_name = "N", value_parser = between(2, 4096))]
    pub quorum: Option<usize>,
    /// Most members of one round; without it, the whole group
    #[arg(long, value_name = "N", value_parser = between(3, 4096))]
    pub cohort: Option<usize>,
    /// Share of members that may vanish in a round
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    pub dropout: f64,
    /// Share of members that may work for the coordinator
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub corrupt: f64,
    /// Seconds that a round waits for more members once there are enough
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = between(1, 2_592_000))]
    pub gather: usize,
    /// Seconds that every later step waits
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = between(1, 2_592_000))]
    pub deadline: usize,
    /// Tries at one round before the federation stops
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = between(1, 100))]
    pub attempts: usize,
}

/// How updates are made shorter and come together, in a federation and in a simulated one.
#[derive(Debug, Args)]
pub struct Rules {
    /// The coordinator's rule
    #[arg(long, value_name = "RULE", default_value = "fedavg")]
    pub optimiser: RuleArg,
    /// The coordinator's learning rate; 1 for fedavg and fedprox, 0.003 for fedadam where it is left out
    #[arg(long, value_name = "RATE")]
    pub server_rate: Option<f64>,
    /// FedProx: how strongly members are held to the model they were given
    #[arg(long, value_name = "MU", default_value_t = 0.01)]
    pub proximal: f64,
    /// Keep this random share of the coordinates, another in each round
    #[arg(long, value_name = "SHARE", conflicts_with = "eight_bit")]
    pub subset: Option<f64>,
    /// Eight bits a coordinate, cut at this size; not with noise, and not above 257 members
    #[arg(long, value_name = "LARGEST")]
    pub eight_bit: Option<f64>,
}

/// What the coordinator does with the mean of the updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuleArg {
    /// Adds it: the mean of the members' models (McMahan et al. 2017)
    Fedavg,
    /// Adds it; members are held back by --proximal (Li et al. 2020)
    Fedprox,
    /// Adam on it (Reddi et al. 2021)
    Fedadam,
}

/// Take part in a federation with your own pictures
///
/// Shows what would leave this machine and what it costs of your privacy budget, and asks. Then it trains in the
/// background; `pmirs jobs` shows how far it is and stops it. Given again it goes on where it was, after a crash too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    pmirs federate join 5c1f --data photos\n  \
    pmirs federate join https://cloud.example.org/v1/federations/5c1f... --data captions.tsv --epsilon 4 --idle-only\n\n\
    A collection gives its pictures that have a note; a table has the header `image<TAB>caption`.")]
pub struct FederateJoin {
    /// Its address, its name, or the first characters of its identifier; the cloud's address, where you are in one only
    #[arg(value_name = "URL")]
    pub federation: String,
    /// What to train on
    #[arg(long, value_name = "COLLECTION|FILE.tsv")]
    pub data: String,
    /// Name of a model or folder of the pack that the federation begins from; without it, the one in use
    #[arg(long, value_name = "PACK", value_hint = ValueHint::DirPath)]
    pub model: Option<PathBuf>,
    /// The most that everything this home lets out may cost; without it, any
    #[arg(long, value_name = "E")]
    pub epsilon: Option<f64>,
    /// The delta of that limit
    #[arg(long, value_name = "D", default_value_t = 1e-5)]
    pub delta: f64,
    /// The least noise multiplier of any round
    #[arg(long, value_name = "FACTOR", default_value_t = 0.0)]
    pub least_noise: f64,
    /// What is shown was read, and is agreed to
    #[arg(long)]
    pub yes: bool,
    /// Stay in this terminal until all rounds are done
    #[arg(long)]
    pub foreground: bool,
    /// Train only while others leave the processor alone (Linux; elsewhere that cannot be told)
    #[arg(long)]
    pub idle_only: bool,
    /// The most of the processor that training may take
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = between(1, 100))]
    pub max_cpu: usize,
    /// What the new model is called here; without it, `federated-` and the first digits of its numbers' digest
    #[arg(long, value_name = "NAME")]
    pub model_name: Option<String>,
}

/// Say where a federation stands
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pmirs federate status\n  pmirs federate status 5c1f --json")]
pub struct FederateStatus {
    /// Its name, or the first characters of its identifier; without it, all of yours
    #[arg(value_name = "FEDERATION")]
    pub federation: Option<String>,
}

/// Say what each round of a federation gave, as its coordinator signed it
///
/// Every record is checked: its place in the chain, its signature, and that its plan is the one that was agreed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pmirs federate log 5c1f\n  pmirs federate log friends --json | jq '.rounds[-1]'"
)]
pub struct FederateLog {
    /// Its name, or the first characters of its identifier; without it, the only one you are in
    #[arg(value_name = "FEDERATION")]
    pub federation: Option<String>,
}
