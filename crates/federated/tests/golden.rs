//! The bytes of every message of a small round, pinned; and every decoder against bytes that nobody meant.
//! `PMIRS_BLESS=1` rewrites the files after a deliberate change, which must also raise a version.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test may panic"
)]

mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use pmirs_crypto::{Prg, sha256};
use pmirs_federated::Error;
use pmirs_federated::client::{self, Member, Outcome, Progress, Refusal};
use pmirs_federated::message::{
    Advert, Adverts, Confirm, Inbox, Proof, Reveal, Roster, Shares, Step, Survivors, Wanted,
};
use pmirs_federated::model::{Manifest, Tensor};
use pmirs_federated::optimiser::{Optimiser, Rule};
use pmirs_federated::plan::RoundPlan;
use pmirs_federated::server::Gathering;
use pmirs_wire::{Message, decode, encode};
use proptest::prelude::*;
use world::{COORDINATOR_STEPS, Fixture, HEAD, MEMBER_STEPS, Tap, resign};

/// All messages of a round of four members, by step and member.
static ROUND: LazyLock<BTreeMap<(Step, u32), Vec<u8>>> = LazyLock::new(|| {
    let kept = RefCell::new(BTreeMap::new());
    let keep = |member: u32, step: Step, bytes: Vec<u8>| {
        kept.borrow_mut().insert((step, member), bytes.clone());
        Some(bytes)
    };
    Fixture::new(4, 3).run(1, &mut Tap { up: keep, down: keep }).unwrap();
    kept.into_inner()
});

fn golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("PMIRS_BLESS").is_some() {
        std::fs::write(&path, HEXLOWER.encode(bytes) + "\n").unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(HEXLOWER.encode(bytes), kept.trim(), "{name}: the bytes changed");
}

/// One member's messages, byte for byte, and a digest over those of all: a change anywhere in keys, graph,
/// shares, masks or encodings shows.
#[test]
fn every_message_of_a_round() {
    for ((step, member), bytes) in ROUND.iter() {
        if *member == 1 {
            golden(&format!("{step}.hex"), bytes);
        }
    }
    let all: Vec<u8> = ROUND.values().flat_map(|bytes| sha256(bytes)).collect();
    golden("round.sha256.hex", &sha256(&all));
}

#[test]
fn what_is_kept_and_announced() {
    let plan = encode(&world::plan(8, 100)).unwrap();
    golden("plan.hex", &plan);
    assert_eq!(decode::<RoundPlan>(&plan).unwrap(), world::plan(8, 100));
    let manifest = Manifest { tensors: vec![Tensor { name: "head.weight".into(), shape: vec![3, 4] }] };
    golden("manifest.hex", &encode(&manifest).unwrap());
    golden("model.sha256.hex", &manifest.digest(&[0.5; 12]).unwrap().0);
    assert!(manifest.digest(&[0.5; 11]).is_err());
    assert_eq!(manifest.part(&[1.0; 12], "head.weight").map(<[f32]>::len), Some(12));
    golden("optimiser.hex", &encode(&Optimiser::new(Rule::FedAvg { rate: 1.0 })).unwrap());

    let fixture = Fixture::new(4, 3);
    let seat = Member::new(&fixture.round, &fixture.identities[0]).unwrap();
    let (state, _) = client::advertise(&mut Prg::new(&[1; 32], b"golden"), &seat).unwrap();
    golden("progress.hex", &Progress::Advertised(state).to_bytes().unwrap());
}

fn decode_all(bytes: &[u8]) {
    fn one<M: Message>(bytes: &[u8]) {
        if let Ok(message) = decode::<M>(bytes) {
            assert!(encode(&message).is_ok(), "{} decodes but does not encode", M::NAME);
        }
    }
    one::<Advert>(bytes);
    one::<Roster>(bytes);
    one::<Wanted>(bytes);
    one::<Adverts>(bytes);
    one::<Shares>(bytes);
    one::<Inbox>(bytes);
    one::<Survivors>(bytes);
    one::<Confirm>(bytes);
    one::<Proof>(bytes);
    one::<Reveal>(bytes);
    one::<RoundPlan>(bytes);
    one::<Manifest>(bytes);
    one::<Optimiser>(bytes);
    let _ = Progress::from_bytes(bytes);
}

