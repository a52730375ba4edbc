//! The ledger: what it refuses to write, what it refuses to read, and its bytes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

use std::path::PathBuf;
use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use pmirs_crypto::{Context, Identity, IdentitySeed, Signature};
use pmirs_privacy::ledger::{Budget, Ledger, LedgerError, LedgerHead, MAX_LEDGER, Purpose, Refusal, Release};
use pmirs_privacy::{Adversary, DistributedGaussian, Grid, Mechanism, SecretRate, Target, Variance};
use proptest::prelude::*;

const HEADER: usize = 33;

fn identity(seed: u8) -> Identity {
    Identity::from_seed(&IdentitySeed::from_secret(&[seed; 32]))
}

static ANNA: LazyLock<Identity> = LazyLock::new(|| identity(1));

fn sum(variance: u64) -> Mechanism {
    let grid = Grid { clip: 1.0, scale: 1_024.0, components: 5_000 };
    let variance = Variance::new(variance, 1).unwrap();
    Mechanism::Distributed(DistributedGaussian::new(grid, 100, variance).unwrap())
}

fn release(mechanism: Mechanism) -> Release {
    Release {
        purpose: Purpose::FederatedRound,
        mechanism,
        sampled_at: None,
        round: 3,
        occasion: [0; 32],
        message: [8; 32],
        data: [9; 32],
        coordinator: [4; 32],
        model: [5; 32],
        at_ms: 1_700_000_000_000,
    }
}

/// The same release on another occasion: a ledger counts each once.
fn on(occasion: u8, release: Release) -> Release {
    Release { occasion: [occasion; 32], ..release }
}

fn rate(q: f64) -> SecretRate {
    SecretRate::assume_poisson_and_hidden(q).unwrap()
}

fn generous() -> Budget {
    Budget { epsilon: 1_000.0, delta: 1e-5, least_noise: 0.0, adversary: Adversary::Coordinator }
}

/// One release of every kind.
fn releases() -> Vec<Release> {
    let gaussian = || Mechanism::gaussian(4.0).unwrap();
    let kinds = [
        release(sum(900_000)),
        Release { sampled_at: Some(rate(0.1)), round: 4, ..release(sum(900_000)) },
        Release { purpose: Purpose::Shield, coordinator: [6; 32], ..release(gaussian()) },
        Release { purpose: Purpose::Quality, sampled_at: Some(rate(0.25)), ..release(gaussian()) },
        Release { purpose: Purpose::Count, ..release(Mechanism::pure(0.125).unwrap()) },
    ];
    kinds.into_iter().zip(0..).map(|(release, number)| on(number, release)).collect()
}

static FULL: LazyLock<Ledger> = LazyLock::new(|| {
    let mut ledger = Ledger::new(&ANNA.public());
    for release in releases() {
        let before = ledger.to_bytes().len();
        let spent = ledger.spend(&ANNA, &generous(), release).unwrap();
        assert_eq!(spent.record(), &ledger.to_bytes()[before..], "a record is what the file grows by");
        assert_eq!(spent.head(), ledger.head());
    }
    ledger
});

/// Where each record begins, and where the last one ends.
fn record_starts(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![HEADER];
    while starts[starts.len() - 1] < bytes.len() {
        let at = starts[starts.len() - 1];
        starts.push(at + 2 + usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]])) + 64);
    }
    starts
}

fn open(bytes: &[u8]) -> Result<Ledger, LedgerError> {
    Ledger::open(bytes, &ANNA.public())
}

/// `PMIRS_BLESS=1` rewrites the files after a deliberate change, which must also raise the version.
#[test]
fn golden_bytes() {
    for (file, ledger) in [("ledger.hex", FULL.clone()), ("ledger_empty.hex", Ledger::new(&ANNA.public()))] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
        if std::env::var_os("PMIRS_BLESS").is_some() {
            std::fs::write(&path, HEXLOWER.encode(ledger.to_bytes()) + "\n").unwrap();
        }
        let golden = std::fs::read_to_string(&path).expect("a golden file");
        assert_eq!(HEXLOWER.encode(ledger.to_bytes()), golden.trim(), "{file}: the bytes changed");
        assert_eq!(open(ledger.to_bytes()).unwrap(), ledger, "{file}");
    }
    assert_eq!(FULL.releases(), releases());
}

