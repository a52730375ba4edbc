//! Training the compact model: seeded, resumable, on the processor.
//!
//! 1. **Inherit**: the trunk takes the teacher's weights.
//! 2. **Heads**: with the trunk frozen, head and text tower learn from features computed once.
//! 3. **Fine-tuning**: every layer learns from random views of the photos.
//! 4. **Publish**: the checkpoint that a validation split of the training data liked best becomes a pack, with
//!    means, cutoffs and a model card.
//!
//! Every draw is addressed by the plan's seed, a purpose and a step, and sums run in a fixed order: a run that
//! is killed and started again ends with the same bits as one that was not.

mod card;
mod checkpoint;
mod clip_names;
mod corpus;
mod held_out;
pub mod judge;
mod objective;
mod optimiser;
mod photos;
mod publish;
mod rng;
mod session;
mod stages;
mod standard;
mod teacher;
mod words;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::corpus::is_held_out;
pub use self::held_out::measure;
pub use self::judge::Recall;
pub use self::objective::Terms;
pub use self::optimiser::Rates;
use super::trunk::Architecture;
use crate::{EncoderError, PackError, PictureError, TokenizerError};

/// What to train and how: `models/compact/plan.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of the pack that comes out.
    pub version: String,
    /// Where every random draw starts.
    pub seed: u64,
    /// Side of the squares that photos are decoded to, in pixels.
    pub photo_side: usize,
    /// Sizes of the network.
    pub network: NetworkPlan,
    /// The stage with a frozen trunk.
    pub heads: HeadsPlan,
    /// The stage that trains every layer; left out, the heads' result is published.
    pub fine: Option<FinePlan>,
    /// Input sizes to choose the published one from, on the validation split.
    pub image_sizes: Vec<usize>,
}

/// Sizes of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// Length of an embedding.
    pub dim: usize,
    /// Hidden width of the image head.
    pub head_hidden: usize,
    /// Width of the text tower.
    pub text_width: usize,
    /// Residual convolutions of the text tower.
    pub text_layers: usize,
    /// Longest sentence, start and end tokens included.
    pub context_length: usize,
    /// Frequent words kept in the vocabulary although training does not use them.
    pub common_words: u32,
    /// The teacher's trunk, which the image tower inherits; MobileNetV2 1.0 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<Architecture>,
}

/// The stage with a frozen trunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadsPlan {
    /// Views of each photo; the first is the whole photo.
    pub views: usize,
    /// Side of a view in pixels.
    pub size: usize,
    /// Share of features dropped.
    pub dropout: f32,
    /// Batch and objective.
    pub common: StagePlan,
}

/// The stage that trains every layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinePlan {
    /// Side of a view in pixels.
    pub size: usize,
    /// Side at which the validation split is judged.
    pub judge_size: usize,
    /// Smallest share of a photo that a view shows.
    pub least_area: f32,
    /// Largest change of brightness and contrast.
    pub jitter: f32,
    /// Batch and objective.
    pub common: StagePlan,
}

/// What both stages have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StagePlan {
    /// Captioned photos in a batch.
    pub batch: usize,
    /// Photos of class folders in a batch.
    pub class_photos: usize,
    /// Teacher classes in a batch.
    pub prototypes: usize,
    /// Names with CLIP vectors in a batch.
    pub names: usize,
    /// Steps between two judgements on the validation split.
    pub judge_every: u64,
    /// Steps between two checkpoints.
    pub save_every: u64,
    /// Weights of the objective's terms.
    pub terms: Terms,
    /// Step sizes.
    pub rates: Rates,
}

impl Plan {
    /// Parses a plan.
    ///
    /// # Errors
    /// [`TrainError::Plan`] when it has another shape or a batch of nothing.
    pub fn parse(text: &str) -> Result<Self, TrainError> {
        let plan: Self = toml::from_str(text).map_err(|error| TrainError::Plan(error.to_string()))?;
        let stages = [Some(&plan.heads.common), plan.fine.as_ref().map(|fine| &fine.common)];
        for stage in stages.into_iter().flatten() {
            if stage.batch == 0 || stage.judge_every == 0 || stage.save_every == 0 {
                return Err(TrainError::Plan("batch, judge_every and save_every must be at least 1".into()));
            }
        }
        if plan.image_sizes.is_empty() || plan.heads.views == 0 {
            return Err(TrainError::Plan("image_sizes and heads.views must not be empty".into()));
        }
        Ok(plan)
    }
}

