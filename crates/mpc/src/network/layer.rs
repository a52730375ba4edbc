//! What a network is: layers, what they read, and how large everything is.

use crate::error::{Error, range, shape};

/// Largest number of values that leave a layer of one input.
const MOST_VALUES: usize = 1 << 26;

/// Height, width and channels of what lies between two layers; values are channels last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Rows, or tokens of a sentence.
    pub height: usize,
    /// Columns; one for a sentence.
    pub width: usize,
    /// Values of each place.
    pub channels: usize,
}

impl Extent {
    /// All values.
    pub fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Rows times columns.
    pub fn places(self) -> usize {
        self.height * self.width
    }
}

/// What a layer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// A convolution with zero padding so that a stride of one keeps the size (TensorFlow's SAME). Weights: rows x
    /// columns x inputs x outputs.
    Convolution {
        /// Rows and columns of the window.
        window: [usize; 2],
        /// Places from one window to the next.
        stride: usize,
        /// Channels that enter.
        inputs: usize,
        /// Channels that leave.
        outputs: usize,
        /// Whether a bias of `outputs` values follows the weights.
        bias: bool,
    },
    /// A convolution of every channel by itself, padded in the same way. Weights: rows x columns x channels, then a
    /// bias.
    Depthwise {
        /// Rows and columns of the window.
        window: [usize; 2],
        /// Places from one window to the next.
        stride: usize,
        /// Channels.
        channels: usize,
    },
    /// A matrix for every place: a 1x1 convolution. Weights: inputs x outputs.
    Linear {
        /// Values of a place that enter.
        inputs: usize,
        /// Values of a place that leave.
        outputs: usize,
        /// Whether a bias of `outputs` values follows the weights.
        bias: bool,
    },
    /// A row of a table for every place, by a shared one-hot vector of *integers* 0 and 1 (not of fixed point).
    /// Weights: rows x width.
    Lookup {
        /// Rows of the table.
        rows: usize,
        /// Values of a row.
        width: usize,
    },
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), most) = ReLU(x) - ReLU(x - most).
    BoundedRelu {
        /// Where it stops, a whole number.
        most: u32,
    },
    /// The mean over all places.
    Mean,
    /// The sum with what another node leaves.
    Add {
        /// The node: 0 is the input of the network, i what node i-1 leaves.
        with: usize,
    },
    /// Some of the channels, at no cost.
    Slice {
        /// The first of them.
        from: usize,
        /// How many.
        channels: usize,
    },
    /// Every place times a shared *integer* of its own, 0 or 1: what is beyond the end of a sentence becomes zero.
    Mask {
        /// The node that leaves one such number for each place.
        by: usize,
    },
    /// The sum over places, each times a shared weight of its own: a mean over as many as nobody learns.
    Pool {
        /// The node that leaves one weight for each place, in fixed point.
        by: usize,
    },
}

/// A layer and what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// What is computed.
    pub layer: Layer,
    /// What enters: 0 is the input of the network, i what node i-1 leaves.
    pub input: usize,
}

/// Layers in order; the last one's values are the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub(super) nodes: Vec<Node>,
    /// What enters, and then what leaves each node.
    pub(super) extents: Vec<Extent>,
    /// Bits after the point.
    pub(super) fraction: u32,
    /// Bits that hold whatever enters a ReLU, sign included.
    pub(super) width: usize,
}

impl Network {
    /// Checks that the layers fit each other.
    ///
    /// `fraction` is the number of bits after the point, 8 to 20. `width` bits hold the fixed-point values that enter a
    /// ReLU, sign included: with 16 bits of fraction and a width of 32, activations stay below 2^15. Both are promises
    /// about the network that nobody checks under sharing: sums of products must stay below 2^62 as well.
    ///
    /// # Errors
    /// Names what does not fit.
    pub fn new(input: Extent, nodes: Vec<Node>, fraction: u32, width: usize) -> Result<Self, Error> {
        range("the bits after the point", 8, 20, fraction as usize)?;
        range("the width of a ReLU's input", 2, 32, width)?;
        range("the layers of a network", 1, 1024, nodes.len())?;
        range("the values that enter a network", 1, MOST_VALUES, input.len())?;
        let mut extents = vec![input];
        for node in &nodes {
            let out = leaves(node, &extents)?;
            range("the values that leave a layer", 1, MOST_VALUES, out.len())?;
            extents.push(out);
        }
        Ok(Self { nodes, extents, fraction, width })
    }

    /// Bits after the point.
    pub fn fraction(&self) -> u32 {
        self.fraction
    }

    /// What enters.
    pub fn input(&self) -> Extent {
        self.extents.first().copied().unwrap_or(Extent { height: 0, width: 0, channels: 0 })
    }

    /// What leaves the last layer.
    pub fn output(&self) -> Extent {
        self.extents.last().copied().unwrap_or(Extent { height: 0, width: 0, channels: 0 })
    }

