//! One round of secure aggregation among simulated members.

use std::collections::BTreeMap;

use pmirs_crypto::{Identity, Prg};
use rayon::prelude::*;

use crate::client::{self, Member};
use crate::message::Step;
use crate::server::{Gathering, Heard, Mail, Revealed};
use crate::{Error, Round};

/// What lies between members and coordinator.
pub trait Wire {
    /// Carries a member's message, perhaps altered; nothing, if it is lost and the member with it.
    fn carry_up(&mut self, member: u32, step: Step, bytes: Vec<u8>) -> Option<Vec<u8>>;

    /// Carries a message to a member, perhaps altered.
    fn carry_down(&mut self, _member: u32, _step: Step, bytes: Vec<u8>) -> Option<Vec<u8>> {
        Some(bytes)
    }
}

/// Loses nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Direct;

impl Wire for Direct {
    fn carry_up(&mut self, _member: u32, _step: Step, bytes: Vec<u8>) -> Option<Vec<u8>> {
        Some(bytes)
    }
}

/// Members that vanish, each just before its message of a step.
#[derive(Debug, Clone, Default)]
pub struct Script(pub BTreeMap<u32, Step>);

impl Wire for Script {
    fn carry_up(&mut self, member: u32, step: Step, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.0.get(&member).is_none_or(|last| step < *last).then_some(bytes)
    }
}

/// Looks on while members and coordinator work, for instance with a stopwatch: this crate reads no clock.
pub trait Watch {
    /// Does a member's work.
    fn member<T>(&mut self, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// Does the coordinator's work.
    fn coordinator<T>(&mut self, _step: Step, work: impl FnOnce() -> T) -> T {
        work()
    }
}

/// Looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// What a simulated round gave.
#[derive(Debug)]
pub struct Report {
    /// The sum, and whose it is.
    pub revealed: Revealed,
    /// Bytes that each member sent.
    pub sent: BTreeMap<u32, usize>,
    /// Messages that somebody refused, by the member that sent or received them.
    pub refused: Vec<(u32, Error)>,
}

/// The members of one round.
#[derive(Debug)]
pub struct World<'a> {
    /// The round.
    pub round: &'a Round,
    /// All members' identities, in the group's order.
    pub identities: &'a [Identity],
    /// The numbers of those who take part.
    pub present: &'a [u32],
    /// What all randomness of the members follows from.
    pub seed: [u8; 32],
    /// Members whose work is done at once, on as many cores as there are; 1 to measure one.
    pub at_once: usize,
}

/// What goes on while a world runs.
struct Running<'w, 'a, C, V> {
    world: &'w World<'a>,
    wire: &'w mut C,
    watch: &'w mut V,
    sent: BTreeMap<u32, usize>,
    refused: Vec<(u32, Error)>,
}

impl<'a> World<'a> {
    /// Runs the round on each member's vector.
    ///
    /// # Errors
    /// Why the round could not be completed. Refused messages cost their member its place, and are in the
    /// report.
    pub fn run<C: Wire, V: Watch>(
        &self,
        wire: &mut C,
        watch: &mut V,
        vector: impl Fn(u32) -> Vec<u32> + Sync,
    ) -> Result<Report, Error> {
        let mut running = Running { world: self, wire, watch, sent: BTreeMap::new(), refused: Vec::new() };
        let revealed = running.round(&vector)?;
        Ok(Report { revealed, sent: running.sent, refused: running.refused })
    }

    fn member(&self, number: u32) -> Result<Member<'a>, Error> {
        Member::new(self.round, self.identities.get(number as usize).ok_or(Error::NotAMember)?)
    }

    fn rng(&self, member: u32, step: Step) -> Prg {
        Prg::new(&self.seed, &[member.to_be_bytes().as_slice(), &[step as u8]].concat())
    }
}

