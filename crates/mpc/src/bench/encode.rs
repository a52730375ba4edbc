//! A network under sharing, timed.

use std::time::{Duration, Instant};

use rand_core::CryptoRng;

use super::{Wire, three_parties_over};
use crate::error::{Error, shape};
use crate::network::{Network, SharedWeights, fixed, real};
use crate::share::{deal, reconstruct};

/// What one evaluation cost.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodeReport {
    /// How long each run took.
    pub times: Vec<Duration>,
    /// Rounds.
    pub rounds: u32,
    /// Bytes that a party sends, on average.
    pub bytes_sent_per_party: u64,
    /// The result of the last run.
    pub output: Vec<f32>,
}

/// Deals a network's weights (one vector a node: weights, then bias) and an input as the network takes it, and evaluates
/// them `runs` times.
///
/// # Errors
/// When a size does not fit the network.
pub fn encode(
    rng: &mut impl CryptoRng,
    network: &Network,
    weights: &[Vec<f32>],
    input: &[u64],
    wire: Wire,
    runs: usize,
) -> Result<EncodeReport, Error> {
    shape("the nodes with weights", network.weights().len(), weights.len())?;
    let mut shared: [Vec<SharedWeights>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for (values, sizes) in weights.iter().zip(network.weights()) {
        for (party, shares) in shared.iter_mut().zip(&deal(rng, &fixed(values, network.fraction()))) {
            party.push(SharedWeights::new(shares, sizes, network.fraction())?);
        }
    }
    let dealt = deal(rng, input);
    let mut report =
        EncodeReport { times: Vec::new(), rounds: 0, bytes_sent_per_party: 0, output: Vec::new() };
    for _ in 0..runs {
        let begin = Instant::now();
        let results = three_parties_over(wire, rng, |party| {
            let index = party.role().index();
            let (Some(weights), Some(input)) = (shared.get(index), dealt.get(index)) else {
                return Err(Error::SessionOver);
            };
            let out = network.evaluate(party, weights, input.clone())?;
            Ok((out, party.traffic()))
        })?;
        report.times.push(begin.elapsed());
        report.rounds = results.iter().map(|(_, traffic)| traffic.rounds).max().unwrap_or_default();
        report.bytes_sent_per_party = results.iter().map(|(_, traffic)| traffic.sent).sum::<u64>() / 3;
        report.output = real(&reconstruct(&results.map(|(out, _)| out))?, network.fraction());
    }
    Ok(report)
}
