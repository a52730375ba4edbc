//! Step 6: secrets are put together from shares, and the masks come off the sum.

use std::collections::BTreeMap;

use pmirs_crypto::shamir::{self, Share};
use pmirs_crypto::{ENCAPSULATION, MaskRoot, MaskSeed};
use pmirs_wire::Message;
use rayon::prelude::*;
use zeroize::Zeroizing;

use super::sum::Summed;
use super::{Heard, Register};
use crate::Error;
use crate::client::apply;
use crate::message::{Reveal, Step, frame};
use crate::pair::{adds, commitment, info};

const STEP: Step = Step::Reveal;

/// Collects shares.
#[derive(Debug)]
pub struct Unmasking {
    summed: Summed,
    confirmed: Vec<u32>,
    chosen_by: BTreeMap<u32, Vec<u32>>,
    heard: Register,
    shares: BTreeMap<u32, Vec<Share>>,
}

/// What a round reveals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revealed {
    /// The sum of the survivors' vectors, modulo 2³².
    pub sum: Vec<u32>,
    /// Whose vectors are in it.
    pub survivors: Vec<u32>,
    /// Members who shared and vanished before their upload.
    pub vanished: Vec<u32>,
}

impl Unmasking {
    pub(super) fn new(summed: Summed, confirmed: Vec<u32>, chosen_by: BTreeMap<u32, Vec<u32>>) -> Self {
        let shares = summed.sharers.iter().map(|member| (*member, Vec::new())).collect();
        Self { summed, confirmed, chosen_by, heard: Register::default(), shares }
    }

