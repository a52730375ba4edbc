//! Small neural networks under sharing: neither the picture nor the weights are known to any party.
//!
//! A [`Network`] is a public list of layers; weights and inputs are shares in fixed point over Z_2^64. The operations
//! are those of PMIRS's compact encoders: convolution, depthwise convolution, linear layers, a lookup table, ReLU,
//! addition, and the mean over places. Normalising the result is left to whom it opens.
//!
//! | layer | rounds | bytes a value that leaves it and party, at 16 bits of fraction |
//! |---|---|---|
//! | convolution, depthwise, linear | 2 | 10 |
//! | mean over places | 2 | 10 |
//! | lookup | 1 | 8 |
//! | ReLU at 32 bits | 7 | 18 |
//! | ReLU that stops | 7 | 36 |
//! | addition, a slice of channels | 0 | 0 |
//! | mask over places | 1 | 8 |
//! | weighted sum over places | 2 | 10 |

mod compact;
mod cost;
mod hidden_length;
mod layer;
mod plain;
mod shared;

pub use compact::{Block, ImageTower, TextTower};
pub use layer::{Extent, Layer, Network, Node};
pub use shared::{SharedWeights, fixed, real};
