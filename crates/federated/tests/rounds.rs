//! Whole rounds: everyone stays, some vanish at each step, too many vanish, someone stops and resumes.

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

use pmirs_crypto::Prg;
use pmirs_federated::client::{self, Member, Progress};
use pmirs_federated::compress::Compression;
use pmirs_federated::graph::Rates;
use pmirs_federated::message::{Reveal, Shares, Step};
use pmirs_federated::plan::{RoundPlan, Training};
use pmirs_federated::server::{Gathering, Heard, Revealed};
use pmirs_federated::simulate::{Direct, Script};
use pmirs_federated::{Error, Round};
use world::{Fixture, MEMBER_STEPS, Tap, group, plan, resign, resign_pieces, rewrite_signed};

#[test]
fn the_sum_is_that_of_everyone_who_stayed() {
    let fixture = Fixture::new(8, 50);
    let report = fixture.run(1, &mut Direct).unwrap();
    assert_eq!(report.revealed.survivors, fixture.present);
    assert_eq!(report.revealed.sum, fixture.sum(&fixture.present));
    assert!(report.revealed.vanished.is_empty() && report.refused.is_empty(), "{:?}", report.refused);
}

/// Forty members choose fewer neighbours than there are, so masks pair by either's choice, by both's, or by
/// none's.
#[test]
fn a_sparse_graph_gives_the_same_sum_with_members_vanishing_at_every_step() {
    let rates = Rates { dropout: 0.15, corrupt: 0.05 };
    let fixture = Fixture::with(RoundPlan { rates, ..plan(60, 300) });
    let neighbours = fixture.round.parameters(60).unwrap().neighbours;
    assert!(neighbours < 59, "{neighbours} of 59 is not sparse");
    let gone =
        [Step::Advert, Step::Wanted, Step::Shares, Step::Upload, Step::Upload, Step::Confirm, Step::Reveal];
    let script: BTreeMap<u32, Step> =
        gone.into_iter().enumerate().map(|(at, step)| (7 * at as u32, step)).collect();
    let report = fixture.run(2, &mut Script(script.clone())).unwrap();
    let stayed: Vec<u32> =
        (0..60).filter(|member| script.get(member).is_none_or(|step| *step > Step::Upload)).collect();
    assert_eq!(report.revealed.survivors, stayed);
    assert_eq!(report.revealed.vanished, [21, 28], "who shared and then vanished");
    assert_eq!(report.revealed.sum, fixture.sum(&stayed));
}

#[test]
fn two_of_eight_may_vanish_at_any_step() {
    let fixture = Fixture::new(8, 20);
    for first in MEMBER_STEPS {
        for second in MEMBER_STEPS {
            let mut script = Script(BTreeMap::from([(2, first), (5, second)]));
            let report = fixture.run(3, &mut script);
            let report = report.unwrap_or_else(|error| panic!("{first}, {second}: {error}"));
            let stays = |step: Step| step > Step::Upload;
            let stayed: Vec<u32> = (0..8)
                .filter(|member| (*member != 2 || stays(first)) && (*member != 5 || stays(second)))
                .collect();
            assert_eq!(report.revealed.survivors, stayed, "{first}, {second}");
            assert_eq!(report.revealed.sum, fixture.sum(&stayed), "{first}, {second}");
        }
    }
}

#[test]
fn too_many_who_vanish_end_the_round_and_reveal_nothing() {
    let fixture = Fixture::new(8, 20);
    for step in MEMBER_STEPS {
        let mut script = Script((0..5).map(|member| (member, step)).collect());
        match (step, fixture.run(4, &mut script).map(|report| report.revealed)) {
            (Step::Reveal, Err(Error::Unrecoverable { needed, .. })) => assert_eq!(needed, 4),
            (_, Err(Error::TooFew { .. } | Error::NoGraph { .. })) => {}
            (step, other) => panic!("{step}: {other:?}"),
        }
    }
}

