//! An acknowledged change is on all three or on none after `kill -9` of any party at any moment.
//!
//! This program starts itself again as three parties, changes a collection through them, and kills one of them at seeded
//! random moments; from time to time all three. After each death the dead are started again on their folders, and a search
//! must find what was acknowledged, and of the change in flight all or nothing, the same at all three. A killed process
//! leaves the system's caches alive; what a power cut would lose is bounded by the syncs before each answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and reports"
)]

#[expect(dead_code, reason = "shared with tests that use more of it")]
mod client;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use client::{No, User, dot, random_rows, rng, vector};
use pmirs_party::{Config, Embedded, Limits, describe, read_parties, write_parties};
use pmirs_wire::split::{Action, Trio};
use pmirs_wire::{CollectionId, ItemId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

const ID: CollectionId = CollectionId([5; 16]);
const SERVE: &str = "PMIRS_PARTY_CRASH_TEST_SERVES";
const DIM: usize = 8;
const KILLS: u32 = 28;
const SEED: u64 = 70;
const NAMES: [&str; 3] = ["north", "east", "south"];

fn main() {
    match std::env::var_os(SERVE) {
        Some(data) => serve(Path::new(&data)),
        None => kill_and_compare(),
    }
}

/// The child: a party that says when it is ready, and ends with its parent at the latest.
fn serve(data: &Path) {
    let trio = read_parties(&data.parent().unwrap().join("parties.toml")).unwrap();
    let name = data.file_name().unwrap().to_string_lossy().into_owned();
    let entry = trio.parties.iter().find(|party| party.name == name).unwrap().clone();
    let config = Config {
        data: data.to_owned(),
        listen: entry.url.strip_prefix("http://").unwrap().parse().unwrap(),
        peer_listen: entry.peer.parse().unwrap(),
        tls: None,
        trio,
        founders: None,
        limits: Limits {
            meeting_time: Duration::from_secs(2),
            round_time: Duration::from_secs(4),
            prepared_time: Duration::from_millis(1),
            ..Limits::default()
        },
    };
    let _party = Embedded::start(config).unwrap();
    println!("ready");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A change that was sent and not answered: rows to add and to remove; of nothing, a refresh of all shares.
type Change = (Vec<(ItemId, Vec<i8>)>, Vec<ItemId>);

fn kill_and_compare() {
    let folder = tempfile::tempdir().unwrap();
    let trio = parties_in(folder.path());
    let paths = NAMES.map(|name| folder.path().join(name));
    let mut children = paths.each_ref().map(|path| Some(start(path)));
    let mut rng = rng(SEED);
    let mut live: BTreeMap<ItemId, Vec<i8>> = BTreeMap::new();
    let (mut acknowledged, mut whole, mut absent) = (0, 0, 0);
    User::new(1, &trio).create(ID, DIM as u32);
    for kill in 0..KILLS {
        let victims: Vec<usize> =
            if kill % 7 == 6 { vec![0, 1, 2] } else { vec![rng.next_u32() as usize % 3] };
        let user = User::new(1, &trio);
        let dying: Vec<Child> = victims.iter().filter_map(|place| children[*place].take()).collect();
        let in_flight = change_until_dead(&user, dying, &mut rng, &mut live, &mut acknowledged);
        for place in victims {
            children[place] = Some(start(&paths[place]));
        }
        let user = User::new(1, &trio);
        if settle(&user, &in_flight, &live) {
            whole += 1;
            apply(in_flight, &mut live);
        } else {
            absent += 1;
        }
        compare(&user, &live, &mut rng);
    }
    for mut child in children.into_iter().flatten() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    println!("{KILLS} kills, {acknowledged} acknowledged; in flight: {whole} whole, {absent} absent");
    // Far fewer than an idle machine writes.
    assert!(acknowledged > KILLS / 3, "hardly anything was written (seed {SEED})");
    assert!(whole > 0 && absent > 0, "the kills did not hit changes (seed {SEED})");
}

/// Three parties with keys and free ports, and their file.
fn parties_in(folder: &Path) -> Trio {
    let listeners: Vec<TcpListener> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let port = |at: usize| listeners[at].local_addr().unwrap();
    let parties = [0, 1, 2].map(|place| {
        let (url, peer) = (format!("http://{}", port(place)), port(place + 3).to_string());
        describe(&folder.join(NAMES[place]), NAMES[place], &url, &peer).unwrap()
    });
    let trio = Trio { parties };
    write_parties(&folder.join("parties.toml"), &trio).unwrap();
    trio
}

fn start(data: &PathBuf) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .env(SERVE, data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready", "a party did not start again");
    child
}

/// Changes the collection until somebody is dead, and returns the change that was not acknowledged.
fn change_until_dead(
    user: &User,
    dying: Vec<Child>,
    rng: &mut ChaCha20Rng,
    live: &mut BTreeMap<ItemId, Vec<i8>>,
    acknowledged: &mut u32,
) -> Change {
    let delay = Duration::from_micros(u64::from(rng.next_u32()) % 400_000);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Not a wait for something to happen: the moment of the kill is what varies.
            std::thread::sleep(delay);
            for mut child in dying {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        });
        loop {
            let change = draw(rng, live);
            let done = if change == Change::default() {
                refresh(user)
            } else {
                user.change(ID, &change.0, &change.1).map(drop)
            };
            match done {
                Ok(()) => {
                    *acknowledged += 1;
                    apply(change, live);
                }
                // A refresh is refused where another party died of it.
                Err(No::Refused(refused)) if refused.blamed.is_empty() => panic!("{refused:?} (seed {SEED})"),
                Err(_) => return change,
            }
        }
    })
}

