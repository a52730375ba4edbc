use std::hint::black_box;

use pmirs_index::{IndexError, Matrix, Quantised, kernel_name};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::stopwatch::median_of_turns;

/// How many candidates a search asks for: what a client that wants its top 10 or 16 has the cloud return.
const CANDIDATES: usize = 64;

/// One search over a drawn matrix, and the read bandwidth measured in turns with it over the same memory.
#[derive(Debug, Clone, Serialize)]
pub struct ScanReport {
    /// Rows of the matrix.
    pub rows: usize,
    /// Dimensions of each row.
    pub dim: usize,
    /// Threads that both the search and the read were allowed.
    pub threads: usize,
    /// The kernel that scored.
    pub kernel: &'static str,
    /// Median milliseconds of one search for the best 64 of all rows.
    pub ms: f64,
    /// Rows scored per second.
    pub rows_per_s: f64,
    /// 10^9 bytes of rows per second that the search went through.
    pub gb_per_s: f64,
    /// 10^9 bytes of rows per second that a plain read of the same memory went through.
    pub read_gb_per_s: f64,
    /// `gb_per_s / read_gb_per_s`: 1 is a search as fast as memory.
    pub ratio: f64,
}

/// Times a search over `rows` drawn vectors of `dim` dimensions on up to `threads` threads.
///
/// # Errors
///
/// A dimension that no matrix may have, or more rows than it holds.
pub fn scan(rows: usize, dim: usize, threads: usize, seed: u64) -> Result<ScanReport, IndexError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let matrix = drawn(rows, dim, &mut rng)?;
    let query = drawn_vector(dim, &mut rng);
    matrix.top_k(&query, CANDIDATES, threads)?; // the same call below cannot fail after this one
    let (search, read) = median_of_turns(
        || drop(black_box(matrix.top_k(black_box(&query), CANDIDATES, threads))),
        || _ = black_box(matrix.read_through(threads)),
    );
    let gigabytes = (rows * dim.next_multiple_of(64)) as f64 / 1e9;
    Ok(ScanReport {
        rows,
        dim,
        threads,
        kernel: kernel_name(),
        ms: search * 1e3,
        rows_per_s: rows as f64 / search,
        gb_per_s: gigabytes / search,
        read_gb_per_s: gigabytes / read,
        ratio: read / search,
    })
}

/// The machine's read bandwidth in 10^9 bytes per second, over a matrix of about `bytes` bytes and up to
/// `threads` threads.
///
/// # Errors
///
/// More bytes than a matrix holds.
pub fn read_gb_per_s(bytes: usize, threads: usize) -> Result<f64, IndexError> {
    const DIM: usize = 512;
    let matrix = drawn(bytes.div_ceil(DIM), DIM, &mut ChaCha8Rng::seed_from_u64(0))?;
    let (read, again) = median_of_turns(
        || _ = black_box(matrix.read_through(threads)),
        || _ = black_box(matrix.read_through(threads)),
    );
    Ok((matrix.len() * DIM) as f64 / 1e9 / read.min(again))
}

fn drawn(rows: usize, dim: usize, rng: &mut ChaCha8Rng) -> Result<Matrix, IndexError> {
    let mut matrix = Matrix::with_capacity(dim, rows)?;
    for _ in 0..rows {
        matrix.push(&drawn_vector(dim, rng))?;
    }
    Ok(matrix)
}

fn drawn_vector(dim: usize, rng: &mut ChaCha8Rng) -> Quantised {
    let mut bytes = vec![0; dim];
    rng.fill_bytes(&mut bytes);
    Quantised { scale: 1e-2, values: bytes.into_iter().map(|byte| byte as i8).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_agrees_with_itself_and_serialises_the_promised_keys() {
        let report = scan(3000, 100, 2, 1).unwrap();
        assert!(report.ms > 0.0 && report.read_gb_per_s > 0.0);
        assert!((report.gb_per_s / report.read_gb_per_s - report.ratio).abs() < 1e-9);
        assert!((report.rows_per_s * report.ms / 1e3 - 3000.0).abs() < 1e-6);
        let json = serde_json::to_value(&report).unwrap();
        assert!(["ms", "gb_per_s", "read_gb_per_s"].iter().all(|key| json[key].is_f64()));
    }

    #[test]
    fn a_dimension_that_no_matrix_has_is_an_error() {
        assert!(matches!(scan(10, 0, 1, 1), Err(IndexError::DimensionOutOfRange { got: 0 })));
    }
}
