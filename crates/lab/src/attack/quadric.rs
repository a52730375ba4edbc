//! The quadric fit: a veil of unit vectors without a single known pair.
//!
//! Unit length puts every document on one quadric, `yᵀ G y = ‖z‖² = 1` with `G = LᵀL`, `L = [I 0 0] M⁻¹`.
//! That is linear in `G`: on the `k` dimensions that documents span, `k(k+1)/2` documents determine it
//! (`k = d + r`, or `d` once the queries have given the noise away). A factor of `G` is then `L` up to a
//! rotation, and public vectors give the rotation.
//!
//! The system is never written out: conjugate gradients on the normal equations (CGLS) need only
//! `G ↦ (yᵢᵀ G yᵢ)ᵢ` and its adjoint `t ↦ Σ tᵢ yᵢyᵢᵀ`, two matrix products each, so a real attacker runs
//! this at `d = 512` too. Every tenth document is held out to stop the iteration before it fits noise.

use faer::{Mat, MatRef};

use super::AttackError;
use super::linear::{principal_axes, symmetric_axes};

/// Iterations at most, and how many without progress on the held-out documents end it early.
const ITERATIONS: usize = 3000;
const PATIENCE: usize = 200;

/// Unknowns of the fit over `span` dimensions.
pub fn unknowns(span: usize) -> usize {
    span * (span + 1) / 2
}

/// The documents up to one rotation, as `dim` coordinates each, from documents that span `span` dimensions.
pub fn recover_up_to_rotation(
    documents: MatRef<'_, f64>,
    span: usize,
    dim: usize,
) -> Result<Mat<f64>, AttackError> {
    let whitened = whiten(documents, span)?;
    let quadric = fit(whitened.as_ref());
    let axes = symmetric_axes(quadric.as_ref())?;
    let mut recovered = whitened * axes.vectors.subcols(0, dim);
    for (j, energy) in axes.energies.iter().take(dim).enumerate() {
        let stretch = energy.max(0.0).sqrt();
        for i in 0..recovered.nrows() {
            recovered[(i, j)] *= stretch;
        }
    }
    Ok(recovered)
}

/// The documents on their first `span` principal axes, each axis scaled to unit energy.
fn whiten(documents: MatRef<'_, f64>, span: usize) -> Result<Mat<f64>, AttackError> {
    let axes = principal_axes(documents)?;
    let mut whitened = documents * axes.vectors.subcols(0, span);
    for (j, energy) in axes.energies.iter().take(span).enumerate() {
        for i in 0..whitened.nrows() {
            whitened[(i, j)] /= energy.max(1e-300).sqrt();
        }
    }
    Ok(whitened)
}

/// The symmetric `G` with `yᵀ G y` nearest to 1 over the rows of `y`, started from a multiple of the identity.
fn fit(y: MatRef<'_, f64>) -> Mat<f64> {
    let span = y.ncols();
    let held_out = (y.nrows() / 10).max(1);
    let (held, fitted) = y.split_at_row(held_out);
    let mut quadric = Mat::<f64>::identity(span, span) * faer::Scale(1.0 / span as f64);
    let mut residual: Vec<f64> = evaluate(quadric.as_ref(), fitted).iter().map(|value| 1.0 - value).collect();
    let mut gradient = adjoint(fitted, &residual);
    let mut direction = gradient.clone();
    let mut norm = gradient.norm_l2().powi(2);
    let start = norm;
    let mut best = (f64::INFINITY, quadric.clone());
    let mut since_best = 0;
    for _ in 0..ITERATIONS {
        let error = evaluate(quadric.as_ref(), held).iter().map(|value| (value - 1.0).powi(2)).sum::<f64>();
        since_best = if error < best.0 * 0.999 { 0 } else { since_best + 1 };
        if error < best.0 {
            best = (error, quadric.clone());
        }
        if since_best > PATIENCE || norm < start * 1e-20 {
            break;
        }
        let along = evaluate(direction.as_ref(), fitted);
        let step = norm / along.iter().map(|value| value * value).sum::<f64>().max(1e-300);
        quadric += &direction * faer::Scale(step);
        for (value, change) in residual.iter_mut().zip(&along) {
            *value -= step * change;
        }
        gradient = adjoint(fitted, &residual);
        let next = gradient.norm_l2().powi(2);
        direction = &gradient + direction * faer::Scale(next / norm.max(1e-300));
        norm = next;
    }
    best.1
}

/// `yᵢᵀ G yᵢ` for every row.
fn evaluate(quadric: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Vec<f64> {
    let image = y * quadric;
    (0..y.nrows()).map(|i| (0..y.ncols()).map(|j| image[(i, j)] * y[(i, j)]).sum()).collect()
}

/// `Σ tᵢ yᵢ yᵢᵀ`.
fn adjoint(y: MatRef<'_, f64>, t: &[f64]) -> Mat<f64> {
    let mut weighted = y.to_owned();
    for (i, weight) in t.iter().enumerate() {
        for j in 0..y.ncols() {
            weighted[(i, j)] *= weight;
        }
    }
    y.transpose() * weighted
}
