//! How updates are made shorter and come together, as the options say.

use pmirs_federated::compress::Compression;
use pmirs_federated::optimiser::Rule;

use crate::cli::{RuleArg, Rules};

/// Adam's constants are those of Reddi et al. 2021.
pub fn rule(rules: &Rules) -> Rule {
    match rules.optimiser {
        RuleArg::Fedavg | RuleArg::Fedprox => Rule::FedAvg { rate: rules.server_rate.unwrap_or(1.0) },
        RuleArg::Fedadam => Rule::FedAdam {
            rate: rules.server_rate.unwrap_or(3e-3),
            first: 0.9,
            second: 0.99,
            adaptivity: 1e-3,
        },
    }
}

/// FedProx's μ.
pub fn proximal(rules: &Rules) -> f64 {
    if rules.optimiser == RuleArg::Fedprox { rules.proximal } else { 0.0 }
}

pub fn compression(rules: &Rules) -> Compression {
    match (rules.subset, rules.eight_bit) {
        (Some(keep), _) => Compression::Subset { keep },
        (None, Some(largest)) => Compression::EightBit { largest },
        (None, None) => Compression::None,
    }
}
