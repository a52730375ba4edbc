//! What a simulated federation is like.

use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::optimiser::Rule;
use pmirs_federated::plan::{Schedule, Training};
use serde::{Deserialize, Serialize};

use super::SimulateError;

/// A federation. Every field has a default, so that a study names what differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setting {
    /// Members.
    pub clients: u32,
    /// How the pictures are split among them.
    pub split: Split,
    /// Rounds.
    pub rounds: u32,
    /// Members that take part in each round; all where it is 0.
    pub cohort: u32,
    /// The server's rule.
    pub rule: Rule,
    /// Local steps of a round.
    pub steps: u32,
    /// Pictures of a local step.
    pub batch: u32,
    /// The local learning rate of the first round.
    pub rate: f64,
    /// That of the last round, reached along half a cosine.
    pub last_rate: f64,
    /// FedProx's μ.
    pub proximal: f64,
    /// Longest update, in L2 norm.
    pub clip: f64,
    /// The promise to every member, if there is one.
    pub privacy: Option<Privacy>,
    /// How updates are added up.
    pub aggregation: Aggregation,
    /// How updates are made shorter.
    pub compression: Compression,
    /// Share of members that a round survives the loss of.
    pub dropout: f64,
    /// Share of members that may work for the coordinator: their noise counts for nothing.
    pub corrupt: f64,
    /// Where every draw starts.
    pub seed: u64,
}

/// How the pictures are split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// At random, in equal parts.
    Iid,
    /// Each cluster of captions by shares from a symmetric Dirichlet distribution.
    Dirichlet {
        /// Its concentration.
        alpha: f64,
    },
}

/// Differential privacy at the level of a member.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// ε of all rounds together.
    pub epsilon: f64,
    /// At this δ.
    pub delta: f64,
}

/// How updates are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aggregation {
    /// By the protocol, with every message.
    Secure,
    /// The same integers, added in the open.
    Plain,
    /// In floating point, without the rounding that the protocol needs: what it is compared with.
    Exact,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            clients: 8,
            split: Split::Iid,
            rounds: 20,
            cohort: 0,
            rule: Rule::FedAvg { rate: 1.0 },
            steps: 20,
            batch: 64,
            rate: 1e-3,
            last_rate: 1e-4,
            proximal: 0.0,
            clip: 100.0,
            privacy: None,
            aggregation: Aggregation::Plain,
            compression: Compression::None,
            dropout: 0.05,
            corrupt: 0.05,
            seed: 1,
        }
    }
}

impl Setting {
    /// Refuses what cannot be simulated.
    pub(super) fn check(&self) -> Result<(), SimulateError> {
        let wrong = |what, got: String, expected: &str| {
            Err(SimulateError::Setting { what, got, expected: expected.to_owned() })
        };
        if !(3..=4096).contains(&self.clients) {
            return wrong("clients", self.clients.to_string(), "3 to 4096");
        }
        if self.rounds == 0 || self.rounds > 100_000 {
            return wrong("rounds", self.rounds.to_string(), "1 to 100000");
        }
        if self.cohort != 0 && !(3..=self.clients).contains(&self.cohort) {
            return wrong("cohort", self.cohort.to_string(), "3 to the number of clients, or 0 for all");
        }
        if self.privacy.is_some() && self.aggregation == Aggregation::Exact {
            return wrong("aggregation", "exact".into(), "secure or plain, where there is noise");
        }
        Ok(())
    }

    /// Members that take part in a round.
    pub fn cohort(&self) -> u32 {
        if self.cohort == 0 { self.clients } else { self.cohort }
    }

    pub(super) fn training(&self) -> Training {
        Training {
            local_steps: self.steps,
            batch: self.batch,
            schedule: Schedule::Cosine { rate: self.rate, last: self.last_rate, rounds: self.rounds },
            proximal: self.proximal,
        }
    }

    pub(super) fn rates(&self) -> Rates {
        Rates { dropout: self.dropout, corrupt: self.corrupt }
    }
}
