//! Principal axes: the directions along which rows lie most.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};

use super::TrainError;

/// Sums of products of the columns of rows, each row counting `share`.
pub(crate) struct Moments {
    width: usize,
    sums: Vec<f32>,
}

impl Moments {
    /// Of no row yet.
    pub(crate) fn new(width: usize) -> Self {
        Self { width, sums: vec![0.0; width * width] }
    }

    /// Adds `rows`, one after the other.
    pub(crate) fn add(&mut self, rows: &[f32], share: f32) {
        let rows = MatRef::from_row_major_slice(rows, rows.len() / self.width.max(1), self.width);
        matmul(
            MatMut::from_row_major_slice_mut(&mut self.sums, self.width, self.width),
            Accum::Add,
            rows.transpose(),
            rows,
            share,
            Par::Seq,
        );
    }

    /// The first `count` axes, as the columns of a matrix of `width` rows.
    pub(crate) fn axes(&self, count: usize) -> Result<Mat<f32>, TrainError> {
        let sums = MatRef::from_row_major_slice(&self.sums, self.width, self.width);
        // Eigenvalues come in ascending order.
        let eigen = sums
            .self_adjoint_eigen(Side::Lower)
            .map_err(|error| TrainError::Engine(format!("principal axes: {error:?}")))?;
        let vectors = eigen.U();
        Ok(Mat::from_fn(self.width, count, |row, column| vectors[(row, self.width - 1 - column)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_axis_is_where_the_rows_lie() {
        let mut moments = Moments::new(2);
        moments.add(&[3.0, 4.0, -3.0, -4.0, 0.04, -0.03], 1.0 / 3.0);
        let axes = moments.axes(1).unwrap();
        assert!((axes[(0, 0)].abs() - 0.6).abs() < 1e-5 && (axes[(1, 0)].abs() - 0.8).abs() < 1e-5);
        assert!(axes[(0, 0)] * axes[(1, 0)] > 0.0);
    }
}
