//! The first centroids: the rows divided coarsely, and each part again.

use rayon::prelude::*;

use super::{centroids_of, matrix_of};
use crate::{IndexError, Quantised};

/// Rounds of k-means at each level.
const ROUNDS: usize = 6;

/// So many centroids for these vectors, by two levels of spherical k-means.
pub(super) fn divide(
    vectors: &[Vec<f32>],
    points: &[Quantised],
    cells: usize,
    seed: u64,
) -> Result<Vec<Vec<f32>>, IndexError> {
    let all: Vec<u32> = (0..vectors.len() as u32).collect();
    let coarse = (cells as f64).sqrt().ceil() as usize;
    let mut parts = k_means(vectors, points, &all, coarse, seed)?.cells;
    parts.retain(|rows| !rows.is_empty());
    let shares = shares(&parts, cells);
    let fine = parts
        .par_iter()
        .zip(&shares)
        .enumerate()
        .map(|(part, (rows, &share))| k_means(vectors, points, rows, share, seed ^ (part as u64 + 1)))
        .collect::<Result<Vec<_>, IndexError>>()?;
    let mut centroids: Vec<Vec<f32>> = fine.into_iter().flat_map(|means| means.centroids).collect();
    // A part of fewer rows than its share has no more to begin with.
    let again: Vec<Vec<f32>> =
        centroids.iter().cycle().take(cells.saturating_sub(centroids.len())).cloned().collect();
    centroids.extend(again);
    Ok(centroids)
}

struct Means {
    centroids: Vec<Vec<f32>>,
    cells: Vec<Vec<u32>>,
}

/// Spherical k-means over some of the rows, which must be at least as many as the centroids.
fn k_means(
    vectors: &[Vec<f32>],
    points: &[Quantised],
    rows: &[u32],
    count: usize,
    seed: u64,
) -> Result<Means, IndexError> {
    let mut centroids: Vec<Vec<f32>> =
        drawn(rows, count, seed).into_iter().filter_map(|row| vectors.get(row as usize)).cloned().collect();
    let mut cells = Vec::new();
    for _ in 0..ROUNDS {
        let matrix = matrix_of(&centroids)?;
        let nearest = rows
            .par_iter()
            .filter_map(|&row| points.get(row as usize).map(|point| (row, point)))
            .map(|(row, point)| Ok((row, matrix.top_k(point, 1, 1)?.first().map_or(0, |hit| hit.row))))
            .collect::<Result<Vec<(u32, u32)>, IndexError>>()?;
        cells = vec![Vec::new(); centroids.len()];
        for (row, cell) in nearest {
            if let Some(rows) = cells.get_mut(cell as usize) {
                rows.push(row);
            }
        }
        centroids = centroids_of(vectors, &cells, &centroids);
    }
    Ok(Means { centroids, cells })
}

/// How many cells each part gets: in proportion to its rows, one at least, all of them together.
fn shares(parts: &[Vec<u32>], cells: usize) -> Vec<usize> {
    let rows: usize = parts.iter().map(Vec::len).sum();
    let spare = cells.saturating_sub(parts.len());
    // One for each part, and of the rest what its rows up to here make of it.
    let (mut before, mut given) = (0, 0);
    parts
        .iter()
        .map(|part| {
            before += part.len();
            let due = spare * before / rows.max(1);
            let share = 1 + due - given;
            given = due;
            share
        })
        .collect()
}

/// So many different rows, drawn by a seed.
fn drawn(rows: &[u32], count: usize, seed: u64) -> Vec<u32> {
    let mut rows = rows.to_vec();
    let mut state = seed;
    let count = count.min(rows.len());
    for at in 0..count {
        let left = rows.len() - at;
        let other = at + (next(&mut state) % left as u64) as usize;
        rows.swap(at, other);
    }
    rows.truncate(count);
    rows
}

/// `SplitMix64` (Steele, Lea, Flood 2014): for choosing rows to begin with, and for nothing secret.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
