//! What a person added is at all three servers or at none after `kill -9` of any of them at any moment, and `add` again
//! completes it.
//!
//! This program starts itself again as three servers, adds folders of notes through the client library, and kills one of
//! the three, or all, at random moments meanwhile.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and reports"
)]

#[expect(dead_code, reason = "other tests use more of it")]
mod world;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pmirs_party::{Config, Embedded, Limits, describe, read_parties, write_parties};
use pmirs_vault::{AddOptions, Audit, Query, Quiet, SearchOptions, Vault};
use pmirs_wire::split::Trio;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use world::World;

const SERVE: &str = "PMIRS_VAULT_KILL_TEST_SERVES";
const NAMES: [&str; 3] = ["north", "east", "south"];
const KILLS: usize = 12;
const SEED: u64 = 17;

fn main() {
    match std::env::var_os(SERVE) {
        Some(data) => serve(Path::new(&data)),
        None => kill_and_add_again(),
    }
}

/// The child: a server that says when it is ready, and ends with its parent at the latest.
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
        limits: Limits { meeting_time: Duration::from_secs(4), ..Limits::default() },
    };
    let _party = Embedded::start(config).unwrap();
    println!("ready");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn kill_and_add_again() {
    let world = World::new();
    let folder = world.folder.path().join("parties");
    let trio = parties_in(&folder);
    let paths = NAMES.map(|name| folder.join(name));
    let mut children = paths.each_ref().map(|path| Some(start(path)));
    world.vault.create_split_collection("split", trio).unwrap();
    let notes = world.folder.path().join("notes");
    std::fs::create_dir_all(&notes).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let (mut cut, mut whole, mut there) = (0, 0, BTreeSet::new());
    // How long an addition takes here that nobody cuts short, so that most kills fall into one.
    write_notes(&notes, KILLS, &mut rng, &mut there);
    let begin = Instant::now();
    add(&world.vault, &notes).unwrap();
    let pace = begin.elapsed().as_micros() as u64;
    for kill in 0..KILLS {
        let before = there.clone();
        write_notes(&notes, kill, &mut rng, &mut there);
        let victims: Vec<usize> =
            if kill % 6 == 5 { vec![0, 1, 2] } else { vec![rng.next_u32() as usize % 3] };
        let dying: Vec<Child> = victims.iter().filter_map(|place| children[*place].take()).collect();
        let delay = Duration::from_micros(u64::from(rng.next_u32()) % pace);
        let added = std::thread::scope(|scope| {
            scope.spawn(move || {
                // Not a wait for something to happen: the moment of the kill is what varies.
                std::thread::sleep(delay);
                for mut child in dying {
                    child.kill().unwrap();
                    child.wait().unwrap();
                }
            });
            add(&world.vault, &notes)
        });
        for place in victims {
            children[place] = Some(start(&paths[place]));
        }
        let acknowledged = added.is_ok();
        if acknowledged {
            whole += 1;
        } else {
            cut += 1;
            // All three have the same rows, and each item of the log that has one is found; none of them is half there.
            let found = found(&world.vault);
            assert!(before.is_subset(&found) && found.is_subset(&there), "{added:?} (seed {SEED})");
            add(&world.vault, &notes).unwrap();
        }
        assert_eq!(found(&world.vault), there, "acknowledged: {acknowledged} (seed {SEED})");
        let faults = world.vault.collection("split").unwrap().verify(&Quiet).unwrap().faults;
        assert!(faults.is_empty(), "{faults:?} (seed {SEED})");
    }
    for mut child in children.into_iter().flatten() {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    println!("{KILLS} kills: {cut} cut an add, {whole} came after it; {} notes", there.len());
    assert!(cut > 0, "no kill hit an add (seed {SEED})");
}

/// A few notes more.
fn write_notes(folder: &Path, round: usize, rng: &mut ChaCha20Rng, there: &mut BTreeSet<String>) {
    for number in 0..4 + rng.next_u32() % 4 {
        let name = format!("{round}-{number}.txt");
        std::fs::write(folder.join(&name), format!("Note {number} of round {round}.")).unwrap();
        there.insert(name);
    }
}

fn add(vault: &Vault, notes: &Path) -> Result<u64, pmirs_vault::VaultError> {
    let split = vault.collection("split")?;
    split.add(&[notes.to_owned()], &AddOptions::default(), &Quiet).map(|report| report.added)
}

/// The names of all that a search finds; an audit of every item says that it left none out.
fn found(vault: &Vault) -> BTreeSet<String> {
    let options = SearchOptions { k: 1000, audit: Audit::All, ..SearchOptions::default() };
    let split = vault.collection("split").unwrap();
    let answer = split.search(&Query::text("a note"), &options).unwrap();
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    answer.hits.into_iter().map(|hit| hit.meta.name).collect()
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
    assert_eq!(line.trim(), "ready", "a server did not start again");
    child
}
