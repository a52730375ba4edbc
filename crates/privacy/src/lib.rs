//! Differential privacy: exact integer noise, an accountant, and a signed ledger of what was let out.
//!
//! ```text
//! (update, clipped and rounded to a grid) ──+ share of noise──> (masked, summed)  mechanisms
//!                                        │
//!                                  Mechanism ──> RdpCurve ──compose──> (ε, δ)     accountant
//!                                                                        │
//! member's Budget ──────────────────────────────────────────────> Ledger::spend   ledger, signed and chained
//! ```
//!
//! Every guarantee here is for a whole member: all that they let out together. Nothing in this crate reads a clock or
//! a file; randomness is an argument.
//!
//! # Example
//!
//! ```
//! use pmirs_crypto::{Identity, IdentitySeed, Prg};
//! use pmirs_privacy::ledger::{Budget, Ledger, Purpose, Release};
//! use pmirs_privacy::{Adversary, DiscreteGaussian, DistributedGaussian, Grid, Mechanism, Target};
//!
//! // A program passes the system's generator; a fixed one belongs in examples and tests alone.
//! let mut rng = Prg::new(&[7; 32], b"example");
//! let anna = Identity::from_seed(&IdentitySeed::generate(&mut rng));
//!
//! // Twenty rounds of a small adapter, with 500 honest survivors in each, are to cost ε = 4 at δ = 1e-5.
//! let grid = Grid { clip: 1.0, scale: 4096.0, components: 5_000 };
//! let target = Target { epsilon: 4.0, delta: 1e-5, rounds: 20, sampled_at: None };
//! let noise = DistributedGaussian::for_target(grid, 500, &target)?;
//!
//! // Anna writes down what she lets out, if her budget allows it, and only then lets it out.
//! let mut ledger = Ledger::new(&anna.public());
//! let budget = Budget { epsilon: 4.0, delta: 1e-5, least_noise: 0.5, adversary: Adversary::Coordinator };
//! let release = Release {
//!     purpose: Purpose::FederatedRound,
//!     mechanism: Mechanism::Distributed(noise),
//!     sampled_at: None,
//!     round: 1,
//!     occasion: [3; 32],
//!     message: [4; 32],
//!     data: [5; 32],
//!     coordinator: [1; 32],
//!     model: [2; 32],
//!     at_ms: 1_700_000_000_000,
//! };
//! let spent = ledger.spend(&anna, &budget, release)?;
//! assert!(!spent.record().is_empty()); // goes to the disk first
//! let share = DiscreteGaussian::new(noise.variance()).noise(5_000, &mut rng); // added to the rounded update, then masked
//! assert_eq!(share.len(), 5_000);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Contents
//!
//! - [`DiscreteGaussian`], [`DiscreteLaplace`], [`Variance`]: exact samplers. Skellam noise, whose sums are exactly
//!   Skellam again, is not here: the distance `τ` that it would save is below 10⁻¹⁵ from a deviation of 2 steps on, and
//!   its divergence is the worse one.
//! - [`DistributedGaussian`], [`Grid`]: noise inside a secret sum. [`AdaptiveClip`]: a clip norm that follows the updates.
//! - [`analytic`]: the continuous Gaussian's exact `(ε, δ)`.
//! - [`Mechanism`], [`RdpCurve`], [`Target`]: the accountant. [`SecretCoin`], [`SecretRate`], [`Adversary`]: when
//!   sampling makes it cheaper.
//! - [`ledger`]: what a member let out, and what they will not.

mod accountant;
pub mod analytic;
mod clip;
mod distributed;
mod error;
pub mod ledger;
mod sampler;
mod sampling;
mod special;

pub use accountant::{Mechanism, ORDERS, RdpCurve, Target};
pub use clip::AdaptiveClip;
pub use distributed::{DistributedGaussian, Grid};
pub use error::PrivacyError;
pub use sampler::{DiscreteGaussian, DiscreteLaplace, Variance};
pub use sampling::{Adversary, SecretCoin, SecretRate, Toss};
