//! What a party is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pmirs_wire::AccountId;
use pmirs_wire::split::Trio;

/// Where a party keeps its data, where it listens, with whom it works, and what it allows.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder that holds everything; it is made if it is not there.
    pub data: PathBuf,
    /// Where clients reach it; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where the two others reach it. These links bring their own TLS.
    pub peer_listen: SocketAddr,
    /// Certificate and key for clients. Without them the server refuses any address that is not loopback.
    pub tls: Option<TlsFiles>,
    /// The three, this one among them.
    pub trio: Trio,
    /// Who may make collections here; nothing stands for whoever reaches the server.
    pub founders: Option<Vec<AccountId>>,
    /// What it allows.
    pub limits: Limits,
}

/// PEM files for TLS 1.3.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Every bound that a client, a stranger or another party can run into.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// How long one round of a session may take until the party that it waits for is named.
    pub round_time: Duration,
    /// How long a session waits until the order has come to all three.
    pub meeting_time: Duration,
    /// How long a whole session may take.
    pub session_time: Duration,
    /// Sessions at a time; more wait.
    pub sessions: usize,
    /// Of these, sessions that send a picture or a sentence through a model; more wait.
    pub encodings: usize,
    /// Requests in work at a time; more are turned away.
    pub requests: usize,
    /// Memory for large requests in transit, in MiB; they wait for their share of it.
    pub body_memory_mib: u32,
    /// How long the start of a connection and the headers of a request may take.
    pub header_time: Duration,
    /// How long the body of a request may take to come.
    pub body_time: Duration,
    /// How far a client's clock may be off.
    pub clock_skew: Duration,
    /// Orders remembered against replay; when full, orders are turned away.
    pub remembered_orders: usize,
    /// Collections that this party holds.
    pub collections: usize,
    /// How long a prepared batch is safe from another one.
    pub prepared_time: Duration,
    /// How long requests in work may go on after the server is told to stop.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            round_time: Duration::from_secs(20),
            meeting_time: Duration::from_secs(10),
            session_time: Duration::from_mins(10),
            sessions: 8,
            encodings: 2,
            requests: 256,
            body_memory_mib: 512,
            header_time: Duration::from_secs(30),
            body_time: Duration::from_mins(2),
            clock_skew: Duration::from_mins(5),
            remembered_orders: 1 << 20,
            collections: 10_000,
            prepared_time: Duration::from_secs(10),
            drain_time: Duration::from_secs(10),
        }
    }
}