impl<C: Wire, V: Watch> Running<'_, '_, C, V> {
    fn round(&mut self, vector: &(impl Fn(u32) -> Vec<u32> + Sync)) -> Result<Revealed, Error> {
        let mut gathering = Gathering::new(self.world.round);
        let states = self.world.present.iter().map(|number| (*number, ())).collect();
        let begin = |member: &Member<'_>, mut rng: Prg, ()| client::advertise(&mut rng, member);
        let states = self.step(Step::Advert, states, begin, |bytes| gathering.accept(bytes));
        let (mut sharing, roster) = self.watch.coordinator(Step::Advert, || gathering.close())?;

        let mail = self.announce(Step::Roster, &states, &roster);
        let wanted = std::cell::RefCell::new(Vec::new());
        let states = self.step(
            Step::Wanted,
            together(states, mail),
            |member, mut rng, (state, roster): (client::Advertised, Vec<u8>)| {
                state.choose(&mut rng, member, &roster).map_err(|refused| refused.error)
            },
            |bytes| {
                wanted.borrow_mut().push(sharing.adverts(bytes)?);
                Ok(Heard::New)
            },
        );
        let adverts = states.iter().map(|(member, _)| *member).zip(wanted.into_inner()).collect();
        let mail = self.carry(Step::Adverts, adverts);
        let share = |member: &Member<'_>, mut rng: Prg, (state, adverts): (client::Chosen, Vec<u8>)| {
            state.share(&mut rng, member, &adverts).map_err(|refused| refused.error)
        };
        let states = self.step(Step::Shares, together(states, mail), share, |bytes| sharing.accept(bytes));
        let (mut summing, inboxes) = self.watch.coordinator(Step::Shares, || sharing.close())?;

        let mail = self.carry(Step::Inbox, inboxes);
        let mask = |member: &Member<'_>, _: Prg, (state, inbox): (client::Shared, Vec<u8>)| {
            let vector = vector(member.number());
            state.mask(member, &inbox, &vector).map_err(|refused| refused.error)
        };
        let states = self.step(Step::Upload, together(states, mail), mask, |bytes| summing.accept(bytes));
        let (mut confirming, survivors) = self.watch.coordinator(Step::Upload, || summing.close())?;

        let mail = self.announce(Step::Survivors, &states, &survivors);
        let confirm = |member: &Member<'_>, _: Prg, (state, survivors): (client::Masked, Vec<u8>)| {
            state.confirm(member, &survivors).map_err(|refused| refused.error)
        };
        let states =
            self.step(Step::Confirm, together(states, mail), confirm, |bytes| confirming.accept(bytes));
        let (mut unmasking, proofs) = self.watch.coordinator(Step::Confirm, || confirming.close())?;

        let mail = self.carry(Step::Proof, proofs);
        let reveal = |member: &Member<'_>, _: Prg, (state, proof): (client::Confirmed, Vec<u8>)| {
            state.reveal(member, &proof).map_err(|refused| refused.error)
        };
        self.step(Step::Reveal, together(states, mail), reveal, |bytes| unmasking.accept(bytes));
        self.watch.coordinator(Step::Reveal, || unmasking.finish())
    }

    /// Lets every member act and carries what it says; who vanishes or refuses is left behind.
    fn step<S: Send, N: Send>(
        &mut self,
        step: Step,
        states: Vec<(u32, S)>,
        act: impl Fn(&Member<'_>, Prg, S) -> Result<(N, Vec<u8>), Error> + Sync,
        mut deliver: impl FnMut(&[u8]) -> Result<Heard, Error>,
    ) -> Vec<(u32, N)> {
        let world = self.world;
        let one = |(number, state)| {
            let acted = world.member(number).and_then(|member| act(&member, world.rng(number, step), state));
            (number, acted)
        };
        let mut next = Vec::new();
        let mut states = states.into_iter();
        loop {
            let batch: Vec<(u32, S)> = states.by_ref().take(world.at_once.max(1)).collect();
            if batch.is_empty() {
                return next;
            }
            let acted: Vec<_> = self.watch.member(|| batch.into_par_iter().map(one).collect());
            for (number, outcome) in acted {
                let (state, bytes) = match outcome {
                    Ok(acted) => acted,
                    Err(error) => {
                        self.refused.push((number, error));
                        continue;
                    }
                };
                let Some(bytes) = self.wire.carry_up(number, step, bytes) else { continue };
                *self.sent.entry(number).or_default() += bytes.len();
                match self.watch.coordinator(step, || deliver(&bytes)) {
                    Ok(_) => next.push((number, state)),
                    Err(error) => self.refused.push((number, error)),
                }
            }
        }
    }

    fn announce<S>(&mut self, step: Step, states: &[(u32, S)], bytes: &[u8]) -> Mail {
        self.carry(step, states.iter().map(|(member, _)| (*member, bytes.to_vec())).collect())
    }

    fn carry(&mut self, step: Step, mail: Mail) -> Mail {
        mail.into_iter()
            .filter_map(|(member, bytes)| Some((member, self.wire.carry_down(member, step, bytes)?)))
            .collect()
    }
}

/// Every member with the message that is for it.
fn together<S>(states: Vec<(u32, S)>, mail: Mail) -> Vec<(u32, (S, Vec<u8>))> {
    let mut mail: BTreeMap<u32, Vec<u8>> = mail.into_iter().collect();
    let both =
        states.into_iter().filter_map(|(member, state)| Some((member, (state, mail.remove(&member)?))));
    both.collect()
}
