//! A tree: every row in one cell, no cell too full, the same for the same seed, and near to the scan of all rows.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use pmirs_index::{IndexError, Tree, TreeShape};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Vectors of unit length around so many centres, as embeddings gather around subjects.
fn vectors(rows: usize, dim: usize, centres: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = |near: Option<&Vec<f32>>| {
        let values: Vec<f32> = (0..dim)
            .map(|at| {
                near.map_or(0.0, |near| 1.5 * near[at]) + rng.random_range(-1.0..1.0) / (dim as f32).sqrt()
            })
            .collect();
        let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
        values.into_iter().map(|x| x / length).collect::<Vec<f32>>()
    };
    let centres: Vec<Vec<f32>> = (0..centres).map(|_| drawn(None)).collect();
    (0..rows).map(|row| drawn(Some(&centres[row * row % centres.len()]))).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn best(rows: impl Iterator<Item = u32>, vectors: &[Vec<f32>], query: &[f32], k: usize) -> Vec<u32> {
    let mut rows: Vec<u32> = rows.collect();
    rows.sort_by(|a, b| dot(&vectors[*b as usize], query).total_cmp(&dot(&vectors[*a as usize], query)));
    rows.truncate(k);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_row_lies_in_one_cell_and_no_cell_is_too_full(
        seed: u64, rows in 1_usize..600, centres in 1_usize..20, mean in 1_usize..50, slack in 1.0_f32..1.5
    ) {
        let vectors = vectors(rows, 8, centres, seed);
        let shape = TreeShape { mean, slack };
        let tree = Tree::grow(&vectors, shape, seed).unwrap();
        prop_assert_eq!(tree.cells().len(), rows.div_ceil(mean));
        prop_assert_eq!(tree.centroids().len(), tree.cells().len());
        let most = (f64::from(slack) * rows as f64 / tree.cells().len() as f64).max(1.0).ceil();
        prop_assert!(tree.capacity() as f64 <= most, "capacity {} of {most}", tree.capacity());
        prop_assert!(tree.cells().iter().all(|cell| cell.len() <= tree.capacity()));
        let mut all: Vec<u32> = tree.cells().iter().flatten().copied().collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..rows as u32).collect::<Vec<_>>());
        prop_assert!(tree.cells().iter().all(|cell| cell.is_sorted()));
        prop_assert!(tree.centroids().iter().all(|it| (dot(it, it) - 1.0).abs() < 1e-3));
    }
}

#[test]
fn all_rows_alike_fill_cells_evenly_and_are_not_lost() {
    let one = vectors(1, 16, 1, 1).remove(0);
    let tree = Tree::grow(&vec![one; 500], TreeShape { mean: 10, slack: 1.25 }, 3).unwrap();
    assert_eq!(tree.cells().iter().map(Vec::len).sum::<usize>(), 500);
    assert!(tree.cells().iter().all(|cell| cell.len() <= 12));
}

#[test]
fn a_seed_gives_one_tree_on_any_number_of_threads() {
    let vectors = vectors(900, 16, 12, 5);
    let grow = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Tree::grow(&vectors, TreeShape::default(), seed)).unwrap()
    };
    assert_eq!(grow(1, 7), grow(4, 7));
    assert_ne!(grow(2, 7).cells(), grow(2, 8).cells());
}

#[test]
fn a_fifth_of_the_cells_holds_nearly_all_neighbours() {
    let vectors = vectors(4000, 48, 120, 9);
    let tree = Tree::grow(&vectors, TreeShape::default(), 1).unwrap();
    let probes = tree.cells().len() / 5;
    let (mut found, mut all) = (0, 0);
    for query in vectors.iter().step_by(37) {
        let near = tree.nearest(query, probes);
        assert_eq!(near.len(), probes);
        let got = best(near.iter().flat_map(|cell| tree.cells()[*cell].clone()), &vectors, query, 10);
        let truth = best(0..4000, &vectors, query, 10);
        found += truth.iter().filter(|row| got.contains(row)).count();
        all += 10;
    }
    assert!(found as f64 >= 0.95 * f64::from(all), "{found} of {all}");
}

#[test]
fn what_is_no_set_of_vectors_is_refused() {
    let shape = TreeShape::default();
    assert!(matches!(Tree::grow(&[], shape, 1), Err(IndexError::DimensionOutOfRange { got: 0 })));
    let uneven = [vec![1.0, 0.0], vec![1.0]];
    let expected = IndexError::DimensionMismatch { got: 1, expected: 2 };
    assert_eq!(Tree::grow(&uneven, shape, 1).unwrap_err(), expected);
    assert!(matches!(Tree::grow(&[vec![f32::NAN; 2]], shape, 1), Err(IndexError::NotFinite { .. })));
}
