//! Three servers and a cloud in processes of their own: a model is shared, and searched with by who has none at hand.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod world;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use serde_json::Value;
use world::{Cloud, PASSPHRASE, Person};

/// One of the three, killed at the end.
struct Party(Child);

impl Drop for Party {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Describes three parties on free ports in one file, and starts them.
fn three(person: &Person) -> [Party; 3] {
    // Ports that are free now; each is taken again at once.
    let taken = [(); 6].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = taken.each_ref().map(|listener| listener.local_addr().unwrap().to_string());
    drop(taken);
    let names = ["north", "east", "south"];
    let mut file = String::new();
    for (name, at) in names.iter().zip(ports.chunks(2)) {
        let described = person.command(&[
            "party",
            "describe",
            "--data",
            name,
            "--name",
            name,
            "--url",
            &format!("http://{}", at[0]),
            "--peer",
            &at[1],
        ]);
        file += std::str::from_utf8(&{ described }.output().unwrap().stdout).unwrap();
    }
    fs::write(person.path("parties.toml"), file).unwrap();
    [0, 1, 2].map(|place| {
        let (listen, peer) = (&ports[2 * place], &ports[2 * place + 1]);
        let mut serve = person.command(&[
            "party",
            "serve",
            "--json",
            "--data",
            names[place],
            "--parties",
            "parties.toml",
            "--listen",
            listen,
            "--peer-listen",
            peer,
        ]);
        let mut process = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["place"], place);
        Party(process)
    })
}

fn named(found: &Value) -> Vec<(String, f64)> {
    let hit = |hit: &Value| (hit["name"].as_str().unwrap().to_owned(), hit["score"].as_f64().unwrap());
    found["hits"].as_array().unwrap().iter().map(hit).collect()
}

#[test]
fn a_model_in_shares_finds_what_the_model_finds() {
    let anna = Person::new();
    fs::write(anna.path("passphrase"), PASSPHRASE).unwrap();
    let cloud = Cloud::start(&anna.path("cloud"), &[]);
    anna.says(&["init", "--passphrase-file", "passphrase"]);
    anna.says(&["unlock", "--passphrase-file", "passphrase"]);
    anna.says(&[
        "login",
        &cloud.url,
        "--invite-file",
        cloud.first_invite.to_str().unwrap(),
        "--name",
        "anna",
    ]);
    let _three = three(&anna);
    anna.says(&["model", "use", "compact-lite"]);
    anna.says(&["collection", "new", "scans", "--protection", "split", "--parties", "parties.toml"]);
    anna.fill("pictures");
    assert_eq!(anna.says(&["add", "scans", "pictures"])["added"], 4);

    let remote = ["search", "scans", "a bicycle", "--cutoff", "none", "--encoder", "remote"];
    let told = anna.fails(3, &remote);
    assert!(told.contains("hold no model 'compact-lite") && told.contains("pmirs model split"), "{told}");
    let told = anna.fails(2, &["search", "scans", "a bicycle", "--parties", "parties.toml"]);
    assert!(told.contains("--encoder remote"), "{told}");
    let split = anna.says(&["model", "split", "compact-lite", "--parties", "parties.toml"]);
    assert!(split["weights"].as_u64().unwrap() > 1_000_000 && split["users"].as_array().unwrap().is_empty());
    let same = |query: &[&str]| {
        let local = named(&anna.says(query));
        let far = named(&anna.says(&[query, &["--encoder", "remote"]].concat()));
        assert_eq!(far.len(), 4);
        for ((name, score), (expected, at)) in far.iter().zip(&local) {
            assert!(name == expected && (score - at).abs() < 5e-3, "{far:?} instead of {local:?}");
        }
    };
    same(&["search", "scans", "a bicycle", "--cutoff", "none"]);
    same(&["search", "scans", "--image", "pictures/red.png", "--cutoff", "none"]);
    anna.fails(2, &["model", "unsplit", "compact-lite", "--parties", "parties.toml"]);
    anna.says(&["model", "unsplit", "compact-lite", "--parties", "parties.toml", "--yes"]);
    anna.fails(3, &remote);
}
