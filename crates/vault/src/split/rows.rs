//! The rows at the three servers, and how they follow the collection's log.
//!
//! A batch is dealt, prepared at all three, and counts once the first has committed it; the others follow. Whatever ends
//! this at any moment, the next who changes the collection has the rest follow.

use std::collections::BTreeSet;

use pmirs_crypto::{Dealt, Prg, sha256};
use pmirs_wire::item::ItemRecord;
use pmirs_wire::split::{Action, Answer, Batch, Parts, Receipt, SignedOrder, State, Version};
use pmirs_wire::{Bytes, CollectionId, Digest, ItemId, encode, limits};

use rand_core::Rng as _;

use super::ask::{OfThree, Parties, is_conflict, pause, pinned};
use super::members::{ATTEMPTS, no_parts};
use super::{lies, quantised};
use crate::collection::{Collection, record_digest};
use crate::progress::Progress;
use crate::{VaultError, fresh};

impl Collection<'_> {
    /// Has the three servers hold the rows that the log pins, and no others; does nothing where they do.
    pub(crate) fn follow_rows(&self, progress: &dyn Progress) -> Result<(), VaultError> {
        self.level_members()?;
        let parties = self.parties()?;
        let mut attempts = 0;
        loop {
            let state = parties.state(self.record.id)?;
            let rows = match self.rows(&parties, state.version) {
                Err(VaultError::Busy) if attempts < ATTEMPTS => {
                    attempts += 1;
                    pause(attempts)?;
                    continue;
                }
                rows => rows?,
            };
            let there: BTreeSet<ItemId> = rows.iter().copied().collect();
            let (missing, extra) = {
                let mut history = self.history();
                history.follow(&self.remote, self.vault.local())?;
                let leaves = history.leaves(self.vault.local())?;
                let missing: Vec<ItemId> =
                    leaves.items().map(|(item, _)| item).filter(|item| !there.contains(item)).collect();
                let extra: Vec<ItemId> =
                    there.iter().copied().filter(|item| leaves.epoch(item).is_none()).collect();
                (missing, extra)
            };
            if missing.is_empty() && extra.is_empty() {
                return Ok(());
            }
            progress.start("sharing", Some((missing.len() + extra.len()) as u64));
            let outcome = self.share_rows(&parties, &state, &missing, &extra, progress);
            progress.finish();
            match outcome {
                Ok(()) => {}
                Err(error) if is_conflict(&error) && attempts < ATTEMPTS => {
                    attempts += 1;
                    // One that missed the first's word is behind until they meet.
                    parties.meet(self.record.id)?;
                    pause(attempts)?;
                }
                Err(error) if is_conflict(&error) => return Err(parties.set_back(self.record.id, error)),
                Err(error) => return Err(error),
            }
        }
    }

    fn share_rows(
        &self,
        parties: &Parties,
        state: &State,
        missing: &[ItemId],
        extra: &[ItemId],
        progress: &dyn Progress,
    ) -> Result<(), VaultError> {
        let most = limits::SPLIT_ROWS.min(limits::SPLIT_WORDS / (state.dim.max(1) as usize)).max(1);
        let mut base = state.version;
        let mut batches: Vec<(&[ItemId], &[ItemId])> =
            missing.chunks(most).map(|add| (add, [].as_slice())).collect();
        for (at, remove) in extra.chunks(limits::SPLIT_ROWS).enumerate() {
            match batches.get_mut(at) {
                Some(batch) => batch.1 = remove,
                None => batches.push((&[], remove)),
            }
        }
        for (add, remove) in batches {
            let add = self.embeddings(add)?;
            // Who was removed meanwhile is met again in the next round.
            if add.is_empty() && remove.is_empty() {
                continue;
            }
            base = parties.change(self.record.id, base, &add, remove)?.version;
            progress.advance((add.len() + remove.len()) as u64);
        }
        Ok(())
    }

    /// The true embeddings of items, as far as these are still there.
    pub(crate) fn embeddings(&self, items: &[ItemId]) -> Result<Vec<(ItemId, Vec<f32>)>, VaultError> {
        let mut embeddings = Vec::with_capacity(items.len());
        for batch in items.chunks(limits::BATCH_ITEMS) {
            for record in self.records(batch)? {
                let ItemRecord { item, epoch, embedding, .. } = record;
                let vector = self.keys().open_embedding(item, epoch, &embedding.0, self.header.dim)?;
                embeddings.push((item, vector));
            }
        }
        Ok(embeddings)
    }

    /// Several records, each the one that the log pins; those that are gone are left out.
    pub(crate) fn records(&self, items: &[ItemId]) -> Result<Vec<ItemRecord>, VaultError> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let records = self.remote.records(self.record.id, items)?;
        let mut history = self.history();
        let wanted: BTreeSet<ItemId> = items.iter().copied().collect();
        let mut came = BTreeSet::new();
        for record in &records {
            if !wanted.contains(&record.item) || !came.insert(record.item) {
                return Err(crate::keys::altered_item(record.item, "identifier", &"nobody asked for it"));
            }
            self.pinned(&mut history, record.item, Some(record_digest(record)))?;
        }
        for item in wanted.difference(&came) {
            self.pinned(&mut history, *item, None)?;
        }
        self.renew_keys(&mut history)?;
        Ok(records)
    }

    /// Which item has which row of a version.
    pub(crate) fn rows(&self, parties: &Parties, version: Version) -> Result<Vec<ItemId>, VaultError> {
        let local = self.vault.local();
        if let Some(rows) = local.rows(self.record.id, version.hash)? {
            return Ok(rows);
        }
        // Which of the two is asked first does not matter: they must agree, and nothing that is listed twice is taken.
        let rows = parties.rows(0, self.record.id, version)?;
        let other = parties.rows(1, self.record.id, version)?;
        if rows != other || rows.iter().collect::<BTreeSet<_>>().len() != rows.len() {
            let names = format!("{} or {}", parties.name(0), parties.name(1));
            return Err(lies(&names, "they do not list the same rows, or one of them twice"));
        }
        local.remember_rows(self.record.id, version.hash, &rows)?;
        Ok(rows)
    }
}

