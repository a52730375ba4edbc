//! What to train and how: `models/recipe.toml`, a list of steps that turn the teacher into packs.

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::guide::NEAREST;

use super::{Rates, Terms, TrainError};

/// A run: what its steps share, and the steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Where every random draw starts.
    pub seed: u64,
    /// Side of the squares that photos are decoded to, in pixels.
    pub photo_side: usize,
    /// Length of an embedding, and width of the text tower.
    pub dim: usize,
    /// Longest sentence in tokens, start and end included.
    pub context_length: usize,
    /// Frequent words kept in the vocabulary although training does not use them.
    pub common_words: u32,
    /// Whether the captions of `flickr8k/train.tsv` are read; without, neither they nor their photos shape anything.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub captions: bool,
    /// Words with a description of what they show, one pair a line with a tab between, beside the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glossary: Option<PathBuf>,
    /// The teacher's trunk; MobileNetV2 1.0 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<crate::compact::trunk::Architecture>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One step: it takes a network and leaves another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// New heads and a new text tower on the frozen trunk.
    Committee(CommitteePlan),
    /// Fewer channels.
    Prune(PrunePlan),
    /// Every layer learns.
    Tune(TunePlan),
    /// A pack is written and measured.
    Publish(PublishPlan),
}

impl Step {
    /// What reports call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Committee(plan) => &plan.name,
            Self::Prune(plan) => &plan.name,
            Self::Tune(plan) => &plan.name,
            Self::Publish(plan) => &plan.name,
        }
    }
}

/// Several small heads with text towers of their own, trained apart and folded into one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitteePlan {
    /// What reports call this step.
    pub name: String,
    /// How many.
    pub members: usize,
    /// Hidden width of each.
    pub hidden: usize,
    /// Views of each photo; the first is the whole photo.
    pub views: usize,
    /// Side of a view in pixels.
    pub size: usize,
    /// Share of features dropped.
    pub dropout: f32,
    /// Batch and objective.
    pub train: StagePlan,
}

/// Structured pruning by gate gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrunePlan {
    /// What reports call this step.
    pub name: String,
    /// Input side in pixels from here on; costs are counted at it.
    pub size: usize,
    /// Photos that score the channels.
    pub photos: usize,
    /// Photos in a batch.
    pub batch: usize,
    /// Most multiply-adds of one image, head included.
    pub multiply_adds: usize,
    /// Most ReLU evaluations of one image, head included.
    pub relus: usize,
    /// Most weights of the trunk.
    pub parameters: usize,
    /// Most features.
    pub features: usize,
    /// Most units of the head's hidden layer; as many as there are when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<usize>,
    /// Width of the text tower from here on; as it is when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_width: Option<usize>,
    /// Channels come in multiples of this.
    pub multiple: usize,
    /// Whether activations still stop at 6 afterwards.
    pub bounded: bool,
}

/// The stage that trains every layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunePlan {
    /// What reports call this step.
    pub name: String,
    /// Side of a view in pixels.
    pub size: usize,
    /// Smallest share of a photo that a view shows.
    pub least_area: f32,
    /// Largest change of brightness and contrast.
    pub jitter: f32,
    /// Neighbours of each drawn photo, by the teacher's affinities, that join its batch: hard negatives.
    pub neighbours: usize,
    /// Residual convolutions of the text tower from here on.
    pub text_layers: usize,
    /// Whether the result is the teacher of what follows.
    #[serde(default)]
    pub teaches: bool,
    /// Batch and objective.
    pub train: StagePlan,
}

/// A pack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishPlan {
    /// The pack's name, and its folder below the output folder.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Input sizes to choose from, on the validation split.
    pub sizes: Vec<usize>,
}

/// What the learning steps have.
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
    /// Glossary entries in a batch.
    #[serde(default)]
    pub glossary: usize,
    /// Share of names that are said in the plural.
    #[serde(default, skip_serializing_if = "never")]
    pub plurals: f32,
    /// Steps between two judgements on the validation split.
    pub judge_every: u64,
    /// Steps between two checkpoints.
    pub save_every: u64,
    /// Weights of the objective's terms.
    pub terms: Terms,
    /// Step sizes.
    pub rates: Rates,
}

impl Recipe {
    /// Parses a recipe.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] when it has another shape, or a step that cannot run where it stands.
    pub fn parse(text: &str) -> Result<Self, TrainError> {
        let recipe: Self = toml::from_str(text).map_err(|error| TrainError::Recipe(error.to_string()))?;
        recipe.check().map_err(TrainError::Recipe)?;
        Ok(recipe)
    }

