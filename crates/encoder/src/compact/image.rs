//! The image tower: trunk, mean over places, and a head into the joint space.
//!
//! ```text
//! features (1280) -> linear -> + linear(ReLU(linear(features))) -> dim
//! ```
#![expect(clippy::indexing_slicing, reason = "ranges come from the layout that sized the vectors")]

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::parameters::Layout;
use super::trunk::{Architecture, Trunk};

/// The head's tensors within the image tower's flat vector.
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

/// The image tower's shape; weights are a flat vector of [`ImageTower::layout`].
#[derive(Clone, Debug)]
pub struct ImageTower {
    trunk: Trunk,
    head: Head,
    layout: Layout,
    hidden: usize,
    dim: usize,
}

impl ImageTower {
    /// Lays out trunk and head.
    pub fn new(architecture: &Architecture, hidden: usize, dim: usize) -> Self {
        let trunk = Trunk::new(architecture);
        let mut layout = trunk.layout().clone();
        let features = trunk.features();
        let head = Head {
            direct: layout.push("head.direct.weight", &[features, dim]),
            inner: layout.push("head.inner.weight", &[features, hidden]),
            inner_bias: layout.push("head.inner.bias", &[hidden]),
            outer: layout.push("head.outer.weight", &[hidden, dim]),
            bias: layout.push("head.outer.bias", &[dim]),
        };
        Self { trunk, head, layout, hidden, dim }
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
        let features = self.trunk.features_of(weights, pixels, size, shard);
        self.project(weights, &features)
    }

    /// The head alone.
    pub fn project(&self, weights: &[f32], features: &[f32]) -> Vec<Vec<f32>> {
        let rows = features.len() / self.trunk.features();
        let head = &self.head;
        let mut inner = vec![0.0; rows * self.hidden];
        product(features, &weights[head.inner.clone()], &mut inner, rows, Accum::Replace);
        for row in inner.chunks_exact_mut(self.hidden) {
            for (value, bias) in row.iter_mut().zip(&weights[head.inner_bias.clone()]) {
                *value = (*value + bias).max(0.0);
            }
        }
        let mut out: Vec<f32> = weights[head.bias.clone()].repeat(rows);
        product(features, &weights[head.direct.clone()], &mut out, rows, Accum::Add);
        product(&inner, &weights[head.outer.clone()], &mut out, rows, Accum::Add);
        out.chunks_exact(self.dim).map(<[f32]>::to_vec).collect()
    }
}

fn product(left: &[f32], right: &[f32], out: &mut [f32], rows: usize, beta: Accum) {
    let (inner, columns) = (left.len() / rows, out.len() / rows);
    matmul(
        MatMut::from_row_major_slice_mut(out, rows, columns),
        beta,
        MatRef::from_row_major_slice(left, rows, inner),
        MatRef::from_row_major_slice(right, inner, columns),
        1.0,
        Par::Seq,
    );
}