fn refresh(user: &User) -> Result<(), No> {
    let base = user.state(0, ID)?.version;
    let order = user.order(ID, Action::Refresh { base });
    user.ask_all(&order, &Default::default()).into_iter().try_for_each(|answer| answer.map(drop))
}

fn draw(rng: &mut ChaCha20Rng, live: &BTreeMap<ItemId, Vec<i8>>) -> Change {
    if rng.next_u32().is_multiple_of(6) {
        return Change::default();
    }
    let added = 1 + rng.next_u32() as usize % 6;
    let removed = if live.len() > 60 { 30 } else { rng.next_u32() as usize % 3 };
    (random_rows(rng, added, DIM), live.keys().copied().take(removed).collect())
}

fn apply((add, remove): Change, live: &mut BTreeMap<ItemId, Vec<i8>>) {
    for item in remove {
        live.remove(&item);
    }
    live.extend(add);
}

/// Whether the change in flight happened, which must be the same at all three once they have met.
fn settle(user: &User, (add, remove): &Change, live: &BTreeMap<ItemId, Vec<i8>>) -> bool {
    user.search(ID, &[vec![1; DIM]], 1).unwrap();
    let rows = [0, 1, 2].map(|place| user.rows(place, ID));
    assert!(rows[0] == rows[1] && rows[1] == rows[2], "the three differ (seed {SEED})");
    let there = add.iter().filter(|(item, _)| rows[0].contains(item)).count();
    let gone = remove.iter().filter(|item| !rows[0].contains(item)).count();
    let happened = there == add.len();
    assert!(
        if happened { gone == remove.len() } else { there == 0 && gone == 0 },
        "half a change (seed {SEED})"
    );
    let expected = if happened { live.len() + add.len() - remove.len() } else { live.len() };
    assert_eq!(rows[0].len(), expected, "seed {SEED}");
    happened
}

/// Every row by its score, against the clear.
fn compare(user: &User, live: &BTreeMap<ItemId, Vec<i8>>, rng: &mut ChaCha20Rng) {
    let query = vector(rng, DIM);
    let rows = user.rows(0, ID);
    let found = user.search(ID, std::slice::from_ref(&query), 1000).unwrap();
    assert_eq!(found[0].len(), live.len(), "seed {SEED}");
    for (row, score) in &found[0] {
        assert_eq!(dot(&live[&rows[*row as usize]], &query), *score, "seed {SEED}");
    }
}
