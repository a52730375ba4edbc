//! A person's first day, typed: every command in turn against a cloud in another process.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use world::{Cloud, PASSPHRASE, Person};

fn names(answer: &Value) -> Vec<&str> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["name"].as_str().unwrap()).collect()
}

#[test]
fn from_the_first_word_to_the_last() {
    let person = Person::new();
    person.fill("pictures");
    let cloud = Cloud::start(&person.path("cloud"), &[]);
    fs::write(person.path("passphrase"), PASSPHRASE).unwrap();
    fs::write(person.path("wrong"), "not the passphrase").unwrap();

    let made = person.says(&["init", "--passphrase-file", "passphrase"]);
    assert_eq!(made["recovery_words"].as_str().unwrap().split(' ').count(), 24);
    assert_eq!(made["safety_words"].as_str().unwrap().split(' ').count(), 12);
    person.fails(7, &["init", "--passphrase-file", "passphrase"]);
    person.fails(4, &["unlock", "--passphrase-file", "wrong"]);
    person.fails(4, &["collection", "list"]);

    // From here on the agent holds the identity, and nothing asks.
    assert_eq!(person.says(&["unlock", "--passphrase-file", "passphrase"])["unlocked"], true);
    person.fails(5, &["collection", "list"]);
    let invite = cloud.first_invite.to_str().unwrap();
    assert_eq!(person.says(&["login", &cloud.url, "--invite-file", invite])["registered"], true);

    for level in ["veiled", "sealed"] {
        let made = person.says(&["collection", "new", level, "--protection", level]);
        assert_eq!(made["protection"], level);
        person.fails(7, &["collection", "new", level, "--protection", level]);

        let added = person.says(&["add", level, "pictures"]);
        assert_eq!((&added["added"], &added["ignored"]), (&4.into(), &1.into()), "{added}");
        let skipped = added["skipped"].as_array().unwrap();
        assert!(
            skipped.len() == 1 && skipped[0]["path"].as_str().unwrap().ends_with("broken.jpg"),
            "{added}"
        );
        let again = person.says(&["add", level, "pictures"]);
        assert_eq!((&again["added"], &again["present"]), (&0.into(), &4.into()), "{again}");

        let answer = person.says(&["search", level, "repairing", "a", "bicycle", "--cutoff", "none"]);
        assert_eq!(names(&answer).len(), 4, "{answer}");
        let alike =
            person.says(&["search", level, "--image", "pictures/red.png", "-k", "1", "--cutoff", "none"]);
        assert!(names(&alike)[0].ends_with("red.png"), "{alike}");
        assert!(alike["hits"][0]["score"].as_f64().unwrap() > 0.99, "{alike}");

        let item = alike["hits"][0]["item"].as_str().unwrap();
        let got = person.path(&format!("{level}.png"));
        person.says(&["get", level, &item[..12], "-o", got.to_str().unwrap()]);
        assert_eq!(fs::read(got).unwrap(), fs::read(person.path("pictures/red.png")).unwrap());
        assert_eq!(person.says(&["verify", level])["items"], 4);
        assert_eq!(person.says(&["rm", level, item])["removed"], 1);
        person.fails(3, &["get", level, item]);
        assert_eq!(person.says(&["collection", "show", level])["contents"].as_array().unwrap().len(), 3);
    }

    assert_eq!(person.says(&["status"])["collections"].as_array().unwrap().len(), 2);
    person.fails(3, &["search", "holidays", "sea"]);
    person.fails(2, &["collection", "delete", "sealed"]);
    assert_eq!(person.says(&["collection", "delete", "sealed", "--yes"])["deleted"], "sealed");
    assert_eq!(person.says(&["lock"])["was_unlocked"], true);
    person.fails(4, &["collection", "list"]);
}

#[test]
fn the_identity_comes_back_from_its_words() {
    let person = Person::new();
    fs::write(person.path("passphrase"), PASSPHRASE).unwrap();
    let made = person.says(&["init", "--passphrase-file", "passphrase"]);
    fs::write(person.path("words"), made["recovery_words"].as_str().unwrap()).unwrap();
    let restored = person.says(&[
        "--home",
        "other",
        "restore",
        "--words-file",
        "words",
        "--passphrase-file",
        "passphrase",
    ]);
    assert_eq!(restored["safety_words"], made["safety_words"]);
    assert!(restored.get("recovery_words").is_none());
}

