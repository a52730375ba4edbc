//! How far a veiled, quantised score can lie from the cosine.
//!
//! With `u = (1 + ε)[z ; n ; 0] + η`, `v = [q ; 0 ; m]`, and int8 copies `ŷ = Mu + e`, `x̂ = ρM⁻ᵀv + f`:
//!
//! ```text
//! <ŷ, x̂>/ρ - <z, q>  =  ε<z, q>  +  <η, v>  +  <e, x>/ρ  +  <y, f>/ρ  +  <e, f>/ρ
//!                        ≤ scale     jitter     document     query        both
//!                                               rounding     rounding
//! ```
//!
//! The first term is bounded always. The others are sums of many small independent errors: `η` is Gaussian by
//! construction, and a rounding error is taken as uniform over its step, which is strictly sub-Gaussian with
//! variance step²/12. So their sum exceeds `t` deviations with probability at most `2exp(-t²/2)`.

use crate::{VeilParams, VeiledQuery};

/// Probability, per score, with which a bound of this module may fail; three events share it.
const FAILURE: f64 = 1e-9;
const EVENTS: f64 = 3.0;

/// What single-precision sums over a thousand components may lose.
const FLOAT_ROUNDING: f64 = 1e-5;

/// A bound on the distance between `score / ρ` and the true cosine of one document.
///
/// It is probabilistic: a score breaks it with probability below 10⁻⁹, under the model that the rounding
/// errors of int8 are independent and uniform, which the secret rotation and the fresh noise make a good one
/// (tested on millions of scores). It is no promise about a server that lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreErrorBound {
    /// The part that grows with the cosine: `|ε| ≤ relative`.
    pub relative: f32,
    /// The rest, whatever the cosine is.
    pub additive: f32,
}

impl ScoreErrorBound {
    /// A bound on `|score / ρ - cosine|` for every document.
    pub fn absolute(&self) -> f32 {
        self.relative + self.additive
    }

    /// The largest cosine that a document with this `score / ρ` (or a lower one) can have.
    ///
    /// A client has the exact top k once this, for the last of the K candidates that it fetched, is below its
    /// k-th true cosine. With jitter the margin is wider than the rounding alone asks for, so it may have to
    /// fetch more candidates; `pmirs_lab::attack::jitter` measures how often.
    pub fn largest_cosine(&self, score_over_rho: f32) -> f32 {
        let raised = score_over_rho + self.additive;
        let stretched = if raised > 0.0 { 1.0 - self.relative } else { 1.0 + self.relative };
        (raised / stretched).min(1.0)
    }

    /// Whether an honest server can have given this `score / ρ` to a document of this true cosine.
    pub fn allows(&self, score_over_rho: f32, cosine: f32) -> bool {
        (score_over_rho - cosine).abs() <= self.relative * cosine.abs() + self.additive
    }
}

/// What the bounds need to know of a veil.
pub(crate) struct Spread<'a> {
    pub(crate) params: &'a VeilParams,
    /// Mean square stretch of `M`.
    pub(crate) gain: f64,
}

impl Spread<'_> {
    pub(crate) fn score_error_bound(
        &self,
        query: &VeiledQuery,
        query_scale: f32,
        document_scale: f32,
    ) -> ScoreErrorBound {
        let rho = f64::from(query.rho);
        let dim = self.params.veiled_dim() as f64;
        let length_of_query = query.values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / (rho * rho);
        let shift = f64::from(self.params.jitter.shift).powi(2) / dim;
        let document_step = f64::from(document_scale).powi(2) / 12.0;
        let query_step = f64::from(query_scale / query.rho).powi(2) / 12.0;
        let variance = shift * f64::from(query.spread).powi(2)
            + document_step * length_of_query
            + query_step * self.document_energy()
            + dim * document_step * query_step;
        ScoreErrorBound {
            relative: self.params.jitter.scale,
            additive: (deviations(1.0) * variance.sqrt() + FLOAT_ROUNDING) as f32,
        }
    }

    /// `max|yᵢ| ≤ t‖y‖/√D` over all coordinates, since a Haar block spreads a vector evenly; without a shuffle
    /// all of it may lie in one block.
    pub(crate) fn document_scale_bound(&self) -> f32 {
        let dim = self.params.veiled_dim() as f64;
        let spread_over = if self.params.shuffle { dim } else { self.params.block_side() as f64 };
        let largest = deviations(dim) * (self.document_energy() / spread_over).sqrt();
        (largest / 127.0) as f32
    }

    /// A bound on `‖y‖²`: the energy before `M`, times how much `M` stretches a vector that it was not drawn
    /// for (never more than its largest singular value).
    fn document_energy(&self) -> f64 {
        let params = self.params;
        let jitter = params.jitter;
        let scaled = f64::from(1.0 + jitter.scale).powi(2);
        let noise = f64::from(params.noise_energy) * chi_square_excess(params.noise_dim);
        let shift = f64::from(jitter.shift).powi(2) * chi_square_excess(params.veiled_dim());
        // [z ; n ; 0] and η are independent: their inner product is a Gaussian of deviation ‖·‖·shift/√D.
        let before = scaled * (1.0 + noise);
        let cross = 2.0 * deviations(1.0) * (before * shift / params.veiled_dim() as f64).sqrt();
        let rounds = params.rounds() as f64;
        let side = params.block_side() as f64;
        let excess = 1.0 + deviations(1.0) * (2.0 * rounds * self.kurtosis_of_stretch() / side).sqrt();
        let largest = params.condition.sqrt().powf(rounds);
        (before + shift + cross) * (self.gain * excess).min(largest)
    }

    /// `E s⁴ / (E s²)² - 1` of the log-uniform singular values of one round.
    fn kurtosis_of_stretch(&self) -> f64 {
        let range = self.params.condition.ln() / 2.0;
        if range < 1e-6 {
            return 0.0;
        }
        let moment = |power: f64| (power * range).sinh() / (power * range);
        moment(2.0) / moment(1.0).powi(2) - 1.0
    }
}

/// Deviations `t` such that `terms` sub-Gaussian values all stay within `t`, but for this event's share of
/// [`FAILURE`].
fn deviations(terms: f64) -> f64 {
    (2.0 * (2.0 * terms * EVENTS / FAILURE).ln()).sqrt()
}

/// How much a χ² of this many degrees may exceed its mean, as a factor (Laurent and Massart 2000, lemma 1).
fn chi_square_excess(degrees: usize) -> f64 {
    if degrees == 0 {
        return 0.0;
    }
    let x = (EVENTS / FAILURE).ln() / degrees as f64;
    1.0 + 2.0 * x.sqrt() + 2.0 * x
}
