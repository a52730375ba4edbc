//! One hostile party, every step of every protocol, five things it can do to a frame; what the others say.
//!
//! | what happens to a frame | what the receiver says |
//! |---|---|
//! | a byte of the payload is flipped in an opening | the two holders differ, and are named |
//! | a byte is flipped elsewhere | nothing: semi-honest protocols do not notice a wrong value; a client's audit does |
//! | it is dropped | its sender was silent until the deadline, or its next frame is of another round; whether it was
//!   sent is one word against the other for the third party |
//! | it is sent twice | a frame of the round before, by the time another one was due |
//! | it is delayed behind the next | a frame of another round |
//! | it is labelled with another step, session or sender | exactly that |
//! | it is cut short | exactly that |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    dead_code,
    reason = "a test may panic"
)]

mod world;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pmirs_mpc::frame::{self, HEADER, Label};
use pmirs_mpc::memory::MemoryLink;
use pmirs_mpc::{
    Error, Link, LinkFault, Party, Reason, Role, Shares, Side, Step, Unmasked, deal, memory, reconstruct,
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

/// Short: silence has to be waited for.
const DEADLINE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    Flip,
    Drop,
    Repeat,
    Delay,
    RelabelStep,
    RelabelSession,
    RelabelSender,
    Truncate,
}

const ATTACKS: [Attack; 8] = [
    Attack::Flip,
    Attack::Drop,
    Attack::Repeat,
    Attack::Delay,
    Attack::RelabelStep,
    Attack::RelabelSession,
    Attack::RelabelSender,
    Attack::Truncate,
];

/// A link that attacks the first frame of one step, whichever way it goes.
struct Hostile {
    link: MemoryLink,
    step: Step,
    attack: Attack,
    done: bool,
    held: Option<(Side, Vec<u8>)>,
}

impl Link for Hostile {
    fn send(&mut self, to: Side, mut frame: Vec<u8>) -> Result<(), LinkFault> {
        if let Some((side, _)) = &self.held
            && *side == to
        {
            self.link.send(to, frame)?;
            return self.held.take().map_or(Ok(()), |(side, held)| self.link.send(side, held));
        }
        if self.done || frame[34] != self.step as u8 {
            return self.link.send(to, frame);
        }
        self.done = true;
        match self.attack {
            Attack::Flip => frame[HEADER] ^= 1,
            Attack::Drop => return Ok(()),
            Attack::Repeat => self.link.send(to, frame.clone())?,
            Attack::Delay => {
                self.held = Some((to, frame));
                return Ok(());
            }
            Attack::RelabelStep => frame[34] = Step::Commit as u8,
            Attack::RelabelSession => frame[1] ^= 1,
            Attack::RelabelSender => frame[33] = (frame[33] + 1) % 3,
            Attack::Truncate => frame.truncate(HEADER + 1),
        }
        self.link.send(to, frame)
    }

    fn receive(&mut self, from: Side, most: usize) -> Result<Vec<u8>, LinkFault> {
        self.link.receive(from, most)
    }
}

/// Touches every step of the crate, and ends with openings, so that no frame is the last of its direction.
fn everything(party: &mut Party, x: &Shares<u32>, wide: &Shares<u64>) -> Result<Vec<u32>, Error> {
    let found = party.top_k(vec![Unmasked::of_shares(x)], 3, 20)?;
    let shorter = party.truncate(Unmasked::of_shares(wide), 8)?;
    let kept = party.relu(&shorter, 32)?;
    let squares = party.multiply(&kept, &kept)?;
    party.reveal(&squares)?;
    let mut result = Vec::new();
    for found in found {
        result = party.reveal(&found.scores)?;
    }
    for _ in 0..2 {
        party.reveal(x)?;
    }
    Ok(result)
}

fn attacked(attacker: Role, step: Step, attack: Attack) -> Vec<(Role, Result<Vec<u32>, Error>)> {
    with_one(attacker, |link| Box::new(Hostile { link, step, attack, done: false, held: None }))
}