/// Hands bytes to every state that could be waiting for some; each goes on with the right ones if it refuses.
fn feed_all(bytes: &[u8]) {
    let fixture = &*FIXTURE;
    let good = |step: Step| (0..4).map(move |member| &ROUND[&(step, member)]);
    let mut gathering = Gathering::new(&fixture.round);
    let _ = gathering.accept(bytes);
    good(Step::Advert).for_each(|advert| drop(gathering.accept(advert)));
    let (mut sharing, _) = gathering.close().unwrap();
    let _ = sharing.adverts(bytes);
    let _ = sharing.accept(bytes);
    good(Step::Shares).for_each(|shares| drop(sharing.accept(shares)));
    let Ok((mut summing, _)) = sharing.close() else { return };
    let _ = summing.accept(bytes);
    good(Step::Upload).for_each(|upload| drop(summing.accept(upload)));
    let Ok((mut confirming, _)) = summing.close() else { return };
    let _ = confirming.accept(bytes);
    good(Step::Confirm).for_each(|confirm| drop(confirming.accept(confirm)));
    let Ok((mut unmasking, _)) = confirming.close() else { return };
    let _ = unmasking.accept(bytes);
    good(Step::Reveal).for_each(|reveal| drop(unmasking.accept(reveal)));
    let _ = unmasking.finish();
}

/// The member whose states are fed.
const FED: u32 = 3;

fn coins(step: Step) -> Prg {
    Prg::new(&[1; 32], &[FED.to_be_bytes().as_slice(), &[step as u8]].concat())
}

/// The state that waits for each message of the coordinator, as it was in the round that was kept.
static STATES: LazyLock<BTreeMap<Step, Vec<u8>>> = LazyLock::new(|| {
    let seat = Member::new(&FIXTURE.round, &FIXTURE.identities[FED as usize]).unwrap();
    let (state, advert) = client::advertise(&mut coins(Step::Advert), &seat).unwrap();
    assert_eq!(advert, ROUND[&(Step::Advert, FED)]);
    let mut states = BTreeMap::new();
    let mut progress = Progress::Advertised(state);
    for step in COORDINATOR_STEPS {
        states.insert(step, progress.to_bytes().unwrap().to_vec());
        let (next, said) = hear(progress, &seat, step, &ROUND[&(step, FED)]).unwrap();
        assert_eq!(said, ROUND[&(answer_to(step), FED)], "{step}");
        let Some(next) = next else { break };
        progress = next;
    }
    states
});

fn answer_to(step: Step) -> Step {
    MEMBER_STEPS.into_iter().find(|answer| *answer > step).unwrap()
}

/// What a member's state makes of a coordinator's message: the next one and what it says, or itself and why not.
type Heard = Result<(Option<Progress>, Vec<u8>), Box<Refusal<Progress>>>;

fn hear(progress: Progress, seat: &Member<'_>, step: Step, bytes: &[u8]) -> Heard {
    fn told<N, S>(outcome: Outcome<N, S>, on: fn(N) -> Option<Progress>, back: fn(S) -> Progress) -> Heard {
        outcome
            .map(|(next, said)| (on(next), said))
            .map_err(|refused| Box::new(Refusal { state: back(refused.state), error: refused.error }))
    }
    let mut rng = coins(answer_to(step));
    match progress {
        Progress::Advertised(state) => told(
            state.choose(&mut rng, seat, bytes),
            |next| Some(Progress::Chosen(next)),
            Progress::Advertised,
        ),
        Progress::Chosen(state) => {
            told(state.share(&mut rng, seat, bytes), |next| Some(Progress::Shared(next)), Progress::Chosen)
        }
        Progress::Shared(state) => {
            let vector = FIXTURE.vector(FED);
            told(state.mask(seat, bytes, &vector), |next| Some(Progress::Masked(next)), Progress::Shared)
        }
        Progress::Masked(state) => {
            told(state.confirm(seat, bytes), |next| Some(Progress::Confirmed(next)), Progress::Masked)
        }
        Progress::Confirmed(state) => told(state.reveal(seat, bytes), |()| None, Progress::Confirmed),
    }
}

