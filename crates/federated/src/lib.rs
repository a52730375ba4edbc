//! Federated learning over flat vectors: rounds, secure aggregation, server optimisers.
//!
//! Members of a group train a model on their own data; a coordinator learns the sum of their updates and
//! nothing of any single one. To this crate a model is named tensors of numbers ([`model`]), and training a
//! [`trainer::LocalTrainer`] that it is handed: it links no encoder, so no coordinator that links it can look
//! at a picture.
//!
//! # Who learns what
//!
//! | | the coordinator learns | a member learns |
//! |---|---|---|
//! | always | who takes part, who vanished when, the graph of neighbours | the roster, who shared, who survived |
//! | of updates | the sum over one set of survivors: more than half of the roster's honest members, [`Round::fewest_honest`] at least | the new model |
//! | a coordinator that lies | no more (see [`graph`] for the bound), or nothing, because the round fails | that it lied, by name of the step |
//!
//! A coordinator that shows two rosters to two parts of the group runs two rounds, and each member is in one sum; a
//! quorum above half of group and corrupt members together leaves no room for a second.
//!
//! The quorum counts survivors that are named, and members that work for the coordinator can be named without a vector:
//! [`Round::fewest_honest`] says how many honest members a sum has for certain. How many may be corrupt is a share of the
//! group that the plan reckons with; a member can refuse to reckon with fewer ([`client::Member::suspecting`]).
//!
//! A member can spoil a round's sum, by false shares, false masks or an update of any size; it cannot learn
//! another's update by it. What clipping does and does not hold is said in [`clip`].
//!
//! # A round
//!
//! ```text
//! member                                             coordinator
//! keys of the round, signed           ── advert ──▶
//!                                     ◀── roster ──  everyone's digests and signatures, k, t
//! draws k neighbours                  ── wanted ──▶
//!                                     ◀─ adverts ──  their keys
//! splits two secrets, t of k          ── shares ──▶
//!                                     ◀── inbox ───  what others sealed to it; who shared
//! x + own mask + pairwise masks       ── upload ──▶  adds up, keeps one vector
//!                                     ◀ survivors ─  whose uploads count
//! signs that list, once               ─ confirm ──▶
//!                                     ◀── proof ───  q signatures on one list
//! shares for just that list           ── reveal ──▶  takes masks off the sum
//! ```
//!
//! After Bonawitz et al. 2017 with the sparse graph of Bell et al. 2020. Two things are different. Pairs
//! agree on masks by X-Wing (X25519 with ML-KEM-768): a member's root gives both its key and the randomness
//! of its encapsulations, so that one shared secret undoes all masks of a member who vanished. And survivors
//! are confirmed by a majority of the roster, which a group of pinned identities affords, instead of
//! neighbourhood by neighbourhood.
//!
//! Everything is sans-IO: [`client`] and [`server`] eat and give bytes, draw randomness from an argument and
//! read no clock. [`simulate`] runs hundreds of members through the same states.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use pmirs_crypto::{Identity, IdentitySeed, Prg};
//! use pmirs_federated::clip::{Aggregate, encode};
//! use pmirs_federated::plan::{Noise, RoundPlan, Schedule, Training, Weighting};
//! use pmirs_federated::simulate::{Direct, Unwatched, World};
//! use pmirs_federated::{Group, Round, compress::Compression, graph::Rates, trainer::Trained};
//! use pmirs_wire::Digest;
//!
//! // Four members who know each other's identities.
//! let mut rng = Prg::new(&[7; 32], b"example");
//! let identities: Vec<Identity> =
//!     (0..4).map(|_| Identity::from_seed(&IdentitySeed::generate(&mut rng))).collect();
//! let group = Arc::new(Group::new(identities.iter().map(Identity::public).collect())?);
//!
//! // A round in which one of them may vanish and one may work for the coordinator.
//! let plan = RoundPlan {
//!     federation: Digest([1; 32]),
//!     number: 0,
//!     attempt: 0,
//!     model: Digest([2; 32]),
//!     weights: 3,
//!     training: Training { local_steps: 1, batch: 8, schedule: Schedule::Constant { rate: 0.1 }, proximal: 0.0 },
//!     clip: 1.0,
//!     noise: Noise::None,
//!     weighting: Weighting::Uniform,
//!     compression: Compression::None,
//!     rates: Rates { dropout: 0.25, corrupt: 0.25 },
//!     quorum: 3,
//!     cohort: 4,
//!     deadline_ms: 0,
//! };
//! let round = Round::new(plan, group)?;
//!
//! // Each has learned something; the coordinator gets the mean.
//! let words = |member: u32| {
//!     let trained = Trained { update: vec![0.1, 0.2, member as f32 / 10.0], examples: 5, loss: 1.0, quality: None };
//!     encode(&round, &mut Prg::new(&[member as u8; 32], b"rounding"), &trained, None).unwrap().words
//! };
//! let world = World { round: &round, identities: &identities, present: &[0, 1, 2, 3], seed: [3; 32], at_once: 4 };
//! let report = world.run(&mut Direct, &mut Unwatched, words)?;
//! let mean = Aggregate::decode(&round, &report.revealed.sum, report.revealed.survivors.len())?.mean;
//! assert!((mean[1] - 0.2).abs() < 1e-6 && (mean[2] - 0.15).abs() < 1e-6);
//! # Ok::<(), pmirs_federated::Error>(())
//! ```

pub mod bench;
pub mod chain;
pub mod charter;
pub mod client;
pub mod clip;
pub mod compress;
mod draw;
mod error;
pub mod fixed;
pub mod graph;
mod group;
pub mod message;
pub mod model;
pub mod optimiser;
mod pair;
pub mod partition;
pub mod plan;
pub mod private;
mod round;
pub mod server;
pub mod simulate;
pub mod trainer;

pub use error::Error;
pub use group::{Group, MAX_MEMBERS};
pub use round::Round;
