//! Named tensors in one flat vector: what trains, what is stored, and what a federated round will average.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One tensor's name, shape and place in the flat vector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TensorSpec {
    /// Unique within the model, for example `trunk.block_03.expand.weight`.
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<usize>,
    /// First element in the flat vector.
    pub start: usize,
}

impl TensorSpec {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements' places in the flat vector.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.len()
    }
}

/// The order of tensors in a flat vector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    tensors: Vec<TensorSpec>,
}

impl Layout {
    /// Appends a tensor and returns its place.
    pub fn push(&mut self, name: impl Into<String>, shape: &[usize]) -> Range<usize> {
        let spec = TensorSpec { name: name.into(), shape: shape.to_vec(), start: self.len() };
        let range = spec.range();
        self.tensors.push(spec);
        range
    }

    /// All tensors in order.
    pub fn tensors(&self) -> &[TensorSpec] {
        &self.tensors
    }

    /// Total number of elements.
    pub fn len(&self) -> usize {
        self.tensors.last().map_or(0, |last| last.range().end)
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }
}

/// A layout and its values.
#[derive(Clone, Debug)]
pub struct Parameters {
    layout: Arc<Layout>,
    /// All tensors, one after the other.
    pub values: Vec<f32>,
}

impl Parameters {
    /// Zeros of this layout.
    pub fn zeros(layout: Arc<Layout>) -> Self {
        let values = vec![0.0; layout.len()];
        Self { layout, values }
    }

    /// The order of tensors.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// A tensor's values by name.
    pub fn get(&self, name: &str) -> Option<&[f32]> {
        let spec = self.layout.tensors.iter().find(|spec| spec.name == name)?;
        self.values.get(spec.range())
    }

    /// A tensor's values by name, to be filled.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut [f32]> {
        let spec = self.layout.tensors.iter().find(|spec| spec.name == name)?;
        self.values.get_mut(spec.range())
    }
}
