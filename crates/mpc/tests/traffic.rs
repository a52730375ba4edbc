//! What each protocol costs, by counting what was really sent: the figures that its documentation states.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    dead_code,
    reason = "a test may panic"
)]

mod world;

use pmirs_mpc::frame::HEADER;
use pmirs_mpc::{Error, Party, Shares, Traffic, Unmasked, deal, width_of_differences};
use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use world::{of, succeed};

const COUNT: usize = 6_400 * 3;

fn shares32(count: usize, most: i32) -> [Shares<u32>; 3] {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let values: Vec<u32> = (0..count).map(|_| rng.random_range(-most..=most).cast_unsigned()).collect();
    deal(&mut rng, &values)
}

fn shares64() -> [Shares<u64>; 3] {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let values: Vec<u64> = (0..COUNT).map(|_| u64::from(rng.random_range(0..1_u32 << 31))).collect();
    deal(&mut rng, &values)
}

/// Runs a protocol; returns its rounds, its mean bytes a value and party, and the busiest party's over the mean.
fn cost(count: usize, protocol: impl Fn(&mut Party) -> Result<(), Error> + Sync) -> (u32, f64, f64) {
    let traffic = succeed(3, |party| {
        protocol(party)?;
        Ok(party.traffic())
    });
    let rounds = traffic[0].rounds;
    assert!(traffic.iter().all(|other| other.rounds == rounds), "all parties count the same rounds");
    assert_eq!(
        traffic.iter().map(|party| party.sent).sum::<u64>(),
        traffic.iter().map(|party| party.received).sum::<u64>(),
    );
    // Two frames a round at most: headers do not count as payload.
    let payload = |party: &Traffic| party.sent as f64 - f64::from(2 * rounds) * HEADER as f64;
    let sent: Vec<f64> = traffic.iter().map(|party| party.sent as f64).collect();
    let mean = sent.iter().sum::<f64>() / 3.0;
    let least = traffic.iter().map(payload).sum::<f64>() / 3.0 / count as f64;
    let busiest = sent.iter().copied().fold(0.0, f64::max) / mean;
    println!("{rounds} rounds, {:.2} bytes a value and party, busiest {busiest:.3}", mean / count as f64);
    assert!(least >= 0.0);
    (rounds, mean / count as f64, busiest)
}

fn near(got: f64, stated: f64) {
    assert!((got - stated).abs() <= 0.02 * stated + 0.05, "{got} bytes, stated are {stated}");
}

#[test]
fn products_and_openings() {
    let x = shares64();
    let (rounds, bytes, _) = cost(COUNT, |party| party.multiply(of(party, &x), of(party, &x)).map(drop));
    assert_eq!(rounds, 1);
    near(bytes, 8.0);
    let (rounds, bytes, _) = cost(COUNT, |party| party.reveal(of(party, &x)).map(drop));
    assert_eq!(rounds, 1);
    near(bytes, 16.0);
}

#[test]
fn signs() {
    let x = shares32(COUNT, 1 << 22);
    for (width, stated) in [(32, 58.7 / 8.0), (25, 40.0 / 8.0), (17, 29.3 / 8.0)] {
        let (rounds, bytes, busiest) = cost(COUNT, |party| party.sign(of(party, &x), width).map(drop));
        assert_eq!(rounds, 5);
        near(bytes, stated);
        assert!(busiest <= 1.1, "the busiest party sends {busiest} times the mean");
    }
}

#[test]
fn choices() {
    let x = shares32(COUNT, 1000);
    let width = width_of_differences(1000);
    let (rounds, bytes, busiest) = cost(COUNT, |party| {
        let bits = party.sign(of(party, &x), 2)?;
        party.bits_to_ring::<u64>(&bits).map(drop)
    });
    assert_eq!(rounds, 5 - 3 + 2, "two levels of the tree and more are missing at two bits");
    // One bit below the sign: (1 + 1 dealt bits)/3 and 2/3 of exchanged masks.
    near(bytes, 4.0 / 3.0 * 8.0 + 4.0 / 3.0 / 8.0);
    assert!(busiest <= 1.1);
    let (rounds, _, _) =
        cost(COUNT, |party| party.compare_exchange(of(party, &x), of(party, &x), width).map(drop));
    assert!(rounds <= 7);
}

#[test]
fn truncation_and_relu() {
    let x = shares64();
    let (rounds, bytes, busiest) =
        cost(COUNT, |party| party.truncate(Unmasked::of_shares(of(party, &x)), 16).map(drop));
    assert_eq!(rounds, 2);
    near(bytes, 10.0);
    assert!(busiest <= 1.1);
    let (rounds, bytes, busiest) = cost(COUNT, |party| party.relu(of(party, &x), 32).map(drop));
    assert_eq!(rounds, 7);
    near(bytes, 58.7 / 8.0 + 32.0 / 3.0);
    assert!(busiest <= 1.1);
}

#[test]
fn shuffles() {
    let x = shares32(COUNT, 1000);
    let column = |party: &Party| of(party, &x).clone();
    let (rounds, bytes, _) = cost(COUNT, |party| party.shuffle(&[column(party)]).map(drop));
    assert_eq!(rounds, 3);
    near(bytes, 8.0);
}

#[test]
fn a_search_keeps_to_its_rounds_and_bytes() {
    for (rows, k) in [(10_000, 1), (10_000, 40), (10_000, 100), (30_000, 40)] {
        let x = shares32(rows, 8_258_048);
        let width = width_of_differences(8_258_048);
        assert_eq!(width, 25, "int8 vectors of 512 coordinates");
        let (rounds, bytes, _) = cost(rows, |party| {
            let scores = vec![Unmasked::of_shares(of(party, &x))];
            party.top_k(scores, k, width).map(drop)
        });
        assert!(rounds <= 45, "{rounds} rounds");
        assert!(bytes <= 24.0, "{bytes} bytes a row");
    }
}

#[test]
fn a_thousand_keys_are_sorted_in_few_rounds() {
    let x = shares32(1000, 1 << 30);
    let (rounds, _, _) = cost(1000, |party| party.sort(of(party, &x), &[], 32).map(drop));
    assert!(rounds <= 3 + 6 * 9, "{rounds} rounds");
}