/// Told what a run is doing.
pub trait Progress {
    /// A stage of `total` units begins.
    fn stage(&mut self, name: &str, total: u64);
    /// `done` units of it are done; `note` says how well.
    fn step(&mut self, done: u64, note: &str);
    /// Asked before each step; `true` saves a checkpoint and ends the run with [`TrainError::Stopped`].
    fn stop(&self) -> bool {
        false
    }
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Photos that were learned from, and photos that chose the checkpoint.
    pub photos: [usize; 2],
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Parameters of the image and the text tower.
    pub parameters: [usize; 2],
    /// Multiply-adds and ReLU evaluations of one image's trunk at the published size.
    pub image_cost: super::trunk::Cost,
    /// Multiply-adds of the longest query.
    pub text_multiply_adds: usize,
    /// Each judgement, in order.
    pub judgements: Vec<Judgement>,
    /// The published input size, and the validation score at each size tried.
    pub image_size: usize,
    /// (size, score)
    pub sizes: Vec<(usize, f64)>,
    /// Size of the pack in bytes.
    pub pack_bytes: u64,
    /// The published pack on data that neither training nor selection saw; absent where the data is.
    pub held_out: Option<HeldOut>,
}

/// The model after some steps, on the validation split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// `heads` or `fine`.
    pub stage: String,
    /// Steps taken.
    pub step: u64,
    /// Mean loss since the last judgement.
    pub loss: f64,
    /// Captions to photos.
    pub text_to_image: Recall,
    /// Share of class photos named right.
    pub accuracy: f64,
}

impl Judgement {
    /// What chooses the checkpoint: mean recall plus a little for classes.
    pub fn score(&self) -> f64 {
        let recall = self.text_to_image;
        (recall.r1 + recall.r5 + recall.r10) / 3.0 + 0.2 * self.accuracy
    }
}

/// The published pack on `flickr8k/dev.tsv` and on the left-out photos of `caltech101`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Captions to photos.
    pub text_to_image: Recall,
    /// Photos to captions.
    pub image_to_text: Recall,
    /// Share of left-out class photos named right.
    pub accuracy: f64,
    /// Number of dev photos, dev captions, and left-out class photos.
    pub counts: [usize; 3],
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The plan makes no sense.
    #[error("the plan: {0}")]
    Plan(String),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A data file breaks its form.
    #[error("{file}:{line}: {reason}")]
    Data {
        /// The file.
        file: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A training photo cannot be decoded.
    #[error("{path}: {source}")]
    Picture {
        /// The photo.
        path: PathBuf,
        /// Why.
        source: PictureError,
    },
    /// A checkpoint cannot be read or written.
    #[error("checkpoint {path}: {reason}")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The loss is no longer a number.
    #[error("the loss became {0} at step {1}")]
    Diverged(f32, u64),
    /// The caller asked to stop; the run continues from here next time.
    #[error("stopped; start again to continue")]
    Stopped,
    /// The teacher or the finished pack is at fault.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The vocabulary is at fault.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The finished pack cannot embed something.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// The tensor engine failed.
    #[error("the tensor engine: {0}")]
    Engine(String),
}

/// Trains by `plan`, keeping caches and checkpoints in `work`, and writes the pack into `out`.
///
/// `data` holds `flickr8k` and `caltech101`, `models` holds `mobilenet_v2`, `clip_tokenizer` and, if there,
/// `clip_vit_b32_text_vectors`. A run on the same folders continues where the last one ended.
///
/// # Errors
/// When data, teacher or checkpoints are missing or broken, naming the file; [`TrainError::Stopped`] when
/// `progress` asks for it.
pub fn run(
    plan: &Plan,
    work: &Path,
    data: &Path,
    models: &Path,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<Report, TrainError> {
    for folder in [work, out] {
        std::fs::create_dir_all(folder)
            .map_err(|source| TrainError::Io { path: folder.to_path_buf(), source })?;
    }
    let session = session::Session::open(plan, work, data, models, progress)?;
    let (weights, judgements) = stages::train(&session, work, progress)?;
    publish::publish(&session, &weights, judgements, data, out, progress)
}

/// Writes a file beside its place, flushes it, then renames it: it is whole or absent.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let failed = |source| TrainError::Io { path: path.to_path_buf(), source };
    let unfinished = path.with_extension("part");
    let mut file = std::fs::File::create(&unfinished).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&unfinished, path).map_err(failed)
}
