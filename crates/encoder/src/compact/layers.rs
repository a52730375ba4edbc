//! The towers of a compact pack as layers and weights for `pmirs-mpc`, and inputs as those layers take them.
//!
//! The one place where a pack becomes a network under sharing: the benchmark, the dealing of a model to three servers and
//! the tests all come through here.

use pmirs_mpc::network::{Block, ImageTower, Network, TextTower, fixed};

use super::image::ImageTower as ImageLayout;
use super::text::TextTower as TextLayout;
use super::{CompactArchitecture, interleave, load};
use crate::pack::{Pack, PackKind, PackManifest};
use crate::{EncoderError, PackError, Prepared};

/// Bits after the point.
pub const FRACTION: u32 = 16;
/// Bits that hold what enters a ReLU: with [`FRACTION`] bits after the point, activations stay below 2^15.
pub const RELU_BITS: usize = 32;

/// The sizes of both towers, without any weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shapes {
    /// Of the image tower.
    pub image: ImageTower,
    /// Of the text tower; a sentence is filled up to the context, start and end tokens left out.
    pub text: TextTower,
}

/// One tower: its layers, and the weights and biases of each.
pub struct Tower {
    /// The layers.
    pub network: Network,
    /// For each node its weights, then its bias; nothing for a node that has none.
    pub weights: Vec<Vec<f32>>,
}

/// Not the weights.
impl std::fmt::Debug for Tower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tower({} weights redacted)", self.network.parameters())
    }
}

impl Shapes {
    /// What a manifest says.
    ///
    /// # Errors
    /// [`PackError::Field`] when the pack is none of a compact network, or takes pictures that are not square.
    pub fn of(manifest: &PackManifest) -> Result<Self, PackError> {
        let wrong = |field: &str, problem: String| PackError::Field { field: field.into(), problem };
        if manifest.kind != PackKind::Compact {
            return Err(wrong("kind", "is onnx; only compact networks run under secret sharing".to_owned()));
        }
        let [width, height] = manifest.image.size;
        if width != height {
            return Err(wrong("image.size", format!("is {width} x {height}, expected a square")));
        }
        let CompactArchitecture { head_hidden, text, trunk } = CompactArchitecture::of(manifest)?;
        let block = |block: &super::trunk::Block| Block {
            expand: block.expand,
            widens: block.widens,
            out: block.out,
            stride: block.stride,
        };
        let image = ImageTower {
            size: width as usize,
            stem: trunk.stem,
            blocks: trunk.blocks.iter().map(block).collect(),
            features: trunk.features,
            bounded: trunk.bounded,
            hidden: head_hidden,
            dim: manifest.dim,
        };
        let text = TextTower {
            tokens: manifest.text.context_length.saturating_sub(2).max(1),
            vocabulary: text.vocabulary,
            width: text.width,
            layers: text.layers,
            dim: text.dim,
        };
        Ok(Self { image, text })
    }

    /// The layers of the image tower.
    ///
    /// # Errors
    /// When it is larger than what can be evaluated.
    pub fn image_network(&self) -> Result<Network, EncoderError> {
        self.image.network(FRACTION, RELU_BITS).map_err(|error| unfit("image", &error))
    }

    /// The layers of the text tower, for sentences whose length nobody learns.
    ///
    /// # Errors
    /// When it is larger than what can be evaluated.
    pub fn text_network(&self) -> Result<Network, EncoderError> {
        self.text.network_of_any_length(FRACTION, RELU_BITS).map_err(|error| unfit("text", &error))
    }

    /// A picture as the image tower takes it.
    ///
    /// # Errors
    /// When it has another size.
    pub fn pixels(&self, picture: &Prepared) -> Result<Vec<u64>, EncoderError> {
        let side = self.image.size;
        if picture.shape() != [3, side, side] {
            return Err(EncoderError::Input {
                what: "the shape of a prepared image",
                got: format!("{:?}", picture.shape()),
                expected: format!("[3, {side}, {side}]"),
            });
        }
        let mut pixels = Vec::with_capacity(picture.values().len());
        interleave(picture.values(), &mut pixels);
        Ok(fixed(&pixels, FRACTION))
    }

    /// A sentence as the text tower takes it, from its tokens with start and end.
    ///
    /// # Errors
    /// When it has more tokens than the context, or one that is not in the vocabulary.
    pub fn sentence(&self, ids: &[u32]) -> Result<Vec<u64>, EncoderError> {
        let inside = ids.get(1..ids.len().saturating_sub(1)).unwrap_or_default();
        self.text.filled_up(inside, FRACTION).map_err(|error| unfit("text", &error))
    }
}

/// The image tower of a pack with its weights.
///
/// # Errors
/// When the pack is none of a compact network, or its weights cannot be read.
pub fn image(pack: &Pack) -> Result<Tower, EncoderError> {
    let (manifest, shapes) = (pack.manifest(), Shapes::of(pack.manifest())?);
    let CompactArchitecture { head_hidden, trunk, .. } = CompactArchitecture::of(manifest)?;
    let layout = ImageLayout::new(&trunk, head_hidden, manifest.dim);
    let parameters = load(pack, &manifest.image.weights, layout.layout())?;
    by_node(shapes.image_network()?, &parameters.values, "image")
}

/// The text tower of a pack with its weights.
///
/// # Errors
/// When the pack is none of a compact network, or its weights cannot be read.
pub fn text(pack: &Pack) -> Result<Tower, EncoderError> {
    let (manifest, shapes) = (pack.manifest(), Shapes::of(pack.manifest())?);
    let CompactArchitecture { text, .. } = CompactArchitecture::of(manifest)?;
    let parameters = load(pack, &manifest.text.weights, TextLayout::new(text).layout())?;
    by_node(shapes.text_network()?, &parameters.values, "text")
}

/// Cuts a tower's flat parameters, which lie in the order of its nodes.
fn by_node(network: Network, values: &[f32], tower: &'static str) -> Result<Tower, EncoderError> {
    if network.parameters() != values.len() {
        let reason = format!("it has {} weights, its layers take {}", values.len(), network.parameters());
        return Err(EncoderError::Engine { tower, reason });
    }
    let mut rest = values;
    let mut take = |[weights, biases]: [usize; 2]| {
        let (mine, after) = rest.split_at_checked(weights + biases).unwrap_or((rest, &[]));
        rest = after;
        mine.to_vec()
    };
    let weights = network.weights().into_iter().map(&mut take).collect();
    Ok(Tower { network, weights })
}

fn unfit(tower: &'static str, error: &pmirs_mpc::Error) -> EncoderError {
    EncoderError::Engine { tower, reason: error.to_string() }
}