impl Parties {
    /// One batch, at all three or at none.
    pub(super) fn change(
        &self,
        collection: CollectionId,
        base: Version,
        add: &[(ItemId, Vec<f32>)],
        remove: &[ItemId],
    ) -> Result<State, VaultError> {
        let words: Vec<u32> = add.iter().flat_map(|(_, vector)| quantised(vector)).collect();
        let (bytes, parts) = if words.is_empty() {
            ([const { Bytes(Vec::new()) }; 3], no_parts())
        } else {
            pinned(&deal(&words)?)?
        };
        let batch = Batch { base, add: add.iter().map(|(item, _)| *item).collect(), remove: remove.to_vec() };
        self.change_by(collection, batch, (bytes, parts))
    }

    /// The same with parts that were dealt before.
    pub(super) fn change_by(
        &self,
        collection: CollectionId,
        batch: Batch,
        (bytes, parts): (OfThree<Bytes>, OfThree<Digest>),
    ) -> Result<State, VaultError> {
        let order = self.order(collection, Action::Prepare { batch, parts })?;
        self.settle(collection, &order, bytes)
    }

    /// Prepares a change at all three, and has the first decide on it.
    pub(super) fn settle(
        &self,
        collection: CollectionId,
        order: &SignedOrder,
        bytes: OfThree<Bytes>,
    ) -> Result<State, VaultError> {
        let prepared = Digest(sha256(&order.order.0));
        let [p0, p1, p2] = bytes;
        let first = self.receipt(0, self.ask(0, order, p0, None)?, prepared)?;
        let (sequence, word) = (first.sequence, Bytes(encode(&first)?));
        let second = self.receipt(1, self.ask(1, order, p1, Some(word.clone()))?, prepared)?;
        let third = self.receipt(2, self.ask(2, order, p2, Some(word))?, prepared)?;
        let receipts = [first, second, third].map(|receipt| receipt.signature);

        let commit = self.order(collection, Action::Commit { prepared, sequence, receipts })?;
        let decided = self.commit(0, &commit, None)?;
        for place in [1, 2] {
            // Whoever does not hear of it now hears of it from the first.
            match self.commit(place, &commit, decided.decision.clone()) {
                Ok(_) | Err(VaultError::Unreachable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(decided)
    }

    pub(super) fn receipt(
        &self,
        place: usize,
        answer: Answer,
        prepared: Digest,
    ) -> Result<Receipt, VaultError> {
        match answer {
            Answer::Receipt(receipt) if receipt.prepared == prepared => Ok(receipt),
            _ => Err(lies(self.name(place), "it gives no receipt for what it was handed")),
        }
    }

    fn commit(&self, place: usize, order: &SignedOrder, first: Option<Bytes>) -> Result<State, VaultError> {
        let answer = self.ask(place, order, Bytes(Vec::new()), first)?;
        self.read_state(place, answer)
    }

    fn rows(
        &self,
        place: usize,
        collection: CollectionId,
        version: Version,
    ) -> Result<Vec<ItemId>, VaultError> {
        self.pages(place, version, |from| self.order(collection, Action::Rows { from }))
    }
}

/// The parts of the three.
pub(super) fn deal(words: &[u32]) -> Result<OfThree<Parts>, VaultError> {
    let mut rng = fresh::rng()?;
    let dealt = Dealt::new(&mut rng, words);
    Ok(parts_of(&mut rng, &dealt))
}

/// What each of the three gets of a dealt secret, under salts of its own.
pub(super) fn parts_of(rng: &mut Prg, dealt: &Dealt) -> OfThree<Parts> {
    let Dealt { seeds: [first, second], rest } = dealt;
    let mut salts = [[0; 32]; 3];
    for salt in &mut salts {
        rng.fill_bytes(salt);
    }
    Parts::of_three(*first.expose_secret(), *second.expose_secret(), &rest.0, salts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P0 has both seeds, so of P1's parts it lacks, for the right guess, nothing but the salt.
    #[test]
    fn the_first_server_cannot_test_a_guess() {
        let parts = deal(&[1, 2, 3]).unwrap();
        let (_, digests) = pinned(&parts).unwrap();
        let [first, second, third] = &parts;
        for other in [second, third] {
            for salt in [first.salt, Digest([0; 32])] {
                let guess = encode(&Parts { salt, ..other.clone() }).unwrap();
                assert!(digests.iter().all(|digest| digest.0 != sha256(&guess)));
            }
            assert!(digests.iter().any(|digest| digest.0 == sha256(&encode(other).unwrap())));
        }
    }
}
