//! Learning together, typed: an owner starts, members agree and train in the background, and all get one model.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[expect(dead_code, reason = "other tests use more of it")]
mod world;

use std::fs;

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use world::{Cloud, PASSPHRASE, Person};

const MEMBERS: [&str; 3] = ["ben", "cleo", "dora"];
const ROUNDS: u64 = 2;
const START: [&str; 25] = [
    "federate",
    "start",
    "--model",
    "compact-lite",
    "--part",
    "adapter:2000",
    "--name",
    "friends",
    "--rounds",
    "2",
    "--local-steps",
    "2",
    "--batch",
    "8",
    "--clip",
    "0.5",
    "--adaptive-clip",
    "0.5",
    "--eight-bit",
    "0.1",
    "--corrupt",
    "0",
    "--dropout",
    "0",
    "--group",
];

fn log_in(person: &Person, cloud: &Cloud, invite: &str, name: &str) {
    fs::write(person.path("passphrase"), PASSPHRASE).unwrap();
    person.says(&["init", "--passphrase-file", "passphrase"]);
    person.says(&["unlock", "--passphrase-file", "passphrase"]);
    person.says(&["login", &cloud.url, "--invite-file", invite, "--name", name]);
}

/// Coloured pictures and a table of captions, which differ from member to member.
fn write_pairs(person: &Person, number: u8) {
    let colors = [("red", [200, 30, 20]), ("green", [20, 170, 40]), ("blue", [30, 40, 190])];
    let mut table = vec!["image\tcaption".to_owned()];
    for shade in 0..8_u8 {
        for (name, color) in colors {
            let file = format!("{name}-{shade}.png");
            let picture = RgbImage::from_fn(48, 48, |x, y| {
                Rgb(color.map(|c: u8| c.saturating_add(3 * shade + number + (x / 8 + y / 8) as u8)))
            });
            picture.save(person.path(&file)).unwrap();
            table.push(format!("{file}\ta {name} card, shade {shade}"));
        }
    }
    fs::write(person.path("pairs.tsv"), table.join("\n")).unwrap();
}

/// An owner and three members who know each other, and the file of their group.
fn gather() -> (Person, Vec<Person>, Cloud) {
    let anna = Person::new();
    let cloud = Cloud::start(&anna.path("cloud"), &[]);
    log_in(&anna, &cloud, cloud.first_invite.to_str().unwrap(), "anna");
    let members: Vec<Person> = MEMBERS
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let invite = format!("{name}.invite");
            anna.says(&["invite", "--out", &invite]);
            let person = Person::new();
            log_in(&person, &cloud, anna.path(&invite).to_str().unwrap(), name);
            anna.says(&["contact", "add", name]);
            write_pairs(&person, number as u8);
            person
        })
        .collect();
    let group = MEMBERS.map(|name| format!("[[member]]\nname = \"{name}\"\n"));
    fs::write(anna.path("friends.toml"), group.concat()).unwrap();
    (anna, members, cloud)
}

fn start(anna: &Person, more: &[&str]) -> Value {
    anna.says(&[START.as_slice(), &["friends.toml"], more].concat())
}

/// The job's row, once it has ended.
fn ended(person: &Person, job: &Value) -> Value {
    loop {
        let jobs = person.says(&["jobs"])["jobs"].clone();
        let row = jobs.as_array().unwrap().iter().find(|row| row["job"] == *job).unwrap().clone();
        if row["state"] != "running" {
            return row;
        }
    }
}

