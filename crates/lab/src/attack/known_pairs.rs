//! Known pairs by least squares.
//!
//! `z` is linear in `y` (`z = [I 0 0] M⁻¹ y`), so whoever knows enough pairs solves for the map. Documents
//! span `d + r` dimensions, so about `d + r` pairs settle it when the veil mixes everything; in a veil of one
//! block-diagonal round each block falls alone, to `d / B` pairs.

use faer::Mat;

use super::linear::ridge;
use super::{AttackError, Capture};

/// Ridge penalties tried; the best on held-out pairs is used.
const PENALTIES: [f64; 6] = [1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1];

/// Embeddings of all documents, from the first `pairs` of them as known pairs.
pub fn recover(capture: &Capture, pairs: usize) -> Result<Mat<f64>, AttackError> {
    fit_and_apply(capture, pairs, 0..capture.documents.ncols(), 0..capture.truth.ncols())
}

/// As [`recover`], but block by block: only a veil of one block-diagonal round without noise has that seam.
pub fn recover_by_block(capture: &Capture, pairs: usize) -> Result<Mat<f64>, AttackError> {
    let dim = capture.truth.ncols();
    let side = capture.documents.ncols() / capture.params.blocks;
    let mut recovered = Mat::zeros(capture.truth.nrows(), dim);
    for start in (0..dim).step_by(side) {
        let known = start..(start + side).min(dim);
        let part = fit_and_apply(capture, pairs, start..start + side, known.clone())?;
        recovered.subcols_mut(known.start, known.len()).copy_from(part);
    }
    Ok(recovered)
}

fn fit_and_apply(
    capture: &Capture,
    pairs: usize,
    veiled: std::ops::Range<usize>,
    known: std::ops::Range<usize>,
) -> Result<Mat<f64>, AttackError> {
    let documents = capture.documents.subcols(veiled.start, veiled.len());
    let truth = capture.truth.subcols(known.start, known.len());
    let (x, y) = (documents.subrows(0, pairs), truth.subrows(0, pairs));
    let fitted = pairs - (pairs / 5).max(1).min(pairs - 1);
    let (x_fit, x_held) = x.split_at_row(fitted);
    let (y_fit, y_held) = y.split_at_row(fitted);
    let mut best = (f64::INFINITY, PENALTIES[0]);
    for penalty in PENALTIES {
        let error = (x_held * ridge(x_fit, y_fit, penalty)? - y_held).norm_l2();
        if error < best.0 {
            best = (error, penalty);
        }
    }
    Ok(documents * ridge(x, y, best.1)?)
}
