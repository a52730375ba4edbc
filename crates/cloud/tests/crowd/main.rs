//! Sixty-four clients add, remove, search, open, share, accept, revoke and leave at random, against one server over
//! TCP; whoever loses a race for the log follows it and tries again. Afterwards the checker looks at everything.
//!
//! Each client draws what it does from the seed; how the clients interleave is the machine's. `PMIRS_CROWD_SECONDS`
//! shortens it, `PMIRS_CROWD_SEED` draws others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    reason = "a test may panic, and uses a part of the client"
)]

#[path = "../it/chain.rs"]
mod chain;
mod checker;
#[path = "../client/mod.rs"]
mod client;
mod ledger;
mod member;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::User;
use ledger::Ledger;
use member::Client;
use pmirs_cloud::{Config, Embedded, Limits, Rate};
use pmirs_wire::CollectionId;
use pmirs_wire::collection::Protection;

const CLIENTS: usize = 64;
const COLLECTIONS: usize = 8;

/// Everybody, and what they did together.
struct Crowd {
    users: Vec<User>,
    /// Contents that were opened, by collection.
    opened: BTreeMap<CollectionId, AtomicU64>,
    done: BTreeMap<&'static str, AtomicU64>,
    until: Instant,
}

/// What a client does.
const DEEDS: [&str; 12] = [
    "add", "remove", "replace", "retire", "search", "open", "share", "accept", "revoke", "leave", "look",
    "lost",
];

impl Crowd {
    fn count(&self, deed: &str) {
        self.done[deed].fetch_add(1, Ordering::Relaxed);
    }

    fn counted(&self, deed: &str) -> u64 {
        self.done[deed].load(Ordering::Relaxed)
    }
}

fn collection(number: usize) -> CollectionId {
    CollectionId([number as u8 + 1; 16])
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().expect("a number"))
}

#[test]
fn a_crowd_leaves_everything_in_order() {
    let (seconds, seed) = (setting("PMIRS_CROWD_SECONDS", 60), setting("PMIRS_CROWD_SEED", 1));
    println!("seed {seed}, {seconds} s");
    let folder = tempfile::tempdir().unwrap();
    let any = Rate::new(u32::MAX, u32::MAX);
    let limits = Limits { account_rate: any, peer_rate: any, login_rate: any, ..Limits::default() };
    let start =
        || Embedded::start(Config { limits: limits.clone(), ..Config::loopback(folder.path()) }).unwrap();
    let server = start();
    let users = (0..CLIENTS).map(|number| {
        let invite = if number == 0 { server.first_invite() } else { server.invite().ok() };
        User::join(server.url(), number as u64 + 1, &invite.unwrap())
    });
    let users: Vec<User> = users.collect();
    for (number, owner) in users.iter().enumerate().take(COLLECTIONS) {
        Ledger::begin(owner, collection(number), Protection::Veiled);
    }

    let crowd = Crowd {
        users,
        opened: (0..COLLECTIONS).map(|number| (collection(number), AtomicU64::new(0))).collect(),
        done: DEEDS.iter().map(|deed| (*deed, AtomicU64::new(0))).collect(),
        until: Instant::now() + Duration::from_secs(seconds),
    };
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let crowd = &crowd;
            scope.spawn(move || Client::new(crowd, number, seed).live());
        }
    });
    let done: Vec<_> = DEEDS.iter().map(|deed| format!("{} {deed}", crowd.counted(deed))).collect();
    println!("{}", done.join(", "));
    if seconds >= 5 {
        for deed in DEEDS {
            assert!(crowd.counted(deed) > 0, "nobody did {deed}: {done:?}");
        }
    }
    let heads = checker::check(&crowd, folder.path());

    // A server that reads it all anew comes to the same.
    server.stop().unwrap();
    let server = start();
    let Crowd { users, opened, done, until } = crowd;
    let users =
        users.into_iter().map(|user| User::resume(client::Http::new(server.url()), user.identity)).collect();
    assert_eq!(checker::check(&Crowd { users, opened, done, until }, folder.path()), heads);
}
