//! Search, shuffle and sort against their plaintext twins.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    dead_code,
    reason = "a test may panic"
)]

mod world;

use pmirs_mpc::{Found, Rows, Shares, Unmasked, deal, reconstruct, width_of_differences};
use proptest::prelude::*;
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use world::{of, succeed};

/// Scores and row numbers of what each query found.
fn joined(found: [Vec<Found>; 3]) -> Vec<Vec<(i32, u32)>> {
    let [a, b, c] = found;
    let join = |((a, b), c)| Found::join([a, b, c]).unwrap().iter().map(|hit| (hit.score, hit.row)).collect();
    a.into_iter().zip(b).zip(c).map(join).collect()
}

fn bits(values: &[i32]) -> Vec<u32> {
    values.iter().map(|value| value.cast_unsigned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_best_are_found(seed: u64, scores in prop::collection::vec(-20_i32..20, 1..300), k in 0_usize..40) {
        let shares = deal(&mut ChaCha20Rng::seed_from_u64(seed), &bits(&scores));
        let found = succeed(seed, |party| {
            let parts = vec![Unmasked::of_shares(of(party, &shares)); 2];
            party.top_k(parts, k, width_of_differences(20))
        });
        let mut expected = scores.clone();
        expected.sort_by_key(|&score| std::cmp::Reverse(score));
        expected.truncate(k);
        for found in joined(found) {
            // With ties any of the equals will do: the scores are those of the rows, and the best.
            prop_assert_eq!(found.iter().map(|&(score, _)| score).collect::<Vec<_>>(), expected.clone());
            let mut rows: Vec<u32> = found.iter().map(|&(_, row)| row).collect();
            prop_assert!(found.iter().all(|&(score, row)| scores[row as usize] == score));
            rows.sort_unstable();
            rows.dedup();
            prop_assert_eq!(rows.len(), expected.len(), "no row twice");
        }
    }

    #[test]
    fn sorted_rows_keep_their_payload(seed: u64, keys in prop::collection::vec(-9_i32..9, 0..200)) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let numbers: Vec<u32> = (0..keys.len() as u32).collect();
        let (shares, payload) = (deal(&mut rng, &bits(&keys)), deal(&mut rng, &numbers));
        let sorted = succeed(seed, |party| {
            let payload = std::slice::from_ref(of(party, &payload));
            party.sort(of(party, &shares), payload, width_of_differences(9))
        });
        let column = |index: usize| {
            reconstruct(&[0, 1, 2].map(|party: usize| sorted[party][index].clone())).unwrap()
        };
        let (got, numbers) = (column(0), column(1));
        let mut expected = keys.clone();
        expected.sort_unstable();
        prop_assert_eq!(&got, &bits(&expected));
        prop_assert!(numbers.iter().zip(&got).all(|(&row, &key)| keys[row as usize].cast_unsigned() == key));
        let mut all = numbers;
        all.sort_unstable();
        prop_assert_eq!(all, (0..keys.len() as u32).collect::<Vec<_>>());
    }

    #[test]
    fn scores_are_exact_at_the_extremes(
        seed: u64, dim in 1_usize..70, rows in 1_usize..12,
        values in prop::collection::vec(prop_oneof![Just(-128_i32), Just(127), -128..128], 70 * 13),
    ) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (table, query) = (&values[..rows * dim], &values[rows * dim..][..dim]);
        let (x, y) = (deal(&mut rng, &bits(table)), deal(&mut rng, &bits(query)));
        let results = succeed(seed, |party| {
            let (x, y) = (of(party, &x), of(party, &y).clone());
            let rows = Rows::new(x.own(), x.next(), dim)?;
            let query = std::slice::from_ref(&y);
            let products = party.reshare(rows.inner_products(query)?.remove(0))?;
            let distances = party.reshare(rows.squared_distances(query)?.remove(0))?;
            Ok((party.reveal(&products)?, party.reveal(&distances)?))
        });
        let twin = |each: fn(i32, i32) -> i32| -> Vec<u32> {
            let of_row = |row: &[i32]| row.iter().zip(query).map(|(&a, &b)| each(a, b)).sum::<i32>();
            table.chunks(dim).map(|row| of_row(row).cast_unsigned()).collect()
        };
        prop_assert_eq!(&results[0].0, &twin(|a, b| a * b));
        prop_assert_eq!(&results[0].1, &twin(|a, b| (a - b) * (a - b)));
    }
}

#[test]
fn a_search_over_int8_vectors_finds_what_plaintext_finds() {
    let (rows, dim, k) = (3_000, 48, 10);
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let mut vector =
        |count: usize| -> Vec<i32> { (0..count).map(|_| rng.random_range(-127..=127)).collect() };
    let (table, queries) = (vector(rows * dim), [vector(dim), vector(dim), vector(dim)]);
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let x = deal(&mut rng, &bits(&table));
    let ys: Vec<[Shares<u32>; 3]> = queries.iter().map(|query| deal(&mut rng, &bits(query))).collect();
    let found = succeed(7, |party| {
        let rows = Rows::new(of(party, &x).own(), of(party, &x).next(), dim)?;
        let queries: Vec<Shares<u32>> = ys.iter().map(|query| of(party, query).clone()).collect();
        let width = width_of_differences(dim as u32 * 127 * 127);
        party.top_k(rows.inner_products(&queries)?, k, width)
    });
    for (found, query) in joined(found).into_iter().zip(&queries) {
        let score = |row: &[i32]| row.iter().zip(query).map(|(a, b)| a * b).sum::<i32>();
        let mut expected: Vec<(i32, u32)> = table.chunks(dim).map(score).zip(0..).collect();
        expected.sort_by_key(|&(score, row)| (std::cmp::Reverse(score), row));
        expected.truncate(k);
        assert_eq!(found, expected);
    }
}