/// A coordinator that was restarted in the middle of every step: new states, fed with the messages that were
/// kept, in another order than the members', say the same to everyone and reveal the same.
#[test]
fn a_restarted_coordinator_stands_where_it_stood() {
    let fixture = Fixture::new(8, 20);
    let kept = RefCell::new(BTreeMap::new());
    let down = |member: u32, step: Step, bytes: Vec<u8>| {
        kept.borrow_mut().insert((step, member), bytes.clone());
        Some(bytes)
    };
    let up = |member: u32, step: Step, bytes: Vec<u8>| {
        if member == 4 && step == Step::Upload { None } else { down(member, step, bytes) }
    };
    let report = fixture.run(7, &mut Tap { up, down }).unwrap();
    let kept = kept.into_inner();
    let of = |step: Step| kept.range((step, 0)..=(step, u32::MAX)).rev().map(|(_, bytes)| bytes);

    let mut gathering = Gathering::new(&fixture.round);
    of(Step::Advert).for_each(|bytes| assert_eq!(gathering.accept(bytes), Ok(Heard::New)));
    let (mut sharing, roster) = gathering.close().unwrap();
    assert!(of(Step::Roster).all(|bytes| *bytes == roster));
    of(Step::Shares).for_each(|bytes| assert_eq!(sharing.accept(bytes), Ok(Heard::New)));
    let (mut summing, inboxes) = sharing.close().unwrap();
    assert!(inboxes.iter().rev().map(|(_, bytes)| bytes).eq(of(Step::Inbox)));
    of(Step::Upload).for_each(|bytes| assert_eq!(summing.accept(bytes), Ok(Heard::New)));
    let (mut confirming, survivors) = summing.close().unwrap();
    assert!(of(Step::Survivors).all(|bytes| *bytes == survivors));
    of(Step::Confirm).for_each(|bytes| assert_eq!(confirming.accept(bytes), Ok(Heard::New)));
    let (mut unmasking, _) = confirming.close().unwrap();
    of(Step::Reveal).for_each(|bytes| assert_eq!(unmasking.accept(bytes), Ok(Heard::New)));
    assert_eq!(unmasking.finish().unwrap(), report.revealed);
    assert_eq!(report.revealed.sum, fixture.sum(&[0, 1, 2, 3, 5, 6, 7]));
}

/// Some members reveal false shares: the others' suffice, or the round fails and says so of whose secret.
#[test]
fn false_shares_are_noticed() {
    let eight = Fixture::new(8, 20);
    for liar in eight.present.iter().copied() {
        assert_eq!(
            with_liars(&eight, &[&[liar]])[0].as_ref().unwrap().sum,
            eight.sum(&eight.present),
            "{liar} lies"
        );
    }
    let failed = with_liars(&eight, &[&[1, 3, 5, 7]]).remove(0).unwrap_err();
    assert!(matches!(failed, Error::FalseShares { .. }));
    assert!(
        failed.to_string().contains("or some of those who hold them"),
        "an honest owner is not accused: {failed}"
    );

    // Two liars among the twelve that the plan reckons with two of, wherever their shares lie.
    let twelve = Fixture::new(12, 5);
    let liars: [&[u32]; 5] = [&[0, 1], &[5, 6], &[3, 8], &[4, 7], &[10, 11]];
    for (liars, revealed) in liars.iter().zip(with_liars(&twelve, &liars)) {
        assert_eq!(revealed.unwrap().sum, twelve.sum(&twelve.present), "{liars:?} lie");
    }
}

