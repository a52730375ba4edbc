//! What the coordinator does with the mean of a round's updates.

use pmirs_wire::Message;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A server optimiser's rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Rule {
    /// w ← w + η Δ (McMahan et al. 2017; η = 1 is the mean of the members' models). With a proximal term in
    /// [`Training`](crate::plan::Training), this is FedProx.
    FedAvg {
        /// η.
        rate: f64,
    },
    /// Adam on the mean update as a pseudo-gradient (Reddi et al. 2021, algorithm 2, without bias
    /// correction).
    FedAdam {
        /// η.
        rate: f64,
        /// β₁; 0.9 in the paper.
        first: f64,
        /// β₂; 0.99 in the paper.
        second: f64,
        /// τ, the degree of adaptivity; 10⁻³ in the paper.
        adaptivity: f64,
    },
}

impl Rule {
    /// Refuses numbers by which no model can move.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let positive = |number: f64| number.is_finite() && number > 0.0;
        let sound = match *self {
            Self::FedAvg { rate } => positive(rate),
            Self::FedAdam { rate, first, second, adaptivity } => {
                let share = |number: f64| (0.0..1.0).contains(&number);
                positive(rate) && share(first) && share(second) && positive(adaptivity)
            }
        };
        if sound {
            return Ok(());
        }
        let expected = "a rate and an adaptivity above 0, and shares below 1".into();
        Err(Error::Plan { field: "rule", got: format!("{self:?}"), expected })
    }
}

/// A rule and what it remembers between rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Optimiser {
    rule: Rule,
    momentum: Vec<f32>,
    variance: Vec<f32>,
}

impl Message for Optimiser {
    const NAME: &'static str = "optimiser";
    const MAX_BYTES: usize = 10 * crate::plan::MAX_WEIGHTS + 256;
}

impl Optimiser {
    /// A rule with nothing to remember yet.
    pub fn new(rule: Rule) -> Self {
        Self { rule, momentum: Vec::new(), variance: Vec::new() }
    }

    /// Moves the global weights by a round's mean update.
    ///
    /// # Errors
    /// For an update of another length; the weights are then as before.
    pub fn step(&mut self, weights: &mut [f32], mean: &[f32]) -> Result<(), Error> {
        if mean.len() != weights.len() {
            return Err(Error::Length { what: "the mean update", expected: weights.len(), got: mean.len() });
        }
        match self.rule {
            Rule::FedAvg { rate } => {
                let rate = rate as f32;
                weights.iter_mut().zip(mean).for_each(|(weight, mean)| *weight += rate * mean);
            }
            Rule::FedAdam { rate, first, second, adaptivity } => {
                let [rate, first, second, adaptivity] = [rate, first, second, adaptivity].map(|x| x as f32);
                self.momentum.resize(weights.len(), 0.0);
                self.variance.resize(weights.len(), adaptivity * adaptivity);
                let memory = self.momentum.iter_mut().zip(&mut self.variance);
                for ((weight, mean), (momentum, variance)) in weights.iter_mut().zip(mean).zip(memory) {
                    *momentum = first * *momentum + (1.0 - first) * mean;
                    *variance = second * *variance + (1.0 - second) * mean * mean;
                    *weight += rate * *momentum / (variance.sqrt() + adaptivity);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fedavg_adds_the_mean() {
        let mut weights = vec![1.0, -2.0];
        Optimiser::new(Rule::FedAvg { rate: 0.5 }).step(&mut weights, &[2.0, 4.0]).unwrap();
        assert_eq!(weights, [2.0, 0.0]);
    }

    /// Two steps by hand, with τ = 0.1, β₁ = 0.5, β₂ = 0.75, η = 1: v starts at τ².
    #[test]
    fn fedadam_is_reddis_algorithm() {
        let rule = Rule::FedAdam { rate: 1.0, first: 0.5, second: 0.75, adaptivity: 0.1 };
        let mut optimiser = Optimiser::new(rule);
        let mut weights = vec![0.0];
        optimiser.step(&mut weights, &[1.0]).unwrap();
        let v1 = 0.75_f32 * 0.01 + 0.25;
        let w1 = 0.5 / (v1.sqrt() + 0.1);
        assert!((weights[0] - w1).abs() < 1e-6);
        let resumed: Optimiser = pmirs_wire::decode(&pmirs_wire::encode(&optimiser).unwrap()).unwrap();
        assert_eq!(resumed, optimiser);
        optimiser = resumed;
        optimiser.step(&mut weights, &[-1.0]).unwrap();
        let v2 = 0.75 * v1 + 0.25;
        assert!((weights[0] - (w1 - 0.25 / (v2.sqrt() + 0.1))).abs() < 1e-6);
        assert!(optimiser.step(&mut weights, &[1.0, 2.0]).is_err());
    }
}
