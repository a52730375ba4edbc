//! A tree of cells over unit vectors: which rows lie close together, in cells of bounded size.
//!
//! A search looks at the cells whose centroids lie nearest to the query, and at the rows of these alone. Cells have the same
//! capacity, so that each can be padded to the same size and shows nothing by how much it holds.
//!
//! [`Tree::grow`] is hierarchical spherical k-means: the rows are divided coarsely, each part is divided again into its
//! share of the cells (`divide`), and rounds over all cells make them better (`assign`: every row goes to the nearest cell
//! that has room, the closest pairs first). The same rows and seed give the same tree, on any number of threads.

mod assign;
mod divide;

use rayon::prelude::*;

use crate::{IndexError, MAX_DIM, Matrix, quantise};

/// Rounds over all cells after the division.
const ROUNDS: usize = 8;

/// How a tree is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TreeShape {
    /// Rows of a cell, on average.
    pub mean: usize,
    /// How much more than the mean a cell may hold: 1.25 times as much, for instance.
    pub slack: f32,
}

impl Default for TreeShape {
    fn default() -> Self {
        Self { mean: 32, slack: 1.25 }
    }
}

impl TreeShape {
    /// How many cells so many rows get.
    pub fn cells(&self, rows: usize) -> usize {
        rows.div_ceil(self.mean.max(1)).max(1)
    }

    /// How many rows fit in each of them.
    pub fn capacity(&self, rows: usize) -> usize {
        let cells = self.cells(rows);
        let mean = rows as f64 / cells as f64;
        // Never so little that rows are left over.
        ((mean * f64::from(self.slack)).floor() as usize).max(rows.div_ceil(cells)).max(1)
    }
}

/// Rows in cells around centroids.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    dim: usize,
    capacity: usize,
    centroids: Vec<Vec<f32>>,
    cells: Vec<Vec<u32>>,
}

impl Tree {
    /// Grows a tree over vectors of unit length.
    ///
    /// # Errors
    /// No vectors, vectors of different dimensions, or one that is not finite.
    pub fn grow(vectors: &[Vec<f32>], shape: TreeShape, seed: u64) -> Result<Self, IndexError> {
        let dim = vectors.first().map_or(0, Vec::len);
        if dim == 0 || dim > MAX_DIM {
            return Err(IndexError::DimensionOutOfRange { got: dim });
        }
        if let Some(other) = vectors.iter().find(|vector| vector.len() != dim) {
            return Err(IndexError::DimensionMismatch { got: other.len(), expected: dim });
        }
        let points = vectors.par_iter().map(|it| quantise(it)).collect::<Result<Vec<_>, _>>()?;
        let (cells, capacity) = (shape.cells(vectors.len()), shape.capacity(vectors.len()));
        let mut centroids = divide::divide(vectors, &points, cells, seed)?;
        let mut placed = assign::assign(&points, &centroids, capacity)?;
        for _ in 0..ROUNDS {
            centroids = centroids_of(vectors, &placed, &centroids);
            let next = assign::assign(&points, &centroids, capacity)?;
            let settled = next == placed;
            placed = next;
            if settled {
                break;
            }
        }
        Ok(Self { dim, capacity, centroids: centroids_of(vectors, &placed, &centroids), cells: placed })
    }

    /// Coordinates of a centroid.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How many rows a cell can hold; none holds more.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The rows of each cell, ascending. Every row lies in one cell.
    pub fn cells(&self) -> &[Vec<u32>] {
        &self.cells
    }

    /// The centroid of each cell: of unit length.
    pub fn centroids(&self) -> &[Vec<f32>] {
        &self.centroids
    }

    /// The cells whose centroids lie nearest to a query, nearest first.
    pub fn nearest(&self, query: &[f32], count: usize) -> Vec<usize> {
        let mut scored: Vec<(f32, usize)> =
            self.centroids.iter().enumerate().map(|(cell, it)| (dot(query, it), cell)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scored.into_iter().take(count).map(|(_, cell)| cell).collect()
    }
}

/// The directions of the cells' means. An empty cell keeps the centroid that it had.
fn centroids_of(vectors: &[Vec<f32>], cells: &[Vec<u32>], before: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let direction = |(rows, before): (&Vec<u32>, &Vec<f32>)| {
        let mut sum = vec![0.0_f64; before.len()];
        for vector in rows.iter().filter_map(|&row| vectors.get(row as usize)) {
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length < 1e-9 { before.clone() } else { sum.iter().map(|x| (x / length) as f32).collect() }
    };
    cells.par_iter().zip(before).map(direction).collect()
}

/// Vectors as a matrix that int8 kernels search.
fn matrix_of(vectors: &[Vec<f32>]) -> Result<Matrix, IndexError> {
    let mut matrix = Matrix::with_capacity(vectors.first().map_or(0, Vec::len), vectors.len())?;
    for vector in vectors {
        matrix.push(&quantise(vector)?)?;
    }
    Ok(matrix)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
