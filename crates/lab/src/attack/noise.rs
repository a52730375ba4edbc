//! The noise coordinates.
//!
//! Documents `M [z ; n ; 0]` span only `d + r` of the `D` dimensions, and so do queries `M⁻ᵀ [q ; 0 ; m]`.
//! The vectors orthogonal to every query are exactly `M [0 ; n ; 0]`: a cloud that has seen some `d + r`
//! queries projects documents onto the span of the queries, and the noise is gone.

use faer::{Mat, MatRef};

use super::linear::principal_axes;
use super::{AttackError, Capture};

/// How sharply the energies must fall for the edge of a span to count as seen.
const EDGE: f64 = 8.0;

/// The dimensions that documents span, if their energies show an edge: `d + r` where there is noise. Only int8
/// rounding and jitter fill the rest; a jitter strong enough to hide the edge would also spoil the ranking.
pub fn rank(documents: MatRef<'_, f64>) -> Result<Option<usize>, AttackError> {
    let energies = principal_axes(documents)?.energies;
    let falls = energies.iter().zip(energies.iter().skip(1)).map(|(here, next)| here / next.max(1e-300));
    let sharpest = falls.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    Ok(sharpest.filter(|(_, fall)| *fall >= EDGE).map(|(place, _)| place + 1))
}

/// The span of the queries: an orthonormal basis of `d + r` columns. An attacker knows both from the public
/// parameters.
pub fn span_of_queries(capture: &Capture) -> Result<Mat<f64>, AttackError> {
    let axes = principal_axes(capture.queries.as_ref())?;
    let width = (capture.params.dim + capture.params.noise_dim).min(axes.vectors.ncols());
    Ok(axes.vectors.subcols(0, width).to_owned())
}

/// The documents with the noise projected away, in the coordinates of [`span_of_queries`].
pub fn strip(capture: &Capture) -> Result<Mat<f64>, AttackError> {
    Ok(&capture.documents * span_of_queries(capture)?)
}

/// The share of the noise from which on it counts as given away. Jitter lies in all dimensions and stays, so
/// not even perfect stripping reaches 1.
pub const SUCCESS: f64 = 0.8;

/// Share of the noise that stripping removes, for a capture that holds its embeddings twice, the second half
/// in the order of the first: the difference of two veilings is noise and jitter alone. 1 is all of it; the jitter stays.
pub fn share_removed(capture: &Capture) -> Result<f64, AttackError> {
    let half = capture.documents.nrows() / 2;
    let (once, again) = capture.documents.as_ref().split_at_row(half);
    let differences = once - again.subrows(0, half);
    let stripped = &differences * span_of_queries(capture)?;
    Ok(1.0 - (stripped.norm_l2() / differences.norm_l2()).powi(2))
}
