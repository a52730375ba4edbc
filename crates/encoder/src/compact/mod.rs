//! Engine for the built-in compact model: the project's own small network, and the code that trains it.
//!
//! Convolution, depthwise convolution, linear, ReLU, average pooling, addition and an embedding lookup are all
//! there is, because the same network also runs under secret sharing.
//!
//! - [`trunk`], [`image`]: pixels to a raw vector, on hand-written kernels.
//! - [`text`]: token ids to a raw vector.
//! - [`layers`]: the same towers as layers and weights for evaluation under secret sharing.
//! - [`parameters`], [`store`]: named tensors in a flat vector, and their file.
//! - [`train`]: from the teacher, the captions and the class names to a pack.

pub mod image;
mod kernels;
pub mod layers;
pub mod parameters;
pub mod store;
pub mod text;
pub mod train;
pub mod trunk;

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use self::image::ImageTower;
use self::parameters::Parameters;
use self::text::{TextShape, TextTower};
use self::trunk::Architecture;
use crate::encoder::get_or_try_init;
use crate::{EncoderError, Pack, PackError, PackManifest, Prepared, Towers};

/// Images that go through the trunk together: enough rows for a good matrix product, few enough for the cache.
const SHARD: usize = 2;

/// `[architecture]` of a compact pack's `model.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompactArchitecture {
    /// Hidden width of the image head.
    pub head_hidden: usize,
    /// Sizes of the text tower.
    pub text: TextShape,
    /// Widths and strides of the image trunk.
    pub trunk: Architecture,
}

/// The two towers of a compact pack, each read on its first use.
pub struct CompactTowers {
    pack: Pack,
    image_shape: ImageTower,
    text_shape: TextTower,
    image: OnceLock<Parameters>,
    text: OnceLock<Parameters>,
}

impl CompactTowers {
    /// Reads the shape of the network from the manifest, and no weights.
    ///
    /// # Errors
    /// [`PackError::Field`] when `architecture` is not one of a compact network.
    pub fn open(pack: &Pack) -> Result<Self, PackError> {
        let manifest = pack.manifest();
        let architecture = CompactArchitecture::of(manifest)?;
        Ok(Self {
            image_shape: ImageTower::new(&architecture.trunk, architecture.head_hidden, manifest.dim),
            text_shape: TextTower::new(architecture.text),
            pack: pack.clone(),
            image: OnceLock::new(),
            text: OnceLock::new(),
        })
    }

    fn load(&self, files: &[String], layout: &parameters::Layout) -> Result<Parameters, PackError> {
        load(&self.pack, files, layout)
    }
}

/// The parameters of one tower.
fn load(pack: &Pack, files: &[String], layout: &parameters::Layout) -> Result<Parameters, PackError> {
    let file = files.first().map_or("", String::as_str);
    store::read(file, &pack.read(file)?, Arc::new(layout.clone()))
}

impl Towers for CompactTowers {
    fn image(&self, images: &[Prepared]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let spec = &self.pack.manifest().image;
        let weights = get_or_try_init(&self.image, || self.load(&spec.weights, self.image_shape.layout()))?;
        let [width, height] = spec.size.map(|side| side as usize);
        let mut pixels = Vec::with_capacity(images.len() * 3 * width * height);
        for image in images {
            if image.shape() != [3, height, width] || width != height {
                return Err(EncoderError::Input {
                    what: "the shape of a prepared image",
                    got: format!("{:?}", image.shape()),
                    expected: format!("[3, {height}, {width}], square"),
                });
            }
            interleave(image.values(), &mut pixels);
        }
        Ok(self.image_shape.embed(&weights.values, &pixels, width, SHARD))
    }

    fn text(&self, sentences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, EncoderError> {
        let spec = &self.pack.manifest().text;
        let weights = get_or_try_init(&self.text, || self.load(&spec.weights, self.text_shape.layout()))?;
        let embed = |ids: &Vec<u32>| {
            if ids.len() > spec.context_length {
                return Err(EncoderError::Input {
                    what: "the length of a sentence in tokens",
                    got: ids.len().to_string(),
                    expected: format!("at most {}", spec.context_length),
                });
            }
            let inside = ids.get(1..ids.len().saturating_sub(1)).unwrap_or_default();
            self.text_shape.embed(&weights.values, inside).ok_or_else(|| EncoderError::Input {
                what: "a token",
                got: format!("one of {ids:?}"),
                expected: format!("below {}", self.text_shape.shape().vocabulary),
            })
        };
        sentences.iter().map(embed).collect()
    }
}

impl CompactArchitecture {
    /// What a manifest says of the network.
    ///
    /// # Errors
    /// [`PackError::Field`] when `architecture` is not one of a compact network.
    pub fn of(manifest: &PackManifest) -> Result<Self, PackError> {
        let wrong = |problem: String| PackError::Field { field: "architecture".into(), problem };
        let architecture: Self = toml::Value::Table(manifest.architecture.clone())
            .try_into()
            .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
        architecture.check(manifest.dim).map_err(wrong)?;
        Ok(architecture)
    }

    /// Bounds what a manifest may make this engine allocate, and catches shapes that cannot be laid out.
    fn check(&self, dim: usize) -> Result<(), String> {
        const MOST_CHANNELS: usize = 8192;
        const MOST_BLOCKS: usize = 128;
        const MOST_TOKENS: usize = 1 << 20;
        let text = self.text;
        let blocks = &self.trunk.blocks;
        let mut channels = vec![self.head_hidden, text.width, text.dim, self.trunk.stem, self.trunk.features];
        channels.extend(blocks.iter().flat_map(|block| [block.expand, block.out]));
        if let Some(odd) = channels.iter().find(|&&channels| !(1..=MOST_CHANNELS).contains(&channels)) {
            return Err(format!("has a layer of {odd} channels, expected 1 to {MOST_CHANNELS}"));
        }
        if blocks.len() > MOST_BLOCKS || text.layers > MOST_BLOCKS || text.vocabulary > MOST_TOKENS {
            return Err("is larger than any compact network".into());
        }
        if text.dim != dim {
            return Err(format!("has text.dim {}, expected dim = {dim}", text.dim));
        }
        let mut width = self.trunk.stem;
        for block in blocks {
            if !matches!(block.stride, 1 | 2) || (!block.widens && block.expand != width) {
                return Err(format!("has an impossible block: {block:?} after {width} channels"));
            }
            width = block.out;
        }
        Ok(())
    }
}

/// Planes to pixels: the kernels take channels last.
pub(crate) fn interleave(planes: &[f32], pixels: &mut Vec<f32>) {
    let area = planes.len() / 3;
    let (red, rest) = planes.split_at(area);
    let (green, blue) = rest.split_at(area);
    for ((red, green), blue) in red.iter().zip(green).zip(blue) {
        pixels.extend([red, green, blue]);
    }
}