    /// Takes a member's shares.
    ///
    /// # Errors
    /// For a message that is not one, of someone who has not confirmed, or without one share for each member
    /// that gave one.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<Heard, Error> {
        let opened = frame::open(&self.summed.table.round, STEP, Reveal::MAX_BYTES, bytes)?;
        let member = opened.member;
        if self.confirmed.binary_search(&member).is_err() {
            return Err(Error::Stranger { member, step: STEP });
        }
        if self.heard.check(member, STEP, &opened.digest)? == Heard::Again {
            return Ok(Heard::Again);
        }
        let reveal: Reveal = pmirs_wire::decode(opened.body)?;
        let expected = self.chosen_by.get(&member).into_iter().flatten();
        if !expected.eq(reveal.shares.iter().map(|(of, _)| of)) {
            let what = "not one share for each member who gave one";
            return Err(Error::Member { member, step: STEP, what });
        }
        let wrong = Error::Member { member, step: STEP, what: "a share that is none" };
        let shares = reveal.shares.iter().filter(|(_, share)| !share.as_ref().is_empty());
        let shares = shares.map(|(of, share)| {
            let share = share.as_ref().try_into().ok().and_then(|bytes| Share::from_bytes(bytes).ok());
            share.map(|share| (*of, share)).ok_or_else(|| wrong.clone())
        });
        let shares = shares.collect::<Result<Vec<_>, Error>>()?;
        for (of, share) in shares {
            self.shares.entry(of).or_default().push(share);
        }
        self.heard.insert(member, opened.digest);
        Ok(Heard::New)
    }

    /// Members that have revealed.
    pub fn members(&self) -> Vec<u32> {
        self.heard.members()
    }

    /// Members who may reveal: all that confirmed.
    pub fn expected(&self) -> &[u32] {
        &self.confirmed
    }

    /// Whether every secret has as many shares as it takes. More shares only help against false ones.
    pub fn is_ready(&self) -> bool {
        let threshold = self.summed.table.parameters.threshold;
        self.shares.values().all(|shares| shares.len() >= threshold)
    }

    /// Ends the round: takes all masks off the sum.
    ///
    /// # Errors
    /// [`Error::Unrecoverable`] where shares are missing, [`Error::FalseShares`] where they are false; the
    /// sum stays masked.
    pub fn finish(mut self) -> Result<Revealed, Error> {
        let mut masks = self.own_masks()?;
        masks.extend(self.masks_of_the_vanished()?);
        let mut sum = std::mem::take(&mut self.summed.sum);
        apply(&masks, &mut sum);
        let vanished = self.vanished();
        Ok(Revealed { sum, survivors: self.summed.survivors, vanished })
    }

    fn vanished(&self) -> Vec<u32> {
        let survived = |member: &u32| self.summed.survivors.binary_search(member).is_ok();
        self.summed.sharers.iter().copied().filter(|member| !survived(member)).collect()
    }

    /// The survivors' own masks, to be subtracted.
    fn own_masks(&self) -> Result<Vec<(MaskSeed, bool)>, Error> {
        let table = &self.summed.table;
        let mask = |member: &u32| {
            let committed = table.present.get(member).map(|present| present.commitment);
            let fits = |secret: &[u8; 32]| Some(commitment(&table.round, *member, secret)) == committed;
            Ok((MaskSeed::from_secret(&*self.secret(*member, fits)?), false))
        };
        self.summed.survivors.par_iter().map(mask).collect()
    }

    /// What the vanished would have added, and the survivors subtracted or the other way round: the
    /// survivors' side of it is taken off.
    fn masks_of_the_vanished(&self) -> Result<Vec<(MaskSeed, bool)>, Error> {
        let of_one = |member: &u32| {
            let advertised = self.summed.table.present.get(member).map(|present| &present.mask);
            let fits = |secret: &[u8; 32]| Some(&MaskRoot::from_secret(secret).key().public()) == advertised;
            let root = MaskRoot::from_secret(&*self.secret(*member, fits)?);
            self.pairwise(*member, &root)
        };
        let masks: Vec<Vec<_>> = self.vanished().par_iter().map(of_one).collect::<Result<_, Error>>()?;
        Ok(masks.into_iter().flatten().collect())
    }

    fn pairwise(&self, member: u32, root: &MaskRoot) -> Result<Vec<(MaskSeed, bool)>, Error> {
        let Summed { table, graph, survivors, .. } = &self.summed;
        let key = root.key();
        let mut masks = Vec::new();
        for survivor in survivors {
            let Some((from, to)) = graph.edges.carrying(member, *survivor) else { continue };
            let info = info(&table.round, &table.roster, from, to);
            let relayed = graph.encapsulations.get(&(from, to));
            let relayed: Option<&[u8; ENCAPSULATION]> =
                relayed.and_then(|bytes| bytes.as_slice().try_into().ok());
            let wrong = Error::Member { member: from, step: Step::Shares, what: "a false encapsulation" };
            let seed = if from == member {
                let to = table.present.get(survivor).ok_or(wrong.clone())?;
                let (made, seed) = root.encapsulate(&to.mask, &info);
                // A member who encapsulated something else, and then vanished, leaves masks that nobody can
                // take off.
                if Some(&*made) == relayed { seed } else { return Err(wrong) }
            } else {
                let relayed = relayed.ok_or(wrong)?;
                key.decapsulate(&info, relayed).map_err(|source| Error::Crypto { step: STEP, source })?
            };
            masks.push((seed, !adds(*survivor, member)));
        }
        Ok(masks)
    }

    /// The secret of a member that fits what it published. Where the first shares do not give it, false ones are found
    /// by those that agree; and where one share is too few for that, each is left out in turn.
    fn secret(&self, member: u32, fits: impl Fn(&[u8; 32]) -> bool) -> Result<Zeroizing<[u8; 32]>, Error> {
        let needed = self.summed.table.parameters.threshold;
        let shares = self.shares.get(&member).map_or(&[][..], Vec::as_slice);
        if shares.len() < needed {
            return Err(Error::Unrecoverable { member, got: shares.len(), needed });
        }
        let first = || shamir::combine(needed as u8, shares);
        let all_but = |left_out: Option<usize>| {
            let kept = shares.iter().enumerate().filter(move |(at, _)| Some(*at) != left_out);
            shamir::correct(needed as u8, kept.map(|(_, share)| share))
        };
        let corrected = std::iter::once(None).chain((0..shares.len()).map(Some)).map(all_but);
        let mut tries = std::iter::once_with(first).chain(corrected).flatten();
        tries.find(|secret| fits(secret)).ok_or(Error::FalseShares { member })
    }
}
