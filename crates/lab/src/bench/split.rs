use std::time::Duration;

use pmirs_crypto::Prg;
use pmirs_mpc::bench::{SearchSize, Wire, search};
use serde::Serialize;

/// How often each search is measured; the median counts.
const RUNS: usize = 5;

/// A search by three parties on three threads of this process, over drawn int8 vectors, with the machine's own limit in
/// the same run: how long it takes to read the bytes that the three scan.
#[derive(Debug, Clone, Serialize)]
pub struct SplitReport {
    /// Rows.
    pub rows: usize,
    /// Coordinates of each.
    pub dim: usize,
    /// Rows that each query gets.
    pub k: usize,
    /// Queries at once.
    pub queries: usize,
    /// `loopback`, or `wan`: 20 ms and 100 Mbit/s on each way.
    pub link: &'static str,
    /// Median of a whole search, in milliseconds.
    pub ms: f64,
    /// The quickest, in milliseconds.
    pub best_ms: f64,
    /// What it is made of, of the last run.
    pub phases: Vec<SplitPhase>,
    /// Rounds of messages.
    pub rounds: u32,
    /// Bytes that a party sends, on average over the three.
    pub bytes_sent_per_party: u64,
    /// Bytes of the shares that a party holds.
    pub memory_bytes_per_party: u64,
    /// Of the best rows in the clear, the share that was found.
    pub recall: f64,
    /// The three scans alone, in milliseconds.
    pub scan_ms: f64,
    /// Reading the same bytes, in milliseconds.
    pub read_ms: f64,
}

/// One phase of a search.
#[derive(Debug, Clone, Serialize)]
pub struct SplitPhase {
    /// What it does.
    pub name: &'static str,
    /// How long, in milliseconds.
    pub ms: f64,
    /// Rounds of messages.
    pub rounds: u32,
    /// Bytes that one party sent.
    pub bytes: u64,
}

/// Measures a search of the split level.
///
/// # Errors
/// When a size is out of range.
pub fn split(size: SearchSize, distant: bool, seed: u64) -> Result<SplitReport, pmirs_mpc::Error> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let wire = if distant { Wire::DISTANT } else { Wire::MEMORY };
    let report = search(&mut Prg::new(&key, b"bench split"), size, wire, RUNS)?;
    let mut times = report.times.clone();
    times.sort();
    let at = |place: usize| times.get(place).copied().map_or(0.0, millis);
    Ok(SplitReport {
        rows: size.rows,
        dim: size.dim,
        k: size.k,
        queries: size.queries,
        link: if distant { "wan" } else { "loopback" },
        ms: at(times.len() / 2),
        best_ms: at(0),
        phases: report
            .phases
            .iter()
            .map(|phase| SplitPhase {
                name: phase.name,
                ms: millis(phase.time),
                rounds: phase.traffic.rounds,
                bytes: phase.traffic.sent,
            })
            .collect(),
        rounds: report.rounds,
        bytes_sent_per_party: report.bytes_sent_per_party,
        memory_bytes_per_party: report.row_bytes_per_party,
        recall: report.recall,
        scan_ms: millis(report.scan),
        read_ms: millis(report.read),
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_search_is_measured_and_right() {
        let size = SearchSize { rows: 300, dim: 16, k: 5, queries: 2 };
        let report = split(size, false, 1).unwrap();
        assert_eq!((report.recall, report.memory_bytes_per_party), (1.0, 300 * 16 * 4 * 2));
        assert!(report.ms >= report.best_ms && report.bytes_sent_per_party > 0);
        assert_eq!(report.phases.iter().map(|phase| phase.rounds).sum::<u32>(), report.rounds);
    }
}