    /// Reads a recipe from a file; the glossary's path counts from its folder.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be read, else as [`Recipe::parse`].
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let mut recipe = Self::parse(&super::corpus::read_text(path)?).map_err(|error| match error {
            TrainError::Recipe(reason) => TrainError::Recipe(format!("{}: {reason}", path.display())),
            other => other,
        })?;
        recipe.glossary =
            recipe.glossary.map(|glossary| path.parent().unwrap_or(Path::new("")).join(glossary));
        Ok(recipe)
    }

    fn check(&self) -> Result<(), String> {
        if !matches!(self.steps.first(), Some(Step::Committee(_))) {
            return Err("the first step must be a committee: it gives the teacher words".into());
        }
        whole("photo_side", self.photo_side, 8..=1024)?;
        whole("dim", self.dim, 2..=1024)?;
        whole("context_length", self.context_length, 3..=MAX_CONTEXT)?;
        whole("common_words", self.common_words as usize, 0..=40_000)?;
        let mut packs = HashSet::new();
        for step in &self.steps {
            let checked = match step {
                Step::Committee(plan) => plan.check(),
                Step::Prune(plan) => plan.check(),
                Step::Tune(plan) => plan.check(),
                Step::Publish(plan) if !packs.insert(&plan.name) => Err("another pack has this name".into()),
                Step::Publish(plan) => plan.check(),
            };
            checked.map_err(|reason| format!("step \"{}\": {reason}", step.name()))?;
        }
        Ok(())
    }
}

/// Longest side of an input, in pixels.
const MAX_SIZE: usize = 1024;
const MAX_CONTEXT: usize = 1024;
const MAX_TEXT_WIDTH: usize = 1024;
/// Most of whatever a batch holds.
const MAX_BATCH: usize = 8192;

impl CommitteePlan {
    fn check(&self) -> Result<(), String> {
        whole("members", self.members, 1..=64)?;
        whole("hidden", self.hidden, 1..=8192 / self.members)?;
        whole("views", self.views, 1..=64)?;
        whole("size", self.size, 8..=MAX_SIZE)?;
        share("dropout", self.dropout, 0.0..0.99)?;
        self.train.check()
    }
}

impl PrunePlan {
    fn check(&self) -> Result<(), String> {
        whole("size", self.size, 8..=MAX_SIZE)?;
        whole("photos", self.photos, 1..=1_000_000)?;
        whole("batch", self.batch, 1..=MAX_BATCH)?;
        whole("features", self.features, 1..=8192)?;
        whole("hidden", self.hidden.unwrap_or(1), 1..=8192)?;
        whole("text_width", self.text_width.unwrap_or(1), 1..=MAX_TEXT_WIDTH)?;
        whole("multiple", self.multiple, 1..=256)
    }
}

impl TunePlan {
    fn check(&self) -> Result<(), String> {
        whole("size", self.size, 8..=MAX_SIZE)?;
        share("least_area", self.least_area, 0.01..1.01)?;
        share("jitter", self.jitter, 0.0..1.0)?;
        whole("neighbours", self.neighbours, 0..=NEAREST)?;
        whole("text_layers", self.text_layers, 0..=8)?;
        self.train.check()
    }
}

impl PublishPlan {
    fn check(&self) -> Result<(), String> {
        whole("the number of sizes", self.sizes.len(), 1..=64)?;
        for &size in &self.sizes {
            whole("each of sizes", size, 8..=MAX_SIZE)?;
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err("a pack's name has letters, digits, - and _ only".into());
        }
        if self.version.trim().is_empty() {
            return Err("version must not be empty".into());
        }
        Ok(())
    }
}

impl StagePlan {
    fn check(&self) -> Result<(), String> {
        whole("batch", self.batch, 1..=MAX_BATCH)?;
        for (what, count) in [
            ("class_photos", self.class_photos),
            ("prototypes", self.prototypes),
            ("names", self.names),
            ("glossary", self.glossary),
        ] {
            whole(what, count, 0..=MAX_BATCH)?;
        }
        share("plurals", self.plurals, 0.0..1.01)?;
        let Terms { photos, captions, classes, prototypes, names, glossary, opinion, affinity, smoothing } =
            self.terms;
        for (what, weight) in [
            ("terms.photos", photos),
            ("terms.captions", captions),
            ("terms.classes", classes),
            ("terms.prototypes", prototypes),
            ("terms.names", names),
            ("terms.glossary", glossary),
            ("terms.opinion", opinion),
            ("terms.affinity", affinity),
        ] {
            share(what, weight, 0.0..1000.0)?;
        }
        share("terms.smoothing", smoothing, 0.0..1.0)?;
        let Rates { trunk, rest, decay, warmup, steps, average } = self.rates;
        share("rates.trunk", trunk, 0.0..1.0)?;
        share("rates.rest", rest, 0.0..1.0)?;
        share("rates.decay", decay, 0.0..10.0)?;
        share("rates.average", average, 0.0..1.0)?;
        whole("rates.steps", steps as usize, 1..=100_000_000)?;
        whole("rates.warmup", warmup as usize, 0..=steps as usize)?;
        whole("judge_every", self.judge_every as usize, 1..=usize::MAX)?;
        whole("save_every", self.save_every as usize, 1..=usize::MAX)
    }
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_true(set: &bool) -> bool {
    *set
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn never(share: &f32) -> bool {
    *share == 0.0
}

/// Refuses a whole number outside of `bounds`.
fn whole(what: &str, number: usize, bounds: RangeInclusive<usize>) -> Result<(), String> {
    if bounds.contains(&number) {
        return Ok(());
    }
    let (least, most) = (bounds.start(), bounds.end());
    Err(format!("{what} is {number}, expected {least} to {most}"))
}

/// Refuses a number outside of `bounds`, and one that is none.
fn share(what: &str, number: f32, bounds: Range<f32>) -> Result<(), String> {
    if bounds.contains(&number) {
        return Ok(());
    }
    Err(format!("{what} is {number}, expected at least {} and below {}", bounds.start, bounds.end))
}