/// What a round gives in which these members reveal false shares, for each of several lists of liars.
fn with_liars(fixture: &Fixture, lists: &[&[u32]]) -> Vec<Result<Revealed, Error>> {
    let kept = RefCell::new(BTreeMap::new());
    let keep = |member: u32, step: Step, bytes: Vec<u8>| {
        kept.borrow_mut().insert((step, member), bytes.clone());
        Some(bytes)
    };
    fixture.run(8, &mut Tap { up: keep, down: keep }).unwrap();
    let kept = kept.into_inner();
    let of = |step: Step| kept.range((step, 0)..=(step, u32::MAX)).map(|(_, bytes)| bytes);
    let reveal = |liars: &[u32]| {
        let mut gathering = Gathering::new(&fixture.round);
        of(Step::Advert).for_each(|bytes| assert_eq!(gathering.accept(bytes), Ok(Heard::New)));
        let (mut sharing, _) = gathering.close().unwrap();
        of(Step::Shares).for_each(|bytes| assert_eq!(sharing.accept(bytes), Ok(Heard::New)));
        let (mut summing, _) = sharing.close().unwrap();
        of(Step::Upload).for_each(|bytes| assert_eq!(summing.accept(bytes), Ok(Heard::New)));
        let (mut confirming, _) = summing.close().unwrap();
        of(Step::Confirm).for_each(|bytes| assert_eq!(confirming.accept(bytes), Ok(Heard::New)));
        let (mut unmasking, _) = confirming.close().unwrap();
        for ((_, member), bytes) in kept.range((Step::Reveal, 0)..) {
            let mut bytes = bytes.clone();
            if liars.contains(member) {
                // Every share wrong in its last byte, and signed by the liar.
                let lie =
                    |reveal: &mut Reveal| reveal.shares.iter_mut().for_each(|(_, share)| share.0[32] ^= 1);
                bytes = resign(&rewrite_signed(&bytes, lie), &fixture.identities[*member as usize]);
            }
            unmasking.accept(&bytes).unwrap();
        }
        unmasking.finish()
    };
    lists.iter().map(|liars| reveal(liars)).collect()
}

/// A member seals nonsense to some neighbours, which only they can see: they go on, and say at the end that they have no
/// share. While enough others have one, nothing is lost; otherwise the round fails and the member is named.
#[test]
fn nonsense_under_a_seal_harms_its_sender_alone() {
    let fixture = Fixture::new(8, 20);
    let run = |spoiled: usize, vanishes: bool| {
        let up = |member: u32, step: Step, bytes: Vec<u8>| {
            if member != 2 || step != Step::Shares {
                return (member != 2 || step != Step::Upload || !vanishes).then_some(bytes);
            }
            let spoil = |shares: &mut Shares| {
                shares.pieces.iter_mut().take(spoiled).for_each(|piece| piece.sealed.0[1150] ^= 1);
                resign_pieces(shares, &fixture.round, 2, &fixture.identities[2]);
            };
            Some(resign(&rewrite_signed(&bytes, spoil), &fixture.identities[2]))
        };
        fixture.run(9, &mut Tap { up, down: world::pass })
    };
    for vanishes in [false, true] {
        let report = run(2, vanishes).unwrap();
        assert!(report.refused.is_empty(), "{:?}", report.refused);
        assert_eq!(report.revealed.survivors.contains(&2), !vanishes);
        assert_eq!(report.revealed.sum, fixture.sum(&report.revealed.survivors));
        let failed = run(3, vanishes).unwrap_err();
        assert_eq!(failed, Error::Unrecoverable { member: 2, got: 3, needed: 4 });
    }
}

#[test]
fn smaller_groups_and_absent_members_work() {
    for members in [4, 6, 7] {
        let fixture = Fixture::new(members, 10);
        let report = fixture.run(5, &mut Direct).unwrap();
        assert_eq!(report.revealed.sum, fixture.sum(&fixture.present), "{members} members");
    }
    let mut fixture = Fixture::new(12, 10);
    fixture.present = vec![1, 3, 4, 6, 8, 9, 10, 11];
    let report = fixture.run(6, &mut Direct).unwrap();
    assert_eq!(report.revealed.survivors, fixture.present);
    assert_eq!(report.revealed.sum, fixture.sum(&fixture.present));
}

