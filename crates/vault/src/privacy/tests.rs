//! Releases of a home: written before they leave, counted once, and noticed when they are missing.

use std::fs;
use std::path::Path;

use pmirs_crypto::{Argon2Params, sha256};
use pmirs_privacy::Mechanism;
use pmirs_privacy::ledger::{LedgerError, Purpose, Refusal, Release};
use tempfile::TempDir;

use super::{DataSource, Limits, Recorded};
use crate::{CollectionId, Vault, VaultError};

const DELTA: f64 = 1e-5;
const GENEROUS: Limits = Limits { epsilon: 1_000.0, delta: DELTA, least_noise: 0.0 };

fn home() -> (TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let (vault, _) = Vault::create_with(folder.path(), "passphrase", &Argon2Params::insecure_fast()).unwrap();
    (folder, vault)
}

/// The same home, opened anew.
fn again(folder: &TempDir) -> Vault {
    let seed = Vault::unlock(folder.path(), "passphrase").unwrap();
    Vault::open(folder.path(), &seed).unwrap()
}

fn release(occasion: u8) -> Release {
    Release {
        purpose: Purpose::FederatedRound,
        mechanism: Mechanism::gaussian(4.0).unwrap(),
        sampled_at: None,
        round: u64::from(occasion),
        occasion: [occasion; 32],
        message: sha256(&[occasion]),
        data: [7; 32],
        coordinator: [8; 32],
        model: [9; 32],
        at_ms: 1_700_000_000_000,
    }
}