#[test]
fn what_it_comes_to() {
    let curve = |adversary| {
        releases().iter().fold(pmirs_privacy::RdpCurve::zero(), |sum, r| sum.compose(&r.curve(adversary)))
    };
    for adversary in [Adversary::Coordinator, Adversary::Recipients] {
        let whole = curve(adversary).epsilon(1e-5).unwrap();
        let summary = FULL.summary(1e-5, adversary).unwrap();
        assert!((summary.epsilon - whole).abs() < 1e-9 * whole, "{} for {whole}", summary.epsilon);
        assert_eq!((summary.releases, summary.adversary), (5, adversary));
        assert!(summary.least_noise.unwrap() <= 4.0);
        assert_eq!(summary.shares.iter().map(|share| share.releases).sum::<usize>(), 5);
        let rounds = summary.shares.iter().find(|share| share.purpose == Purpose::FederatedRound).unwrap();
        assert_eq!((rounds.releases, rounds.coordinator, rounds.last_ms), (2, [4; 32], 1_700_000_000_000));
        assert!(rounds.epsilon < summary.epsilon);
    }
    let (seen, unseen) = (Adversary::Coordinator, Adversary::Recipients);
    assert!(
        FULL.epsilon(1e-5, seen).unwrap() > FULL.epsilon(1e-5, unseen).unwrap(),
        "who sees the roster learns more"
    );
    let empty = Ledger::new(&ANNA.public()).summary(1e-5, seen).unwrap();
    assert_eq!((empty.releases, empty.epsilon, empty.least_noise), (0, 0.0, None));
}

