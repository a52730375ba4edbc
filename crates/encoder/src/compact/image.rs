//! The image tower: trunk, mean over places, and a head into the joint space.
//!
//! ```text
//! features -> linear -> + linear(ReLU(linear(features))) -> dim
//! ```
#![expect(clippy::indexing_slicing, reason = "ranges come from the layout that sized the vectors")]

use std::ops::Range;

use faer::Accum;

use super::kernels::product;
use super::parameters::Layout;
use super::trunk::{Architecture, Trunk};

/// The head's tensors within a flat vector.
#[derive(Clone, Debug)]
pub struct Head {
    /// `features x dim`.
    pub direct: Range<usize>,
    /// `features x hidden`.
    pub inner: Range<usize>,
    /// `hidden`.
    pub inner_bias: Range<usize>,
    /// `hidden x dim`.
    pub outer: Range<usize>,
    /// `dim`.
    pub bias: Range<usize>,
}

impl Head {
    /// Appends the head's tensors to a layout.
    pub fn push(layout: &mut Layout, features: usize, hidden: usize, dim: usize) -> Self {
        Self {
            direct: layout.push("head.direct.weight", &[features, dim]),
            inner: layout.push("head.inner.weight", &[features, hidden]),
            inner_bias: layout.push("head.inner.bias", &[hidden]),
            outer: layout.push("head.outer.weight", &[hidden, dim]),
            bias: layout.push("head.outer.bias", &[dim]),
        }
    }

    /// The same head in a vector that begins `start` numbers later.
    pub(crate) fn moved_back(&self, start: usize) -> Self {
        let back = |range: &Range<usize>| range.start - start..range.end - start;
        Self {
            direct: back(&self.direct),
            inner: back(&self.inner),
            inner_bias: back(&self.inner_bias),
            outer: back(&self.outer),
            bias: back(&self.bias),
        }
    }

    /// Length of the feature vector, width of the hidden layer, length of the raw vector.
    pub fn shape(&self) -> [usize; 3] {
        let (hidden, dim) = (self.inner_bias.len(), self.bias.len());
        [self.direct.len() / dim, hidden, dim]
    }

    /// Raw vectors of feature rows.
    pub fn project(&self, weights: &[f32], features: &[f32]) -> Vec<Vec<f32>> {
        let [width, hidden, dim] = self.shape();
        let rows = features.len() / width;
        let mut inner = vec![0.0; rows * hidden];
        product(features, &weights[self.inner.clone()], Accum::Replace, 1.0, rows, &mut inner);
        for row in inner.chunks_exact_mut(hidden) {
            for (value, bias) in row.iter_mut().zip(&weights[self.inner_bias.clone()]) {
                *value = (*value + bias).max(0.0);
            }
        }
        let mut out: Vec<f32> = weights[self.bias.clone()].repeat(rows);
        product(features, &weights[self.direct.clone()], Accum::Add, 1.0, rows, &mut out);
        product(&inner, &weights[self.outer.clone()], Accum::Add, 1.0, rows, &mut out);
        out.chunks_exact(dim).map(<[f32]>::to_vec).collect()
    }
}

/// The image tower's shape; weights are a flat vector of [`ImageTower::layout`].
#[derive(Clone, Debug)]
pub struct ImageTower {
    trunk: Trunk,
    head: Head,
    layout: Layout,
}

impl ImageTower {
    /// Lays out trunk and head.
    pub fn new(architecture: &Architecture, hidden: usize, dim: usize) -> Self {
        let trunk = Trunk::new(architecture);
        let mut layout = trunk.layout().clone();
        let head = Head::push(&mut layout, trunk.features(), hidden, dim);
        Self { trunk, head, layout }
    }

    /// Names, shapes and order of the weights.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The convolutional part; its weights are the first of the flat vector.
    pub fn trunk(&self) -> &Trunk {
        &self.trunk
    }

    /// Where the head's tensors lie.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Raw vectors of square images (`images x size x size x 3`, values in [-1, 1]), `shard` at a time.
    pub fn embed(&self, weights: &[f32], pixels: &[f32], size: usize, shard: usize) -> Vec<Vec<f32>> {
        self.head.project(weights, &self.trunk.features_of(weights, pixels, size, shard))
    }
}
