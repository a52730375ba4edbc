//! What a server is told when it starts.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// Where a server keeps its data, where it listens, and what it allows.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder that holds everything; it is made if it is not there.
    pub data: PathBuf,
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Certificate and key. Without them the server refuses any address that is not loopback.
    pub tls: Option<TlsFiles>,
    /// What one account, one address and the server as a whole may use.
    pub limits: Limits,
}

impl Config {
    /// A server for this machine alone, on any free port, with the usual limits.
    pub fn loopback(data: impl Into<PathBuf>) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { data: data.into(), listen, tls: None, limits: Limits::default() }
    }
}

/// PEM files for TLS 1.3.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Every bound that a stranger or an account can run into.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Requests of one account.
    pub account_rate: Rate,
    /// Requests from one address (an IPv6 /64 counts as one).
    pub peer_rate: Rate,
    /// Registrations, challenges and logins from one address.
    pub login_rate: Rate,
    /// Bytes that the items of all collections of one account may take.
    pub account_bytes: u64,
    /// Collections that one account may own.
    pub account_collections: u64,
    /// Federations that one account may own.
    pub account_federations: u64,
    /// Weights that one federation may train.
    pub federation_weights: usize,
    /// How long a member's question for news of a round waits for some.
    pub turn_wait: Duration,
    /// How many such questions wait at a time; others are answered at once, and asked again.
    pub waiting_turns: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Requests in work at a time; more are turned away, not queued.
    pub requests: usize,
    /// Memory for large bodies in transit, in MiB; requests wait for their share of it.
    pub body_memory_mib: u32,
    /// How long the start of a connection and the headers of a request may take.
    pub header_time: Duration,
    /// How long a request may take, body and answer included.
    pub request_time: Duration,
    /// How long a session lasts.
    pub session_time: Duration,
    /// How far a client's clock may be off, for enveloped requests.
    pub clock_skew: Duration,
    /// Enveloped requests remembered against replay; when full, requests are turned away.
    pub remembered_requests: usize,
    /// Accesses to items of one collection that are remembered for its owners; the oldest go first.
    pub accesses: u64,
    /// Challenges waiting for a login.
    pub open_challenges: usize,
    /// Devices being paired at a time.
    pub open_pairings: usize,
    /// Threads that score one search.
    pub search_threads: usize,
    /// How long requests in work may go on after the server is told to stop.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            account_rate: Rate::new(1_000, 10_000),
            peer_rate: Rate::new(2_000, 20_000),
            login_rate: Rate::new(5, 100),
            account_bytes: 64 << 30,
            account_collections: 1_000,
            account_federations: 16,
            federation_weights: 1 << 24,
            turn_wait: Duration::from_secs(5),
            waiting_turns: 256,
            connections: 1_024,
            requests: 512,
            body_memory_mib: 512,
            header_time: Duration::from_secs(30),
            request_time: Duration::from_mins(2),
            session_time: Duration::from_hours(1),
            clock_skew: Duration::from_mins(5),
            remembered_requests: 1 << 21,
            accesses: 100_000,
            open_challenges: 10_000,
            open_pairings: 1_000,
            search_threads: std::thread::available_parallelism().map_or(1, usize::from),
            drain_time: Duration::from_secs(10),
        }
    }
}

/// So many a second in the long run, and so many at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// At least one of each, whatever is asked for.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let at_least_one = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self { per_second: at_least_one(per_second), burst: at_least_one(burst) }
    }
}
