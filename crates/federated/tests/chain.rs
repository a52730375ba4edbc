//! Charters and the records that follow from them: what a member believes of a federation, and what it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

mod world;

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use pmirs_crypto::Identity;
use pmirs_federated::Error;
use pmirs_federated::chain::{Chain, Record, SignedRecord};
use pmirs_federated::charter::{Charter, Terms};
use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::model::{Manifest, Tensor};
use pmirs_federated::optimiser::{Optimiser, Rule};
use pmirs_federated::plan::Weighting;
use pmirs_federated::server::Revealed;
use pmirs_wire::{Bytes, Digest, decode, encode};
use world::identities;

fn charter(members: &[Identity], coordinator: &Identity) -> Charter {
    let manifest = Manifest { tensors: vec![Tensor { name: "head".into(), shape: vec![2, 2] }] };
    Charter {
        name: "friends".into(),
        nonce: Digest([1; 32]),
        owner: Digest(members[0].public().fingerprint()),
        coordinator: Digest(coordinator.public().fingerprint()),
        base: "tiny 1".into(),
        part: "heads".into(),
        model: manifest.digest(&[0.0; 4]).unwrap(),
        manifest,
        members: members.iter().map(|member| Bytes(member.public().to_bytes())).collect(),
        terms: Terms {
            rounds: 2,
            training: world::plan(4, 4).training,
            rule: Rule::FedAvg { rate: 1.0 },
            clip: 1.0,
            adaptive: None,
            noise: 0.0,
            weighting: Weighting::Uniform,
            compression: Compression::None,
            rates: Rates { dropout: 0.25, corrupt: 0.0 },
            quorum: 3,
            cohort: 4,
            gather_ms: 1000,
            step_ms: 1000,
            attempts: 3,
        },
    }
}

struct Fixture {
    members: Vec<Identity>,
    coordinator: Identity,
    chain: Chain,
}

impl Fixture {
    fn new() -> Self {
        let mut members = identities(5);
        let coordinator = members.pop().unwrap();
        let chain = Chain::begin(charter(&members, &coordinator), coordinator.public()).unwrap();
        Self { members, coordinator, chain }
    }

    /// What an honest coordinator makes of a sum in which every coordinate is so many integers.
    fn record(&self, integer: u32, weights: &mut [f32]) -> Record {
        let round = self.chain.round(0).unwrap();
        let mut sum = vec![0; round.layout().words()];
        sum[..4].fill(integer);
        let revealed = Revealed { sum, survivors: vec![0, 1, 3], vanished: vec![2] };
        let mut optimiser = Optimiser::new(Rule::FedAvg { rate: 1.0 });
        self.chain.conclude(&round, &revealed, weights, &mut optimiser, 7).unwrap()
    }

    fn sign(&self, record: &Record) -> SignedRecord {
        Chain::sign(record, &self.coordinator).unwrap()
    }
}

#[test]
fn records_follow_one_another_to_the_last_model() {
    let mut fixture = Fixture::new();
    let mut weights = [0.0; 4];
    for number in 0..2 {
        let record = fixture.record(3 << 20, &mut weights);
        assert_eq!((record.number, record.discarded), (number, false));
        let signed = fixture.sign(&record);
        assert_eq!(fixture.chain.append(&signed).unwrap(), record);
        assert_eq!(fixture.chain.model(), record.model);
    }
    assert!(fixture.chain.is_complete());
    assert!(weights.iter().all(|weight| *weight > 0.0), "{weights:?}");
    assert_eq!(fixture.chain.model(), fixture.chain.charter().manifest.digest(&weights).unwrap());
    let more = fixture.sign(&fixture.record(0, &mut weights));
    assert!(matches!(fixture.chain.append(&more), Err(Error::Record { what: "all rounds are done", .. })));
}

#[test]
fn a_sum_that_honest_members_cannot_have_given_changes_nothing() {
    let mut fixture = Fixture::new();
    let mut weights = [0.0; 4];
    let record = fixture.record(i32::MAX as u32, &mut weights);
    assert!(record.discarded && record.model == fixture.chain.model(), "{weights:?}");
    let signed = fixture.sign(&record);
    fixture.chain.append(&signed).unwrap();
    assert_eq!(fixture.chain.next(), 1);
}

#[test]
fn a_record_that_is_not_the_next_one_is_refused_by_name() {
    let mut fixture = Fixture::new();
    let good = fixture.record(9, &mut [0.0; 4]);
    let mut refused = |signed: &SignedRecord, expected: &str| {
        let error = fixture.chain.append(signed).unwrap_err();
        assert!(matches!(error, Error::Record { what, .. } if what == expected), "{error}, not {expected}");
        assert_eq!(fixture.chain.next(), 0);
    };
    let sign = |record: &Record| Chain::sign(record, &fixture.coordinator).unwrap();
    let changed = |change: &dyn Fn(&mut Record)| {
        let mut record = good.clone();
        change(&mut record);
        sign(&record)
    };
    let unsigned = "not signed by the coordinator";
    refused(&Chain::sign(&good, &fixture.members[0]).unwrap(), unsigned);
    let mut flipped = sign(&good);
    *flipped.record.0.last_mut().unwrap() ^= 1;
    refused(&flipped, unsigned);
    refused(&SignedRecord { signature: Bytes(vec![1; 63]), ..sign(&good) }, "no signature");
    let elsewhere = "it does not follow the one before";
    refused(&changed(&|record| record.previous = Digest([9; 32])), elsewhere);
    refused(&changed(&|record| record.federation = Digest([9; 32])), elsewhere);
    refused(&changed(&|record| record.number = 1), elsewhere);
    let other = "its plan is not the one that charter and chain give";
    refused(&changed(&|record| record.round = Digest([9; 32])), other);
    refused(&changed(&|record| record.attempt = 1), other);
    let moved = "a round that was discarded changed the model";
    refused(&changed(&|record| record.discarded = true), moved);
    assert!(fixture.chain.append(&sign(&good)).is_ok());
}

#[test]
fn another_term_is_another_federation_and_another_round() {
    let fixture = Fixture::new();
    let (id, round) = (fixture.chain.id(), fixture.chain.round(0).unwrap().id());
    let mut changed = charter(&fixture.members, &fixture.coordinator);
    changed.terms.step_ms += 1;
    let chain = Chain::begin(changed, fixture.coordinator.public()).unwrap();
    assert!(chain.id() != id && chain.round(0).unwrap().id() != round);
    assert!(fixture.chain.round(1).unwrap().id() != round, "another try has another name");
    let elsewhere = charter(&fixture.members, &fixture.coordinator);
    let error = Chain::begin(elsewhere, fixture.members[1].public()).unwrap_err();
    assert!(matches!(error, Error::Plan { field: "coordinator", .. }), "{error}");
}

#[test]
fn the_bytes_of_what_is_kept() {
    let fixture = Fixture::new();
    let golden = |name: &str, bytes: &[u8]| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        if std::env::var_os("PMIRS_BLESS").is_some() {
            std::fs::write(&path, HEXLOWER.encode(bytes) + "\n").unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(HEXLOWER.encode(bytes), kept.trim(), "{name}: the bytes changed");
    };
    let charter = encode(fixture.chain.charter()).unwrap();
    golden("charter.hex", &charter);
    assert_eq!(decode::<Charter>(&charter).unwrap(), *fixture.chain.charter());
    golden("charter.id.hex", &fixture.chain.id().0);
    let record = fixture.record(5, &mut [0.0; 4]);
    golden("record.hex", &encode(&record).unwrap());
    golden("signed_record.hex", &encode(&fixture.sign(&record)).unwrap());
}
