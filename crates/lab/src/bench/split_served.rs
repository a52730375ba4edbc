//! A search by three processes over TCP and TLS, as operators run them and as clients ask them.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pmirs_crypto::Prg;
use pmirs_mpc::bench::SearchSize;
use pmirs_party::{describe, write_parties};
use pmirs_vault::BareRows;
use pmirs_wire::split::Trio;
use rand_core::Rng as _;
use serde::Serialize;

use super::BenchError;

/// How often each search is measured, besides one that opens the connections; the median counts.
const RUNS: usize = 9;
/// Rows that are drawn at a time.
const BATCH: usize = 4096;
const NAMES: [&str; 3] = ["north", "east", "south"];

/// A search by three `pmirs party serve` on loopback, over drawn vectors of unit length: from dealing the query to the
/// joined answer.
#[derive(Debug, Clone, Serialize)]
pub struct ServedReport {
    /// Rows.
    pub rows: usize,
    /// Coordinates of each.
    pub dim: usize,
    /// Rows that each query gets.
    pub k: usize,
    /// Queries at once.
    pub queries: usize,
    /// `tcp`.
    pub link: &'static str,
    /// Median of a whole search, in milliseconds.
    pub ms: f64,
    /// The quickest, in milliseconds.
    pub best_ms: f64,
    /// Rounds of messages among the three.
    pub rounds: u32,
    /// Bytes that a party sends to the two others, on average over the three.
    pub bytes_sent_per_party: u64,
    /// Memory that the largest of the three processes holds after the searches (its resident set); 0 where the system does
    /// not say.
    pub memory_bytes_per_party: u64,
    /// The most that one of them held at any time, while rows were added too.
    pub peak_bytes_per_party: u64,
    /// Bytes of the shares that a party holds.
    pub share_bytes_per_party: u64,
    /// Of the best rows in the clear, the share that was found.
    pub recall: f64,
    /// Rows that were added a second.
    pub added_per_s: f64,
}

/// Starts three of `program`, adds rows, and searches.
///
/// # Errors
/// When a process does not start, or refuses.
pub fn split_served(program: &Path, size: SearchSize, seed: u64) -> Result<ServedReport, BenchError> {
    let SearchSize { rows, dim, k, queries } = size;
    let folder = tempfile::tempdir().map_err(BenchError::party)?;
    let servers = Servers::start(program, folder.path())?;
    let mut bare = BareRows::create(&servers.trio, dim)?;
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = Prg::new(&key, b"bench split served");
    let asked: Vec<Vec<f32>> = (0..queries).map(|_| unit(&mut rng, dim)).collect();
    let mut truth: Vec<Vec<f32>> = vec![Vec::with_capacity(rows); queries];
    let mut adding = Duration::ZERO;
    let mut left = rows;
    while left > 0 {
        let batch: Vec<Vec<f32>> = (0..left.min(BATCH)).map(|_| unit(&mut rng, dim)).collect();
        for (scores, query) in truth.iter_mut().zip(&asked) {
            scores.extend(batch.iter().map(|row| BareRows::score(row, query)));
        }
        let begin = Instant::now();
        bare.add(&batch)?;
        adding += begin.elapsed();
        left -= batch.len();
    }
    let asked: Vec<&[f32]> = asked.iter().map(Vec::as_slice).collect();
    let mut found = bare.search(&asked, k)?;
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begin = Instant::now();
        found = bare.search(&asked, k)?;
        times.push(begin.elapsed());
    }
    times.sort();
    let at = |place: usize| times.get(place).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let memory =
        |field| servers.children.iter().map(|child| memory(child.id(), field)).max().unwrap_or_default();
    Ok(ServedReport {
        rows,
        dim,
        k,
        queries,
        link: "tcp",
        ms: at(times.len() / 2),
        best_ms: at(0),
        rounds: found.rounds,
        bytes_sent_per_party: found.sent / 3,
        memory_bytes_per_party: memory("VmRSS:"),
        peak_bytes_per_party: memory("VmHWM:"),
        share_bytes_per_party: (rows * dim * 8) as u64,
        recall: recall(&truth, &found.lists, k.min(rows)),
        added_per_s: rows as f64 / adding.as_secs_f64(),
    })
}

/// Which share of the best in the clear was found, where equal scores may take each other's place.
fn recall(truth: &[Vec<f32>], lists: &[Vec<(u32, f32)>], k: usize) -> f64 {
    let mut hits = 0;
    for (scores, list) in truth.iter().zip(lists) {
        let mut sorted = scores.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let least = k.checked_sub(1).and_then(|last| sorted.get(last)).copied().unwrap_or(f32::INFINITY);
        let right = |(row, score): &&(u32, f32)| {
            scores.get(*row as usize).is_some_and(|truth| truth.total_cmp(score).is_eq() && *truth >= least)
        };
        hits += list.iter().filter(right).count();
    }
    if k == 0 { 1.0 } else { hits as f64 / (k * truth.len()) as f64 }
}

fn unit(rng: &mut Prg, dim: usize) -> Vec<f32> {
    let mut next = || (0..4).map(|_| rng.next_u32() as f32 / u32::MAX as f32 - 0.5).sum::<f32>();
    let raw: Vec<f32> = (0..dim).map(|_| next()).collect();
    let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    raw.into_iter().map(|x| x / length).collect()
}

/// Three processes, which end with this value.
struct Servers {
    trio: Trio,
    children: Vec<Child>,
}

impl Servers {
    fn start(program: &Path, folder: &Path) -> Result<Self, BenchError> {
        // Free ports, which are given up for the processes to take.
        let listeners = (0..6).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<Vec<_>, _>>();
        let listeners = listeners.map_err(BenchError::party)?;
        let ports = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<SocketAddr>, _>>();
        let ports = ports.map_err(BenchError::party)?;
        drop(listeners);
        let port =
            |at: usize| ports.get(at).copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let entry = |place: usize, name: &str| {
            let url = format!("http://{}", port(2 * place));
            describe(&folder.join(name), name, &url, &port(2 * place + 1).to_string())
                .map_err(BenchError::party)
        };
        let [north, east, south] = NAMES;
        let trio = Trio { parties: [entry(0, north)?, entry(1, east)?, entry(2, south)?] };
        let parties = folder.join("parties.toml");
        write_parties(&parties, &trio).map_err(BenchError::party)?;
        let mut servers = Self { trio, children: Vec::new() };
        for (place, name) in NAMES.into_iter().enumerate() {
            let mut child = Command::new(program)
                .args(["party", "serve", "--json", "--data"])
                .arg(folder.join(name))
                .arg("--parties")
                .arg(&parties)
                .args(["--listen", &port(2 * place).to_string()])
                .args(["--peer-listen", &port(2 * place + 1).to_string()])
                .env("PMIRS_LOG", std::env::var("PMIRS_LOG").unwrap_or_else(|_| "error".to_owned()))
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(BenchError::party)?;
            let stdout = child.stdout.take();
            servers.children.push(child);
            // It says where it listens once it does.
            let mut line = String::new();
            if let Some(stdout) = stdout {
                BufReader::new(stdout).read_line(&mut line).map_err(BenchError::party)?;
            }
            if line.is_empty() {
                return Err(BenchError::party(format_args!("{name} did not start")));
            }
        }
        Ok(servers)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.children {
            // One that ended by itself is no matter.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What Linux says of a process's memory.
fn memory(process: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}