/// Every member stops after every step and goes on from bytes; every message comes twice.
#[test]
fn members_resume_from_bytes_and_repetitions_are_taken_once() {
    let fixture = Fixture::new(6, 30);
    let round = &fixture.round;
    let seats: Vec<Member<'_>> =
        fixture.identities.iter().map(|identity| Member::new(round, identity).unwrap()).collect();
    let resume = |progress: Progress| Progress::from_bytes(&progress.to_bytes().unwrap()).unwrap();
    let twice = |accept: &mut dyn FnMut(&[u8]) -> Result<Heard, Error>, bytes: &[u8]| {
        assert_eq!((accept(bytes), accept(bytes)), (Ok(Heard::New), Ok(Heard::Again)));
    };
    let mut rng = Prg::new(&[3; 32], b"resume");

    let mut gathering = Gathering::new(round);
    let mut states = Vec::new();
    for seat in &seats {
        let (state, advert) = client::advertise(&mut rng, seat).unwrap();
        twice(&mut |bytes| gathering.accept(bytes), &advert);
        states.push(resume(Progress::Advertised(state)));
    }
    let (mut sharing, roster) = gathering.close().unwrap();
    for (state, seat) in states.iter_mut().zip(&seats) {
        let Progress::Advertised(advertised) = take(state) else { panic!("advertised") };
        let (chosen, wanted) = advertised.choose(&mut rng, seat, &roster).unwrap();
        let Progress::Chosen(chosen) = resume(Progress::Chosen(chosen)) else { panic!("chosen") };
        let adverts = sharing.adverts(&wanted).unwrap();
        let (shared, shares) = chosen.share(&mut rng, seat, &adverts).unwrap();
        twice(&mut |bytes| sharing.accept(bytes), &shares);
        *state = resume(Progress::Shared(shared));
    }
    let (mut summing, inboxes) = sharing.close().unwrap();
    for ((state, seat), (to, inbox)) in states.iter_mut().zip(&seats).zip(&inboxes) {
        let Progress::Shared(shared) = take(state) else { panic!("shared") };
        // A caller that kept the state and forgot that it had gone on: the second upload is not taken.
        let kept = Progress::Shared(shared).to_bytes().unwrap();
        let again = || match Progress::from_bytes(&kept).unwrap() {
            Progress::Shared(shared) => shared,
            other => panic!("{other:?}"),
        };
        let (masked, upload) = again().mask(seat, inbox, &fixture.vector(*to)).unwrap();
        twice(&mut |bytes| summing.accept(bytes), &upload);
        let (_, other) = again().mask(seat, inbox, &fixture.vector(*to + 1)).unwrap();
        let repeated = Error::Repeated { member: *to, step: Step::Upload };
        assert_eq!(summing.accept(&other), Err(repeated));
        *state = resume(Progress::Masked(masked));
    }
    let (mut confirming, survivors) = summing.close().unwrap();
    for (state, seat) in states.iter_mut().zip(&seats) {
        let Progress::Masked(masked) = take(state) else { panic!("masked") };
        let (confirmed, confirm) = masked.confirm(seat, &survivors).unwrap();
        twice(&mut |bytes| confirming.accept(bytes), &confirm);
        *state = resume(Progress::Confirmed(confirmed));
    }
    let (mut unmasking, proofs) = confirming.close().unwrap();
    for ((state, seat), (_, proof)) in states.iter_mut().zip(&seats).zip(&proofs) {
        let Progress::Confirmed(confirmed) = take(state) else { panic!("confirmed") };
        let ((), reveal) = confirmed.reveal(seat, proof).unwrap();
        twice(&mut |bytes| unmasking.accept(bytes), &reveal);
    }
    assert!(unmasking.is_ready());
    assert_eq!(unmasking.finish().unwrap().sum, fixture.sum(&fixture.present));
}