#[test]
fn three_members_train_in_the_background_and_adopt_one_model() {
    let (anna, members, cloud) = gather();
    let started = start(&anna, &[]);
    let words = &started["words"];
    assert_eq!((&started["members"], &started["rounds"]), (&3.into(), &ROUNDS.into()), "{started}");
    assert!(started["weights"].as_u64().unwrap() <= 2000, "{started}");

    let join = ["federate", "join", &cloud.url, "--data", "pairs.tsv", "--model", "compact-lite"];
    let with = |more: &[&'static str]| [join.as_slice(), more].concat();
    // Without an answer nothing is agreed to, and a limit that the terms exceed is one.
    assert!(members[0].fails(2, &join).contains("--yes"));
    assert!(members[0].fails(1, &with(&["--yes", "--epsilon", "1"])).contains("epsilon"));
    let other = ["federate", "join", &cloud.url, "--data", "pairs.tsv", "--model", "compact", "--yes"];
    assert!(members[0].fails(2, &other).contains("begins from the model"));
    let elsewhere = ["federate", "join", "http://other.example", "--data", "pairs.tsv", "--yes"];
    assert!(members[0].fails(2, &elsewhere).contains("is not this home's cloud"));
    assert!(members[0].fails(2, &with(&["--yes", "--model-name", "../x"])).contains("'../x' cannot be"));
    fs::write(members[0].path("one.tsv"), "image\tcaption\nred-0.png\ta red card\n").unwrap();
    let one = ["federate", "join", &cloud.url, "--data", "one.tsv", "--model", "compact-lite", "--yes"];
    assert!(members[0].fails(2, &one).contains("one.tsv has 1 pictures"));
    write_pairs(&anna, 9);
    assert!(anna.fails(8, &with(&["--yes"])).contains("not among the members"));
    let shown = members[0].says(&["federate", "status", "friends"])["federations"][0].clone();
    assert_eq!((&shown["words"], &shown["consent"]), (words, &Value::Null), "{shown}");

    // Each calls the model something else, and it is the same all the same.
    let join_as = |(person, name): (&Person, &&'static str)| {
        person.says(&with(&["--yes", "--model-name", *name]))["job"].clone()
    };
    let joined: Vec<Value> = members.iter().zip(&MEMBERS).map(join_as).collect();
    for (person, job) in members.iter().zip(&joined) {
        let row = ended(person, job);
        assert_eq!((&row["state"], &row["answer"]["rounds"]), (&"done".into(), &ROUNDS.into()), "{row}");
    }

    let logs: Vec<Value> = members.iter().map(|it| it.says(&["federate", "log"])).collect();
    assert!(logs.iter().all(|log| log == &logs[0]), "{logs:?}");
    assert_eq!(logs[0]["rounds"].as_array().unwrap().len() as u64, ROUNDS);
    assert_eq!(logs[0]["rounds"][0]["survivors"], json!([0, 1, 2]));
    assert!(logs[0]["rounds"][0]["norm"].as_f64().unwrap() > 0.0);
    let shown = members[1].says(&["federate", "status"])["federations"][0].clone();
    assert_eq!((&shown["phase"], &shown["consent"]), (&"finished".into(), &"pairs.tsv".into()), "{shown}");

    let packs: Vec<Value> =
        members.iter().zip(MEMBERS).map(|(it, name)| it.says(&["model", "info", name])).collect();
    assert!(packs.iter().all(|pack| pack == &packs[0]), "{packs:?}");
    let ledger = members[2].says(&["privacy", "ledger"]);
    assert_eq!(ledger["releases"].as_array().unwrap().len() as u64, ROUNDS, "{ledger}");
    members[2].says(&["model", "use", "dora"]);
    let models = members[2].says(&["model", "list"])["models"].clone();
    let chosen = models.as_array().unwrap().iter().find(|row| row["default"] == true).unwrap();
    assert_eq!(chosen["name"], "dora", "{models}");
}

#[test]
fn what_cannot_be_started_or_joined_is_told_apart() {
    let (anna, members, _cloud) = gather();
    fs::write(anna.path("strangers.toml"), "[[member]]\nname = \"nobody\"\n").unwrap();
    let with = |group: &'static str, more: &[&'static str]| [START.as_slice(), &[group], more].concat();
    assert!(anna.fails(3, &with("strangers.toml", &[])).contains("nobody"));
    assert!(anna.fails(3, &with("missing.toml", &[])).contains("missing.toml"));
    assert!(anna.fails(2, &with("friends.toml", &["--epsilon", "0.0001"])).contains("epsilon"));
    assert!(anna.fails(2, &with("friends.toml", &["--server-rate", "nan"])).contains("rule"));
    // Of three none may be corrupt or vanish, or too few are left for a sum to hide anyone in.
    for few in [["--corrupt", "0"], ["--dropout", "0"]] {
        let start =
            ["federate", "start", "--model", "compact-lite", "--rounds", "2", "--group", "friends.toml"];
        let told = anna.fails(2, &[start.as_slice(), &few].concat());
        assert!(told.contains("cannot be started") && told.contains("few members allow"), "{told}");
    }
    members[0].fails(3, &["federate", "status", "friends"]);
    members[0].fails(3, &["federate", "join", "friends", "--data", "pairs.tsv", "--yes"]);
    assert_eq!(members[0].says(&["federate", "status"])["federations"], json!([]));

    start(&anna, &[]);
    start(&anna, &[]);
    // Two go on, so neither the cloud nor their name says which.
    let told = members[0].fails(2, &["federate", "join", "friends", "--data", "pairs.tsv", "--yes"]);
    assert!(told.contains("several federations"), "{told}");
}

#[test]
fn the_demonstration_teaches_names_that_nobody_could_learn_alone() {
    let shown = Person::new().says(&["demo", "--federated"]);
    let share = |what: &str| shown[what].as_f64().unwrap();
    assert!(share("before") < 0.25 && share("alone") < share("together"), "{shown}");
    assert!(share("together") > 0.75, "{shown}");
    let rounds = shown["rounds"].as_array().unwrap();
    assert_eq!(rounds.len(), 8);
    assert!(rounds.iter().any(|round| round["members"] == 3), "nobody went away: {shown}");
    Person::new().fails(2, &["demo", "--federated", "--keep", "here"]);
}
