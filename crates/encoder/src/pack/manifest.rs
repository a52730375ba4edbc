//! `model.toml`: what a model is, what it expects, and which bytes it is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::PackError;
use crate::tokenizer::Clean;

/// The newest `format` that this code reads and the one that it writes.
pub const FORMAT: u32 = 1;

/// Limits on numbers that decide how much memory a pack may claim.
const MAX_DIM: usize = 8192;
const MAX_SIDE: u32 = 1024;
const MAX_CONTEXT: usize = 1024;

/// The whole of `model.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackManifest {
    /// Version of this file's shape: [`FORMAT`].
    pub format: u32,
    /// Short name, such as `compact` or `clip-vit-b-32`.
    pub name: String,
    /// Version of the model; embeddings of different versions must not be compared.
    pub version: String,
    /// Which engine runs it.
    pub kind: PackKind,
    /// Length of an embedding.
    pub dim: usize,
    /// Licence of the weights.
    pub licence: String,
    /// Where weights and data come from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// The image tower.
    pub image: ImageSpec,
    /// The text tower.
    pub text: TextSpec,
    /// What scores of this model mean.
    #[serde(default)]
    pub scores: ScoreSpec,
    /// What the model costs, where it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostSpec>,
    /// Engine-specific shape of the network; the `compact` engine reads it, `onnx` needs none.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub architecture: toml::Table,
    /// What was learned on top of the towers, where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterSpec>,
    /// The model that this one was trained from, where it was trained by members of a federation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<LineageSpec>,
    /// SHA-256 of every file of the pack besides `model.toml`, in hexadecimal.
    pub sha256: BTreeMap<String, String>,
}

/// The engine that a pack needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackKind {
    /// The project's own small network.
    Compact,
    /// A CLIP-family pair of ONNX files.
    Onnx,
}

/// `[image]`: files and preprocessing of the image tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// Weight files; the first is the model, others hold its external data.
    pub weights: Vec<String>,
    /// Width and height that the tower takes, in pixels.
    pub size: [u32; 2],
    /// How a picture of another shape is brought to `size`.
    pub resize: ResizeMode,
    /// The resampling filter.
    pub resample: Resample,
    /// Per-channel mean (R, G, B) of pixels scaled to 0..1.
    pub mean: [f32; 3],
    /// Per-channel standard deviation of pixels scaled to 0..1.
    pub std: [f32; 3],
    /// The mean of this model's unit image vectors, subtracted from each; `dim` numbers.
    pub centre: Vec<f32>,
}

/// `[text]`: files and tokenization of the text tower.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSpec {
    /// Weight files; the first is the model, others hold its external data.
    pub weights: Vec<String>,
    /// Vocabulary: `["vocab.json", "merges.txt"]`, `["tokenizer.json"]`, or one `*.bpe` merge list.
    pub tokenizer: Vec<String>,
    /// Longest sequence, start and end tokens included.
    pub context_length: usize,
    /// Token that fills a sequence up to the context length.
    #[serde(default)]
    pub pad: u32,
    /// What the model's reference does to a text before tokenizing it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub clean: Clean,
    /// Where the tower takes a sentence's vector from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pooling: Pooling,
    /// How far sentences are filled up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub padding: Padding,
    /// The mean of this model's unit text vectors, subtracted from each; `dim` numbers.
    pub centre: Vec<f32>,
}

/// `[scores]`: how to read this model's cosines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreSpec {
    /// Multiplies a cosine before a softmax over candidates (the model's learned inverse temperature).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_scale: Option<f32>,
    /// Calibrated cosine below which an image is "no match" for words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_to_image: Option<f32>,
    /// The same for a text item and words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_to_text: Option<f32>,
    /// The same for an image item and a query image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_to_image: Option<f32>,
    /// The same for a text item and a query image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_to_text: Option<f32>,
}

/// `[cost]`: what one picture and one sentence cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostSpec {
    /// Weights of both towers.
    pub parameters: u64,
    /// Multiplications each with an addition, of one picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_multiply_adds: Option<u64>,
    /// The same of one sentence that fills the context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_multiply_adds: Option<u64>,
    /// ReLU evaluations of one picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relus: Option<u64>,
}

/// `[adapter]`: a low-rank residual on both towers' unit vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterSpec {
    /// Its weight file.
    pub weights: String,
    /// Its rank, 1 to `dim`.
    pub rank: usize,
}

/// `[lineage]`: where a trained pack comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageSpec {
    /// Name and version of the pack that training began from.
    pub parent: String,
    /// SHA-256 of that pack's `model.toml`, in hexadecimal.
    pub parent_digest: String,
    /// What trained.
    pub part: String,
}

/// Where a text tower takes a sentence's vector from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The first end token, found by the graph itself or by the engine (CLIP).
    #[default]
    FirstEnd,
    /// A place that does not depend on the tokens (SigLIP: the last).
    Fixed,
}