/// Runs everything with one party's link wrapped.
fn with_one(
    odd: Role,
    wrap: impl Fn(MemoryLink) -> Box<dyn Link> + Sync,
) -> Vec<(Role, Result<Vec<u32>, Error>)> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let x = deal(&mut rng, &(0..400_u32).map(|i| i * 37 % 401).collect::<Vec<_>>());
    let wide = deal(&mut rng, &(0..400_u64).map(|i| i << 20).collect::<Vec<_>>());
    let keys = world::keys(2);
    let waiting = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = Role::ALL
            .into_iter()
            .zip(memory::ring(DEADLINE))
            .map(|(role, link)| {
                let (keys, x, wide, waiting, wrap) =
                    (&keys[role.index()], &x[role.index()], &wide[role.index()], &waiting, &wrap);
                scope.spawn(move || {
                    let link = if role == odd { wrap(link) } else { Box::new(link) };
                    let mut party = Party::new(role, world::session(2), keys, link);
                    let result = everything(&mut party, x, wide);
                    // Links stay open until all have ended, so that nobody is blamed for leaving first.
                    waiting.fetch_add(1, Ordering::SeqCst);
                    while waiting.load(Ordering::SeqCst) < 3 {
                        std::thread::yield_now();
                    }
                    (role, result)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The steps at which a party sends something.
fn steps_of(role: Role) -> Vec<Step> {
    let all = [
        Step::Reshare,
        Step::Reveal,
        Step::SignDeal,
        Step::SignBlocks,
        Step::SignCombine,
        Step::SelectDeal,
        Step::SelectFinish,
        Step::TruncateDeal,
        Step::TruncateFinish,
    ];
    let mine: &[Step] = match role {
        Role::First | Role::Third => &[Step::ShuffleFirst, Step::Replicate],
        Role::Second => &[Step::ShuffleSecond],
    };
    all.into_iter().chain(mine.iter().copied()).collect()
}

#[test]
fn every_attack_at_every_step_is_answered_by_name() {
    for attacker in Role::ALL {
        for step in steps_of(attacker) {
            for attack in ATTACKS {
                let results = attacked(attacker, step, attack);
                let honest: Vec<_> = results.iter().filter(|(role, _)| *role != attacker).collect();
                let case = format!("{attacker} does {attack:?} at {step:?}");
                if attack == Attack::Flip && step != Step::Reveal {
                    // A wrong value or nothing: either nobody notices, or openings that follow differ.
                    continue;
                }
                // Where a frame is missing, its sender and its receiver accuse each other, and the third party cannot
                // know.
                let accused_by_all = !matches!(attack, Attack::Drop | Attack::Delay);
                for (role, result) in &honest {
                    let error = result.as_ref().expect_err(&case);
                    assert!(
                        error.culprits().contains(&attacker) || !accused_by_all,
                        "{case}: {role} blames {:?}: {error}",
                        error.culprits()
                    );
                }
                assert!(
                    honest.iter().any(|(_, result)| fits(attack, result.as_ref().unwrap_err(), attacker)),
                    "{case}: {honest:?}"
                );
            }
        }
    }
}

/// Whether an error is the one that the table above promises to the party that received the frame.
fn fits(attack: Attack, error: &Error, attacker: Role) -> bool {
    match (attack, error) {
        (Attack::Flip, Error::Disagree { pair }) => pair.contains(&attacker),
        // A frame that is held back and followed by none is silence.
        (Attack::Drop | Attack::Delay, Error::Silent { from, .. } | Error::Round { from, .. })
        | (Attack::Repeat, Error::Round { from, .. })
        | (Attack::RelabelStep, Error::Step { from, .. })
        | (Attack::RelabelSession, Error::Session { from })
        | (Attack::RelabelSender, Error::Sender { from, .. })
        | (Attack::Truncate, Error::Length { from, .. }) => *from == attacker,
        // The attacker may have missed the others first, and says so.
        (Attack::Drop | Attack::Delay, Error::Aborted { culprit, reason: Reason::Silent, .. }) => {
            culprit.contains(&attacker)
        }
        _ => false,
    }
}

/// A party that sends nothing any more from one step on, and never ends by itself.
struct Hanging {
    link: MemoryLink,
    step: Step,
    hangs: bool,
}

impl Link for Hanging {
    fn send(&mut self, to: Side, frame: Vec<u8>) -> Result<(), LinkFault> {
        self.hangs |= frame[34] == self.step as u8;
        if self.hangs { Ok(()) } else { self.link.send(to, frame) }
    }

    fn receive(&mut self, from: Side, most: usize) -> Result<Vec<u8>, LinkFault> {
        self.link.receive(from, most)
    }
}

#[test]
fn who_hangs_is_named_by_both_others() {
    let hang = |hanging: Role, step: Step| {
        let wrap = |link| -> Box<dyn Link> { Box::new(Hanging { link, step, hangs: false }) };
        for (role, result) in with_one(hanging, wrap) {
            if role != hanging {
                let error = result.unwrap_err();
                let case = format!("{hanging} hangs at {step:?}, {role} says: {error}");
                assert_eq!(error.culprits(), [hanging], "{case}");
            }
        }
    };
    // Most of the time is spent waiting, so the cases wait side by side.
    std::thread::scope(|scope| {
        for hanging in Role::ALL {
            scope.spawn(move || steps_of(hanging).into_iter().for_each(|step| hang(hanging, step)));
        }
    });
}

#[test]
fn the_next_session_works() {
    let failed = attacked(Role::Second, Step::SignDeal, Attack::RelabelStep);
    assert!(failed.iter().all(|(_, result)| result.is_err()));
    let x = deal(&mut ChaCha20Rng::seed_from_u64(3), &[5, 1, 9]);
    let found =
        world::succeed(4, |party| party.top_k(vec![Unmasked::of_shares(world::of(party, &x))], 1, 20));
    let scores = found.map(|mut found| found.remove(0).scores);
    assert_eq!(reconstruct(&scores).unwrap(), [9]);
}

#[test]
fn a_session_that_failed_does_not_go_on() {
    let x = deal(&mut ChaCha20Rng::seed_from_u64(5), &[1_u32, 2, 3]);
    let results = world::run(6, |party| {
        let error = party.sign(world::of(party, &x), 33).unwrap_err();
        party.abort(&error);
        party.reveal(world::of(party, &x))
    });
    assert!(results.iter().all(|result| *result == Err(Error::SessionOver)));
}

#[test]
fn everyone_is_told_and_names_the_same() {
    let results = attacked(Role::First, Step::Reshare, Attack::Truncate);
    let honest = results.iter().filter(|(role, _)| *role != Role::First);
    let blamed: BTreeSet<Vec<Role>> =
        honest.map(|(_, result)| result.as_ref().unwrap_err().culprits()).collect();
    assert_eq!(blamed, BTreeSet::from([vec![Role::First]]));
}

/// A neighbour that sends whatever it likes.
struct Nonsense(Vec<Vec<u8>>);

impl Link for Nonsense {
    fn send(&mut self, _: Side, _: Vec<u8>) -> Result<(), LinkFault> {
        Ok(())
    }

    fn receive(&mut self, _: Side, _: usize) -> Result<Vec<u8>, LinkFault> {
        self.0.pop().ok_or(LinkFault::Closed)
    }
}

proptest! {
    /// Whatever comes, a party answers with an error that names its sender. Frames begin like true ones, so that
    /// what follows the header is looked at as well.
    #[test]
    fn nonsense_is_refused(
        kept in 0_usize..HEADER + 4,
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
    ) {
        let label = Label { session: world::session(1), sender: Role::Second, step: Step::Reveal, round: 0 };
        let begin = |tail: Vec<u8>| {
            let mut frame = frame::draft(tail.len());
            frame.extend(&tail);
            frame::seal(&mut frame, &label);
            [&frame[..kept.min(frame.len())], &tail].concat()
        };
        let frames = frames.into_iter().map(begin).collect();
        let [keys, ..] = world::keys(1);
        let mut party = Party::new(Role::First, world::session(1), &keys, Box::new(Nonsense(frames)));
        let x = deal(&mut ChaCha20Rng::seed_from_u64(3), &[1_u32; 100]);
        let error = party.reveal(&x[0]).unwrap_err();
        prop_assert!(!error.culprits().is_empty(), "{error}");
        prop_assert_eq!(party.reveal(&x[0]), Err(Error::SessionOver));
    }
}