    /// What leaves a node; nothing for a node that is none.
    pub fn leaving(&self, node: usize) -> Extent {
        self.extents.get(node + 1).copied().unwrap_or(Extent { height: 0, width: 0, channels: 0 })
    }

    /// How many weights and biases each node has, in order.
    pub fn weights(&self) -> Vec<[usize; 2]> {
        self.nodes.iter().map(|node| node.layer.weights()).collect()
    }
}

impl Layer {
    /// How many weights and biases.
    pub(super) fn weights(self) -> [usize; 2] {
        match self {
            Self::Convolution { window: [rows, columns], inputs, outputs, bias, .. } => {
                [rows * columns * inputs * outputs, if bias { outputs } else { 0 }]
            }
            Self::Depthwise { window: [rows, columns], channels, .. } => {
                [rows * columns * channels, channels]
            }
            Self::Linear { inputs, outputs, bias } => [inputs * outputs, if bias { outputs } else { 0 }],
            Self::Lookup { rows, width } => [rows * width, 0],
            Self::Relu
            | Self::BoundedRelu { .. }
            | Self::Mean
            | Self::Add { .. }
            | Self::Slice { .. }
            | Self::Mask { .. }
            | Self::Pool { .. } => [0, 0],
        }
    }

    /// What it reads beside its input: a number as of [`Node::input`].
    pub(super) fn beside(self) -> Option<usize> {
        match self {
            Self::Add { with } => Some(with),
            Self::Mask { by } | Self::Pool { by } => Some(by),
            _ => None,
        }
    }
}

fn leaves(node: &Node, extents: &[Extent]) -> Result<Extent, Error> {
    let at = |index: usize| {
        extents.get(index).copied().ok_or(Error::Range {
            what: "the number of what a layer reads",
            min: 0,
            max: extents.len() - 1,
            got: index,
        })
    };
    let input = at(node.input)?;
    let strided = |stride: usize, channels: usize| {
        range("a stride", 1, 8, stride)?;
        let (height, width) = (input.height.div_ceil(stride), input.width.div_ceil(stride));
        Ok(Extent { height, width, channels })
    };
    match node.layer {
        Layer::Convolution { window: [rows, columns], stride, inputs, outputs, .. } => {
            range("the rows of a window", 1, 15, rows)?;
            range("the columns of a window", 1, 15, columns)?;
            shape("the channels that enter a convolution", inputs, input.channels)?;
            strided(stride, outputs)
        }
        Layer::Depthwise { window: [rows, columns], stride, channels } => {
            range("the rows of a window", 1, 15, rows)?;
            range("the columns of a window", 1, 15, columns)?;
            shape("the channels that enter a depthwise convolution", channels, input.channels)?;
            strided(stride, channels)
        }
        Layer::Linear { inputs, outputs, .. } => {
            shape("the values that enter a linear layer", inputs, input.channels)?;
            Ok(Extent { channels: outputs, ..input })
        }
        Layer::Lookup { rows, width } => {
            shape("the length of a one-hot vector", rows, input.channels)?;
            Ok(Extent { channels: width, ..input })
        }
        Layer::Relu | Layer::BoundedRelu { .. } => Ok(input),
        Layer::Mean => Ok(Extent { height: 1, width: 1, channels: input.channels }),
        Layer::Add { with } => {
            shape("the values to add", input.len(), at(with)?.len())?;
            Ok(input)
        }
        Layer::Slice { from, channels } => {
            range("the channels of a slice", 1, input.channels.saturating_sub(from), channels)?;
            Ok(Extent { channels, ..input })
        }
        Layer::Mask { by } => {
            shape("the numbers of a mask", input.places(), at(by)?.len())?;
            Ok(input)
        }
        Layer::Pool { by } => {
            shape("the weights of places", input.places(), at(by)?.len())?;
            Ok(Extent { height: 1, width: 1, channels: input.channels })
        }
    }
}

/// Where the windows of a convolution lie.
#[derive(Clone, Copy)]
pub(super) struct Windows {
    pub(super) input: Extent,
    pub(super) output: Extent,
    pub(super) window: [usize; 2],
    pub(super) stride: usize,
}

impl Windows {
    /// The places of the input, numbered row by row, that each tap of the window at output place `index` covers;
    /// nothing for padding.
    pub(super) fn taps(self, index: usize) -> impl Iterator<Item = Option<usize>> {
        let [rows, columns] = self.window;
        let (y, x) = (index / self.output.width, index % self.output.width);
        let before = |out: usize, size: usize, window: usize| {
            ((out - 1) * self.stride + window).saturating_sub(size) / 2
        };
        let top = before(self.output.height, self.input.height, rows);
        let left = before(self.output.width, self.input.width, columns);
        (0..rows * columns).map(move |tap| {
            let row = (y * self.stride + tap / columns).checked_sub(top)?;
            let column = (x * self.stride + tap % columns).checked_sub(left)?;
            (row < self.input.height && column < self.input.width).then_some(row * self.input.width + column)
        })
    }
}
