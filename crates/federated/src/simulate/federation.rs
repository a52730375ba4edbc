//! Rounds of learning among simulated members.

use std::sync::Arc;

use pmirs_crypto::{Identity, Prg, sha256};
use rayon::prelude::*;
use thiserror::Error;

use super::world::{Script, Unwatched, World};
use crate::clip::{self, AdaptiveClip, Aggregate};
use crate::draw::sample;
use crate::group::Group;
use crate::optimiser::Optimiser;
use crate::plan::RoundPlan;
use crate::trainer::LocalTrainer;
use crate::{Error as RoundError, Round};

/// How vectors are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// By the protocol, with every message.
    Secure,
    /// Plainly: the same integers and the same sum, for thousands of members and for comparison.
    Plain,
}

/// A federation in one process.
#[derive(Debug)]
pub struct Federation<'a> {
    /// Every round's plan; number, model and clip are filled in.
    pub plan: RoundPlan,
    /// All members.
    pub group: Arc<Group>,
    /// Their identities, in the group's order.
    pub identities: &'a [Identity],
    /// How vectors are added up.
    pub aggregation: Aggregation,
    /// How the clip moves, if it does.
    pub adaptive: Option<AdaptiveClip>,
    /// What everything follows from.
    pub seed: [u8; 32],
}

/// What happened in a round.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundReport {
    /// Its number.
    pub round: u32,
    /// Members whose updates counted.
    pub members: usize,
    /// Their mean loss.
    pub loss: f64,
    /// The clip.
    pub clip: f64,
    /// The share of members whose updates needed no clipping.
    pub within: f64,
    /// The L2 norm of the mean update.
    pub norm: f64,
    /// The members' mean quality.
    pub quality: f64,
}

/// Why a simulation ended early.
#[derive(Debug, Error)]
pub enum Failed {
    /// A round could not be completed.
    #[error(transparent)]
    Round(#[from] RoundError),
    /// A member could not train.
    #[error("member {member} could not train: {reason}")]
    Training {
        /// Which member.
        member: u32,
        /// Why.
        reason: String,
    },
    /// Fewer trainers or identities than members.
    #[error("{got} trainers or identities for {expected} members")]
    Members {
        /// Members of the group.
        expected: usize,
        /// What there is.
        got: usize,
    },
}

impl Federation<'_> {
    /// Runs one round and moves the weights. `noise` gives a member's integers, one for each word, or
    /// nothing ([`private::simulated_noise`](crate::private::simulated_noise)); `script` says who vanishes when.
    ///
    /// # Errors
    /// Why the round failed; weights and optimiser are then as before.
    pub fn round<T: LocalTrainer + Send>(
        &mut self,
        trainers: &mut [T],
        weights: &mut [f32],
        optimiser: &mut Optimiser,
        script: &Script,
        noise: impl Fn(&Round, u32) -> Option<Vec<i64>> + Sync,
    ) -> Result<RoundReport, Failed> {
        let expected = self.group.len();
        let got = trainers.len().min(self.identities.len());
        if got < expected {
            return Err(Failed::Members { expected, got });
        }
        let manifest = trainers.first().map(LocalTrainer::manifest);
        let model = manifest.map_or(Ok(self.plan.model), |manifest| manifest.digest(weights))?;
        let plan = RoundPlan { model, ..self.plan.clone() };
        let round = Round::new(plan, self.group.clone())?;
        let mut present: Vec<u32> = (0..expected as u32).collect();
        present = sample(&mut self.rng(b"cohort"), &present, self.plan.cohort as usize);
        let vectors = self.train(&round, &present, trainers, weights, noise)?;
        let (sum, members) = self.aggregate(&round, &present, &vectors, script)?;
        let aggregate = Aggregate::decode(&round, &sum, members)?;
        optimiser.step(weights, &aggregate.mean)?;
        let report = RoundReport {
            round: self.plan.number,
            members,
            loss: aggregate.loss,
            clip: self.plan.clip,
            within: aggregate.within,
            norm: aggregate.norm,
            quality: aggregate.quality,
        };
        self.plan.number += 1;
        if let Some(adaptive) = self.adaptive {
            let clip = adaptive.next(self.plan.clip, aggregate.within);
            self.plan = self.plan.clone().with_clip(clip);
        }
        Ok(report)
    }

    /// Every member's words, in the order of `present`.
    fn train<T: LocalTrainer + Send>(
        &self,
        round: &Round,
        present: &[u32],
        trainers: &mut [T],
        weights: &[f32],
        noise: impl Fn(&Round, u32) -> Option<Vec<i64>> + Sync,
    ) -> Result<Vec<Vec<u32>>, Failed> {
        let plan = round.plan();
        let mut chosen: Vec<(u32, &mut T)> = trainers
            .iter_mut()
            .enumerate()
            .map(|(number, trainer)| (number as u32, trainer))
            .filter(|(number, _)| present.binary_search(number).is_ok())
            .collect();
        let words = chosen.par_iter_mut().map(|(number, trainer)| {
            let seed = self.member_seed(*number);
            let trained = trainer.train(weights, &plan.training, plan.number, &seed);
            let trained =
                trained.map_err(|error| Failed::Training { member: *number, reason: error.to_string() })?;
            let noise = noise(round, *number);
            Ok(clip::encode(round, &mut Prg::new(&seed, b"rounding"), &trained, noise.as_deref())?.words)
        });
        words.collect()
    }

    fn aggregate(
        &self,
        round: &Round,
        present: &[u32],
        vectors: &[Vec<u32>],
        script: &Script,
    ) -> Result<(Vec<u32>, usize), Failed> {
        let vector = |member: u32| {
            let at = present.binary_search(&member).unwrap_or(usize::MAX);
            vectors.get(at).cloned().unwrap_or_default()
        };
        if self.aggregation == Aggregation::Plain {
            // Who vanished before its upload is missing here too.
            let gone =
                |member: &u32| script.0.get(member).is_some_and(|step| *step <= crate::message::Step::Upload);
            let survivors: Vec<u32> = present.iter().copied().filter(|member| !gone(member)).collect();
            let mut sum = vec![0_u32; round.layout().words()];
            for survivor in &survivors {
                sum.iter_mut().zip(vector(*survivor)).for_each(|(sum, word)| *sum = sum.wrapping_add(word));
            }
            return Ok((sum, survivors.len()));
        }
        let seed = sha256(&[self.seed.as_slice(), b"members", &round.id().0].concat());
        let world = World { round, identities: self.identities, present, seed, at_once: 64 };
        let revealed = world.run(&mut script.clone(), &mut Unwatched, vector)?.revealed;
        Ok((revealed.sum, revealed.survivors.len()))
    }

    /// Where a member's draws of this round start. Neither the model nor how it is added up counts, so that federations which
    /// differ in that alone see the same examples in the same order.
    pub fn member_seed(&self, member: u32) -> [u8; 32] {
        let RoundPlan { number, attempt, .. } = self.plan;
        let place = [number, attempt, member].map(u32::to_be_bytes).concat();
        sha256(&[self.seed.as_slice(), b"member", &place].concat())
    }

    fn rng(&self, label: &[u8]) -> Prg {
        Prg::new(&self.seed, &[label, &self.plan.number.to_be_bytes()].concat())
    }
}
