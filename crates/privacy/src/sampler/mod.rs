//! Exact samplers of integer noise: no floating point takes part in any draw.
//!
//! Noise drawn by floating point has holes and uneven steps that give the secret away (Mironov 2012, "On significance
//! of the least significant bits for differential privacy"). These samplers follow Canonne, Kamath and Steinke (2020,
//! "The discrete Gaussian for differential privacy"), which need nothing but uniform bits and integers, so that the
//! distribution is the one that the proofs speak of.
//!
//! **Time.** Rejection sampling takes longer for some values than for others. Whoever could time single draws would
//! learn about single values (Jin et al. 2022, "Are we there yet? Timing and floating-point attacks on differential
//! privacy systems"). Noise is therefore drawn on the member's own machine, a whole vector at a time, and
//! [`DiscreteGaussian::noise`] does not see the data that it will be added to. The samplers are not constant-time.

mod bernoulli;
mod bulk;
mod gaussian;
mod laplace;

pub use gaussian::{DiscreteGaussian, Variance};
pub use laplace::DiscreteLaplace;