/// Rounds planned for a budget fit into it, to the last one, and the next is refused and leaves no trace.
#[test]
fn a_budget_is_used_up_and_then_refuses() {
    let grid = Grid { clip: 1.0, scale: 65_536.0, components: 5_000 };
    let target = Target { epsilon: 4.0, delta: 1e-5, rounds: 10, sampled_at: None };
    let planned = Mechanism::Distributed(DistributedGaussian::for_target(grid, 50, &target).unwrap());
    let budget = Budget { epsilon: 4.0, delta: 1e-5, least_noise: 0.1, adversary: Adversary::Coordinator };
    let mut ledger = Ledger::new(&ANNA.public());
    assert_eq!(ledger.releases_left(&budget, &release(planned.clone()), 100), 10);
    for round in 0..10 {
        assert_eq!(ledger.releases_left(&budget, &release(planned.clone()), 3), (10 - round).min(3));
        let before = ledger.epsilon(1e-5, Adversary::Coordinator).unwrap();
        let this = on(round as u8, release(planned.clone()));
        let promised = ledger.allows(&budget, &this).unwrap();
        let _stored = ledger.spend(&ANNA, &budget, this).unwrap();
        let after = ledger.epsilon(1e-5, Adversary::Coordinator).unwrap();
        assert!(after > before && (after - promised).abs() < 1e-9);
    }
    let before = ledger.clone();
    match ledger.spend(&ANNA, &budget, on(10, release(planned.clone()))) {
        Err(Refusal::OverBudget { spent, would_be, .. }) => {
            assert!(spent <= 4.0 && spent > 3.99 && would_be > 4.0, "{spent}, {would_be}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ledger, before);
    assert_eq!(ledger.releases_left(&budget, &release(planned), 100), 0);
}

/// A coordinator sees who takes part, so that a coin makes nothing cheaper against it.
#[test]
fn sampling_does_not_help_against_the_coordinator() {
    let sampled = Release { sampled_at: Some(rate(0.01)), ..release(Mechanism::gaussian(2.0).unwrap()) };
    let budget = Budget { epsilon: 2.0, delta: 1e-5, least_noise: 0.0, adversary: Adversary::Recipients };
    let mut ledger = Ledger::new(&ANNA.public());
    let _stored = ledger.spend(&ANNA, &budget, sampled.clone()).unwrap();
    let stricter = Budget { adversary: Adversary::Coordinator, ..budget };
    assert!(matches!(ledger.allows(&stricter, &sampled), Err(Refusal::OverBudget { .. })));
}

#[test]
fn too_little_noise_and_other_members_are_refused() {
    let mut ledger = Ledger::new(&ANNA.public());
    let demanding = Budget { least_noise: 1.0, ..generous() };
    let refused = ledger.spend(&ANNA, &demanding, release(Mechanism::gaussian(0.9999).unwrap()));
    assert_eq!(refused.unwrap_err(), Refusal::TooLittleNoise { got: 0.9999, demanded: 1.0 });
    assert!(ledger.allows(&demanding, &release(Mechanism::gaussian(1.0).unwrap())).is_ok());
    // The noise of a pure mechanism is that of a Laplace variable.
    let refused = ledger.allows(&demanding, &release(Mechanism::pure(1.5).unwrap()));
    assert!(matches!(refused, Err(Refusal::TooLittleNoise { .. })));
    assert!(ledger.allows(&demanding, &release(Mechanism::pure(1.4).unwrap())).is_ok());

    let refused = ledger.spend(&identity(2), &generous(), releases().remove(0));
    assert_eq!(refused.unwrap_err(), Refusal::OtherMember);
    for mechanism in [
        Mechanism::Gaussian { noise_multiplier: f64::INFINITY },
        Mechanism::Gaussian { noise_multiplier: -5.0 },
        Mechanism::Pure { epsilon: f64::NAN },
    ] {
        let refused = ledger.spend(&ANNA, &generous(), release(mechanism.clone()));
        assert!(matches!(refused, Err(Refusal::Parameter(_))), "{mechanism:?}");
    }
    let absurd = Budget { epsilon: f64::NAN, ..generous() };
    assert!(matches!(ledger.allows(&absurd, &releases()[0]), Err(Refusal::Parameter(_))));
    assert_eq!(ledger, Ledger::new(&ANNA.public()), "nothing was written");
}

/// Every single byte counts: whichever is altered, the ledger is refused.
#[test]
fn every_altered_byte_is_noticed() {
    let bytes = FULL.to_bytes();
    for at in 0..bytes.len() {
        let mut altered = bytes.to_vec();
        altered[at] ^= 1 << (at % 8);
        assert!(open(&altered).is_err(), "byte {at} altered, and nobody noticed");
    }
}

#[test]
fn a_broken_chain_is_named() {
    let bytes = FULL.to_bytes();
    let starts = record_starts(bytes);
    assert_eq!(starts.len(), 6);
    let record = |number: usize| &bytes[starts[number]..starts[number + 1]];
    let header = &bytes[..HEADER];
    let ledger = |numbers: &[usize]| {
        let records: Vec<&[u8]> = numbers.iter().map(|&number| record(number)).collect();
        open(&[header, &records.concat()].concat())
    };
    assert_eq!(ledger(&[0, 1, 2, 3, 4]).as_ref(), Ok(&*FULL));
    // Left out, swapped, repeated, without its beginning.
    assert_eq!(ledger(&[0, 2, 3, 4]), Err(LedgerError::BrokenChain { entry: 1 }));
    assert_eq!(ledger(&[0, 1, 3, 2, 4]), Err(LedgerError::BrokenChain { entry: 2 }));
    assert_eq!(ledger(&[0, 1, 1]), Err(LedgerError::BrokenChain { entry: 2 }));
    assert_eq!(ledger(&[1, 2]), Err(LedgerError::BrokenChain { entry: 0 }));

    // Every prefix that ends within a record, or within the header.
    for end in 0..bytes.len() {
        match open(&bytes[..end]) {
            Ok(shorter) => assert!(starts.contains(&end) && shorter.releases().len() < 5, "{end} bytes"),
            Err(LedgerError::Truncated { .. }) => assert!(!starts.contains(&end)),
            Err(other) => panic!("{end} bytes: {other}"),
        }
    }
}

/// An entry signed by somebody else, one signed for another purpose, and one whose author chose another past.
#[test]
fn forged_entries_are_named() {
    let bytes = FULL.to_bytes();
    let starts = record_starts(bytes);
    let entry = bytes[starts[4] + 2..bytes.len() - 64].to_vec();
    let with = |entry: &[u8], signature: Signature| {
        let length = (entry.len() as u16).to_be_bytes();
        open(&[&bytes[..starts[4]], &length, entry, &signature.0].concat())
    };
    assert!(with(&entry, ANNA.sign(Context::Ledger, &entry)).is_ok());
    for forged in [identity(2).sign(Context::Ledger, &entry), ANNA.sign(Context::Item, &entry)] {
        assert!(matches!(with(&entry, forged), Err(LedgerError::Signature { entry: 4, .. })));
    }
    // Properly signed, but it names another past, or says nothing that can be said.
    let changed = |at: usize, value: u8| {
        let mut entry = entry.clone();
        entry[at] = value;
        let signature = ANNA.sign(Context::Ledger, &entry);
        with(&entry, signature)
    };
    assert_eq!(changed(7, 9), Err(LedgerError::BrokenChain { entry: 4 }));
    assert_eq!(changed(20, 0x55), Err(LedgerError::BrokenChain { entry: 4 }));
    assert_eq!(changed(48, 77), Err(LedgerError::Malformed { entry: 4, field: "purpose" }));
    assert_eq!(changed(217, 7), Err(LedgerError::Malformed { entry: 4, field: "sampling" }));
    assert_eq!(changed(218, 9), Err(LedgerError::Malformed { entry: 4, field: "mechanism" }));
    assert_eq!(changed(219, 0xff), Err(LedgerError::Malformed { entry: 4, field: "mechanism" }));
    let longer = [entry.as_slice(), &[0]].concat();
    let signature = ANNA.sign(Context::Ledger, &longer);
    assert_eq!(
        with(&longer, signature),
        Err(LedgerError::Malformed { entry: 4, field: "bytes after its end" })
    );
}

#[test]
fn other_versions_members_and_sizes_are_named() {
    let mut newer = FULL.to_bytes().to_vec();
    newer[0] = 3;
    assert_eq!(open(&newer), Err(LedgerError::Version { expected: 2, got: 3 }));
    assert_eq!(Ledger::open(FULL.to_bytes(), &identity(2).public()), Err(LedgerError::OtherMember));
    let huge = vec![1; MAX_LEDGER + 1];
    assert_eq!(open(&huge), Err(LedgerError::TooLong { limit: MAX_LEDGER, got: MAX_LEDGER + 1 }));
    // The longest entry has 267 bytes; one of 268 is not read.
    let long_entry = [FULL.to_bytes(), &[1, 12], &[0; 268 + 64]].concat();
    assert_eq!(open(&long_entry), Err(LedgerError::Malformed { entry: 5, field: "length" }));
}

/// What was remembered of a ledger shows that its end was cut off or rewritten.
#[test]
fn a_rollback_shows_beside_what_was_remembered() {
    let bytes = FULL.to_bytes();
    let starts = record_starts(bytes);
    let earlier = open(&bytes[..starts[3]]).unwrap();
    assert_eq!(FULL.check_continues(&earlier.head()), Ok(()));
    assert_eq!(FULL.check_continues(&FULL.head()), Ok(()));
    assert_eq!(FULL.check_continues(&Ledger::new(&ANNA.public()).head()), Ok(()));
    assert_eq!(earlier.check_continues(&FULL.head()), Err(LedgerError::RolledBack { entry: 5 }));
    let mut rewritten = earlier.clone();
    for occasion in 100..103 {
        let _stored = rewritten.spend(&ANNA, &generous(), on(occasion, releases().remove(2))).unwrap();
    }
    assert_eq!(rewritten.check_continues(&FULL.head()), Err(LedgerError::RolledBack { entry: 5 }));
    let absurd = LedgerHead { entries: u64::MAX, hash: [0; 32] };
    assert!(FULL.check_continues(&absurd).is_err());
}

/// A release is counted once: its occasion is found again, and another message for it is refused.
#[test]
fn an_occasion_is_answered_once() {
    let (entry, found) = FULL.answer_to(&[3; 32]).unwrap();
    assert_eq!((entry, found), (3, &releases()[3]));
    assert!(FULL.answer_to(&[77; 32]).is_none());
    let mut ledger = FULL.clone();
    let other = Release { message: [1; 32], ..releases().remove(3) };
    let refused = ledger.spend(&ANNA, &generous(), other).unwrap_err();
    assert_eq!(refused, Refusal::OtherMessage { entry: 3 });
    assert_eq!(ledger, *FULL);
}

/// What has no noise is written down like everything else, and no promise is left; only a member without a limit lets it
/// out.
#[test]
fn a_release_without_noise_leaves_no_promise() {
    let open_handed = Budget { epsilon: f64::INFINITY, ..generous() };
    let mut ledger = FULL.clone();
    let bare = on(50, release(Mechanism::Unprotected));
    assert!(
        matches!(ledger.allows(&generous(), &bare), Err(Refusal::OverBudget { would_be, .. }) if would_be.is_infinite())
    );
    let demanding = Budget { least_noise: 0.01, ..open_handed };
    assert_eq!(ledger.allows(&demanding, &bare), Err(Refusal::TooLittleNoise { got: 0.0, demanded: 0.01 }));
    let _stored = ledger.spend(&ANNA, &open_handed, bare).unwrap();
    let again = open(ledger.to_bytes()).unwrap();
    assert_eq!(again, ledger);
    let summary = again.summary(1e-5, Adversary::Coordinator).unwrap();
    assert!(summary.epsilon.is_infinite() && summary.least_noise == Some(0.0));
    assert!(summary.shares.iter().any(|share| share.epsilon.is_finite()), "others keep theirs");
}

/// A crash while an entry is written leaves any part of it, or as many bytes of nothing: it is cut off. Nothing that was
/// remembered as let out ever is.
#[test]
fn a_torn_end_is_cut_off_and_nothing_that_counts() {
    let bytes = FULL.to_bytes();
    let starts = record_starts(bytes);
    let recover = |bytes: &[u8], head: Option<&LedgerHead>| Ledger::recover(bytes, &ANNA.public(), head);
    let four = open(&bytes[..starts[4]]).unwrap();
    for end in starts[4] + 1..starts[5] {
        let cut = end - starts[4];
        assert_eq!(recover(&bytes[..end], Some(&four.head())), Ok((four.clone(), cut)), "{end} bytes");
        let zeros = [&bytes[..starts[4]], vec![0; cut].as_slice()].concat();
        assert_eq!(recover(&zeros, Some(&four.head())), Ok((four.clone(), cut)), "{cut} zeros");
        assert!(recover(&bytes[..end], Some(&FULL.head())).is_err(), "the fifth was let out");
    }
    assert_eq!(recover(bytes, Some(&four.head())), Ok((FULL.clone(), 0)), "written, and not yet remembered");
    // Damage before the end, a tail that no crash of one entry leaves, and a remembered entry that lost a bit.
    let mut damaged = bytes.to_vec();
    damaged[starts[2] + 50] ^= 1;
    assert!(recover(&damaged, Some(&four.head())).is_err());
    assert!(recover(&[&bytes[..starts[4]], [0; 400].as_slice()].concat(), Some(&four.head())).is_err());
    let mut last = bytes.to_vec();
    last[starts[4] + 50] ^= 1;
    assert!(matches!(recover(&last, Some(&FULL.head())), Err(LedgerError::Signature { entry: 4, .. })));
    // A file that was just made.
    for end in 0..HEADER {
        assert_eq!(recover(&bytes[..end], None), Ok((Ledger::new(&ANNA.public()), end)), "{end} bytes");
        assert!(recover(&bytes[..end], Some(&four.head())).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), plausible: bool) {
        if plausible && bytes.len() > HEADER {
            bytes[..HEADER].copy_from_slice(&FULL.to_bytes()[..HEADER]);
        }
        if let Ok(ledger) = open(&bytes) {
            prop_assert!(ledger.releases().is_empty(), "nobody signed this");
        }
    }

    /// Entries that Anna did sign, of any bytes: what opens encodes to the same bytes again, and has a cost.
    #[test]
    fn arbitrary_signed_entries(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        which in 0_usize..5,
        cut in 0_usize..3,
    ) {
        let bytes = FULL.to_bytes();
        let starts = record_starts(bytes);
        let mut entry = bytes[starts[which] + 2..starts[which + 1] - 64].to_vec();
        // Past number and hash, which the chain would refuse.
        for (at, value) in edits {
            let at = 40 + at.index(entry.len() - 40);
            entry[at] = value;
        }
        entry.truncate(entry.len() - cut);
        let length = (entry.len() as u16).to_be_bytes();
        let signature = ANNA.sign(Context::Ledger, &entry);
        let forged = [&bytes[..starts[which]], &length, &entry, &signature.0].concat();
        match open(&forged) {
            Ok(ledger) => {
                prop_assert_eq!(ledger.to_bytes(), forged.as_slice());
                let last = ledger.releases().last().unwrap().clone();
                let head = LedgerHead { ..ledger.head() };
                prop_assert_eq!(head.entries, which as u64 + 1);
                // Written again by the ledger itself, it has the same bytes.
                let mut again = open(&bytes[..starts[which]]).unwrap();
                let boundless = Budget { epsilon: 1e4, delta: 0.5, ..generous() };
                if let Ok(spent) = again.spend(&ANNA, &boundless, last) {
                    prop_assert_eq!(spent.record(), &forged[starts[which]..]);
                }
            }
            Err(LedgerError::Malformed { entry, .. }) => prop_assert_eq!(entry, which as u64),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
