//! A collection goes over to another model, typed: in the background, killed in the middle, and given again.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[expect(dead_code, reason = "other tests use more of it")]
mod world;

use std::fs;

use serde_json::{Value, json};
use world::{Cloud, PASSPHRASE, Person};

const QUESTIONS: [&str; 3] = ["a dog on the beach", "a red car", "repairing a bicycle"];
const NOTES: usize = 700;

fn log_in(person: &Person, cloud: &Cloud, invite: &str, name: &str) {
    fs::write(person.path("passphrase"), PASSPHRASE).unwrap();
    person.says(&["init", "--passphrase-file", "passphrase"]);
    person.says(&["unlock", "--passphrase-file", "passphrase"]);
    person.says(&["login", &cloud.url, "--invite-file", invite, "--name", name]);
}

/// Short notes that differ.
fn write_notes(person: &Person) {
    let folder = person.path("notes");
    fs::create_dir(&folder).unwrap();
    let who =
        ["A brown dog", "An old man", "A red car", "A small boat", "The cook", "A child", "Two bicycles"];
    let does = ["waits", "runs", "sleeps", "is seen", "was painted"];
    let place = ["on the beach", "in the rain", "by the river", "at night", "in the kitchen", "under a tree"];
    for at in 0..NOTES {
        let (a, b, c) = (at % who.len(), (at / who.len()) % does.len(), (at / 5) % place.len());
        let text = format!("{} {} {}, number {at}.", who[a], does[b], place[c]);
        fs::write(folder.join(format!("{at:03}.txt")), text).unwrap();
    }
}

fn ask(person: &Person, words: &str) -> Value {
    person.says(&["search", "album", words, "--cutoff", "none"])
}

fn hits(person: &Person) -> Vec<Value> {
    QUESTIONS.iter().map(|words| ask(person, words)["hits"].clone()).collect()
}

/// Kills the process that works on a job, as a power cut would.
fn kill(person: &Person, job: u64) {
    let lock = person.path("home").join("jobs").join(job.to_string()).join("lock");
    let process = fs::read_to_string(lock).unwrap().trim().parse().unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
}

fn state(person: &Person, job: u64) -> String {
    let jobs = person.says(&["jobs"])["jobs"].clone();
    let row = jobs.as_array().unwrap().iter().find(|row| row["job"] == job).unwrap();
    row["state"].as_str().unwrap().to_owned()
}

fn batches(person: &Person) -> usize {
    let entries = person.says(&["log", "album"])["entries"].clone();
    entries.as_array().unwrap().iter().filter(|row| row["action"] == "resealed").count()
}

#[test]
fn killed_in_the_middle_it_is_searched_all_the_same_and_goes_on() {
    for level in ["sealed", "veiled"] {
        let [anna, ben] = [(); 2].map(|()| Person::new());
        let cloud = Cloud::start(&anna.path("cloud"), &[]);
        log_in(&anna, &cloud, cloud.first_invite.to_str().unwrap(), "anna");
        anna.says(&["invite", "--out", "ben.invite"]);
        log_in(&ben, &cloud, anna.path("ben.invite").to_str().unwrap(), "ben");
        write_notes(&anna);
        anna.says(&["collection", "new", "album", "--protection", level]);
        assert_eq!(anna.says(&["add", "album", "notes"])["added"], NOTES);
        anna.says(&["contact", "add", "ben"]);
        ben.says(&["contact", "add", "anna"]);
        anna.says(&["share", "album", "ben"]);
        ben.says(&["collection", "accept", "album"]);
        let told = ben.fails(8, &["model", "use", "compact-lite", "--collection", "album"]);
        assert!(told.contains("a reader"), "{told}");

        let going = anna.says(&["model", "use", "compact-lite", "--collection", "album"]);
        assert_eq!(going["collections"], json!(["album"]));
        let job = going["job"].as_u64().unwrap();
        while batches(&anna) == 0 {
            assert_eq!(state(&anna, job), "running");
        }
        kill(&anna, job);
        while state(&anna, job) == "running" {}
        assert_eq!(
            state(&anna, job),
            "broken_off",
            "it was done before it was killed: more notes are needed"
        );
        let listed = anna.says(&["collection", "list"])["collections"][0].clone();
        assert!(listed["model"].as_str().unwrap().starts_with("compact-lite "), "{listed}");
        assert!(listed["moving_from"][0].as_str().unwrap().starts_with("compact "), "{listed}");
        let answer = ask(&ben, QUESTIONS[0]);
        assert!(answer["moving"]["ranked_by"].as_str().unwrap().starts_with("compact-lite "), "{answer}");
        let half = hits(&anna);
        assert_eq!(hits(&ben), half);

        let done = anna.says(&["model", "use", "compact-lite", "--collection", "album", "--wait"]);
        let went = &done["collections"][0];
        assert!(went["moved"].as_u64().unwrap() < NOTES as u64, "{done}");
        assert_eq!((&went["moving"], &went["left"]), (&false.into(), &json!([])), "{done}");
        for person in [&anna, &ben] {
            assert_eq!(hits(person), half, "{level}");
            assert!(ask(person, QUESTIONS[0]).get("moving").is_none());
            assert!(person.says(&["collection", "list"])["collections"][0].get("moving_from").is_none());
        }
        assert_eq!(
            anna.says(&["model", "list"])["models"][0]["default"],
            true,
            "the choice for new ones stays"
        );
        let all = anna.says(&["model", "use", "compact", "--all", "--wait"]);
        assert_eq!(all["collections"][0]["moved"], NOTES, "{all}");
        assert_eq!(anna.says(&["verify", "album"])["faults"], json!([]));
    }
}
