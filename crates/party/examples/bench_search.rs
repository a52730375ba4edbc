//! What a search over three parties on loopback costs: `bench_search ROWS DIM K QUERIES REPEATS`.
//!
//! All three run in this process, each on a runtime of its own, over TCP and TLS. Rows are random int8 vectors of length
//! 127; adding them is timed as well.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement may panic, and reports"
)]

#[path = "../tests/client/mod.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod client;

use std::time::Instant;

use client::{User, dot, rng};
use pmirs_party::Embedded;
use pmirs_wire::{CollectionId, ItemId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

const ID: CollectionId = CollectionId([5; 16]);
/// Rows of one batch.
const BATCH: usize = 4096;

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>().expect("a number"));
    let mut next = |default| args.next().unwrap_or(default);
    let (rows, dim, k, queries, repeats) = (next(10_000), next(512), next(10), next(1), next(5));
    let folder = tempfile::tempdir().unwrap();
    let trio = Embedded::trio(folder.path()).unwrap();
    let mut user = User::new(1, trio[0].parties());
    // Rounding adds at most half a unit a coordinate to a length of 127.
    user.largest = (127.0 + (dim as f64).sqrt() / 2.0).powi(2).ceil() as u32;
    let mut rng = rng(1);
    user.create(ID, dim as u32);
    let vectors: Vec<Vec<i8>> = (0..rows).map(|_| unit(&mut rng, dim)).collect();
    let started = Instant::now();
    for (batch, vectors) in vectors.chunks(BATCH).enumerate() {
        let item = |at: usize| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&((batch * BATCH + at) as u64).to_be_bytes());
            ItemId(id)
        };
        let rows: Vec<(ItemId, Vec<i8>)> =
            vectors.iter().enumerate().map(|(at, vector)| (item(at), vector.clone())).collect();
        user.change(ID, &rows, &[]).unwrap();
    }
    let added = started.elapsed();
    println!(
        "added {rows} x {dim} in {:.2} s ({:.0} rows/s)",
        added.as_secs_f64(),
        rows as f64 / added.as_secs_f64()
    );
    let asked: Vec<Vec<i8>> = (0..queries).map(|_| unit(&mut rng, dim)).collect();
    let mut times = Vec::new();
    for _ in 0..=repeats {
        let started = Instant::now();
        let found = user.search(ID, &asked, k as u32).unwrap();
        times.push(started.elapsed().as_secs_f64() * 1e3);
        for (query, list) in asked.iter().zip(&found) {
            let mut scores: Vec<i32> = vectors.iter().map(|vector| dot(vector, query)).collect();
            scores.sort_by_key(|score| -score);
            let got: Vec<i32> = list.iter().map(|(_, score)| *score).collect();
            assert_eq!(got, scores[..k.min(rows)], "not the best rows");
        }
    }
    let first = times.remove(0);
    times.sort_by(f64::total_cmp);
    let raw = user.search_raw(ID, &asked, k as u32).map(|answer| answer.unwrap());
    let sent: u64 = raw.iter().map(|found| found.sent).sum();
    println!(
        "{rows} x {dim}, top-{k}, {queries} queries: median {:.1} ms, best {:.1} ms, first {first:.1} ms; {} rounds, {:.2} MB sent per party",
        times[times.len() / 2],
        times[0],
        raw[0].rounds,
        sent as f64 / 3e6,
    );
}

fn unit(rng: &mut ChaCha20Rng, dim: usize) -> Vec<i8> {
    let raw: Vec<f64> = (0..dim)
        .map(|_| (0..4).map(|_| f64::from(rng.next_u32()) / f64::from(u32::MAX) - 0.5).sum())
        .collect();
    let length = raw.iter().map(|x| x * x).sum::<f64>().sqrt();
    raw.iter().map(|x| (x / length * 127.0).round() as i8).collect()
}
