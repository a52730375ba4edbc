//! The networks of PMIRS's compact encoders as layers.
//!
//! Nodes with weights come in the order in which the encoders lay out their tensors, so that a tower's flat vector of
//! parameters, cut by [`Network::weights`], is what the nodes want.

use serde::{Deserialize, Serialize};

use super::layer::{Extent, Layer, Network, Node};
use crate::error::{Error, range};

/// Bounds on sizes, so that no product of them overflows before the network is refused.
const MOST_SIDE: usize = 1024;
const MOST_CHANNELS: usize = 8192;
const MOST_BLOCKS: usize = 128;
const MOST_TOKENS: usize = 1 << 20;

/// Sizes of an image tower: MobileNetV2's inverted residuals, the mean over places, and a head.
///
/// ```text
/// pixels -> 3x3 stem /2 -> blocks (1x1 expand, 3x3 depthwise, 1x1 project, + input) -> 1x1 -> mean
///        -> linear + linear(ReLU(linear)) -> dim
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTower {
    /// Rows and columns of a picture; three channels each between -1 and 1.
    pub size: usize,
    /// Channels after the stem.
    pub stem: usize,
    /// The inverted residual blocks, in order.
    pub blocks: Vec<Block>,
    /// Channels of the last 1x1 convolution.
    pub features: usize,
    /// Whether activations stop at 6, at twice the cost.
    pub bounded: bool,
    /// Width of the head's hidden layer.
    pub hidden: usize,
    /// Length of the embedding.
    pub dim: usize,
}

/// One inverted residual block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Channels between expand and project.
    pub expand: usize,
    /// Whether the block begins with a 1x1 convolution to `expand` channels.
    pub widens: bool,
    /// Channels that leave the block.
    pub out: usize,
    /// Stride of the depthwise convolution.
    pub stride: usize,
}

/// Sizes of a text tower; its input are one-hot vectors of integers, one for each token but the first and the last.
///
/// ```text
/// one-hot -> table -> [ x + ReLU(width-3 convolution of x) ] x layers -> mean over tokens -> linear
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextTower {
    /// Tokens of the sentence.
    pub tokens: usize,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Width of an embedding and of the convolutions.
    pub width: usize,
    /// Residual convolutions.
    pub layers: usize,
    /// Length of the embedding.
    pub dim: usize,
}

impl ImageTower {
    /// The tower's layers, with `fraction` bits after the point and ReLUs over `width` bits.
    ///
    /// # Errors
    /// When the sizes do not fit each other.
    pub fn network(&self, fraction: u32, width: usize) -> Result<Network, Error> {
        self.check()?;
        let mut plan = Plan::default();
        let window = [3, 3];
        let relu = if self.bounded { Layer::BoundedRelu { most: 6 } } else { Layer::Relu };
        plan.push(Layer::Convolution { window, stride: 2, inputs: 3, outputs: self.stem, bias: true });
        let mut entry = plan.push(relu);
        let mut channels = self.stem;
        for block in &self.blocks {
            if block.widens {
                plan.push(Layer::Linear { inputs: channels, outputs: block.expand, bias: true });
                plan.push(relu);
            }
            plan.push(Layer::Depthwise { window, stride: block.stride, channels: block.expand });
            plan.push(relu);
            let mut left = plan.push(Layer::Linear { inputs: block.expand, outputs: block.out, bias: true });
            if block.stride == 1 && channels == block.out {
                left = plan.push(Layer::Add { with: entry });
            }
            (entry, channels) = (left, block.out);
        }
        plan.push(Layer::Linear { inputs: channels, outputs: self.features, bias: true });
        plan.push(relu);
        let features = plan.push(Layer::Mean);
        let direct = plan.push(Layer::Linear { inputs: self.features, outputs: self.dim, bias: false });
        let inner = Layer::Linear { inputs: self.features, outputs: self.hidden, bias: true };
        plan.push_after(features, inner);
        plan.push(Layer::Relu);
        plan.push(Layer::Linear { inputs: self.hidden, outputs: self.dim, bias: true });
        plan.push(Layer::Add { with: direct });
        let input = Extent { height: self.size, width: self.size, channels: 3 };
        Network::new(input, plan.0, fraction, width)
    }

    fn check(&self) -> Result<(), Error> {
        range("the rows of a picture", 1, MOST_SIDE, self.size)?;
        range("the blocks of a network", 0, MOST_BLOCKS, self.blocks.len())?;
        let of_blocks = self.blocks.iter().flat_map(|block| [block.expand, block.out]);
        let mut channels = of_blocks.chain([self.stem, self.features, self.hidden, self.dim]);
        channels.try_for_each(|channels| range("the channels of a layer", 1, MOST_CHANNELS, channels))
    }
}

impl TextTower {
    /// The tower's layers, with `fraction` bits after the point and ReLUs over `width` bits.
    ///
    /// # Errors
    /// When the sizes do not fit each other.
    pub fn network(&self, fraction: u32, width: usize) -> Result<Network, Error> {
        self.check()?;
        let mut plan = Plan::default();
        let channels = self.width;
        let mut entry = plan.push(Layer::Lookup { rows: self.vocabulary, width: channels });
        for _ in 0..self.layers {
            let window = [3, 1];
            plan.push(Layer::Convolution {
                window,
                stride: 1,
                inputs: channels,
                outputs: channels,
                bias: true,
            });
            plan.push(Layer::Relu);
            entry = plan.push(Layer::Add { with: entry });
        }
        plan.push(Layer::Mean);
        plan.push(Layer::Linear { inputs: channels, outputs: self.dim, bias: true });
        let input = Extent { height: self.tokens, width: 1, channels: self.vocabulary };
        Network::new(input, plan.0, fraction, width)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        range("the tokens of a sentence", 1, MOST_SIDE, self.tokens)?;
        range("the tokens of a vocabulary", 1, MOST_TOKENS, self.vocabulary)?;
        range("the layers of a text tower", 0, MOST_BLOCKS, self.layers)?;
        [self.width, self.dim]
            .into_iter()
            .try_for_each(|channels| range("the channels of a layer", 1, MOST_CHANNELS, channels))
    }
}

/// Nodes so far; each reads the one before it unless told otherwise.
#[derive(Default)]
pub(super) struct Plan(pub(super) Vec<Node>);

impl Plan {
    /// Returns the number under which later nodes read this one.
    pub(super) fn push(&mut self, layer: Layer) -> usize {
        self.push_after(self.0.len(), layer)
    }

    pub(super) fn push_after(&mut self, input: usize, layer: Layer) -> usize {
        self.0.push(Node { layer, input });
        self.0.len()
    }
}
