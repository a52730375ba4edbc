//! Times a search: `cargo run --release -p pmirs-mpc --example bench_split -- ROWS DIM K QUERIES [wan]`.
//!
//! Three parties on three threads of this process, random int8 vectors. Prints each phase, the whole, and how much
//! longer the scan takes than reading the same bytes.

#![expect(clippy::unwrap_used, reason = "an example may panic")]

use std::time::Duration;

use pmirs_crypto::Prg;
use pmirs_mpc::bench::{SearchSize, Wire, search};

const RUNS: usize = 5;

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let distant = arguments.pop_if(|last| last == "wan").is_some();
    let sizes: Vec<usize> = arguments.iter().map(|argument| argument.parse().unwrap()).collect();
    let [rows, dim, k, queries] = sizes.try_into().unwrap_or([100_000, 512, 10, 1]);
    let wire = if distant { Wire::DISTANT } else { Wire::MEMORY };
    let size = SearchSize { rows, dim, k, queries };
    let before = processor_time();
    let report = search(&mut Prg::new(&[1; 32], b"bench"), size, wire, RUNS).unwrap();
    println!(
        "{rows} x {dim}, top {k}, {queries} queries, {}",
        if distant { "20 ms and 100 Mbit/s" } else { "memory" }
    );
    for phase in &report.phases {
        println!("{:>8}: {:7.1} ms, {} rounds", phase.name, millis(phase.time), phase.traffic.rounds);
    }
    let sent = report.bytes_sent_per_party;
    println!(
        "{} rounds, {sent} bytes sent a party on average ({:.1} a row), recall {}",
        report.rounds,
        sent as f64 / rows as f64,
        report.recall
    );
    let mut times = report.times.clone();
    times.sort();
    let [best, _, median, ..] = times.as_slice() else { return };
    println!("whole: median {:.1} ms, best {:.1} ms", millis(*median), millis(*best));
    let bytes = 3.0 * report.row_bytes_per_party as f64;
    println!(
        "three scans {:.1} ms ({:.1} GB/s), three plain reads {:.1} ms ({:.1} GB/s): {:.0}% of the bandwidth",
        millis(report.scan),
        bytes / report.scan.as_secs_f64() / 1e9,
        millis(report.read),
        bytes / report.read.as_secs_f64() / 1e9,
        100.0 * report.read.as_secs_f64() / report.scan.as_secs_f64(),
    );
    println!(
        "processor time of everything, dealing and checking included: {:.2} s",
        processor_time().saturating_sub(before).as_secs_f64()
    );
}

/// Of this process so far, on Linux; to a hundredth of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
