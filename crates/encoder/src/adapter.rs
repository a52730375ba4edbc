//! A low-rank residual on a model's unit vectors, apart for pictures and for texts.
//!
//! ```text
//! v  ->  unit( v + B A v + b )         A: rank x dim, signs / √dim, the same everywhere;  B, b: the adapter's weights
//! ```
//!
//! `A` is fixed, as in FFA-LoRA (Sun et al. 2024, "Improving LoRA in privacy-preserving federated learning"): then the
//! output is linear in the weights, so that the mean of members' adapters is the adapter of the mean, and noise on
//! the weights is not squared. `B = 0`, `b = 0` changes nothing.

use std::sync::Arc;

use pmirs_crypto::Prg;
use rand_core::Rng as _;

use crate::compact::parameters::{Layout, Parameters};
use crate::compact::store;
use crate::{Pack, PackError};

/// Pictures or texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Image,
    Text,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Image, Self::Text];

    fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
        }
    }
}

/// The adapter's sizes; its weights are a flat vector of [`AdapterShape::layout`].
#[derive(Clone, Debug)]
pub(crate) struct AdapterShape {
    pub dim: usize,
    pub rank: usize,
    layout: Layout,
}

impl AdapterShape {
    pub(crate) fn new(dim: usize, rank: usize) -> Self {
        let mut layout = Layout::default();
        for side in Side::BOTH {
            layout.push(format!("adapter.{}.weight", side.name()), &[rank, dim]);
            layout.push(format!("adapter.{}.bias", side.name()), &[dim]);
        }
        Self { dim, rank, layout }
    }

    /// The largest adapter of so many weights; none where they do not suffice for rank 1.
    pub(crate) fn within(dim: usize, weights: usize) -> Option<Self> {
        let rank = (weights / (2 * dim.max(1))).checked_sub(1).filter(|rank| *rank > 0)?;
        Some(Self::new(dim, rank.min(dim)))
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Where `B` (rank x dim) and `b` of a side lie.
    pub(crate) fn places(&self, side: Side) -> [std::ops::Range<usize>; 2] {
        let one = self.dim * (self.rank + 1);
        let start = one * usize::from(side == Side::Text);
        [start..start + self.dim * self.rank, start + self.dim * self.rank..start + one]
    }

    /// `A` of a side, row by row: ±1/√dim, drawn once and for all by dimension and side. A lower rank has the first
    /// rows of a higher one.
    pub(crate) fn spread(&self, side: Side) -> Vec<f32> {
        let seed = pmirs_crypto::sha256(format!("pmirs adapter v1 {} {}", side.name(), self.dim).as_bytes());
        let mut rng = Prg::new(&seed, b"signs");
        let size = (self.dim as f32).sqrt().recip();
        let draw = |_| if rng.next_u32() & 1 == 0 { size } else { -size };
        (0..self.rank * self.dim).map(draw).collect()
    }
}

/// An adapter that is ready to be applied.
#[derive(Clone)]
pub(crate) struct Adapter {
    shape: AdapterShape,
    spread: [Vec<f32>; 2],
    weights: Vec<f32>,
}

impl Adapter {
    /// `weights` has the layout of `shape`.
    pub(crate) fn new(shape: AdapterShape, weights: Vec<f32>) -> Self {
        let spread = Side::BOTH.map(|side| shape.spread(side));
        Self { shape, spread, weights }
    }

    /// The adapter of a pack, if it has one.
    ///
    /// # Errors
    /// When its file is missing, altered or of another shape.
    pub(crate) fn read(pack: &Pack) -> Result<Option<Self>, PackError> {
        let Some(spec) = &pack.manifest().adapter else { return Ok(None) };
        let shape = AdapterShape::new(pack.manifest().dim, spec.rank);
        let bytes = pack.read(&spec.weights)?;
        let stored: Parameters = store::read(&spec.weights, &bytes, Arc::new(shape.layout.clone()))?;
        Ok(Some(Self::new(shape, stored.values)))
    }

    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// What is to be added to a unit vector before it is brought to length one again.
    pub(crate) fn apply(&self, side: Side, vector: &mut [f32]) {
        let [weight, bias] = self.shape.places(side);
        let [image, text] = &self.spread;
        let spread = if side == Side::Image { image } else { text };
        let dim = self.shape.dim.max(1);
        let weight = self.weights.get(weight).unwrap_or_default();
        let mut change = self.weights.get(bias).unwrap_or_default().to_vec();
        for (signs, out) in spread.chunks_exact(dim).zip(weight.chunks_exact(dim)) {
            let along: f32 = signs.iter().zip(vector.iter()).map(|(a, b)| a * b).sum();
            change.iter_mut().zip(out).for_each(|(change, out)| *change += along * out);
        }
        vector.iter_mut().zip(change).for_each(|(value, change)| *value += change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_weights_change_nothing_and_others_add_their_rows() {
        let shape = AdapterShape::new(4, 2);
        assert_eq!(shape.layout().len(), 2 * 4 * 3);
        let mut vector = vec![0.5, 0.5, -0.5, 0.5];
        let before = vector.clone();
        Adapter::new(shape.clone(), vec![0.0; 24]).apply(Side::Text, &mut vector);
        assert_eq!(vector, before);
        let mut weights = vec![0.0; 24];
        let [rows, bias] = shape.places(Side::Text);
        weights[rows.start] = 1.0; // the first number of what goes along the first row of A
        weights[bias.start + 1] = 0.25;
        let along: f32 = shape.spread(Side::Text)[..4].iter().zip(&before).map(|(a, b)| a * b).sum();
        Adapter::new(shape, weights).apply(Side::Text, &mut vector);
        assert_eq!(vector, [0.5 + along, 0.75, -0.5, 0.5]);
    }

    #[test]
    fn ranks_follow_from_the_weights() {
        let rank = |dim, weights| AdapterShape::within(dim, weights).map(|shape| shape.rank);
        assert_eq!(rank(128, 5000), Some(18));
        assert_eq!(rank(512, 500_000), Some(487));
        assert_eq!(rank(128, 500_000), Some(128), "no more than there are dimensions");
        assert_eq!(rank(1024, 4095), None);
    }
}
