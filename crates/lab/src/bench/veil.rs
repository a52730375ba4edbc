use std::hint::black_box;

use pmirs_veil::{Veil, VeilError, VeilParams};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::Serialize;

use super::stopwatch::{median_of_turns, seconds_of};

/// Vectors veiled per timed run, so that the clock's own cost does not show.
const RUN: usize = 32;

/// What veiling costs with the recommended parameters, on one thread.
#[derive(Debug, Clone, Serialize)]
pub struct VeilReport {
    /// Dimensions of an embedding.
    pub dim: usize,
    /// Dimensions of a veiled vector.
    pub veiled_dim: usize,
    /// Median microseconds to veil a document.
    pub us_per_vector: f64,
    /// Median microseconds to veil a query.
    pub us_per_query: f64,
    /// Milliseconds to derive the veil from its key, once per collection and epoch.
    pub setup_ms: f64,
}

/// Times the veil for embeddings of `dim` dimensions.
///
/// # Errors
///
/// A dimension that no veil may have.
pub fn veil(dim: usize) -> Result<VeilReport, VeilError> {
    let params = VeilParams::recommended(dim);
    let veiled_dim = params.veiled_dim();
    let mut made = Veil::new(params.clone(), &mut ChaCha20Rng::seed_from_u64(1))?;
    let setup = seconds_of(|| {
        if let Ok(veil) = Veil::new(params.clone(), &mut ChaCha20Rng::seed_from_u64(1)) {
            made = veil;
        }
    });
    let embedding = drawn_unit(dim);
    let (mut for_documents, mut for_queries) = (ChaCha20Rng::seed_from_u64(2), ChaCha20Rng::seed_from_u64(3));
    made.query(&embedding, &mut for_queries)?; // the same call below cannot fail after this one
    let (documents, queries) = median_of_turns(
        || {
            for _ in 0..RUN {
                drop(black_box(made.document(black_box(&embedding), &mut for_documents)));
            }
        },
        || {
            for _ in 0..RUN {
                drop(black_box(made.query(black_box(&embedding), &mut for_queries)));
            }
        },
    );
    let per_vector = 1e6 / RUN as f64;
    Ok(VeilReport {
        dim,
        veiled_dim,
        us_per_vector: documents * per_vector,
        us_per_query: queries * per_vector,
        setup_ms: setup * 1e3,
    })
}

fn drawn_unit(dim: usize) -> Vec<f32> {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let drawn: Vec<f32> = (0..dim).map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5).collect();
    let length = drawn.iter().map(|x| x * x).sum::<f32>().sqrt();
    drawn.into_iter().map(|x| x / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_times_and_serialises_the_promised_key() {
        let report = veil(64).unwrap();
        assert!(report.us_per_vector > 0.0 && report.us_per_query > 0.0 && report.veiled_dim >= 64);
        assert!(serde_json::to_value(&report).unwrap()["us_per_vector"].is_f64());
    }

    #[test]
    fn a_dimension_that_no_veil_has_is_an_error() {
        assert!(veil(0).is_err());
    }
}
