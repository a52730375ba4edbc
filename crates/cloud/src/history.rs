//! The rules of a collection's log: which entry may follow, and what it changes.
//!
//! An append is checked in two steps. What the request says by itself comes first: the author's signature over
//! these very bytes, for this collection, and a payload that is what the entry pins ([`Claim::read`]). What
//! depends on the collection comes under the collection's lock, against one state of the store: the head that
//! the entry must follow, the author's role, and the rules of its action ([`Judge`]). Then the entry and all that
//! it changes become one transaction.
//!
//! Whoever lost a race, and whoever repeats a request whose answer was lost, gets a conflict that names the
//! head; the latter finds its own entry in the log.

mod claim;
mod judge;

use pmirs_wire::log::{Append, Head};
use pmirs_wire::{AccountId, CollectionId};

use crate::app::App;
use crate::auth::Bearer;
use crate::clock::system_rng;
use crate::commitment::lock;
use crate::refusal::Refusal;
use crate::storage::{Appended, Applied, ItemToAdd, NewEntry, Place, Prefix};

use claim::Claim;
use judge::Judge;

impl App {
    /// Appends an entry of the caller's, and applies it.
    pub(crate) fn append(
        &self,
        bearer: Bearer,
        id: &CollectionId,
        read: impl FnOnce() -> Result<Append, Refusal>,
    ) -> Result<Head, Refusal> {
        let (account, membership) = self.invited(bearer, id)?;
        let append = read()?;
        let (identity, encoded) = self.identity(&account)?;
        let claim = Claim::read(&append, id, &account, &identity, &self.limits)?;
        let judge = Judge { app: self, claim: &claim, identity: &identity, encoded: &encoded, id };
        // Under no lock, so that a loser mostly knows it before its content is written.
        judge.precheck(membership.place, &account)?;

        let mut rng = system_rng();
        let prefix = Prefix::draw(&mut rng);
        let items: Vec<ItemToAdd<'_>> =
            claim.items.iter().map(|item| ItemToAdd { item, blob: prefix.name(&mut rng) }).collect();
        let blobs: Vec<_> = items.iter().map(|new| (new.blob, new.item.content.0.as_slice())).collect();
        self.blobs.put(&blobs)?;
        let applied = match self.commit_entry(&judge, &account, membership.place, &items)? {
            Ok(applied) => applied,
            Err(refusal) => {
                self.drop_blobs(&items.iter().map(|new| new.blob).collect::<Vec<_>>());
                return Err(refusal);
            }
        };
        self.drop_blobs(&applied.blobs);
        self.metrics.added(applied.added.len());
        self.metrics.removed(applied.removed.len());
        Ok(Head { latest: Some(append.entry.clone()), hash: claim.hash, seq: applied.seq })
    }

    /// The inner refusal is certain: nothing was stored. After the outer one nobody knows, so the content that
    /// was written stays until the next start.
    fn commit_entry(
        &self,
        judge: &Judge<'_>,
        account: &AccountId,
        place: Place,
        items: &[ItemToAdd<'_>],
    ) -> Result<Result<Applied, Refusal>, Refusal> {
        let claim = judge.claim;
        let _in_order = self.rankings.in_order(place);
        let set = self.commitments.of(&*self.store, place)?;
        let mut set = lock(&set);
        let ruling = match judge.rule(account, &set) {
            Ok(ruling) => ruling,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let effect = ruling.effect(items);
        let undo = set.apply(ruling.changes());
        let entry = NewEntry {
            number: claim.entry.number,
            previous: claim.entry.previous,
            epoch: claim.entry.epoch,
            author: claim.entry.author,
            signed: claim.signed,
            hash: claim.hash,
        };
        if let Err(refusal) = judge.commitment(&set) {
            set.apply(undo);
            return Ok(Err(refusal));
        }
        let refusal = match self.store.append(place, &entry, &effect, self.limits.account_bytes) {
            Ok(Appended::Done(applied)) => {
                self.rankings.remove(place, &applied.removed);
                self.rankings.add(place, items, &applied.added);
                return Ok(Ok(applied));
            }
            Ok(Appended::QuotaReached) => Refusal::too_large("the owner's quota of bytes is used up"),
            Ok(Appended::Stale) => Refusal::conflict("the collection changed meanwhile: read its head again"),
            Err(error) => {
                self.commitments.forget(place);
                return Err(error.into());
            }
        };
        set.apply(undo);
        Ok(Err(refusal))
    }
}
