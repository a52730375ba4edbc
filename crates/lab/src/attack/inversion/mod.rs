//! A picture from what a member learned of it: gradient inversion, and what secure aggregation and noise leave of it.
//!
//! The first layer of a network computes `h = W x + b`. Whatever comes after it, for one example and any loss L,
//!
//! ```text
//! ∂L/∂W_i = ∂L/∂h_i · x,     ∂L/∂b_i = ∂L/∂h_i          so     x = ∂L/∂W_i  /  ∂L/∂b_i
//! ```
//!
//! for every unit i that is not silent (Phong et al. 2018, "Privacy-preserving deep learning via additively homomorphic
//! encryption"; Geiping et al. 2020, proposition 3.1, for what follows a dense layer anywhere in a network). An update is
//! that gradient times a rate, and both cancel in the quotient: who sees one member's update sees its picture, exactly.
//! Over several examples the quotient is their mean, each weighed by how far it moves the unit, and a unit that only one of
//! them wakes still gives that one away: so a sum over members is no protection by itself, and noise is what is.

use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

#[cfg(test)]
mod tests;

/// Side of the square pictures.
pub const SIDE: usize = 24;
/// Pixels of one.
pub const PIXELS: usize = SIDE * SIDE;

/// A dense layer, ReLU, a dense layer, cross-entropy: the weights as one vector, `W₁ ‖ b₁ ‖ W₂ ‖ b₂`.
#[derive(Debug, Clone)]
pub struct Network {
    hidden: usize,
    classes: usize,
    weights: Vec<f32>,
}

impl Network {
    /// Fresh weights (He et al. 2015).
    pub fn draw(hidden: usize, classes: usize, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut layer = |inputs: usize, outputs: usize| {
            let deviation = (2.0 / inputs as f32).sqrt();
            let mut weights: Vec<f32> = Vec::new();
            weights.extend((0..inputs * outputs).map(|_| {
                let normal: f32 = StandardNormal.sample(&mut rng);
                normal * deviation
            }));
            weights.extend(vec![0.0; outputs]);
            weights
        };
        let weights = [layer(PIXELS, hidden), layer(hidden, classes)].concat();
        Self { hidden, classes, weights }
    }

    /// How many weights there are.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The gradient of the loss of one picture of [`PIXELS`] and its class.
    pub fn gradient(&self, picture: &[f32], class: usize) -> Vec<f32> {
        let (first, second) = self.weights.split_at(self.hidden * (PIXELS + 1));
        let before = dense(first, picture, self.hidden);
        let awake: Vec<f32> = before.iter().map(|value| value.max(0.0)).collect();
        let mut slopes = softmax(&dense(second, &awake, self.classes));
        if let Some(slope) = slopes.get_mut(class) {
            *slope -= 1.0;
        }
        let rows = second.chunks(self.hidden).zip(&slopes);
        let mut back = vec![0.0; self.hidden];
        for (row, slope) in rows {
            back.iter_mut().zip(row).for_each(|(back, weight)| *back += slope * weight);
        }
        for (back, before) in back.iter_mut().zip(&before) {
            *back *= f32::from(u8::from(*before > 0.0));
        }
        [outer(&back, picture), back, outer(&slopes, &awake), slopes].concat()
    }
}

/// The picture behind an update of such a network, read off the unit that moved furthest: an update of noise gives noise.
/// Nothing where no unit moved.
pub fn invert(update: &[f32], hidden: usize) -> Option<Vec<f32>> {
    let (unit, _) = units(update, hidden).max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()))?;
    read_off(update, hidden, unit)
}

/// What every unit that moved gives: an attacker that can recognise a picture looks at them all.
pub fn invert_all(update: &[f32], hidden: usize) -> Vec<Vec<f32>> {
    units(update, hidden).filter_map(|(unit, _)| read_off(update, hidden, unit)).collect()
}

fn units(update: &[f32], hidden: usize) -> impl Iterator<Item = (usize, f32)> {
    let biases = update.get(hidden * PIXELS..hidden * (PIXELS + 1)).unwrap_or_default();
    biases.iter().copied().enumerate().filter(|(_, bias)| bias.abs() > 0.0)
}

fn read_off(update: &[f32], hidden: usize, unit: usize) -> Option<Vec<f32>> {
    let row = update.get(unit * PIXELS..(unit + 1) * PIXELS)?;
    let bias = update.get(hidden * PIXELS + unit)?;
    Some(row.iter().map(|weight| weight / bias).collect())
}

/// Pearson's correlation of two pictures: 1 for the same up to brightness and contrast, 0 for nothing in common.
pub fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |values: &[f32]| values.iter().copied().map(f64::from).sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a) - mean_a, f64::from(*b) - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    both / (of_a * of_b).sqrt().max(f64::MIN_POSITIVE)
}

/// A drawn picture in grey: a slope, and a few discs over it.
pub fn picture(seed: u64) -> Vec<f32> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut unit = || rng.random::<f32>();
    let (across, down) = (unit() - 0.5, unit() - 0.5);
    let discs: Vec<[f32; 4]> = (0..4).map(|_| [unit(), unit(), 0.08 + 0.2 * unit(), unit()]).collect();
    let side = SIDE as f32;
    let pixel = |at: usize| {
        let (x, y) = ((at % SIDE) as f32 / side, (at / SIDE) as f32 / side);
        let inside = |[left, top, radius, _]: &&[f32; 4]| (x - left).hypot(y - top) < *radius;
        discs.iter().rev().find(inside).map_or(0.5 + across * (x - 0.5) + down * (y - 0.5), |disc| disc[3])
    };
    (0..PIXELS).map(pixel).collect()
}

/// `W x + b` for `W ‖ b` of so many rows.
fn dense(layer: &[f32], inputs: &[f32], outputs: usize) -> Vec<f32> {
    let (weights, biases) = layer.split_at(inputs.len() * outputs);
    let dot = |row: &[f32]| row.iter().zip(inputs).map(|(weight, input)| weight * input).sum::<f32>();
    weights.chunks(inputs.len()).zip(biases).map(|(row, bias)| dot(row) + bias).collect()
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

fn outer(rows: &[f32], columns: &[f32]) -> Vec<f32> {
    rows.iter().flat_map(|row| columns.iter().map(move |column| row * column)).collect()
}
