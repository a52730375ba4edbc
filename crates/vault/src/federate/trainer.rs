//! The local trainer of a member: `pmirs-federated`'s trait over `pmirs-encoder`'s learner.

use std::sync::Arc;

use pmirs_encoder::local::{Examples, Judgement, Learner, LocalError, Part, Plan};
use pmirs_encoder::{Pack, Picture};
use pmirs_federated::model::{Manifest, Tensor};
use pmirs_federated::plan::Training;
use pmirs_federated::trainer::{LocalTrainer, Trained, add_proximal};
use rayon::prelude::*;

use super::pairs::Pair;
use crate::{Progress, VaultError};

/// Of so many pictures, one is kept to judge by.
const HELD_OUT_OF: u8 = 10;
/// Pictures decoded together.
const BATCH: usize = 32;

/// Called before each local step, for instance to wait until the machine is idle.
pub type Pace = Arc<dyn Fn() + Send + Sync>;

/// A member's pictures and captions, and the part of a model that learns from them.
#[derive(Clone)]
pub struct Trainer {
    learner: Arc<Learner>,
    examples: Arc<Examples>,
    /// Examples to learn from, and to judge by.
    mine: Vec<usize>,
    held_out: Vec<usize>,
    manifest: Manifest,
    pace: Option<Pace>,
}

/// Why a member cannot train.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainFailed {
    /// The model, or what was learned.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// A picture or a table.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Trainer {
    /// Looks at every picture once; afterwards only what the frozen part of the model makes of it is kept. About a
    /// tenth of them, by a digest of their names, is kept to judge by.
    ///
    /// # Errors
    /// When the model has no such part, or a picture cannot be read.
    pub fn open(
        pack: &Pack,
        part: Part,
        pairs: impl IntoIterator<Item = Result<Pair, VaultError>>,
        progress: &dyn Progress,
    ) -> Result<Self, TrainFailed> {
        let learner = Arc::new(Learner::open(pack, part)?);
        let (mut mine, mut held_out, mut number) = (Vec::new(), Vec::new(), 0);
        let pairs = pairs.into_iter().inspect(|pair| {
            if let Ok(pair) = pair {
                if is_held_out(&pair.name) { &mut held_out } else { &mut mine }.push(number);
                number += 1;
            }
        });
        let examples = reduce(&learner, pairs, progress)?;
        Ok(Self { held_out, ..Self::of(learner, Arc::new(examples), mine) })
    }

    /// A member who learns from some of the examples that others learn from as well, for simulations; it has nothing
    /// to judge by.
    pub fn of(learner: Arc<Learner>, examples: Arc<Examples>, mine: Vec<usize>) -> Self {
        let manifest = manifest(&learner);
        Self { learner, examples, mine, held_out: Vec::new(), manifest, pace: None }
    }

    /// Calls `pace` before each local step.
    #[must_use]
    pub fn paced(mut self, pace: Pace) -> Self {
        self.pace = Some(pace);
        self
    }

    /// The model and the part of it that learns.
    pub fn learner(&self) -> &Arc<Learner> {
        &self.learner
    }

    /// The weights that the model has now.
    pub fn initial_weights(&self) -> Vec<f32> {
        self.learner.initial()
    }

    /// Pictures to learn from, and to judge by.
    pub fn counts(&self) -> [usize; 2] {
        [self.mine.len(), self.held_out.len()]
    }

    /// How well weights do on the pictures that are kept to judge by; nothing where those are fewer than two.
    ///
    /// # Errors
    /// For weights of another length.
    pub fn judge(&self, weights: &[f32]) -> Result<Option<Judgement>, TrainFailed> {
        match self.learner.judge(weights, &self.examples, &self.held_out) {
            Ok(judgement) => Ok(Some(judgement)),
            Err(LocalError::TooFew { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The tensors of what a learner trains.
pub fn manifest(learner: &Learner) -> Manifest {
    let tensor = |name: &str, shape: &[usize]| Tensor {
        name: name.to_owned(),
        shape: shape.iter().map(|side| *side as u32).collect(),
    };
    let tensors = learner.layout().tensors().iter();
    Manifest { tensors: tensors.map(|spec| tensor(&spec.name, &spec.shape)).collect() }
}

/// What a learner keeps of pairs, decoded side by side.
///
/// # Errors
/// When a pair cannot be fetched, or its picture not be read.
pub fn reduce(
    learner: &Learner,
    pairs: impl IntoIterator<Item = Result<Pair, VaultError>>,
    progress: &dyn Progress,
) -> Result<Examples, TrainFailed> {
    progress.start("looking at pictures", None);
    let mut examples = Examples::default();
    let mut pairs = pairs.into_iter();
    loop {
        let batch: Vec<Pair> = pairs.by_ref().take(BATCH).collect::<Result<_, _>>()?;
        if batch.is_empty() {
            progress.finish();
            return Ok(examples);
        }
        let decode = |pair: &Pair| Ok((pair.picture()?, pair.captions.clone()));
        let decoded: Vec<(Picture, Vec<String>)> =
            batch.par_iter().map(decode).collect::<Result<_, VaultError>>()?;
        examples.append(learner.reduce(&decoded)?);
        progress.advance(batch.len() as u64);
    }
}

fn is_held_out(name: &str) -> bool {
    pmirs_crypto::sha256(name.as_bytes()).first().is_some_and(|byte| byte % HELD_OUT_OF == 0)
}

impl LocalTrainer for Trainer {
    type Error = TrainFailed;

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn train(
        &mut self,
        global: &[f32],
        training: &Training,
        round: u32,
        seed: &[u8; 32],
    ) -> Result<Trained, TrainFailed> {
        let plan = Plan {
            steps: training.local_steps,
            batch: training.batch as usize,
            rate: training.schedule.rate(round) as f32,
        };
        let amend = |gradient: &mut [f32], weights: &[f32]| {
            if let Some(pace) = &self.pace {
                pace();
            }
            if training.proximal > 0.0 {
                add_proximal(gradient, weights, global, training.proximal);
            }
        };
        let learned = self.learner.train(global, &self.examples, &self.mine, &plan, seed, &amend)?;
        // R@1, because ten of a dozen pictures would be nearly all of them.
        let quality = self.judge(global)?.map(|judgement| judgement.text_to_image.r1);
        Ok(Trained { update: learned.update, examples: learned.examples, loss: learned.loss, quality })
    }
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [mine, held_out] = self.counts();
        write!(f, "Trainer({:?}, {mine} pictures, {held_out} to judge by)", self.learner)
    }
}
