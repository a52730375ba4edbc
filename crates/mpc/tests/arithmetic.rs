//! Every protocol against its plaintext twin, extreme values and ties included.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    dead_code,
    reason = "a test may panic"
)]

mod world;

use pmirs_mpc::{Shares, deal, reconstruct, width_of_differences};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use world::{of, succeed};

fn dealt32(seed: u64, values: &[u32]) -> [Shares<u32>; 3] {
    deal(&mut ChaCha20Rng::seed_from_u64(seed), values)
}

/// Values between -2^(width-1) and 2^(width-1) - 1, the extremes often.
fn signed(width: usize) -> impl Strategy<Value = u32> {
    let (low, high) = (-(1_i64 << (width - 1)), (1_i64 << (width - 1)) - 1);
    prop_oneof![Just(low), Just(high), Just(0), Just(-1), low..=high].prop_map(|value| value as u32)
}

fn widths() -> impl Strategy<Value = (usize, Vec<u32>)> {
    (2_usize..=32).prop_flat_map(|width| (Just(width), prop::collection::vec(signed(width), 0..700)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_are_products(seed: u64, pairs in prop::collection::vec(any::<(u64, u64)>(), 0..50)) {
        let (xs, ys): (Vec<u64>, Vec<u64>) = pairs.into_iter().unzip();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (x, y) = (deal(&mut rng, &xs), deal(&mut rng, &ys));
        let products = succeed(seed, |party| {
            let product = party.multiply(of(party, &x), of(party, &y))?;
            Ok((party.reveal(&product)?, product))
        });
        let expected: Vec<u64> = xs.iter().zip(&ys).map(|(x, y)| x.wrapping_mul(*y)).collect();
        for (revealed, _) in &products {
            prop_assert_eq!(revealed, &expected);
        }
        prop_assert_eq!(reconstruct(&products.map(|(_, shares)| shares)).unwrap(), expected);
    }

    #[test]
    fn signs_are_signs(seed: u64, (width, values) in widths()) {
        let shares = dealt32(seed, &values);
        let bits = succeed(seed, |party| {
            let signs = party.sign(of(party, &shares), width)?;
            party.reveal_bits(&signs)
        });
        let expected: Vec<bool> = values.iter().map(|value| value.cast_signed() < 0).collect();
        prop_assert_eq!(&bits[0], &expected);
        prop_assert_eq!(&bits[1], &expected);
        prop_assert_eq!(&bits[2], &expected);
    }

    #[test]
    fn choosing_takes_one_or_the_other(seed: u64, rows in prop::collection::vec(any::<(i32, u64, u64)>(), 0..400)) {
        let condition: Vec<u32> = rows.iter().map(|row| row.0.cast_unsigned()).collect();
        let (one, other): (Vec<u64>, Vec<u64>) = rows.iter().map(|row| (row.1, row.2)).unzip();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (c, x, y) = (deal(&mut rng, &condition), deal(&mut rng, &one), deal(&mut rng, &other));
        let chosen = succeed(seed, |party| {
            let bits = party.sign(of(party, &c), 32)?;
            party.choose(&bits, of(party, &x), of(party, &y))
        });
        let expected: Vec<u64> = rows.iter().map(|row| if row.0 < 0 { row.1 } else { row.2 }).collect();
        prop_assert_eq!(reconstruct(&chosen).unwrap(), expected);
    }

    #[test]
    fn pairs_come_out_ordered(
        seed: u64, pairs in prop::collection::vec((-5_000_i32..5_000, -5_000_i32..5_000), 1..300),
    ) {
        let of_pairs = |side: fn(&(i32, i32)) -> i32| -> Vec<u32> {
            pairs.iter().map(|pair| side(pair).cast_unsigned()).collect()
        };
        let (a, b) = (dealt32(seed, &of_pairs(|p| p.0)), dealt32(seed ^ 1, &of_pairs(|p| p.1)));
        let width = width_of_differences(5_000);
        let [first, second, third] = succeed(seed, |party| {
            party.compare_exchange(of(party, &a), of(party, &b), width)
        });
        let ([s0, l0], [s1, l1], [s2, l2]) = (first, second, third);
        let (small, large) = (reconstruct(&[s0, s1, s2]).unwrap(), reconstruct(&[l0, l1, l2]).unwrap());
        for ((pair, small), large) in pairs.iter().zip(small).zip(large) {
            prop_assert_eq!(small.cast_signed(), pair.0.min(pair.1));
            prop_assert_eq!(large.cast_signed(), pair.0.max(pair.1));
        }
    }

    #[test]
    fn the_largest_and_the_count_are_right(
        seed: u64, values in prop::collection::vec(-100_i32..100, 1..90), threshold in -101_i32..101,
    ) {
        let shares = dealt32(seed, &values.iter().map(|value| value.cast_unsigned()).collect::<Vec<_>>());
        let width = width_of_differences(101);
        let results = succeed(seed, |party| {
            let largest = party.maximum(of(party, &shares), width)?;
            let count = party.count_at_least(of(party, &shares), threshold.cast_unsigned(), width)?;
            Ok((party.reveal(&largest)?, party.reveal(&count)?))
        });
        let expected = *values.iter().max().unwrap();
        let count = values.iter().filter(|&&value| value >= threshold).count() as u32;
        for result in results {
            prop_assert_eq!(&result, &(vec![expected.cast_unsigned()], vec![count]));
        }
    }
}

#[test]
fn fresh_shares_have_nothing_in_common_with_the_old() {
    let values: Vec<u32> = (0..1000).collect();
    let old = dealt32(3, &values);
    let fresh = succeed(4, |party| party.refresh(of(party, &old)));
    for (old, fresh) in old.iter().zip(&fresh) {
        let kept = |a: &[u32], b: &[u32]| a.iter().zip(b).filter(|(a, b)| a == b).count();
        assert_eq!(kept(old.own(), fresh.own()) + kept(old.next(), fresh.next()), 0);
    }
    assert_eq!(reconstruct(&fresh).unwrap(), values);
    // An old share among new ones does not join.
    let [first, second, _] = fresh;
    assert!(reconstruct(&[first, second, old[2].clone()]).is_err());
}

#[test]
fn shares_print_nothing() {
    let [shares, ..] = dealt32(1, &[42]);
    assert_eq!(format!("{shares:?}"), "Shares(1 redacted)");
}
