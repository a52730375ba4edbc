//! Staged distillation of the compact models: seeded, resumable, on the processor.
//!
//! A [`Recipe`] is a list of steps. Each takes a network and leaves another:
//!
//! - **committee**: several heads and text towers learn on the frozen trunk's features and are folded into one.
//!   The first gives the teacher, a classifier of photos, words; it is the teacher of affinities until a
//!   tuned network takes over.
//! - **prune**: the student inherits the most important channels, by the slope of the loss at their gates.
//! - **tune**: every layer learns: affinities after the teacher's, contrast with hard negatives, or both.
//! - **publish**: the network becomes a pack, with means, cutoffs and a model card.
//!
//! Every draw is addressed by the recipe's seed, a purpose and a step, and sums run in a fixed order: a run that
//! is killed and started again ends with the same bits as one that was not.

mod axes;
mod batches;
mod card;
mod checkpoint;
mod clip_names;
mod committee;
mod corpus;
mod features;
mod guide;
mod held_out;
pub mod judge;
mod no_match;
pub(crate) mod objective;
pub(crate) mod optimiser;
mod photos;
mod prune;
mod publish;
mod recipe;
pub(crate) mod rng;
mod runner;
mod session;
pub(crate) mod standard;
mod steps;
pub(crate) mod student;
mod teacher;
pub(crate) mod tune;
mod words;

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::corpus::is_held_out;
pub use self::held_out::measure;
pub use self::judge::Recall;
pub use self::no_match::NoMatch;
pub use self::objective::Terms;
pub use self::optimiser::Rates;
pub use self::recipe::{CommitteePlan, PrunePlan, PublishPlan, Recipe, StagePlan, Step, TunePlan};
pub use self::student::Size;
use crate::{EncoderError, PackError, PictureError, TokenizerError};

/// Told what a run is doing.
pub trait Progress {
    /// A stage of `total` units begins.
    fn stage(&mut self, name: &str, total: u64);
    /// `done` units of it are done; `note` says how well.
    fn step(&mut self, done: u64, note: &str);
    /// The network was judged on the validation split.
    fn judged(&mut self, _judgement: &Judgement) {}
    /// Asked before each step; `true` saves a checkpoint and ends the run with [`TrainError::Stopped`].
    fn stop(&self) -> bool {
        false
    }
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Form of this report.
    pub format: u32,
    /// Photos that were learned from, and photos that chose the checkpoints.
    pub photos: [usize; 2],
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// The network after each step; each row is also what stood before the next step.
    pub steps: Vec<StepReport>,
    /// Each judgement of the learning steps, in order.
    pub judgements: Vec<Judgement>,
    /// What was published.
    pub packs: Vec<PackReport>,
}

/// Form of [`Report`].
pub const REPORT_FORMAT: u32 = 1;

/// The network after a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step's name.
    pub step: String,
    /// Captions to photos, on the validation split.
    pub text_to_image: Recall,
    /// Share of the validation split's class photos named right.
    pub accuracy: f64,
    /// What the network weighs and costs.
    pub size: Size,
}

/// A pack as it was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackReport {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Each input size tried and its score on the validation split.
    pub sizes: Vec<(usize, f64)>,
    /// What the network weighs and costs at the chosen size.
    pub size: Size,
    /// All files of the pack.
    pub pack_bytes: u64,
    /// On data that neither training nor selection saw; absent where the data is.
    pub held_out: Option<HeldOut>,
    /// Its "no match" cutoffs.
    pub no_match: Vec<NoMatch>,
}

/// The model after some steps, on the validation split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Number and name of the step.
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

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recall { r1, r5, r10 } = self.text_to_image;
        let (loss, accuracy) = (self.loss, self.accuracy);
        write!(f, "loss {loss:.3}, validation: R@1 {r1:.3} R@5 {r5:.3} R@10 {r10:.3}, classes {accuracy:.3}")
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
    /// The recipe makes no sense.
    #[error("recipe {0}")]
    Recipe(String),
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

/// Trains by `recipe`, keeping caches and checkpoints in `work`, and writes each pack into a folder of its name
/// below `out`, and the report beside them.
///
/// `data` holds `flickr8k` and `caltech101`, `models` holds `mobilenet_v2`, `clip_tokenizer` and, if there,
/// `clip_vit_b32_text_vectors`. A run on the same folders continues where the last one ended.
///
/// # Errors
/// When data, teacher or checkpoints are missing or broken, naming the file; [`TrainError::Stopped`] when
/// `progress` asks for it.
pub fn run(
    recipe: &Recipe,
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
    let session = session::Session::open(recipe, work, data, models, progress)?;
    let folders = steps::Folders { work, data, out };
    steps::Run::new(&session, folders).all(progress)
}

/// Writes a file beside its place, flushes it, then renames it: it is whole or absent.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let failed = |source| TrainError::Io { path: path.to_path_buf(), source };
    let unfinished = path.with_extension("part");
    let mut file = std::fs::File::create(&unfinished).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&unfinished, path).map_err(failed)
}
