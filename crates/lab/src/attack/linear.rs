//! The linear algebra that the attacks share. Matrices hold one vector per row.

use faer::linalg::solvers::Solve;
use faer::{Mat, MatRef, Side};

use super::AttackError;

/// The principal axes of a cloud, by falling energy. No mean is subtracted: embeddings come centred.
pub(crate) struct Axes {
    /// One axis per column.
    pub(crate) vectors: Mat<f64>,
    /// Mean square of the cloud along each axis.
    pub(crate) energies: Vec<f64>,
}

pub(crate) fn from_rows<V: AsRef<[f32]>>(rows: &[V]) -> Mat<f64> {
    let dim = rows.first().map_or(0, |row| row.as_ref().len());
    let mut matrix = Mat::zeros(rows.len(), dim);
    for (i, row) in rows.iter().enumerate() {
        for (j, value) in row.as_ref().iter().take(dim).enumerate() {
            matrix[(i, j)] = f64::from(*value);
        }
    }
    matrix
}

pub(crate) fn principal_axes(cloud: MatRef<'_, f64>) -> Result<Axes, AttackError> {
    let moment = cloud.transpose() * cloud * faer::Scale(1.0 / cloud.nrows().max(1) as f64);
    symmetric_axes(moment.as_ref())
}

/// Eigenvectors of a symmetric matrix, by falling eigenvalue.
pub(crate) fn symmetric_axes(matrix: MatRef<'_, f64>) -> Result<Axes, AttackError> {
    let eigen =
        matrix.self_adjoint_eigen(Side::Lower).map_err(|_| AttackError::Numeric("eigendecomposition"))?;
    let (vectors, values) = (eigen.U(), eigen.S());
    let n = matrix.nrows();
    Ok(Axes {
        vectors: Mat::from_fn(n, n, |i, j| vectors[(i, n - 1 - j)]),
        energies: (0..n).rev().map(|j| values[j]).collect(),
    })
}

/// The map `T` of smallest `‖X T - Y‖² + λ‖T‖²`, with `λ` relative to the mean energy of a column of `X`;
/// solved in the smaller of the two dual forms.
pub(crate) fn ridge(x: MatRef<'_, f64>, y: MatRef<'_, f64>, relative: f64) -> Result<Mat<f64>, AttackError> {
    let energy = x.norm_l2().powi(2);
    let (rows, columns) = (x.nrows(), x.ncols());
    let primal = columns <= rows;
    let mut gram = if primal { x.transpose() * x } else { x * x.transpose() };
    let lambda = relative * energy / gram.nrows().max(1) as f64 + f64::MIN_POSITIVE;
    for i in 0..gram.nrows() {
        gram[(i, i)] += lambda;
    }
    let factor = gram.llt(Side::Lower).map_err(|_| AttackError::Numeric("Cholesky factorisation"))?;
    Ok(if primal { factor.solve(x.transpose() * y) } else { x.transpose() * factor.solve(y) })
}

/// The orthogonal `T` of smallest `‖X T - Y‖` (Schönemann 1966).
pub(crate) fn procrustes(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Mat<f64>, AttackError> {
    let svd = (x.transpose() * y).thin_svd().map_err(|_| AttackError::Numeric("singular values"))?;
    Ok(svd.U() * svd.V().transpose())
}

/// Scales every row to unit length; a zero row stays zero.
pub(crate) fn normalise_rows(mut matrix: Mat<f64>) -> Mat<f64> {
    for i in 0..matrix.nrows() {
        let length = matrix.row(i).norm_l2();
        if length > 0.0 {
            for j in 0..matrix.ncols() {
                matrix[(i, j)] /= length;
            }
        }
    }
    matrix
}

/// The rows at these places, in this order.
pub(crate) fn select_rows(matrix: MatRef<'_, f64>, places: &[usize]) -> Mat<f64> {
    let mut selected = Mat::zeros(places.len(), matrix.ncols());
    for (i, place) in places.iter().enumerate() {
        selected.row_mut(i).copy_from(matrix.row(*place));
    }
    selected
}

/// The column with the largest entry of each row.
pub(crate) fn largest_in_rows(matrix: MatRef<'_, f64>) -> Vec<usize> {
    (0..matrix.nrows())
        .map(|i| {
            let best = |best: usize, j: usize| if matrix[(i, j)] > matrix[(i, best)] { j } else { best };
            (0..matrix.ncols()).fold(0, best)
        })
        .collect()
}
