//! Training on a member's own data, which this crate is handed and never sees.

use crate::model::Manifest;
use crate::plan::Training;

/// What one member learned in one round.
pub struct Trained {
    /// New weights minus global weights, as long as the round's weights.
    pub update: Vec<f32>,
    /// Examples that were seen.
    pub examples: u64,
    /// The mean loss over them.
    pub loss: f64,
    /// How good the global weights are on pairs that the member holds back, of 0 to 1 (for instance the share found
    /// among the first ten); nothing if it holds none back.
    pub quality: Option<f64>,
}

impl std::fmt::Debug for Trained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trained({} weights, redacted)", self.update.len())
    }
}

/// Whoever can train: in PMIRS the client library, over the encoder. This crate links neither.
pub trait LocalTrainer {
    /// Why training failed.
    type Error: std::error::Error;

    /// The tensors that train, in the order in which they lie in the vector.
    fn manifest(&self) -> &Manifest;

    /// Trains from the global weights with the round's settings and its learning rate. The same seed gives
    /// the same update, so that a round that was interrupted can be taken up again.
    ///
    /// # Errors
    /// Whatever keeps the trainer from training.
    fn train(
        &mut self,
        global: &[f32],
        training: &Training,
        round: u32,
        seed: &[u8; 32],
    ) -> Result<Trained, Self::Error>;
}

/// The gradient of FedProx's proximal term, μ (w − w_global), added to a local gradient (Li et al. 2020).
///
/// All three have the same length; what is longer is left alone.
pub fn add_proximal(gradient: &mut [f32], weights: &[f32], global: &[f32], proximal: f64) {
    for ((gradient, weight), global) in gradient.iter_mut().zip(weights).zip(global) {
        *gradient += (proximal * f64::from(weight - global)) as f32;
    }
}
