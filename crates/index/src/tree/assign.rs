//! Every row into the nearest cell that has room.

use rayon::prelude::*;

use super::matrix_of;
use crate::{IndexError, Quantised};

/// Nearest cells of a row that are looked at; where all of them are full, the nearest of all that has room is taken.
const NEAREST: usize = 24;

/// A row, a cell, and how close they are.
struct Pair {
    score: f32,
    row: u32,
    cell: u32,
}

/// The rows of each cell, ascending. The closest pairs come first, so that of a cell that more rows want than fit, those
/// farthest from its centroid go elsewhere.
pub(super) fn assign(
    points: &[Quantised],
    centroids: &[Vec<f32>],
    capacity: usize,
) -> Result<Vec<Vec<u32>>, IndexError> {
    let matrix = matrix_of(centroids)?;
    let nearest = points
        .par_iter()
        .map(|point| matrix.top_k(point, NEAREST, 1))
        .collect::<Result<Vec<_>, IndexError>>()?;
    let mut pairs: Vec<Pair> = Vec::with_capacity(points.len() * NEAREST.min(centroids.len()));
    for (row, hits) in nearest.iter().enumerate() {
        pairs.extend(hits.iter().map(|hit| Pair { score: hit.score, row: row as u32, cell: hit.row }));
    }
    pairs.par_sort_unstable_by(|a, b| {
        b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)).then(a.cell.cmp(&b.cell))
    });
    let mut room =
        Room { cells: vec![Vec::new(); centroids.len()], placed: vec![false; points.len()], capacity };
    for Pair { row, cell, .. } in pairs {
        room.place(row, cell);
    }
    let left: Vec<usize> = (0..points.len()).filter(|&row| !room.is_placed(row)).collect();
    for row in left {
        let Some(point) = points.get(row) else { continue };
        let free = room.free();
        if let Some(hit) = matrix.top_k_among(point, 1, &free, 1)?.first() {
            room.place(row as u32, hit.row);
        }
    }
    room.cells.par_iter_mut().for_each(|rows| rows.sort_unstable());
    Ok(room.cells)
}

struct Room {
    cells: Vec<Vec<u32>>,
    placed: Vec<bool>,
    capacity: usize,
}

impl Room {
    fn is_placed(&self, row: usize) -> bool {
        self.placed.get(row).copied().unwrap_or(true)
    }

    /// Places a row that has no place yet, if the cell has room.
    fn place(&mut self, row: u32, cell: u32) {
        if self.is_placed(row as usize) {
            return;
        }
        let Some(rows) = self.cells.get_mut(cell as usize).filter(|rows| rows.len() < self.capacity) else {
            return;
        };
        rows.push(row);
        if let Some(placed) = self.placed.get_mut(row as usize) {
            *placed = true;
        }
    }

    fn free(&self) -> Vec<u32> {
        let has_room = |&(_, rows): &(usize, &Vec<u32>)| rows.len() < self.capacity;
        self.cells.iter().enumerate().filter(has_room).map(|(cell, _)| cell as u32).collect()
    }
}