/// How far sentences are filled up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Padding {
    /// To the context length, as exports with a fixed length and towers that are not causal need.
    #[default]
    Full,
    /// To the longest sentence of the batch: the same vectors in less time.
    Longest,
}

/// How a picture of any shape becomes the tower's rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResizeMode {
    /// Both sides are scaled on their own: everything stays in view, shapes are stretched.
    Squash,
    /// The shorter side is scaled to fit, and the centre is cut out; odd margins as torchvision rounds them.
    CentreCrop,
    /// The same, with odd margins rounded down, as Hugging Face's processors do.
    CentreCropDown,
}

/// The resampling filter; all widen with the scale when shrinking, so that nothing aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resample {
    /// Keys' cubic with a = -0.5 (Catmull-Rom), as in Pillow; what CLIP wants.
    Bicubic,
    /// Triangle.
    Bilinear,
    /// Mean of the covered area; the quickest.
    Area,
}

impl PackManifest {
    /// Parses and checks `model.toml`.
    ///
    /// # Errors
    /// [`PackError::Toml`] for another shape, [`PackError::Field`] naming the field for a senseless value.
    pub fn parse(toml: &str) -> Result<Self, PackError> {
        let manifest: Self = toml::from_str(toml).map_err(|error| PackError::Toml(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The text of `model.toml`.
    ///
    /// # Errors
    /// As [`PackManifest::parse`], so that nothing is written that could not be read back.
    pub fn to_toml(&self) -> Result<String, PackError> {
        self.check()?;
        toml::to_string(self).map_err(|error| PackError::Toml(error.to_string()))
    }

    fn check(&self) -> Result<(), PackError> {
        let [width, height] = self.image.size;
        require(self.format == FORMAT, "format", || format!("is {}, expected {FORMAT}", self.format))?;
        require(!self.name.is_empty(), "name", || "is empty".into())?;
        require((1..=MAX_DIM).contains(&self.dim), "dim", || {
            format!("is {}, expected 1 to {MAX_DIM}", self.dim)
        })?;
        require((1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height), "image.size", || {
            format!("is {width} x {height}, expected sides of 1 to {MAX_SIDE}")
        })?;
        require(self.image.std.iter().all(|s| s.is_finite() && *s > 0.0), "image.std", || {
            format!("is {:?}, expected positive numbers", self.image.std)
        })?;
        require(self.image.mean.iter().all(|m| m.is_finite()), "image.mean", || "is not finite".into())?;
        require((3..=MAX_CONTEXT).contains(&self.text.context_length), "text.context_length", || {
            format!("is {}, expected 3 to {MAX_CONTEXT}", self.text.context_length)
        })?;
        self.check_centre("image.centre", &self.image.centre)?;
        self.check_centre("text.centre", &self.text.centre)?;
        for (field, files) in [
            ("image.weights", &self.image.weights),
            ("text.weights", &self.text.weights),
            ("text.tokenizer", &self.text.tokenizer),
        ] {
            self.check_files(field, files)?;
        }
        if let Some(adapter) = &self.adapter {
            self.check_files("adapter.weights", std::slice::from_ref(&adapter.weights))?;
            require((1..=self.dim).contains(&adapter.rank), "adapter.rank", || {
                format!("is {}, expected 1 to dim = {}", adapter.rank, self.dim)
            })?;
        }
        Ok(())
    }

    /// Every file that a tower or the adapter names: the only ones whose names are known to be plain.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let towers = [&self.image.weights, &self.text.weights, &self.text.tokenizer].into_iter().flatten();
        towers.chain(self.adapter.iter().map(|adapter| &adapter.weights)).map(String::as_str)
    }

    fn check_centre(&self, field: &str, centre: &[f32]) -> Result<(), PackError> {
        require(centre.len() == self.dim, field, || {
            format!("has {} numbers, expected dim = {}", centre.len(), self.dim)
        })?;
        require(centre.iter().all(|c| c.is_finite()), field, || "is not finite".into())
    }

    /// Every file is named plainly (no way out of the pack's folder) and pinned.
    fn check_files(&self, field: &str, files: &[String]) -> Result<(), PackError> {
        require(!files.is_empty(), field, || "names no file".into())?;
        for file in files {
            let plain = !file.is_empty()
                && !file.starts_with('.')
                && file.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
            require(plain, field, || format!("names {file:?}, which is not a plain file name"))?;
            let pinned = self.sha256.get(file);
            require(pinned.is_some(), field, || format!("names {file}, which sha256 does not pin"))?;
            let digest = pinned.map_or("", String::as_str);
            let hexadecimal = digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit());
            require(hexadecimal, "sha256", || format!("of {file} is not 64 hexadecimal digits"))?;
        }
        Ok(())
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn require(holds: bool, field: &str, problem: impl FnOnce() -> String) -> Result<(), PackError> {
    if holds {
        return Ok(());
    }
    Err(PackError::Field { field: field.into(), problem: problem() })
}
