//! One block-diagonal round: the secret blocks in single precision, built in double.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::orthogonal::{Orthogonal, uniform};

/// `B` square blocks on a diagonal.
pub(crate) struct Round {
    side: usize,
    /// Block after block, each column by column: a product then adds whole columns, which vectorises without
    /// reordering a sum.
    columns: Zeroizing<Vec<f32>>,
}

/// A round with its inverse transpose, both from the same factors.
pub(crate) struct RoundPair {
    pub(crate) forward: Round,
    pub(crate) inverse_transpose: Round,
    /// Mean of the squared singular values: the factor by which a vector's squared length grows on average.
    pub(crate) gain: f64,
}

impl RoundPair {
    /// Draws `blocks` blocks `U · diag(s) · V`: `U`, `V` Haar-orthogonal, `s` log-uniform between
    /// `condition^-¼` and `condition^¼`, so that the condition number is at most `√condition`.
    /// The inverse transpose of such a block is `U · diag(1/s) · V`.
    pub(crate) fn draw(blocks: usize, side: usize, condition: f64, rng: &mut impl CryptoRng) -> Self {
        let mut forward = Zeroizing::new(Vec::with_capacity(blocks * side * side));
        let mut inverse_transpose = Zeroizing::new(Vec::with_capacity(blocks * side * side));
        let mut gain = 0.0;
        for _ in 0..blocks {
            let outer = Orthogonal::draw(side, rng);
            let inner = Orthogonal::draw(side, rng);
            let stretch: Zeroizing<Vec<f64>> =
                Zeroizing::new((0..side).map(|_| condition.powf((uniform(rng) - 0.5) / 2.0)).collect());
            gain += stretch.iter().map(|s| s * s).sum::<f64>();

            let mut rotated = identity(side);
            inner.apply_left(&mut rotated);
            let mut shrunk = rotated.clone();
            for ((up, down), s) in
                rotated.chunks_exact_mut(side).zip(shrunk.chunks_exact_mut(side)).zip(stretch.iter())
            {
                for (up, down) in up.iter_mut().zip(down) {
                    *up *= s;
                    *down /= s;
                }
            }
            outer.apply_left(&mut rotated);
            outer.apply_left(&mut shrunk);
            append_columns(&mut forward, &rotated, side);
            append_columns(&mut inverse_transpose, &shrunk, side);
        }
        Self {
            forward: Round { side, columns: forward },
            inverse_transpose: Round { side, columns: inverse_transpose },
            gain: gain / (blocks * side) as f64,
        }
    }
}

impl Round {
    /// Sets every vector of `output` to this round's product with the vector of `input` at the same place;
    /// both hold vectors of `blocks · side` components, one after another. Block by block, so that a block
    /// stays in the cache while the whole batch passes.
    pub(crate) fn apply(&self, input: &[f32], output: &mut [f32]) {
        let area = self.side * self.side;
        let dim = self.columns.len() / self.side;
        for (index, block) in self.columns.chunks_exact(area).enumerate() {
            let from = index * self.side;
            for (vector, product) in input.chunks_exact(dim).zip(output.chunks_exact_mut(dim)) {
                let (_, vector) = vector.split_at(from);
                let (_, product) = product.split_at_mut(from);
                let (product, _) = product.split_at_mut(self.side);
                multiply(block, vector, product);
            }
        }
    }
}

/// `product = block · vector`, four columns at a time so that each partial sum is loaded a quarter as often.
fn multiply(block: &[f32], vector: &[f32], product: &mut [f32]) {
    let side = product.len();
    product.fill(0.0);
    let mut groups = block.chunks_exact(4 * side);
    let mut factors = vector.chunks_exact(4);
    for (group, factor) in groups.by_ref().zip(factors.by_ref()) {
        let &[f0, f1, f2, f3] = factor else { continue };
        let (left, right) = group.split_at(2 * side);
        let ((c0, c1), (c2, c3)) = (left.split_at(side), right.split_at(side));
        for ((((p, a), b), c), d) in product.iter_mut().zip(c0).zip(c1).zip(c2).zip(c3) {
            *p += (a * f0 + b * f1) + (c * f2 + d * f3);
        }
    }
    for (column, factor) in groups.remainder().chunks_exact(side).zip(vector.iter().skip(side / 4 * 4)) {
        for (p, c) in product.iter_mut().zip(column) {
            *p += c * factor;
        }
    }
}

fn identity(side: usize) -> Zeroizing<Vec<f64>> {
    let mut matrix = Zeroizing::new(vec![0.0; side * side]);
    matrix.iter_mut().step_by(side + 1).for_each(|value| *value = 1.0);
    matrix
}

/// Appends the row-major `matrix` column by column.
fn append_columns(columns: &mut Vec<f32>, matrix: &[f64], side: usize) {
    for column in 0..side {
        columns.extend(matrix.iter().skip(column).step_by(side).map(|value| *value as f32));
    }
}