/// Hands a coordinator's message that was damaged behind its head to the state that waits for it. A state that refuses is
/// unharmed: the right message gets the right answer from it. One that goes on has said what a member says at this
/// step; and where all that it believes was signed by others, just what it says to the right message.
fn feed_member(step: Step, damaged: &[u8]) -> Result<(), Error> {
    let seat = Member::new(&FIXTURE.round, &FIXTURE.identities[FED as usize]).unwrap();
    let state = Progress::from_bytes(&STATES[&step]).unwrap();
    let right = &ROUND[&(answer_to(step), FED)];
    match hear(state, &seat, step, damaged) {
        Ok((_, said)) => {
            assert_eq!(said[..HEAD], right[..HEAD], "{step}");
            if [Step::Adverts, Step::Proof].contains(&step) {
                assert_eq!(said, *right, "{step}: another answer to the same facts");
            }
            Ok(())
        }
        Err(refused) => {
            let Refusal { state, error } = *refused;
            let (_, said) = hear(state, &seat, step, &ROUND[&(step, FED)]).expect("the right message");
            assert_eq!(said, *right, "{step}: the state that refused was harmed");
            Err(error)
        }
    }
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| Fixture::new(4, 3));

#[test]
fn a_length_that_lies_costs_no_memory() {
    decode_all(&[1, 0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    decode_all(&[1, 0xa1, 0x65, b's', b'e', b'a', b't', b's', 0x9b, 0x40, 0, 0, 0, 0, 0, 0, 0]);
    decode_all(&[vec![1], vec![0x81; 100_000]].concat());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn arbitrary_bodies(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), versioned: bool) {
        if let Some(first) = bytes.first_mut().filter(|_| versioned) {
            *first = 1;
        }
        decode_all(&bytes);
    }

    #[test]
    fn damaged_bodies(which: prop::sample::Index, edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let all: Vec<&Vec<u8>> = ROUND.values().collect();
        let mut bytes = all[which.index(all.len())][HEAD..].to_vec();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        decode_all(&bytes);
    }
}

/// Each byte of a short message and some of a long one, flipped: behind the head almost nothing is free to be otherwise.
#[test]
fn damaged_messages_of_the_coordinator() {
    for step in COORDINATOR_STEPS {
        let good = &ROUND[&(step, FED)];
        let places: Vec<usize> = (HEAD..good.len()).step_by((good.len() - HEAD).div_ceil(150)).collect();
        let heard: Vec<Result<(), Error>> = places
            .iter()
            .map(|at| {
                let mut bytes = good.clone();
                bytes[*at] ^= 1 << (at % 8);
                feed_member(step, &bytes)
            })
            .collect();
        let refused = heard.iter().filter(|heard| heard.is_err()).count();
        // A frame's own signature is not read where the roster's stands for it.
        assert!(refused * 10 >= heard.len() * 9, "{step}: {refused} of {} refused", heard.len());
        let wrong_step = |heard: &Result<(), Error>| matches!(heard, Err(Error::WrongStep { .. }));
        assert!(!heard.iter().any(wrong_step), "{step}: it never got past the head");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_announcements(
        step in prop::sample::select(COORDINATOR_STEPS.to_vec()),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut bytes = ROUND[&(step, FED)].clone();
        for (at, value) in edits {
            let at = HEAD + at.index(bytes.len() - HEAD);
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(HEAD + cut.index(bytes.len() - HEAD));
        }
        let _ = feed_member(step, &bytes);
    }

    /// Damage that a member signs itself gets past the signature, to the decoders and the checks behind them.
    #[test]
    fn damaged_frames(
        which: prop::sample::Index,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        signed: bool,
    ) {
        let all: Vec<_> = ROUND.iter().filter(|((step, _), _)| MEMBER_STEPS.contains(step)).collect();
        let ((_, member), good) = all[which.index(all.len())];
        let mut bytes = good.clone();
        for (at, value) in edits {
            let at = HEAD + at.index(bytes.len() - HEAD);
            bytes[at] = value;
        }
        if signed {
            bytes = resign(&bytes, &FIXTURE.identities[*member as usize]);
        }
        feed_all(&bytes);
    }
}
