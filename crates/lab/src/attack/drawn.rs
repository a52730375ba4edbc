//! Embeddings drawn with the traits of real ones: clusters of uneven size, a falling spectrum, no mean.

use faer::Mat;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Clusters that the vectors are drawn around.
const CLUSTERS: usize = 60;

/// Draws `count` unit vectors of one "model": the same seed and dimension give the same clusters, and a
/// larger count only appends (before the common centring), so that a collection and the public vectors of one
/// experiment come from one call.
pub fn clustered(count: usize, dim: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let basis = gaussian(dim, dim, &mut rng).qr().compute_thin_Q();
    let spread = |fall: f64| (0..dim).map(move |i| (i as f64 + 1.0).powf(-fall));
    let centres = gaussian(CLUSTERS, dim, &mut rng);
    let mut vectors = Mat::<f64>::zeros(count, dim);
    for i in 0..count {
        // The square of a uniform draw makes the first clusters several times as common as the last ones.
        let share: f64 = rng.random();
        let cluster = (share * share * CLUSTERS as f64) as usize;
        for (j, (between, within)) in spread(0.5).zip(spread(0.35)).enumerate() {
            let own: f64 = StandardNormal.sample(&mut rng);
            vectors[(i, j)] = between * centres[(cluster.min(CLUSTERS - 1), j)] + 0.6 * within * own;
        }
    }
    let rotated = vectors * basis.transpose();
    let rows: Vec<Vec<f32>> =
        (0..count).map(|i| (0..dim).map(|j| rotated[(i, j)] as f32).collect()).collect();
    centred(&rows)
}

/// Subtracts the mean and scales to unit length, as the encoder does with what a model gives. Vectors that
/// equal the mean have no direction and are left out.
pub fn centred<V: AsRef<[f32]>>(vectors: &[V]) -> Vec<Vec<f32>> {
    let dim = vectors.first().map_or(0, |vector| vector.as_ref().len());
    let mut mean = vec![0.0_f64; dim];
    for vector in vectors {
        for (sum, value) in mean.iter_mut().zip(vector.as_ref()) {
            *sum += f64::from(*value) / vectors.len() as f64;
        }
    }
    let centre = |vector: &V| {
        let moved: Vec<f64> = vector.as_ref().iter().zip(&mean).map(|(v, m)| f64::from(*v) - m).collect();
        let length = moved.iter().map(|v| v * v).sum::<f64>().sqrt();
        (length > 1e-6).then(|| moved.iter().map(|v| (v / length) as f32).collect())
    };
    vectors.iter().filter_map(centre).collect()
}

fn gaussian(rows: usize, columns: usize, rng: &mut ChaCha20Rng) -> Mat<f64> {
    Mat::from_fn(rows, columns, |_, _| StandardNormal.sample(rng))
}
