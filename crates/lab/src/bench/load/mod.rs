//! A server under load: many clients that search one veiled collection.

mod scaling;
mod server;

use std::sync::Barrier;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::BenchError;
use server::{Asker, Filled};

pub use scaling::{ScalingReport, scaling};

/// Searches of each client before the clock starts.
const WARM_UP: usize = 5;

/// What a server answers to many clients at once.
#[derive(Debug, Clone, Serialize)]
pub struct LoadReport {
    /// Searches answered per second, all clients together.
    pub requests_per_s: f64,
    /// The middle search, from sealing the request to opening the answer.
    pub p50_ms: f64,
    /// All but one in twenty are faster.
    pub p95_ms: f64,
    /// All but one in a hundred are faster.
    pub p99_ms: f64,
    /// Searches without an answer, or with a refusal.
    pub errors: usize,
    /// Searches that were answered.
    pub requests: usize,
    /// Clients, each with a connection and a session of its own and one search at a time.
    pub clients: usize,
    /// How long they searched.
    pub seconds: f64,
    /// Items in the collection.
    pub items: usize,
    /// Whether scans get in each other's way, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<ScalingReport>,
}

/// Has `clients` clients search a veiled collection of `items` drawn items for some seconds, over TCP on loopback,
/// every request sealed to the server's key.
///
/// # Errors
/// When the server cannot be started or filled, or a client cannot log in.
pub fn load(clients: usize, time: Duration, items: usize) -> Result<LoadReport, BenchError> {
    let world = Filled::start(items)?;
    let askers = (0..clients).map(|_| world.connect()).collect::<Result<Vec<_>, _>>()?;
    let ready = Barrier::new(clients);
    let parts: Vec<Part> = std::thread::scope(|scope| {
        let started: Vec<_> = askers
            .into_iter()
            .enumerate()
            .map(|(number, asker)| {
                let ready = &ready;
                scope.spawn(move || search(&asker, number as u64, ready, time))
            })
            .collect();
        started.into_iter().map(|client| client.join().unwrap_or_default()).collect()
    });
    let lost = clients - parts.iter().filter(|part| part.seconds > 0.0).count();
    let mut took: Vec<f64> = parts.iter().flat_map(|part| part.took_ms.iter().copied()).collect();
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took.get((share * took.len() as f64) as usize).copied().unwrap_or(0.0);
    let seconds = parts.iter().map(|part| part.seconds).fold(0.0, f64::max);
    Ok(LoadReport {
        requests_per_s: if seconds > 0.0 { took.len() as f64 / seconds } else { 0.0 },
        p50_ms: at(0.5),
        p95_ms: at(0.95),
        p99_ms: at(0.99),
        errors: lost + parts.iter().map(|part| part.errors).sum::<usize>(),
        requests: took.len(),
        clients,
        seconds,
        items,
        scaling: None,
    })
}

/// What one client saw.
#[derive(Default)]
struct Part {
    took_ms: Vec<f64>,
    errors: usize,
    seconds: f64,
}

fn search(asker: &Asker, seed: u64, ready: &Barrier, time: Duration) -> Part {
    let mut part = Part::default();
    for turn in 0..WARM_UP {
        let _ = asker.search(&server::query(seed << 32 | turn as u64));
    }
    ready.wait();
    let begun = Instant::now();
    let mut turn = WARM_UP as u64;
    while begun.elapsed() < time {
        let query = server::query(seed << 32 | turn);
        let asked = Instant::now();
        match asker.search(&query) {
            Ok(_) => part.took_ms.push(asked.elapsed().as_secs_f64() * 1e3),
            Err(_) => part.errors += 1,
        }
        turn += 1;
    }
    part.seconds = begun.elapsed().as_secs_f64();
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_answered_and_the_report_has_the_promised_keys() {
        let report = load(3, Duration::from_millis(700), 300).unwrap();
        assert_eq!(report.errors, 0);
        assert!(report.requests > 0 && report.requests_per_s > 0.0);
        assert!(report.p50_ms > 0.0 && report.p50_ms <= report.p95_ms && report.p95_ms <= report.p99_ms);
        let json = serde_json::to_value(&report).unwrap();
        for key in ["requests_per_s", "p50_ms", "p95_ms", "p99_ms"] {
            assert!(json[key].is_f64(), "{key}");
        }
        assert!(json["errors"].is_u64() && json.get("scaling").is_none());
    }
}
