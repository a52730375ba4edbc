//! Three parties in one process, over TCP on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

mod batches;
#[path = "../client/mod.rs"]
mod client;
mod models;
mod orders;
mod repairs;
mod searches;
mod sharing;
mod trees;

use pmirs_party::{Embedded, Limits};
use pmirs_wire::CollectionId;

const ID: CollectionId = CollectionId([5; 16]);
const DIM: usize = 24;

/// Three parties in a folder that lives as long as they do.
struct World {
    parties: [Embedded; 3],
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { parties: Embedded::trio_with(folder.path(), &limits()).unwrap(), folder }
    }

    fn user(&self, seed: u64) -> client::User {
        client::User::new(seed, self.parties[0].parties())
    }

    /// Stops all three and starts them again on the same folders.
    fn restart(self) -> Self {
        let Self { parties, folder } = self;
        for party in parties {
            party.stop().unwrap();
        }
        Self { parties: Embedded::trio_with(folder.path(), &limits()).unwrap(), folder }
    }
}

fn limits() -> Limits {
    use std::time::Duration;
    Limits {
        prepared_time: Duration::from_millis(300),
        meeting_time: Duration::from_secs(2),
        ..Limits::default()
    }
}
