//! Three servers of three operators, typed: from their keys to a search, one that is killed, and one that loses its store.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod world;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use world::{Cloud, PASSPHRASE, Person};

const NAMES: [&str; 3] = ["north", "east", "south"];
const QUESTION: &str = "repairing a bicycle";

/// Three processes, killed at the end.
struct Parties<'a> {
    anna: &'a Person,
    ports: Vec<String>,
    running: [Option<Child>; 3],
}

impl<'a> Parties<'a> {
    /// As each operator does it: keys, one file of all three, and a server.
    fn set_up(anna: &'a Person) -> Self {
        let listeners: Vec<TcpListener> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<String> =
            listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
        drop(listeners);
        let mut file = Vec::new();
        for (place, name) in NAMES.into_iter().enumerate() {
            let url = format!("http://{}", ports[2 * place]);
            let peer = &ports[2 * place + 1];
            let entry = ["party", "describe", "--data", name, "--name", name, "--url", &url, "--peer", peer];
            let described = anna.command(&entry).output().unwrap();
            assert!(described.status.success());
            file.extend(described.stdout);
        }
        fs::write(anna.path("parties.toml"), file).unwrap();
        let mut parties = Self { anna, ports, running: [None, None, None] };
        (0..3).for_each(|place| parties.start(place));
        parties
    }

    fn command(&self, place: usize) -> Command {
        let [listen, peer] = [&self.ports[2 * place], &self.ports[2 * place + 1]];
        self.anna.command(&[
            "--json",
            "party",
            "serve",
            "--data",
            NAMES[place],
            "--parties",
            "parties.toml",
            "--listen",
            listen,
            "--peer-listen",
            peer,
        ])
    }

    fn start(&mut self, place: usize) {
        let mut child = self.command(place).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["place"], place);
        self.running[place] = Some(child);
    }

    fn kill(&mut self, place: usize) {
        let mut child = self.running[place].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Parties<'_> {
    fn drop(&mut self) {
        for child in self.running.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn three_operators_and_a_member() {
    let anna = Person::new();
    let cloud = Cloud::start(&anna.path("cloud"), &[]);
    let mut parties = Parties::set_up(&anna);
    fs::write(anna.path("passphrase"), PASSPHRASE).unwrap();
    anna.says(&["init", "--passphrase-file", "passphrase"]);
    anna.says(&["unlock", "--passphrase-file", "passphrase"]);
    let invite = cloud.first_invite.to_str().unwrap();
    anna.says(&["login", &cloud.url, "--invite-file", invite, "--name", "anna"]);
    anna.says(&["collection", "new", "scans", "--protection", "split", "--parties", "parties.toml"]);
    anna.fill("pictures");
    assert_eq!(anna.says(&["add", "scans", "pictures"])["added"], 4);
    let search = || anna.says(&["search", "scans", QUESTION, "--cutoff", "none"]);
    let best = |answer: &Value| answer["hits"][0]["name"].clone();
    let before = search();
    assert_eq!(best(&before), "note.txt", "{before}");

    // A server that is away is named, and so is what to do.
    parties.kill(1);
    let told = anna.fails(5, &["search", "scans", QUESTION]);
    assert!(told.contains("the party east at"), "{told}");
    let folder = fs::read_dir(anna.path("east/collections")).unwrap().next().unwrap().unwrap().path();
    fs::remove_dir_all(folder).unwrap();
    parties.start(1);
    for command in [["search", "scans", QUESTION], ["add", "scans", "more"]] {
        fs::create_dir_all(anna.path("more")).unwrap();
        fs::write(anna.path("more/letter.txt"), "Dear Ida, the garden is in bloom.\n").unwrap();
        let told = anna.fails(5, &command);
        assert!(told.contains("the party east does not hold this collection"), "{command:?}: {told}");
        assert!(told.contains("party repair COLLECTION --party east"), "{command:?}: {told}");
    }
    assert_eq!(anna.says(&["party", "repair", "scans", "--party", "east"])["repaired"], json!(["east"]));
    assert_eq!(best(&search()), "note.txt");
    assert_eq!(search()["hits"].as_array().unwrap().len(), 5, "what was added meanwhile");
    assert_eq!(anna.says(&["party", "repair", "scans", "--rows"])["rows"], 5);
    assert_eq!(anna.says(&["verify", "scans"])["faults"], json!([]));

    let told = anna.fails(2, &["party", "repair", "scans", "--party", "west"]);
    assert!(told.contains("north, east, south"), "{told}");
    anna.says(&["collection", "new", "plain", "--protection", "sealed"]);
    assert!(anna.fails(2, &["party", "repair", "plain"]).contains("'plain'"));

    // What a server says that cannot start.
    let told = anna.fails(
        5,
        &["party", "serve", "--data", "other", "--parties", "parties.toml", "--listen", &parties.ports[0]],
    );
    assert!(told.contains("--peer-listen"), "{told}");
    let told = anna.fails(
        7,
        &[
            "party",
            "serve",
            "--data",
            "north",
            "--parties",
            "parties.toml",
            "--listen",
            "127.0.0.1:0",
            "--peer-listen",
            "127.0.0.1:0",
        ],
    );
    assert!(told.contains("another party"), "{told}");
}
