//! What was let out of a home, typed: the ledger, the budget, and what damage says.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

#[expect(dead_code, reason = "other tests use more of it")]
mod world;

use std::fs;

use pmirs_privacy::Mechanism;
use pmirs_privacy::ledger::{Purpose, Release};
use pmirs_vault::Vault;
use pmirs_vault::privacy::{DataSource, Limits};
use serde_json::{Value, json};
use world::{PASSPHRASE, Person};

const LIMITS: Limits = Limits { epsilon: 100.0, delta: 1e-5, least_noise: 0.0 };

/// Somebody with an identity, whose agent does not linger.
fn person() -> Person {
    let person = Person::new();
    fs::write(person.path("passphrase"), PASSPHRASE).unwrap();
    person.says(&["init", "--passphrase-file", "passphrase"]);
    person
}

fn open(person: &Person) -> Vault {
    let home = person.path("home");
    Vault::open(&home, &Vault::unlock(&home, PASSPHRASE).unwrap()).unwrap()
}

/// Lets something out that has this much noise.
fn let_out(vault: &Vault, occasion: u8, mechanism: Mechanism, data: [u8; 32]) {
    let release = Release {
        purpose: Purpose::FederatedRound,
        mechanism,
        sampled_at: None,
        round: u64::from(occasion),
        occasion: [occasion; 32],
        message: [occasion; 32],
        data,
        coordinator: [0xab; 32],
        model: [0xcd; 32],
        at_ms: 1_700_000_000_000,
    };
    let limits = Limits { epsilon: f64::INFINITY, ..LIMITS };
    let _recorded = vault.privacy().record(&limits, release).unwrap();
}

fn privacy(person: &Person, arguments: &[&str]) -> Value {
    person.says(&[&["privacy"], arguments, &["--passphrase-file", "passphrase"]].concat())
}

/// Exit code and the object of a command that fails.
fn fails(person: &Person, arguments: &[&str]) -> (i32, String) {
    let arguments = [&["privacy"], arguments, &["--passphrase-file", "passphrase", "--json"]].concat();
    let output = person.command(&arguments).output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code().unwrap(), told["error"].as_str().unwrap().to_owned())
}

#[test]
fn the_ledger_says_what_was_let_out_when_to_whom_and_what_it_comes_to() {
    let person = person();
    let empty = privacy(&person, &["ledger"]);
    assert_eq!(
        (&empty["epsilon"], &empty["releases"], &empty["verified"], &empty["budget"]),
        (&json!(0.0), &json!([]), &json!(true), &Value::Null)
    );
    let vault = open(&person);
    fs::write(person.path("pairs.tsv"), "image\tcaption\n").unwrap();
    let data = vault.privacy().data(&DataSource::File(person.path("pairs.tsv"))).unwrap();
    let_out(&vault, 1, Mechanism::gaussian(4.0).unwrap(), data);
    let_out(&vault, 2, Mechanism::gaussian(4.0).unwrap(), data);
    let_out(&vault, 3, Mechanism::gaussian(2.0).unwrap(), [7; 32]);

    let told = privacy(&person, &["ledger"]);
    assert_eq!((&told["verified"], &told["delta"]), (&json!(true), &json!(1e-5)));
    let releases = told["releases"].as_array().unwrap();
    assert_eq!(releases.len(), 3);
    assert_eq!(releases[0]["at"], "2023-11-14T22:13:20Z");
    assert_eq!(releases[0]["coordinator"], "ab".repeat(32));
    assert!(releases[0]["data_name"].as_str().unwrap().ends_with("pairs.tsv"));
    let so_far: Vec<f64> = releases.iter().map(|row| row["epsilon_so_far"].as_f64().unwrap()).collect();
    assert!(so_far.is_sorted() && (so_far[2] - told["epsilon"].as_f64().unwrap()).abs() < 1e-9, "{so_far:?}");
    // Each data set for itself costs less than everything.
    let of_data = told["data"].as_array().unwrap();
    assert_eq!(of_data.len(), 2);
    assert!(of_data.iter().all(|part| part["epsilon"].as_f64().unwrap() < so_far[2]));
    let stricter = privacy(&person, &["ledger", "--delta", "1e-8"]);
    assert!(stricter["epsilon"].as_f64().unwrap() > so_far[2]);

    let output = person.command(&["privacy", "ledger", "--passphrase-file", "passphrase"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("pairs.tsv") && text.contains("Everything: epsilon"), "{text}");

    // What had no noise leaves no number.
    let_out(&vault, 4, Mechanism::Unprotected, [7; 32]);
    let told = privacy(&person, &["ledger"]);
    assert_eq!((&told["epsilon"], &told["releases"][3]["mechanism"]), (&Value::Null, &json!("none")));
    assert!(told["releases"][2]["epsilon_so_far"].is_number());
}

#[test]
fn a_budget_is_kept_and_can_be_taken_away() {
    let person = person();
    assert_eq!(privacy(&person, &["budget"]), json!({ "budget": null, "spent": 0.0 }));
    let budget = json!({ "epsilon": 2.0, "delta": 1e-6, "least_noise": 0.5 });
    let set = privacy(&person, &["budget", "--epsilon", "2", "--delta", "1e-6", "--least-noise", "0.5"]);
    assert_eq!(set, json!({ "budget": budget, "spent": 0.0 }));
    assert_eq!(privacy(&person, &["budget"])["budget"], budget);
    // The ledger speaks in the budget's delta.
    assert_eq!(privacy(&person, &["ledger"])["delta"], json!(1e-6));
    assert_eq!(privacy(&person, &["budget", "--none"])["budget"], Value::Null);
    for wrong in
        [&["budget", "--epsilon", "-1"][..], &["budget", "--delta", "1e-6"], &["ledger", "--delta", "2"]]
    {
        assert_eq!(fails(&person, wrong).0, 2, "{wrong:?}");
    }
}

#[test]
fn a_damaged_or_shortened_ledger_is_named_with_code_6() {
    let person = person();
    let vault = open(&person);
    for occasion in 1..4 {
        let_out(&vault, occasion, Mechanism::gaussian(4.0).unwrap(), [7; 32]);
    }
    let path = person.path("home").join("ledger");
    let whole = fs::read(&path).unwrap();
    let mut altered = whole.clone();
    altered[100] ^= 1;
    fs::write(&path, &altered).unwrap();
    let (code, error) = fails(&person, &["ledger"]);
    assert!(code == 6 && error.contains("entry 0"), "{code}: {error}");
    fs::remove_file(&path).unwrap();
    let (code, error) = fails(&person, &["ledger"]);
    assert!(code == 6 && error.contains("no longer holds its entry 3"), "{code}: {error}");
    fs::write(&path, &whole).unwrap();
    assert_eq!(privacy(&person, &["ledger"])["verified"], json!(true));
}