#[test]
fn the_demonstration_reports_what_it_did() {
    let person = Person::new();
    person.fill("pictures");
    let report = person.says(&["demo", "pictures", "--query", "something red", "--query", "a bicycle"]);
    assert_eq!(report["items"], 4, "{report}");
    let searches = report["searches"].as_array().unwrap();
    assert_eq!(searches.len(), 4, "two queries at two levels: {report}");
    for search in searches {
        assert!(["veiled", "sealed"].contains(&search["protection"].as_str().unwrap()));
        assert!(search["ms"].as_f64().unwrap() > 0.0);
        assert_eq!(search["hits"].as_array().unwrap().len(), 4, "{search}");
    }
    let sharing = report["sharing"].as_array().unwrap();
    assert_eq!(sharing.len(), 2, "a second person at two levels: {report}");
    for shared in sharing {
        assert_eq!((&shared["same"], &shared["refused"]), (&true.into(), &true.into()), "{shared}");
        assert_eq!(shared["hits"].as_array().unwrap().len(), 4, "{shared}");
    }
    // Both levels answer alike.
    for pair in searches.chunks(2) {
        assert_eq!(names(&pair[0]), names(&pair[1]));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let person = Person::new();
    let mut child = person
        .command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert!(status.success() && stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
}

#[test]
fn completions_and_man_pages_know_every_command() {
    let person = Person::new();
    let pages = person.says(&["man", "pages"]);
    assert!(pages["pages"].as_array().unwrap().len() > 20, "{pages}");
    let top = fs::read_to_string(person.path("pages/pmirs.1")).unwrap();
    for word in ["search", "collection", "Exit codes"] {
        assert!(top.contains(word), "{word} is not in the man page");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = person.command(&["completions", shell]).output().unwrap().stdout;
        assert!(String::from_utf8(script).unwrap().contains("protection"), "{shell}");
    }
}

/// A tiny model of random weights, as Hugging Face publishes CLIP.
fn published_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../encoder/tests/suite/golden/zoo/clip")
}

#[test]
fn a_collection_keeps_the_model_that_it_was_made_with() {
    let cloud_data = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(cloud_data.path(), &[]);
    let person = Person::new();
    fs::write(person.path("passphrase"), PASSPHRASE).unwrap();
    let with = |arguments: &[&str]| {
        let passphrase = person.path("passphrase").display().to_string();
        [arguments, &["--passphrase-file", &passphrase]]
            .concat()
            .iter()
            .map(|&it| it.to_owned())
            .collect::<Vec<_>>()
    };
    let says =
        |arguments: &[&str]| person.says(&with(arguments).iter().map(String::as_str).collect::<Vec<_>>());
    says(&["init"]);
    says(&["login", &cloud.url, "--invite-file", cloud.first_invite.to_str().unwrap()]);
    person.fill("pictures");

    let added = says(&["model", "add", published_model().to_str().unwrap(), "--name", "tiny"]);
    assert_eq!(
        (&added["model"], &added["dim"], &added["kind"]),
        (&"tiny".into(), &20.into(), &"onnx".into())
    );
    assert!(added["parameters"].as_u64() > Some(10_000) && added["multiply_adds"].as_u64() > Some(10_000));
    person.fails(7, &["model", "add", published_model().to_str().unwrap(), "--name", "tiny"]);

    let told = person.fails(3, &["model", "add", "pictures", "--name", "other"]);
    assert!(told.contains("no preprocessing found"), "{told}");
    assert_eq!(models(&person), ["tiny"], "nothing half made is left");

    says(&["collection", "new", "before", "--protection", "sealed"]);
    says(&["model", "use", "tiny"]);
    let made = says(&["collection", "new", "after", "--protection", "veiled"]);
    assert!(made["model"].as_str().unwrap().starts_with("tiny "), "{made}");
    let listed = says(&["model", "list"]);
    let default: Vec<_> =
        listed["models"].as_array().unwrap().iter().filter(|row| row["default"] == true).collect();
    assert_eq!(default.len(), 1);
    assert_eq!(default[0]["name"], "tiny");
    assert_eq!(says(&["model", "info"])["dim"], 20, "commands that name no model use it");
    assert_eq!(says(&["model", "info", "compact"])["kind"], "compact");

    // Each collection with its own model, whichever is in use.
    for name in ["before", "after"] {
        assert_ne!(says(&["add", name, "pictures"])["added"], 0);
    }
    says(&["model", "use", "compact"]);
    for name in ["before", "after"] {
        let found = says(&["search", name, "a red picture", "--cutoff", "none"]);
        assert!(!found["hits"].as_array().unwrap().is_empty(), "{name}: {found}");
    }
    says(&["model", "remove", "tiny"]);
    let told = person.fails(
        1,
        &with(&["search", "after", "a red picture"]).iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert!(told.contains("holds embeddings of 'tiny ") && told.contains("pmirs model add"), "{told}");
    says(&["search", "before", "a red picture"]);
}

/// A pack in a folder outside of the home.
fn pack_elsewhere(person: &Person, name: &str) -> PathBuf {
    person.says(&["model", "add", published_model().to_str().unwrap(), "--name", "tiny"]);
    fs::rename(person.path("home/models/tiny"), person.path(name)).unwrap();
    person.path(name)
}

/// The models that `pmirs model list` shows beside the built-in ones.
fn models(person: &Person) -> Vec<String> {
    let listed = person.says(&["model", "list"]);
    let names = listed["models"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap());
    names.filter(|name| !name.starts_with("compact")).map(str::to_owned).collect()
}

#[test]
fn a_collection_outlives_the_folder_of_its_model() {
    let cloud_data = tempfile::tempdir().unwrap();
    let cloud = Cloud::start(cloud_data.path(), &[]);
    let person = Person::new();
    fs::write(person.path("passphrase"), PASSPHRASE).unwrap();
    let says = |arguments: &[&str]| person.says(&[arguments, &["--passphrase-file", "passphrase"]].concat());
    says(&["init"]);
    says(&["login", &cloud.url, "--invite-file", cloud.first_invite.to_str().unwrap()]);
    person.fill("pictures");

    let folder = pack_elsewhere(&person, "Mine");
    let used = says(&["model", "use", "Mine"]);
    assert_eq!((&used["model"], &used["copy_of"]), (&"mine".into(), &"Mine".into()), "{used}");
    says(&["collection", "new", "photos", "--protection", "sealed"]);
    assert_eq!(says(&["add", "photos", "pictures"])["added"], 4);

    fs::remove_dir_all(folder).unwrap();
    says(&["model", "use", "compact"]);
    let found = says(&["search", "photos", "a red picture", "--cutoff", "none"]);
    assert!(!found["hits"].as_array().unwrap().is_empty(), "{found}");
}

#[test]
fn a_folder_is_copied_once_and_other_weights_beside_it() {
    let person = Person::new();
    let folder = pack_elsewhere(&person, "mine");
    for _ in 0..2 {
        assert_eq!(person.says(&["model", "use", "mine/"])["model"], "mine");
        assert_eq!(models(&person), ["mine"]);
    }
    let manifest = fs::read_to_string(folder.join("model.toml")).unwrap();
    let version = manifest.lines().find(|line| line.starts_with("version")).unwrap();
    fs::write(folder.join("model.toml"), manifest.replace(version, "version = \"2.0\"")).unwrap();
    assert_eq!(person.says(&["model", "use", "mine/"])["model"], "tiny-2.0");
    assert_eq!(models(&person), ["mine", "tiny-2.0"]);

    // A damaged file is noticed before anything is chosen, and nothing half made is left.
    fs::write(folder.join("model.toml"), manifest.replace(version, "version = \"3.0\"")).unwrap();
    fs::write(folder.join("tokenizer.json"), "{}").unwrap();
    let told = person.fails(1, &["model", "use", "mine/"]);
    assert!(told.contains("tokenizer.json"), "{told}");
    assert_eq!(fs::read_dir(person.path("home/models")).unwrap().count(), 3, "two models and the choice");
}

#[test]
fn a_folder_that_an_earlier_version_pointed_to_is_kept_when_another_model_is_chosen() {
    let person = Person::new();
    let folder = pack_elsewhere(&person, "mine");
    let choice = format!("format = 1\nfolder = {:?}\n", folder.to_str().unwrap());
    fs::write(person.path("home/models/default.toml"), choice).unwrap();
    assert_eq!(person.says(&["model", "info"])["dim"], 20);
    person.says(&["model", "use", "compact"]);
    fs::remove_dir_all(folder).unwrap();
    assert_eq!(models(&person), ["mine"]);
    assert_eq!(person.says(&["model", "info", "mine"])["dim"], 20);
}

#[test]
fn two_distillations_do_not_share_a_work_folder() {
    let person = Person::new();
    let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/recipe.toml");
    let mut distill = vec!["model", "distill", "--recipe", recipe.to_str().unwrap(), "--data", "absent"];
    distill.extend(["--models", "absent", "--work", "work", "--out", "out"]);
    // Runs end at once here, for lack of data.
    person.fails(3, &distill);
    let held = fs::File::open(person.path("work/lock")).unwrap();
    held.try_lock().unwrap();
    let told = person.fails(7, &distill);
    assert!(told.contains("another run works in work"), "{told}");
    drop(held);
    person.fails(3, &distill);
}
