//! `top_k` against a sort of all scores, for drawn matrices with many equal scores, any `k` and thread count.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use pmirs_index::{Hit, IndexError, Matrix, Quantised, quantise};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Rows of few distinct values and scales, so that equal scores abound.
fn drawn(rows: usize, dim: usize, rng: &mut ChaCha8Rng) -> Matrix {
    let mut matrix = Matrix::with_capacity(dim, rows).unwrap();
    for _ in 0..rows {
        let values = (0..dim).map(|_| rng.random_range(-2..=2)).collect();
        let scale = [0.0, 0.5, 1.0, 1e-40][rng.random_range(0..4)];
        matrix.push(&Quantised { scale, values }).unwrap();
    }
    matrix
}

fn drawn_query(dim: usize, rng: &mut ChaCha8Rng) -> Quantised {
    Quantised { scale: 0.25, values: (0..dim).map(|_| rng.random()).collect() }
}

/// Every row's score, computed from the definition, in the order of an answer.
fn sorted(matrix: &Matrix, query: &Quantised) -> Vec<Hit> {
    let mut hits: Vec<Hit> = (0..matrix.len() as u32)
        .map(|row| {
            let Quantised { scale, values } = matrix.row(row).unwrap();
            let dot: i32 = values.iter().zip(&query.values).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
            Hit { row, score: query.scale * scale * dot as f32 }
        })
        .collect();
    hits.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.row.cmp(&b.row)));
    hits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn top_k_is_the_head_of_the_sorted_list(
        seed: u64, rows in 0_usize..9000, dim in 1_usize..130, k in 0_usize..300, threads in 0_usize..5
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let matrix = drawn(rows, dim, &mut rng);
        let query = drawn_query(dim, &mut rng);
        let expected = sorted(&matrix, &query);
        let hits = matrix.top_k(&query, k, threads).unwrap();
        prop_assert_eq!(&hits[..], &expected[..k.min(rows)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn top_k_among_rows_is_the_head_of_their_sorted_list(
        seed: u64, rows in 1_usize..9000, dim in 1_usize..130, k in 0_usize..300, threads in 0_usize..5, share in 0_u32..101
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let matrix = drawn(rows, dim, &mut rng);
        let query = drawn_query(dim, &mut rng);
        let among: Vec<u32> = (0..rows as u32).filter(|_| rng.random_range(0..100) < share).collect();
        let mut expected = sorted(&matrix, &query);
        expected.retain(|hit| among.binary_search(&hit.row).is_ok());
        let hits = matrix.top_k_among(&query, k, &among, threads).unwrap();
        prop_assert_eq!(&hits[..], &expected[..k.min(among.len())]);
    }
}

#[test]
fn rows_to_search_among_must_ascend_and_exist() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (matrix, query) = (drawn(10, 8, &mut rng), drawn_query(8, &mut rng));
    for rows in [&[3, 2][..], &[2, 2]] {
        assert_eq!(matrix.top_k_among(&query, 5, rows, 1), Err(IndexError::NotAscending));
    }
    let absent = Err(IndexError::NoSuchRow { row: 10, len: 10 });
    assert_eq!(matrix.top_k_among(&query, 5, &[9, 10], 1), absent);
    assert_eq!(matrix.top_k_among(&query, 5, &[], 1), Ok(Vec::new()));
}

#[test]
fn an_answer_does_not_depend_on_the_number_of_threads() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let matrix = drawn(60_000, 256, &mut rng);
    let query = drawn_query(256, &mut rng);
    let alone = matrix.top_k(&query, 500, 1).unwrap();
    for threads in 2..9 {
        assert_eq!(matrix.top_k(&query, 500, threads).unwrap(), alone, "{threads} threads");
        assert_eq!(matrix.read_through(threads), matrix.read_through(1), "{threads} threads");
    }
}

#[test]
fn a_batch_answers_as_its_queries_would_alone() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let matrix = drawn(5000, 96, &mut rng);
    let queries: Vec<Quantised> = (0..5).map(|_| drawn_query(96, &mut rng)).collect();
    let together = matrix.top_k_batch(&queries, 20, 2).unwrap();
    let alone: Vec<Vec<Hit>> = queries.iter().map(|query| matrix.top_k(query, 20, 1).unwrap()).collect();
    assert_eq!(together, alone);
    assert_eq!(matrix.top_k_batch(&[], 20, 2).unwrap(), Vec::<Vec<Hit>>::new());
}

#[test]
fn the_score_of_a_row_is_what_the_search_gave_it() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let matrix = drawn(1000, 77, &mut rng);
    let query = drawn_query(77, &mut rng);
    for hit in matrix.top_k(&query, 1000, 1).unwrap() {
        assert_eq!(matrix.score(hit.row, &query).unwrap().to_bits(), hit.score.to_bits());
    }
}

#[test]
fn removed_rows_are_not_found_and_moved_rows_are() {
    let mut matrix = Matrix::new(2).unwrap();
    for vector in [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]] {
        matrix.push(&quantise(&vector).unwrap()).unwrap();
    }
    let east = quantise(&[1.0, 0.0]).unwrap();
    assert_eq!(matrix.swap_remove(0).unwrap(), Some(2));
    let rows: Vec<u32> = matrix.top_k(&east, 3, 1).unwrap().iter().map(|hit| hit.row).collect();
    assert_eq!(rows, [0, 1], "the third row now answers as row 0");
}

#[test]
fn a_query_that_does_not_fit_is_refused() {
    let matrix = Matrix::new(3).unwrap();
    let error = matrix.top_k(&quantise(&[1.0]).unwrap(), 1, 1).unwrap_err();
    assert_eq!(error, IndexError::DimensionMismatch { got: 1, expected: 3 });
    let query = Quantised { scale: f32::NAN, values: vec![0; 3] };
    assert!(matches!(matrix.top_k(&query, 1, 1), Err(IndexError::ScaleOutOfRange { .. })));
}

#[test]
fn quantised_scores_stay_close_to_the_cosine() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let unit = |rng: &mut ChaCha8Rng| {
        let vector: Vec<f32> = (0..256).map(|_| rng.random_range(-1.0_f32..1.0)).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.into_iter().map(|x| x / length).collect::<Vec<f32>>()
    };
    let query = unit(&mut rng);
    let mut matrix = Matrix::new(256).unwrap();
    let rows: Vec<Vec<f32>> = (0..200).map(|_| unit(&mut rng)).collect();
    for row in &rows {
        matrix.push(&quantise(row).unwrap()).unwrap();
    }
    for hit in matrix.top_k(&quantise(&query).unwrap(), 200, 1).unwrap() {
        let cosine: f32 = rows[hit.row as usize].iter().zip(&query).map(|(a, b)| a * b).sum();
        assert!((hit.score - cosine).abs() < 5e-3, "row {}: {} against {cosine}", hit.row, hit.score);
    }
}
