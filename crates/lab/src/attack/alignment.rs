//! Principal axes matched with public vectors.
//!
//! A rotation keeps the spectrum of a collection: its n-th principal axis is the n-th principal axis of any
//! other sample of the same model, up to sign. Third moments settle most signs, a search over single flips
//! the others, and what is left is refined by matching nearest neighbours and fitting again (iterative
//! closest point; for embeddings, Grave et al. 2019). A general map of small condition number blurs the axes;
//! then the refinement fits a linear map instead of a rotation.

use faer::{Mat, MatRef};

use super::AttackError;
use super::linear::{largest_in_rows, normalise_rows, principal_axes, procrustes, ridge, select_rows};

/// Rounds of refinement at most; it stops earlier once matches no longer improve.
const ROUNDS: usize = 25;

/// Documents and public vectors that take part in the search for signs, and in each refinement.
const SIGN_SAMPLE: (usize, usize) = (300, 1500);
const FIT_SAMPLE: (usize, usize) = (2500, 2500);

/// What may lie between the cloud and the public vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// A rotation: the fit is orthogonal.
    Rotation,
    /// Any linear map: the fit is a ridge regression.
    Linear,
}

/// Brings a cloud (one vector per row, at least as many columns as `public`) into the frame of the public
/// vectors, without a single known pair.
pub fn align(
    cloud: MatRef<'_, f64>,
    public: MatRef<'_, f64>,
    between: Between,
) -> Result<Mat<f64>, AttackError> {
    let dim = public.ncols();
    let (cloud_axes, public_axes) = (principal_axes(cloud)?, principal_axes(public)?);
    let mut cloud = cloud * cloud_axes.vectors.subcols(0, dim);
    let public = normalise_rows(public * &public_axes.vectors);
    for j in 0..dim {
        let energies = (public_axes.energies.get(j), cloud_axes.energies.get(j));
        let (Some(wanted), Some(found)) = energies else { continue };
        let scale = (wanted.max(0.0) / found.max(1e-12)).sqrt()
            * third_moments_agree(cloud.as_ref(), public.as_ref(), j);
        for i in 0..cloud.nrows() {
            cloud[(i, j)] *= scale;
        }
    }
    let cloud = flip_signs(cloud, public.as_ref());
    let aligned = refine(cloud, public.as_ref(), between)?;
    Ok(aligned * public_axes.vectors.transpose())
}

/// 1 if the two clouds lean to the same side of axis `j`, else -1.
fn third_moments_agree(cloud: MatRef<'_, f64>, public: MatRef<'_, f64>, j: usize) -> f64 {
    let lean = |m: MatRef<'_, f64>| (0..m.nrows()).map(|i| m[(i, j)].powi(3)).sum::<f64>();
    (lean(cloud) * lean(public)).signum()
}

/// Flips single axes while that brings documents nearer to their nearest public vectors.
fn flip_signs(mut cloud: Mat<f64>, public: MatRef<'_, f64>) -> Mat<f64> {
    let (documents, vectors) = (cloud.nrows().min(SIGN_SAMPLE.0), public.nrows().min(SIGN_SAMPLE.1));
    let sample = normalise_rows(cloud.subrows(0, documents).to_owned());
    let public = public.subrows(0, vectors);
    let mut similarity = public * sample.transpose();
    let mut best = mean_of_nearest(similarity.as_ref());
    for _ in 0..2 {
        for j in 0..cloud.ncols() {
            let own = Mat::from_fn(vectors, documents, |p, i| 2.0 * public[(p, j)] * sample[(i, j)]);
            // `sample` keeps its first signs: a flip is only recorded in `cloud` and in the similarities, and
            // a second flip of the same axis adds back what the first one took.
            let flipped_before = sample[(0, j)] * cloud[(0, j)] < 0.0;
            let tried = if flipped_before { &similarity + &own } else { &similarity - &own };
            let score = mean_of_nearest(tried.as_ref());
            if score > best {
                (best, similarity) = (score, tried);
                for i in 0..cloud.nrows() {
                    cloud[(i, j)] = -cloud[(i, j)];
                }
            }
        }
    }
    cloud
}

/// Mean over the columns of their largest entry.
fn mean_of_nearest(similarity: MatRef<'_, f64>) -> f64 {
    let largest = |column: usize| similarity.col(column).iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (0..similarity.ncols()).map(largest).sum::<f64>() / similarity.ncols().max(1) as f64
}

/// Matches mutual nearest neighbours and fits, over and over, and keeps the best fit seen.
fn refine(cloud: Mat<f64>, public: MatRef<'_, f64>, between: Between) -> Result<Mat<f64>, AttackError> {
    let dim = public.ncols();
    let sample = cloud.subrows(0, cloud.nrows().min(FIT_SAMPLE.0)).to_owned();
    let public = public.subrows(0, public.nrows().min(FIT_SAMPLE.1));
    let mut map = Mat::<f64>::identity(dim, dim);
    let mut best = (f64::NEG_INFINITY, map.clone());
    for _ in 0..ROUNDS {
        let moved = normalise_rows(&sample * &map);
        let similarity = public * moved.transpose();
        let score = mean_of_nearest(similarity.as_ref());
        if score < best.0 + 1e-5 {
            break;
        }
        best = (score, map.clone());
        let (from, to) = mutual_neighbours(similarity.as_ref());
        let (x, y) = (select_rows(sample.as_ref(), &from), select_rows(public, &to));
        map = match between {
            Between::Rotation => procrustes(x.as_ref(), y.as_ref())?,
            // Ridge towards the map at hand: few matches must not flatten the cloud onto themselves.
            Between::Linear => &map + ridge(x.as_ref(), (y - &x * &map).as_ref(), 0.1)?,
        };
    }
    Ok(cloud * best.1)
}

/// Columns and rows of `similarity` that are each other's nearest.
fn mutual_neighbours(similarity: MatRef<'_, f64>) -> (Vec<usize>, Vec<usize>) {
    let nearest_document = largest_in_rows(similarity);
    let nearest_public = largest_in_rows(similarity.transpose());
    nearest_public
        .into_iter()
        .enumerate()
        .filter(|(document, public)| nearest_document.get(*public) == Some(document))
        .unzip()
}
