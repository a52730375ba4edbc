//! How good a model is: recall at k between photos and captions, accuracy over classes.
#![expect(clippy::indexing_slicing, reason = "indices are those of the rows being ranked")]

use serde::{Deserialize, Serialize};

/// Recall at 1, 5 and 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// Share of queries whose match is first.
    pub r1: f64,
    /// Share of queries with a match among the first five.
    pub r5: f64,
    /// Share of queries with a match among the first ten.
    pub r10: f64,
}

/// Brings a raw vector to unit length after the mean was taken off, as an
/// [`Embedding`](crate::Embedding) does.
pub(crate) fn centred(rows: &[Vec<f32>], centre: &[f32]) -> Vec<Vec<f32>> {
    rows.iter().map(|row| unit(unit(row.clone()).iter().zip(centre).map(|(v, c)| v - c).collect())).collect()
}

/// The mean of unit vectors.
pub(crate) fn centre_of(rows: &[Vec<f32>]) -> Vec<f32> {
    let mut mean = vec![0.0; rows.first().map_or(0, Vec::len)];
    for row in rows {
        for (sum, value) in mean.iter_mut().zip(unit(row.clone())) {
            *sum += value / rows.len() as f32;
        }
    }
    mean
}

/// Recall of `queries` among `items`; `answers[q]` are the items that match query `q`.
pub fn recall(queries: &[Vec<f32>], items: &[Vec<f32>], answers: &[Vec<usize>]) -> Recall {
    let mut hits = [0_usize; 3];
    for (query, answers) in queries.iter().zip(answers) {
        let scores: Vec<f32> = items.iter().map(|item| dot(query, item)).collect();
        let best = answers.iter().map(|&answer| scores[answer]).fold(f32::MIN, f32::max);
        // A tie counts against us, whatever order a search would print it in.
        let ahead =
            scores.iter().enumerate().filter(|(item, score)| **score >= best && !answers.contains(item));
        let before = ahead.count();
        for (hits, first) in hits.iter_mut().zip([1, 5, 10]) {
            *hits += usize::from(before < first);
        }
    }
    let [r1, r5, r10] = hits.map(|hits| hits as f64 / queries.len().max(1) as f64);
    Recall { r1, r5, r10 }
}

/// Share of photos whose nearest class is their own.
pub fn accuracy(photos: &[Vec<f32>], classes: &[Vec<f32>], truth: &[usize]) -> f64 {
    let right = photos.iter().zip(truth).filter(|(photo, truth)| {
        let scores: Vec<f32> = classes.iter().map(|class| dot(photo, class)).collect();
        (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])) == Some(**truth)
    });
    right.count() as f64 / photos.len().max(1) as f64
}

/// Eight partial sums, so that the additions do not wait for each other.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    for (left, right) in left.zip(right) {
        for ((lane, a), b) in lanes.iter_mut().zip(left).zip(right) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

pub(crate) fn unit(mut row: Vec<f32>) -> Vec<f32> {
    let norm = dot(&row, &row).sqrt().max(1e-12);
    for value in &mut row {
        *value /= norm;
    }
    row
}
