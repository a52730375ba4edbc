//! The service over real HTTP on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may panic"
)]

mod accesses;
mod accounts;
mod bounds;
mod chain;
#[path = "../client/mod.rs"]
mod client;
mod collections;
mod devices;
mod envelope;
mod federation;
mod items;
mod log;
mod openapi;
mod pairings;
mod people;
mod routes;
mod search;
mod stored;
mod tls;

use client::User;
use pmirs_cloud::{Config, Embedded, Limits};
use tempfile::TempDir;

/// A server with its first user.
struct World {
    folder: TempDir,
    server: Option<Embedded>,
    user: User,
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path(), limits);
        let user = User::join(server.url(), 1, &server.first_invite().unwrap());
        Self { folder, server: Some(server), user }
    }

    fn server(&self) -> &Embedded {
        self.server.as_ref().unwrap()
    }

    /// Another user of the same server.
    fn another(&self, seed: u64) -> User {
        User::join(self.server().url(), seed, &self.server().invite().unwrap())
    }

    /// Stops the server and starts it again on the same folder; the user logs in again.
    fn restart(&mut self) {
        self.server.take().unwrap().stop().unwrap();
        let server = start(self.folder.path(), Limits::default());
        let identity = client::identity(1);
        self.user = User::resume(client::Http::new(server.url()), identity);
        self.server = Some(server);
    }
}

fn start(folder: &std::path::Path, limits: Limits) -> Embedded {
    Embedded::start(Config { limits, ..Config::loopback(folder) }).unwrap()
}
