//! A model of which a part trains.

use rand::RngExt as _;

use super::adapter::AdapterTask;
use super::batches::Batches;
use super::error::LocalError;
use super::examples::Examples;
use super::network::Network;
use super::task::{Task, Vectors};
use super::{Part, judge};
use crate::compact::parameters::Layout;
use crate::compact::train::Rates;
use crate::compact::train::optimiser::State;
use crate::{Pack, Picture};

/// Share of a trunk's features that a step leaves out: a member has few pictures.
const DROPOUT: f32 = 0.3;
/// Decoupled weight decay, times the rate.
const DECAY: f32 = 0.0;
/// Steps of the trunk, relative to each tensor's root mean square, at a rate of one.
const TRUNK: f32 = 0.3;

/// A model of which a [`Part`] trains.
pub struct Learner {
    pack: Pack,
    part: Part,
    task: Box<dyn Task>,
}

/// What one round asks of a member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Optimiser steps.
    pub steps: u32,
    /// Pictures of a step; all there are, where there are fewer.
    pub batch: usize,
    /// The learning rate.
    pub rate: f32,
}

/// What came of it.
pub struct Learned {
    /// New weights minus those that training began from.
    pub update: Vec<f32>,
    /// Pictures that there are to learn from.
    pub examples: u64,
    /// The mean loss over the steps.
    pub loss: f64,
}

/// Weights on their way, and the optimiser's memory of it.
pub struct Course {
    state: State,
    losses: f64,
    steps: u32,
}

impl Learner {
    /// Opens a model to train a part of it.
    ///
    /// # Errors
    /// [`LocalError::Unfit`] when the model has no such part; when its files are missing or altered.
    pub fn open(pack: &Pack, part: Part) -> Result<Self, LocalError> {
        let task: Box<dyn Task> = match part {
            Part::All | Part::Heads => Box::new(Network::open(pack, part)?),
            Part::Adapter { weights } => Box::new(AdapterTask::open(pack, weights)?),
        };
        Ok(Self { pack: pack.clone(), part, task })
    }

    /// The model that training begins from.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// What trains.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Names, shapes and order of the tensors in the flat vector.
    pub fn layout(&self) -> &Layout {
        self.task.layout()
    }

    /// The weights that the model has now.
    pub fn initial(&self) -> Vec<f32> {
        self.task.initial()
    }

    /// Reduces pictures and captions to what the frozen part makes of them.
    ///
    /// # Errors
    /// When a picture or a sentence cannot be embedded.
    pub fn reduce(&self, pairs: &[(Picture, Vec<String>)]) -> Result<Examples, LocalError> {
        Ok(self.task.reduce(pairs)?)
    }

    /// Trains from `global` on the pictures `mine` of `examples`. The same seed gives the same update, to the bit.
    /// `amend` may change a step's gradient, given gradient and weights.
    ///
    /// # Errors
    /// [`LocalError::TooFew`] below two pictures with captions; [`LocalError::Diverged`]; [`LocalError::Length`].
    pub fn train(
        &self,
        global: &[f32],
        examples: &Examples,
        mine: &[usize],
        plan: &Plan,
        seed: &[u8; 32],
        amend: &dyn Fn(&mut [f32], &[f32]),
    ) -> Result<Learned, LocalError> {
        let mut course = self.begin(global)?;
        let examples = self.advance(&mut course, examples, mine, plan, seed, amend)?;
        let update = course.state.values.iter().zip(global).map(|(new, old)| new - old).collect();
        Ok(Learned { update, examples, loss: course.loss() })
    }

    /// Starts a course of training that remembers its momentum from one call of [`Learner::advance`] to the next.
    ///
    /// # Errors
    /// For weights of another length.
    pub fn begin(&self, weights: &[f32]) -> Result<Course, LocalError> {
        self.check(weights)?;
        Ok(Course { state: State::new(weights.to_vec()), losses: 0.0, steps: 0 })
    }

    /// Takes a plan's steps, and says how many pictures there are to learn from.
    ///
    /// # Errors
    /// As [`Learner::train`].
    pub fn advance(
        &self,
        course: &mut Course,
        examples: &Examples,
        mine: &[usize],
        plan: &Plan,
        seed: &[u8; 32],
        amend: &dyn Fn(&mut [f32], &[f32]),
    ) -> Result<u64, LocalError> {
        let mut batches = Batches::new(examples, mine, plan.batch, seed);
        let pictures = batches.pictures();
        if pictures < 2 {
            return Err(LocalError::TooFew { expected: 2, got: pictures });
        }
        let rates = Rates {
            trunk: plan.rate * TRUNK,
            rest: plan.rate,
            decay: DECAY,
            warmup: 0,
            steps: u64::MAX,
            average: 0.0,
        };
        for step in 0..plan.steps {
            let batch = batches.next();
            let rng = batches.rng();
            let mut drop = || if rng.random::<f32>() < DROPOUT { 0.0 } else { 1.0 / (1.0 - DROPOUT) };
            let mut slope = self.task.slope(&course.state.values, examples, &batch, &mut drop)?;
            if !slope.loss.is_finite() {
                return Err(LocalError::Diverged { loss: slope.loss, step });
            }
            amend(&mut slope.gradient, &course.state.values);
            course.state.update(self.task.layout(), &slope.gradient, &rates);
            course.losses += f64::from(slope.loss);
            course.steps += 1;
        }
        Ok(pictures as u64)
    }

    /// How well weights do on pictures that nobody trained on.
    ///
    /// # Errors
    /// For weights of another length; [`LocalError::TooFew`] below two pictures with captions.
    pub fn judge(
        &self,
        weights: &[f32],
        examples: &Examples,
        pictures: &[usize],
    ) -> Result<judge::Judgement, LocalError> {
        self.check(weights)?;
        judge::judge(self.task.as_ref(), weights, examples, pictures)
    }

    /// Unit vectors, as a search compares them, of all pictures, and of all captions picture by picture.
    ///
    /// # Errors
    /// For weights of another length.
    pub fn embed(&self, weights: &[f32], examples: &Examples) -> Result<(Vectors, Vectors), LocalError> {
        self.check(weights)?;
        let all: Vec<usize> = (0..examples.len()).collect();
        Ok(self.task.vectors(weights, examples, &all, &examples.all_captions(&all)))
    }

    pub(super) fn task(&self) -> &dyn Task {
        self.task.as_ref()
    }

    pub(super) fn check(&self, weights: &[f32]) -> Result<(), LocalError> {
        let (expected, got) = (self.task.layout().len(), weights.len());
        if got == expected { Ok(()) } else { Err(LocalError::Length { expected, got }) }
    }
}

impl Course {
    /// The weights now.
    pub fn weights(&self) -> &[f32] {
        &self.state.values
    }

    /// The mean loss since it was asked for last.
    pub fn take_loss(&mut self) -> f64 {
        let loss = self.loss();
        (self.losses, self.steps) = (0.0, 0);
        loss
    }

    fn loss(&self) -> f64 {
        self.losses / f64::from(self.steps.max(1))
    }
}

impl std::fmt::Debug for Learner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let manifest = self.pack.manifest();
        write!(f, "Learner({} {}, {})", manifest.name, manifest.version, self.part)
    }
}

impl std::fmt::Debug for Learned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Learned({} weights, redacted)", self.update.len())
    }
}
