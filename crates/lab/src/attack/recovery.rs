//! How much of the truth an attack gave back.

use faer::MatRef;
use serde::Serialize;

use super::linear::{largest_in_rows, normalise_rows};

/// At most this many vectors are compared with each other.
const COMPARED: usize = 400;

/// A recovery of vectors, measured against the true ones.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Recovery {
    /// Mean cosine between a recovered vector and the true one: 1 is all, 0 is nothing.
    pub cosine: f64,
    /// Share of recovered vectors whose nearest among up to 400 true ones is their own.
    pub reidentified: f64,
    /// Correlation between the pairwise cosines of the recovered and of the true vectors: what is left of it
    /// when the recovery is right only up to a rotation.
    pub geometry: f64,
}

impl Recovery {
    /// From here on an attack counts as a success.
    pub const SUCCESS: f64 = 0.9;

    /// Measures rows against rows.
    pub fn measure(recovered: MatRef<'_, f64>, truth: MatRef<'_, f64>) -> Self {
        let count = truth.nrows().min(COMPARED);
        let recovered = normalise_rows(recovered.subrows(0, count).to_owned());
        let truth = normalise_rows(truth.subrows(0, count).to_owned());
        let similarity = &recovered * truth.transpose();
        let own = (0..count).map(|i| similarity[(i, i)]);
        let nearest = largest_in_rows(similarity.as_ref());
        let found = nearest.iter().enumerate().filter(|(i, nearest)| i == *nearest).count();
        let (pairs_recovered, pairs_true) = (&recovered * recovered.transpose(), &truth * truth.transpose());
        Self {
            cosine: own.sum::<f64>() / count.max(1) as f64,
            reidentified: found as f64 / count.max(1) as f64,
            geometry: correlation_below_diagonal(pairs_recovered.as_ref(), pairs_true.as_ref()),
        }
    }

    /// Whether the vectors are in the attacker's hands: by direction, or well enough to name them.
    pub fn gives_vectors(&self) -> bool {
        self.cosine >= Self::SUCCESS || self.reidentified >= Self::SUCCESS
    }

    /// Whether the geometry is: who is near whom.
    pub fn gives_geometry(&self) -> bool {
        self.geometry >= Self::SUCCESS
    }
}

fn correlation_below_diagonal(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> f64 {
    let pairs = || (0..a.nrows()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let count = pairs().count().max(1) as f64;
    let mean = |m: MatRef<'_, f64>| pairs().map(|place| m[place]).sum::<f64>() / count;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let moments = pairs().fold([0.0; 3], |[aa, ab, bb], place| {
        let (x, y) = (a[place] - mean_a, b[place] - mean_b);
        [aa + x * x, ab + x * y, bb + y * y]
    });
    let [aa, ab, bb] = moments;
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}
