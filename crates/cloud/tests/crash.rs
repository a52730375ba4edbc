//! An acknowledged write survives `kill -9` at any moment.
//!
//! This program starts itself again as a server, adds and removes batches through it, and kills it at seeded
//! random moments: while it starts, while it works, while it answers. After each death, a new server on the same
//! folder must show every acknowledged item whole, every acknowledged removal done, and the batch that was in
//! flight either whole or absent. A killed process leaves the system's caches alive; what a power cut would lose
//! is bounded by the syncs that come before each acknowledgement.
//!
//! The first half changes a collection without a log; then the log begins, and every change is an entry of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may panic, and reports"
)]

#[path = "it/chain.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod chain;
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod client;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chain::{Chain, leaves, sign};
use client::{Http, User, account, item, rng, stored, vector};
use pmirs_cloud::{Class, Config, Embedded, Invite, inspect};
use pmirs_crypto::merkle::ItemSet;
use pmirs_wire::collection::Protection;
use pmirs_wire::item::{Change, NewItem};
use pmirs_wire::log::{Action, Append, Payload};
use pmirs_wire::{CollectionId, ItemId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;

const ID: CollectionId = CollectionId([5; 16]);
const SERVE: &str = "PMIRS_CRASH_TEST_SERVES";
const KILLS: u32 = 40;
const SEED: u64 = 20;

fn main() {
    match std::env::var_os(SERVE) {
        Some(data) => serve(Path::new(&data)),
        None => kill_and_compare(),
    }
}

/// The child: a server that says where it is, and ends with its parent at the latest.
fn serve(data: &Path) {
    let server = Embedded::start(Config::loopback(data)).unwrap();
    let invite = server.first_invite().map_or(String::new(), |invite| invite.to_text().unwrap());
    println!("{} {invite}", server.url());
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A change that was sent and not answered.
enum InFlight {
    Add(Vec<NewItem>),
    Remove(Vec<ItemId>),
}

#[derive(Default)]
struct Tally {
    acknowledged: u32,
    whole: u32,
    absent: u32,
}

fn kill_and_compare() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = rng(SEED);
    let mut live: HashMap<ItemId, NewItem> = HashMap::new();
    let mut tally = Tally::default();

    let (mut child, url, invite) = start(folder.path());
    let mut user = User::join(&url, 1, &Invite::from_text(&invite).unwrap());
    user.create(ID, Protection::Veiled);
    let mut chain: Option<Chain> = None;
    for kill in 0..KILLS {
        if kill == KILLS / 2 {
            chain = Some(begin(&user, &live));
        }
        let in_flight = change_until_dead(&user, child, &mut rng, &mut live, &mut chain, &mut tally);
        if kill % 4 == 3 {
            die_while_starting(folder.path(), &mut rng);
        }
        let url;
        (child, url, _) = start(folder.path());
        user.http = Http::new(&url);
        settle(&user, in_flight, &mut live, &mut tally);
        compare(&user, folder.path(), &live, &mut rng);
        if let Some(chain) = &mut chain {
            // Follows every entry, each against its root; the last one fits what is there.
            chain.catch_up(&user);
            assert_eq!(chain.set.root(), committed(&live).root(), "seed {SEED}");
        }
    }
    // Far fewer than an idle machine writes; none at all would mean that the log was not under test.
    assert!(chain.is_some_and(|chain| chain.next > (KILLS / 8).into()), "hardly any entries (seed {SEED})");
    child.kill().unwrap();
    child.wait().unwrap();
    let Tally { acknowledged, whole, absent } = tally;
    println!("{KILLS} kills, {acknowledged} acknowledged; in flight: {whole} whole, {absent} absent");
    assert!(acknowledged > KILLS, "hardly anything was written (seed {SEED})");
    assert!(whole + absent > KILLS / 2, "the kills did not hit writes (seed {SEED})");
}

fn committed(live: &HashMap<ItemId, NewItem>) -> ItemSet {
    let all: Vec<NewItem> = live.values().cloned().collect();
    ItemSet::new(leaves(&all).into_iter().map(|leaf| (leaf.item.0, leaf.digest.0)))
}

/// Begins the log of the collection with what it holds.
fn begin(user: &User, live: &HashMap<ItemId, NewItem>) -> Chain {
    let mut chain = Chain { set: committed(live), ..Chain::unbegun(ID) };
    let create = chain.create(user, Protection::Veiled);
    chain.done(user, create, Payload::Nothing);
    chain
}

/// A child that answers: its process, address and first invite.
fn start(data: &Path) -> (Child, String, String) {
    let mut child = spawn(data);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (url, invite) = line.trim_end_matches('\n').split_once(' ').expect("the child did not start");
    (child, url.to_owned(), invite.to_owned())
}

fn spawn(data: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .env(SERVE, data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Sends changes one after another until the server is killed, and returns the one it did not answer.
fn change_until_dead(
    user: &User,
    mut child: Child,
    rng: &mut ChaCha20Rng,
    live: &mut HashMap<ItemId, NewItem>,
    chain: &mut Option<Chain>,
    tally: &mut Tally,
) -> InFlight {
    let delay = Duration::from_micros(u64::from(rng.next_u32()) % 150_000);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // Not a wait for something to happen: the moment of the kill is what varies.
            std::thread::sleep(delay);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        loop {
            let change = draw(rng, live);
            if let Some(chain) = chain {
                let (action, payload) = match &change {
                    InFlight::Add(items) => {
                        (Action::Add { items: leaves(items) }, Payload::Items(items.clone()))
                    }
                    InFlight::Remove(items) => (Action::Remove { items: items.clone() }, Payload::Nothing),
                };
                let entry = chain.entry(user, action);
                let append = Append { entry: sign(user, &entry), payload };
                let body = pmirs_wire::encode(&append).unwrap();
                let answer = user.try_ask(post(), &format!("/v1/collections/{ID}/log"), &body);
                let Ok(reply) = answer else { return change };
                reply.message::<pmirs_wire::log::Head>();
                chain.follow(&append.entry, &entry);
                tally.acknowledged += 1;
                apply(change, live);
                continue;
            }
            let answer = match &change {
                InFlight::Add(items) => {
                    let body = pmirs_wire::encode(&pmirs_wire::item::NewItems { items: items.clone() });
                    user.try_ask(post(), &format!("/v1/collections/{ID}/items"), &body.unwrap())
                }
                InFlight::Remove(items) => {
                    let body = pmirs_wire::encode(&pmirs_wire::item::RemoveItems { items: items.clone() });
                    user.try_ask(post(), &format!("/v1/collections/{ID}/remove"), &body.unwrap())
                }
            };
            let Ok(reply) = answer else { return change };
            stored(&reply);
            tally.acknowledged += 1;
            apply(change, live);
        }
    })
}

fn post() -> pmirs_wire::envelope::Method {
    pmirs_wire::envelope::Method::Post
}

fn draw(rng: &mut ChaCha20Rng, live: &HashMap<ItemId, NewItem>) -> InFlight {
    let removes = live.len() > 150 || rng.next_u32().is_multiple_of(3);
    if removes && !live.is_empty() {
        let most = 1 + rng.next_u32() as usize % 40;
        return InFlight::Remove(live.keys().copied().take(most).collect());
    }
    let items = (0..=rng.next_u32() % 12).map(|_| item(rng, Protection::Veiled)).collect();
    InFlight::Add(items)
}

fn apply(change: InFlight, live: &mut HashMap<ItemId, NewItem>) {
    match change {
        InFlight::Add(items) => live.extend(items.into_iter().map(|new| (new.item, new))),
        InFlight::Remove(items) => items.iter().for_each(|id| drop(live.remove(id))),
    }
}

fn die_while_starting(data: &Path, rng: &mut ChaCha20Rng) {
    let mut child = spawn(data);
    std::thread::sleep(Duration::from_micros(u64::from(rng.next_u32()) % 60_000));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Finds out what became of the change in flight: all of it happened, or nothing.
fn settle(user: &User, in_flight: InFlight, live: &mut HashMap<ItemId, NewItem>, tally: &mut Tally) {
    let there = |id: &ItemId| user.content(ID, *id).status == 200;
    let (happened, size) = match &in_flight {
        InFlight::Add(items) => (items.iter().filter(|new| there(&new.item)).count(), items.len()),
        InFlight::Remove(items) => (items.iter().filter(|id| !there(id)).count(), items.len()),
    };
    assert!(happened == 0 || happened == size, "{happened} of {size} survived (seed {SEED})");
    if happened == size {
        tally.whole += 1;
        apply(in_flight, live);
    } else {
        tally.absent += 1;
    }
}

/// Everything that the server shows and stores against what it acknowledged.
fn compare(user: &User, data: &Path, live: &HashMap<ItemId, NewItem>, rng: &mut ChaCha20Rng) {
    let mut shown = HashMap::new();
    for change in user.all_changes(ID, 0).0 {
        if let Change::Added(record) = change {
            shown.insert(record.item, record);
        }
    }
    assert_eq!(shown.len(), live.len(), "seed {SEED}");
    for (id, new) in live {
        let record = &shown[id];
        assert_eq!((&record.meta, &record.embedding), (&new.meta, &new.embedding), "seed {SEED}");
        assert_eq!(record.veiled, new.veiled, "seed {SEED}");
        assert_eq!(user.content(ID, *id).body, new.content.0, "seed {SEED}");
    }
    let found = user.search(ID, &vector(rng), 0, 4096);
    assert_eq!(found.candidates.len(), live.len(), "seed {SEED}");
    let record = user.show(ID);
    assert_eq!((record.items, record.owner), (live.len() as u64, account(&user.identity)), "seed {SEED}");
    // Content that no record names was swept.
    let fields = inspect(data).unwrap();
    let contents = fields.iter().filter(|field| field.table == "files" && field.class == Class::Sealed);
    assert_eq!(contents.count(), live.len(), "seed {SEED}");
}