#[test]
fn the_nearest_rows_are_those_of_the_smallest_distance() {
    let (rows, dim, k) = (500, 16, 4);
    let mut rng = ChaCha20Rng::seed_from_u64(15);
    let mut vector =
        |count: usize| -> Vec<i32> { (0..count).map(|_| rng.random_range(-128..=127)).collect() };
    let (table, query) = (vector(rows * dim), vector(dim));
    let mut rng = ChaCha20Rng::seed_from_u64(16);
    let (x, y) = (deal(&mut rng, &bits(&table)), deal(&mut rng, &bits(&query)));
    let found = succeed(17, |party| {
        let rows = Rows::new(of(party, &x).own(), of(party, &x).next(), dim)?;
        let distances = rows.squared_distances(std::slice::from_ref(of(party, &y)))?;
        let width = width_of_differences(dim as u32 * 255 * 255);
        party.top_k(distances.into_iter().map(Unmasked::negated).collect(), k, width)
    });
    let distance = |row: &[i32]| row.iter().zip(&query).map(|(a, b)| (a - b) * (a - b)).sum::<i32>();
    let mut expected: Vec<(i32, u32)> = table.chunks(dim).map(distance).zip(0..).collect();
    expected.sort_unstable();
    expected.truncate(k);
    let found: Vec<(i32, u32)> =
        joined(found).remove(0).into_iter().map(|(score, row)| (-score, row)).collect();
    assert_eq!(found, expected);
}

#[test]
fn nothing_is_found_among_nothing() {
    let none = deal::<u32>(&mut ChaCha20Rng::seed_from_u64(35), &[]);
    let some = deal(&mut ChaCha20Rng::seed_from_u64(36), &[1_u32, 2]);
    for (shares, k, expected) in [(&none, 5, 0), (&some, 0, 0), (&some, 5, 2)] {
        let found = succeed(37, |party| party.top_k(vec![Unmasked::of_shares(of(party, shares))], k, 8));
        assert_eq!(joined(found).remove(0).len(), expected);
    }
    let found = succeed(38, |party| party.top_k(Vec::new(), 3, 8));
    assert!(joined(found).is_empty());
}

#[test]
fn a_party_that_hands_out_another_share_is_named_with_its_neighbour() {
    let shares = deal(&mut ChaCha20Rng::seed_from_u64(45), &[4_u32, 9, 2]);
    let mut found =
        succeed(46, |party| Ok(party.top_k(vec![Unmasked::of_shares(of(party, &shares))], 2, 8)?.remove(0)));
    let wrong: Vec<u32> = found[1].scores.own().iter().map(|share| share ^ 1).collect();
    found[1].scores = Shares::new(wrong, found[1].scores.next().to_vec()).unwrap();
    let error = Found::join(found).unwrap_err();
    assert_eq!(error.to_string(), "P0 and P1 opened different values of the same share");
}

#[test]
fn a_hundred_thousand_keys_are_sorted() {
    let count = 100_000;
    let mut rng = ChaCha20Rng::seed_from_u64(25);
    let keys: Vec<u32> =
        (0..count).map(|_| rng.random_range(i32::MIN / 2..i32::MAX / 2).cast_unsigned() & !0xfff).collect();
    let shares = deal(&mut rng, &keys);
    let sorted = succeed(26, |party| {
        let sorted = party.sort(of(party, &shares), &[], 32)?.remove(0);
        Ok((sorted, party.traffic()))
    });
    let traffic = sorted[0].1;
    println!("{} rounds, {} bytes sent", traffic.rounds, traffic.sent);
    let got = reconstruct(&sorted.map(|(shares, _)| shares)).unwrap();
    let mut expected = keys;
    expected.sort_by_key(|key| key.cast_signed());
    assert_eq!(got, expected);
}

#[test]
fn a_shuffle_keeps_rows_together_and_moves_them() {
    let values: Vec<u32> = (0..1000).collect();
    let squares: Vec<u32> = values.iter().map(|value| value * value).collect();
    let mut rng = ChaCha20Rng::seed_from_u64(9);
    let (a, b) = (deal(&mut rng, &values), deal(&mut rng, &squares));
    let shuffled = succeed(10, |party| party.shuffle(&[of(party, &a).clone(), of(party, &b).clone()]));
    let column =
        |index: usize| reconstruct(&[0, 1, 2].map(|party: usize| shuffled[party][index].clone())).unwrap();
    let (got, got_squares) = (column(0), column(1));
    assert!(got.iter().zip(&got_squares).all(|(value, square)| value * value == *square));
    let kept = got.iter().zip(&values).filter(|(a, b)| a == b).count();
    assert!(kept < 10, "{kept} of 1000 rows kept their place");
    let mut sorted = got;
    sorted.sort_unstable();
    assert_eq!(sorted, values);
}
