//! What a simulation gave.

use serde::{Deserialize, Serialize};

use crate::plot::{Axis, Figure, Panel, Point, Series};

/// A round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its number from 1; 0 is the model before the first.
    pub round: u32,
    /// On the pictures to judge by: mean negative log-likelihood of the right one among 64.
    pub loss: f64,
    /// On the same: share of captions whose picture is among the first ten.
    pub r10: f64,
    /// The members' mean loss as the sum told it: under noise, where there is noise.
    pub train_loss: f64,
    /// Share of members whose update needed no clipping.
    pub within: f64,
    /// L2 norm of the mean update.
    pub norm: f64,
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Round by round, the model before the first included.
    pub rounds: Vec<Row>,
    /// What every member was promised; nothing without noise.
    pub epsilon: Option<f64>,
    /// Deviation of all honest members' noise over what one member can move.
    pub noise_multiplier: Option<f64>,
    /// Weights that trained.
    pub weights: usize,
    /// Pictures that were shown in all rounds together.
    pub shown: u64,
    /// How far the weights went, in L2 norm.
    pub distance: f64,
    /// The weights at the end, for comparisons.
    #[serde(skip)]
    pub last: Vec<f32>,
}

impl Outcome {
    /// R@10 before the first round and after the last.
    pub fn r10(&self) -> [f64; 2] {
        let of = |row: Option<&Row>| row.map_or(0.0, |row| row.r10);
        [of(self.rounds.first()), of(self.rounds.last())]
    }

    /// How far these weights are from another run's, relative to how far that one went.
    pub fn difference(&self, other: &Self) -> f64 {
        let squares = self.last.iter().zip(&other.last).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt() / other.distance.max(1e-12)
    }

    /// R@10 by round, as a series of a figure.
    pub fn series(&self, name: impl Into<String>) -> Series {
        Series::curve(name, self.rounds.iter().map(|row| Point::new(f64::from(row.round), row.r10)))
    }
}

/// R@10 and loss by round, of several runs.
pub(super) fn figure(title: &str, runs: &[(&str, &Outcome)]) -> Figure {
    let last = runs.iter().filter_map(|(_, run)| run.rounds.last()).map(|row| row.round).max().unwrap_or(1);
    let x = || Axis::linear("round").between(0.0, f64::from(last.max(1)));
    let mut recall = Panel::new(x(), Axis::linear("R@10 on pictures held back"));
    let mut loss = Panel::new(x(), Axis::linear("loss on pictures held back"));
    for (name, run) in runs {
        recall = recall.with(run.series(*name));
        let points = run.rounds.iter().map(|row| Point::new(f64::from(row.round), row.loss));
        loss = loss.with(Series::curve(*name, points));
    }
    Figure::new(title).with(recall).with(loss)
}

impl Outcome {
    /// The figure of this run, beside the pooled one if there is one.
    pub fn figure(&self, pooled: Option<&Self>) -> Figure {
        let mut runs = vec![("federated", self)];
        runs.extend(pooled.map(|pooled| ("pooled", pooled)));
        figure("R@10 and loss by round", &runs)
    }
}
