//! Times a search: `cargo run --release -p pmirs-mpc --example bench_split -- ROWS DIM K QUERIES`.
//!
//! Three parties on three threads of this process, memory links, random int8 vectors. Prints each phase, the whole, and how
//! much longer the scan takes than reading the same bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "an example may panic")]

use std::time::{Duration, Instant};

use pmirs_mpc::bench::{Phase, Stopwatch, three_parties};
use pmirs_mpc::{Rows, Shares, deal, width_of_differences};
use rand::{Rng, RngExt, SeedableRng, rngs::SmallRng};
use rand_chacha::ChaCha20Rng;

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|argument| argument.parse().unwrap()).collect();
    let [rows, dim, k, queries] = arguments.try_into().unwrap_or([100_000, 512, 10, 1]);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let parts = table(rows * dim);
    let vectors: Vec<[Shares<u32>; 3]> = (0..queries)
        .map(|_| {
            let vector: Vec<u32> =
                (0..dim).map(|_| rng.random_range(-127_i32..=127).cast_unsigned()).collect();
            deal(&mut rng, &vector)
        })
        .collect();
    let width = width_of_differences(dim as u32 * 127 * 127);
    println!("{rows} x {dim}, top {k}, {queries} queries, width {width}");
    let mut totals = Vec::new();
    let before = processor_time();
    for run in 0..5 {
        let start = Instant::now();
        let phases = three_parties(&mut rng, |party| {
            let mut watch = Stopwatch::default();
            watch.start(party);
            let index = party.role().index();
            let rows = Rows::new(&parts[index], &parts[(index + 1) % 3], dim)?;
            let mine: Vec<Shares<u32>> = vectors.iter().map(|shares| shares[index].clone()).collect();
            let scores = rows.inner_products(&mine)?;
            watch.lap("scan", party);
            party.top_k(scores, k, width)?;
            watch.lap("top k", party);
            Ok(watch.into_phases())
        })
        .unwrap();
        let total = start.elapsed();
        totals.push(total);
        if run == 4 {
            report(&phases, rows);
        }
    }
    totals.sort();
    let processor = (processor_time() - before) / 5;
    println!(
        "whole: median {:.1} ms, best {:.1} ms; processor time of all three {:.1} ms",
        millis(totals[2]),
        millis(totals[0]),
        millis(processor)
    );
    let read = fastest(|| {
        (0..3).for_each(|index| {
            std::hint::black_box(Rows::new(&parts[index], &parts[(index + 1) % 3], dim).unwrap().read());
        });
    });
    let one: Vec<Shares<u32>> = vectors.iter().take(1).map(|shares| shares[0].clone()).collect();
    let scan = fastest(|| {
        (0..3).for_each(|index| {
            let rows = Rows::new(&parts[index], &parts[(index + 1) % 3], dim).unwrap();
            std::hint::black_box(rows.inner_products(&one).unwrap());
        });
    });
    let bytes = (rows * dim * 24) as f64;
    println!(
        "three scans {:.1} ms ({:.1} GB/s), three plain reads {:.1} ms ({:.1} GB/s): {:.0}% of the bandwidth",
        millis(scan),
        bytes / scan.as_secs_f64() / 1e9,
        millis(read),
        bytes / read.as_secs_f64() / 1e9,
        100.0 * read.as_secs_f64() / scan.as_secs_f64(),
    );
}

/// The three components of random int8 vectors. A fast generator will do: nothing here is secret.
fn table(count: usize) -> [Vec<u32>; 3] {
    let mut rng = SmallRng::seed_from_u64(3);
    let x0: Vec<u32> = (0..count).map(|_| rng.next_u32()).collect();
    let x1: Vec<u32> = (0..count).map(|_| rng.next_u32()).collect();
    let value = |(a, b): (&u32, &u32)| {
        (i32::from((a ^ b) as i8).max(-127).cast_unsigned()).wrapping_sub(*a).wrapping_sub(*b)
    };
    let x2 = x0.iter().zip(&x1).map(value).collect();
    [x0, x1, x2]
}

fn report(phases: &[Vec<Phase>; 3], rows: usize) {
    for (index, phase) in phases[0].iter().enumerate() {
        let sent: u64 = phases.iter().map(|party| party[index].traffic.sent).sum();
        println!(
            "{:>8}: {:7.1} ms, {} rounds, {} bytes sent a party on average ({:.1} a row)",
            phase.name,
            millis(phase.time),
            phase.traffic.rounds,
            sent / 3,
            sent as f64 / 3.0 / rows as f64
        );
    }
}

fn fastest(work: impl Fn()) -> Duration {
    let time = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..5).map(time).min().unwrap()
}

/// Of this process so far, on Linux; to a hundredth of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|f| f.parse().unwrap_or(0))
        .collect();
    Duration::from_millis(10 * fields.iter().skip(11).take(2).sum::<u64>())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