fn ledger_file(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("ledger")
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn reason(result: Result<pmirs_privacy::ledger::Ledger, VaultError>) -> LedgerError {
    match result {
        Err(VaultError::Ledger { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_release_is_on_the_disk_and_counted_once() {
    let (folder, vault) = home();
    assert!(vault.privacy().ledger().unwrap().releases().is_empty());
    assert!(!ledger_file(&folder).exists(), "reading makes no file");
    assert_eq!(vault.privacy().record(&GENEROUS, release(1)).unwrap(), Recorded::Now);
    assert_eq!(vault.privacy().record(&GENEROUS, release(2)).unwrap(), Recorded::Now);
    drop(vault);

    // The process died between writing and sending: the same bytes go out again, and cost nothing more.
    let vault = again(&folder);
    let before = fs::read(ledger_file(&folder)).unwrap();
    assert_eq!(vault.privacy().record(&GENEROUS, release(2)).unwrap(), Recorded::Before);
    assert_eq!(fs::read(ledger_file(&folder)).unwrap(), before);
    // Fresh noise for the same round would be another message.
    let other = Release { message: [0; 32], ..release(2) };
    let refused = vault.privacy().record(&GENEROUS, other).unwrap_err();
    assert!(matches!(refused, VaultError::Privacy(Refusal::OtherMessage { entry: 1 })), "{refused}");
    assert_eq!(vault.privacy().ledger().unwrap().releases().len(), 2);
}

#[test]
fn what_would_exceed_a_limit_is_not_written_and_both_numbers_are_named() {
    let (_folder, vault) = home();
    let privacy = vault.privacy();
    let one = privacy.allows(&GENEROUS, &release(1), 1).unwrap();
    let tight = Limits { epsilon: one * 1.01, ..GENEROUS };
    let _recorded = privacy.record(&tight, release(1)).unwrap();
    let refused = privacy.record(&tight, release(2)).unwrap_err().to_string();
    assert!(refused.contains(&format!("from {one:.3} to ")) && refused.contains("the limit is"), "{refused}");
    let noisy = Limits { least_noise: 4.5, ..GENEROUS };
    let refused = privacy.record(&noisy, release(2)).unwrap_err().to_string();
    assert!(refused.contains("4.0000") && refused.contains("4.5"), "{refused}");
    // The home's own limit holds beside that of the moment, whichever is less.
    privacy.set_limits(Some(&tight)).unwrap();
    assert_eq!(privacy.limits().unwrap(), Some(tight));
    assert!(matches!(
        privacy.record(&GENEROUS, release(2)),
        Err(VaultError::Privacy(Refusal::OverBudget { .. }))
    ));
    assert!(privacy.allows(&GENEROUS, &release(2), 1).is_err());
    assert_eq!(privacy.ledger().unwrap().releases().len(), 1);
    privacy.set_limits(None).unwrap();
    assert!(privacy.allows(&GENEROUS, &release(2), 100).unwrap() > 10.0 * one / 2.0);
    assert_eq!(privacy.record(&GENEROUS, release(2)).unwrap(), Recorded::Now);
    assert!(privacy.set_limits(Some(&Limits { delta: 2.0, ..GENEROUS })).is_err());
}

/// A crash while an entry is written: any part of it is cut off by the next one, and nothing else is lost.
#[test]
fn a_torn_entry_is_cut_off() {
    let (folder, vault) = home();
    let _recorded = vault.privacy().record(&GENEROUS, release(1)).unwrap();
    let one = fs::read(ledger_file(&folder)).unwrap();
    for torn in [1, 2, 60, 200, 290] {
        fs::write(ledger_file(&folder), [one.as_slice(), &vec![0; torn]].concat()).unwrap();
        let vault = again(&folder);
        assert_eq!(vault.privacy().ledger().unwrap().releases().len(), 1, "{torn} bytes");
    }
    assert_eq!(again(&folder).privacy().record(&GENEROUS, release(2)).unwrap(), Recorded::Now);
    assert_eq!(again(&folder).privacy().ledger().unwrap().releases().len(), 2);
    assert_eq!(fs::read(ledger_file(&folder)).unwrap()[..one.len()], one);

    // The very first entry, of which not even the header is whole.
    let (folder, vault) = home();
    for torn in [0, 5] {
        fs::write(ledger_file(&folder), vec![2; torn]).unwrap();
        assert!(vault.privacy().ledger().unwrap().releases().is_empty());
    }
    assert_eq!(vault.privacy().record(&GENEROUS, release(1)).unwrap(), Recorded::Now);
    assert_eq!(again(&folder).privacy().ledger().unwrap().releases().len(), 1);
}

/// A crash after the entry was forced to the disk and before its head was remembered: it counts.
#[test]
fn an_entry_that_was_not_remembered_counts() {
    let (folder, vault) = home();
    let _recorded = vault.privacy().record(&GENEROUS, release(1)).unwrap();
    let head = vault.local().remembered_ledger().unwrap().unwrap();
    let _recorded = vault.privacy().record(&GENEROUS, release(2)).unwrap();
    vault.local().remember_ledger(&head).unwrap();
    let vault = again(&folder);
    assert_eq!(vault.privacy().record(&GENEROUS, release(2)).unwrap(), Recorded::Before);
    assert_ne!(vault.local().remembered_ledger().unwrap().unwrap(), head, "now it is remembered");
}

#[test]
fn damage_and_what_is_missing_are_named_and_nothing_is_let_out() {
    let (folder, vault) = home();
    for occasion in 1..4 {
        let _recorded = vault.privacy().record(&GENEROUS, release(occasion)).unwrap();
    }
    let path = ledger_file(&folder);
    let whole = fs::read(&path).unwrap();
    let record = (whole.len() - 33) / 3;
    for at in (0..whole.len()).step_by(7) {
        flip(&path, at);
        let vault = again(&folder);
        assert!(matches!(vault.privacy().ledger(), Err(VaultError::Ledger { .. })), "byte {at}");
        assert!(vault.privacy().record(&GENEROUS, release(9)).is_err(), "byte {at}");
        flip(&path, at);
    }
    // Set back by an entry, and taken away.
    fs::write(&path, &whole[..33 + 2 * record]).unwrap();
    assert_eq!(reason(again(&folder).privacy().ledger()), LedgerError::RolledBack { entry: 3 });
    assert!(again(&folder).privacy().record(&GENEROUS, release(3)).is_err());
    fs::remove_file(&path).unwrap();
    assert_eq!(reason(again(&folder).privacy().ledger()), LedgerError::RolledBack { entry: 3 });
    let refused = again(&folder).privacy().record(&GENEROUS, release(9)).unwrap_err();
    assert!(matches!(refused, VaultError::Ledger { .. }), "{refused}");
    // Brought back, it holds again; also after the account was given up.
    fs::write(&path, &whole).unwrap();
    vault.local().forget_account().unwrap();
    assert_eq!(vault.privacy().ledger().unwrap().releases().len(), 3);
    fs::write(&path, &whole[..33]).unwrap();
    assert_eq!(reason(vault.privacy().ledger()), LedgerError::RolledBack { entry: 3 });
}

/// Two processes that record at once write one after the other.
#[test]
fn writers_take_turns() {
    let (folder, _) = home();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let folder = &folder;
            scope.spawn(move || {
                let vault = again(folder);
                for number in 0..5 {
                    let recorded = vault.privacy().record(&GENEROUS, release(10 * writer + number)).unwrap();
                    assert_eq!(recorded, Recorded::Now);
                }
            });
        }
    });
    assert_eq!(again(&folder).privacy().ledger().unwrap().releases().len(), 20);
}

#[test]
fn data_have_names() {
    let (folder, vault) = home();
    let file = folder.path().join("pairs.tsv");
    assert!(vault.privacy().data(&DataSource::File(file.clone())).is_err(), "it is not there");
    fs::write(&file, "image\tcaption\n").unwrap();
    let digest = vault.privacy().data(&DataSource::File(file.clone())).unwrap();
    let id = CollectionId([3; 16]);
    let album = vault.privacy().data(&DataSource::Collection { id, name: "album".into() }).unwrap();
    assert_ne!(digest, album);
    let name = |digest| again(&folder).privacy().data_name(&digest).unwrap();
    assert!(name(digest).unwrap().ends_with("pairs.tsv"));
    assert_eq!(name(album).as_deref(), Some("album"));
    assert_eq!(name([0; 32]), None);
}
