//! What to train and how: `models/recipe.toml`, a list of steps that turn the teacher into packs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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
        if self.dim == 0 || self.photo_side == 0 || self.context_length < 3 {
            return Err("dim and photo_side must be at least 1, context_length at least 3".into());
        }
        for step in &self.steps {
            let name = step.name();
            let positive = |what: &str, numbers: &[usize]| {
                if numbers.contains(&0) {
                    return Err(format!("step \"{name}\": {what} must be at least 1"));
                }
                Ok(())
            };
            match step {
                Step::Committee(plan) => {
                    positive(
                        "members, hidden, views and size",
                        &[plan.members, plan.hidden, plan.views, plan.size],
                    )?;
                    plan.train.check(name)?;
                }
                Step::Prune(plan) => {
                    positive(
                        "size, photos, batch, features and multiple",
                        &[plan.size, plan.photos, plan.batch, plan.features, plan.multiple],
                    )?;
                }
                Step::Tune(plan) => {
                    positive("size", &[plan.size])?;
                    plan.train.check(name)?;
                }
                Step::Publish(plan) => {
                    positive("the number of sizes", &[plan.sizes.len()])?;
                    positive("each of sizes", &plan.sizes)?;
                    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
                    if plan.name.is_empty() || !plan.name.chars().all(plain) {
                        return Err(format!(
                            "step \"{name}\": a pack's name has letters, digits, - and _ only"
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

impl StagePlan {
    fn check(&self, name: &str) -> Result<(), String> {
        if self.batch == 0 || self.judge_every == 0 || self.save_every == 0 {
            return Err(format!("step \"{name}\": batch, judge_every and save_every must be at least 1"));
        }
        Ok(())
    }
}