/// The state, with something else left in its place.
fn take(state: &mut Progress) -> Progress {
    let identity = &world::identities(4)[0];
    let fixture = Fixture::new(4, 1);
    let seat = Member::new(&fixture.round, identity).unwrap();
    let (other, _) = client::advertise(&mut Prg::new(&[0; 32], b"other"), &seat).unwrap();
    std::mem::replace(state, Progress::Advertised(other))
}

#[test]
fn damaged_progress_is_refused() {
    let fixture = Fixture::new(4, 1);
    let seat = Member::new(&fixture.round, &fixture.identities[0]).unwrap();
    let (state, _) = client::advertise(&mut Prg::new(&[0; 32], b"state"), &seat).unwrap();
    let bytes = Progress::Advertised(state).to_bytes().unwrap();
    for end in 0..bytes.len() {
        assert!(Progress::from_bytes(&bytes[..end]).is_err(), "{end} bytes");
    }
    assert!(!format!("{:?}", Progress::from_bytes(&bytes).unwrap()).contains("secrets"));
}

/// Of eight, five must confirm and one may lie; with a quorum of seven, six are honest at the least.
#[test]
fn noise_can_count_on_the_fewest_honest_survivors() {
    let identities = world::identities(8);
    let fewest =
        |quorum| Round::new(RoundPlan { quorum, ..plan(8, 10) }, group(&identities)).unwrap().fewest_honest();
    assert_eq!((fewest(5), fewest(7), fewest(8)), (4, 6, 7));
}

#[test]
fn plans_that_no_honest_round_has_are_refused_by_field() {
    let identities = world::identities(8);
    let group = group(&identities);
    let good = plan(8, 10);
    let field = |plan: RoundPlan| match Round::new(plan, group.clone()) {
        Err(Error::Plan { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(RoundPlan { weights: 0, ..good.clone() }), "weights");
    assert_eq!(field(RoundPlan { cohort: 9, ..good.clone() }), "cohort");
    assert_eq!(field(RoundPlan { quorum: 1, ..good.clone() }), "quorum");
    assert_eq!(field(RoundPlan { clip: f64::NAN, ..good.clone() }), "clip");
    assert_eq!(field(RoundPlan { rates: Rates { dropout: 0.5, corrupt: 0.1 }, ..good.clone() }), "rates");
    // What a hostile plan would make a member allocate, or divide by.
    let short = |compression| field(RoundPlan { weights: 1 << 20, compression, ..good.clone() });
    let signs = Compression::LowRank { columns: 65536, rank: 65536 };
    assert_eq!(field(RoundPlan { weights: 1, compression: signs, ..good.clone() }), "compression");
    for (columns, rank) in [(65536, 65536), (65536, 17), (1024, 1025), (u32::MAX, 1), (2048, 1024)] {
        assert_eq!(short(Compression::LowRank { columns, rank }), "compression", "{rank} of {columns}");
    }
    let fits = Compression::LowRank { columns: 1024, rank: 1024 };
    assert!(
        Round::new(RoundPlan { weights: 1 << 20, compression: fits, ..good.clone() }, group.clone()).is_ok()
    );
    for largest in [1e-310, 1e-40, f64::MIN_POSITIVE] {
        assert_eq!(short(Compression::EightBit { largest }), "clip", "{largest}");
    }
    let training = |local_steps, batch| Training { local_steps, batch, ..good.training.clone() };
    assert_eq!(field(RoundPlan { training: training(u32::MAX, 1), ..good.clone() }), "local_steps");
    assert_eq!(field(RoundPlan { training: training(1, u32::MAX), ..good.clone() }), "batch");
    // Seven liars in a group of eight would leave one honest member.
    assert_eq!(field(RoundPlan { rates: Rates { dropout: 0.0, corrupt: 0.8 }, ..good.clone() }), "rates");
    let other = RoundPlan { attempt: 1, ..good.clone() };
    let name = |plan| Round::new(plan, group.clone()).unwrap().id();
    assert_ne!(name(good), name(other), "another try is another round");
}
