//! Following a log to the head that its server shows.

use std::collections::HashMap;

use pmirs_wire::log::{Head, SignedEntry};
use pmirs_wire::{AccountId, CollectionId, Digest, ItemId};

use super::rules::{self, Leaves, State};
use crate::VaultError;
use crate::keys::altered_collection;
use crate::local::{Followed, Local};
use crate::remote::Remote;

/// A collection's log as this client knows it, kept in step with the local store.
pub(crate) struct History {
    pub(super) collection: CollectionId,
    pub(super) me: AccountId,
    pub(super) state: Option<State>,
    /// Read from the local store when they are first needed.
    pub(super) leaves: Option<Leaves>,
    /// Digests that items had since [`History::watch`], besides the present ones; nothing for "not there".
    seen: HashMap<ItemId, Vec<Option<Digest>>>,
    /// Whether another process of this home followed the log since [`History::watch`]: what items were in between is
    /// not known then.
    jumped: bool,
    /// Change number and head at which the local store was seen to hold every item of the log.
    pub(crate) counted: Option<(u64, Digest)>,
}

impl History {
    /// The log as it was last followed.
    pub(crate) fn open(local: &Local, me: AccountId, collection: CollectionId) -> Result<Self, VaultError> {
        let state = local.history(collection)?;
        Ok(Self { collection, me, state, leaves: None, seen: HashMap::new(), jumped: false, counted: None })
    }

    /// Where the log stood; nothing where it was not begun.
    pub(crate) fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// What the log pins, as of [`History::state`]. Another process of this home may have followed the log since that
    /// was read, so both are read together.
    pub(crate) fn leaves(&mut self, local: &Local) -> Result<&mut Leaves, VaultError> {
        let leaves = if let Some(leaves) = self.leaves.take() {
            leaves
        } else {
            let (state, leaves) = local.history_and_leaves(self.collection)?;
            self.jumped |= state.as_ref().map(|state| state.number) != self.number();
            self.state = state;
            Leaves::new(leaves)
        };
        Ok(self.leaves.insert(leaves))
    }

    /// From here on, what items were meanwhile is remembered: answers that were given while the log went on
    /// may show any of it.
    pub(crate) fn watch(&mut self) {
        self.seen.clear();
        self.jumped = false;
    }

    /// Whether an item changed since [`History::watch`], as far as that is known.
    pub(crate) fn changed(&self, item: ItemId) -> bool {
        self.jumped || self.seen.contains_key(&item)
    }

    /// Whether another process of this home followed the log since [`History::watch`]; what was asked of the server in
    /// between is to be asked again.
    pub(crate) fn jumped(&self) -> bool {
        self.jumped
    }

    /// Whether an item has this digest, or had it since [`History::watch`].
    pub(crate) fn fits(
        &self,
        local: &Local,
        item: ItemId,
        digest: Option<Digest>,
    ) -> Result<bool, VaultError> {
        let present = match &self.leaves {
            Some(leaves) => leaves.digest(&item),
            None => local.leaf(self.collection, item)?,
        };
        Ok(present == digest || self.seen.get(&item).is_some_and(|seen| seen.contains(&digest)))
    }

    /// Asks for the server's head and follows the log to it.
    pub(crate) fn follow(&mut self, remote: &Remote, local: &Local) -> Result<Head, VaultError> {
        let known = self.number();
        let head = remote.head(self.collection)?;
        self.follow_to(&head, known, remote, local)?;
        Ok(head)
    }

    /// The number of the latest entry that is known.
    pub(crate) fn number(&self) -> Option<u64> {
        self.state.as_ref().map(|state| state.number)
    }

    /// Follows the log to a head that the server showed, or beyond; `known` is the number of the latest entry
    /// that was known when the head was asked for.
    ///
    /// # Errors
    /// [`VaultError::Forked`] where the head is of another history than the one that was followed, and
    /// [`VaultError::Altered`] where the log is shorter than it was, or an entry breaks the rules.
    pub(crate) fn follow_to(
        &mut self,
        head: &Head,
        known: Option<u64>,
        remote: &Remote,
        local: &Local,
    ) -> Result<(), VaultError> {
        let Some(latest) = &head.latest else {
            return match &self.state {
                None => Ok(()),
                Some(state) => {
                    let reason =
                        format!("the server says that it was not begun, but entry {} was seen", state.number);
                    Err(self.altered("history", &reason))
                }
            };
        };
        let read = rules::read(latest).map_err(|reason| self.altered("head", &reason))?;
        if read.hash != head.hash {
            return Err(self.altered("head", &"its hash is not that of its entry"));
        }
        let target = read.entry.number;
        if let Some(known) = known.filter(|&known| target < known) {
            let reason = format!("it ends at entry {target}, but entry {known} was seen");
            return Err(self.altered("history", &reason));
        }
        while self.number().is_none_or(|number| number < target) {
            self.leaves(local)?;
            let after = self.number();
            if after >= Some(target) {
                break;
            }
            let page = remote.log_page(self.collection, after)?;
            if page.entries.is_empty() {
                let from = after.map_or(0, |after| after + 1);
                let reason = format!("the server withholds entries {from} to {target}");
                return Err(self.altered("history", &reason));
            }
            self.take(&page.entries, local)?;
        }
        self.agrees(target, head.hash, local)
    }

    /// The server's head must be an entry of the history that was followed.
    fn agrees(&self, number: u64, hash: Digest, local: &Local) -> Result<(), VaultError> {
        let Some(state) = &self.state else { return Ok(()) };
        let known = if number == state.number {
            Some(state.hash)
        } else {
            local.entry_hash(self.collection, number)?
        };
        if known != Some(hash) {
            return Err(
                self.forked(number, "the server's head is another entry than the one it showed before")
            );
        }
        Ok(())
    }

    /// Checks entries that follow what is known, and remembers them.
    pub(super) fn take(&mut self, entries: &[SignedEntry], local: &Local) -> Result<(), VaultError> {
        self.leaves(local)?;
        let mut state = self.state.clone();
        let mut followed = Vec::with_capacity(entries.len());
        let mut changes = Vec::new();
        let (me, collection) = (self.me, self.collection);
        let mut leaves = self.leaves.take().unwrap_or_default();
        let mut seen = Vec::new();
        for signed in entries {
            // The leaves are put back only where every entry was in order.
            let (next, entry) = rules::next(&me, collection, state.as_ref(), &mut leaves, signed)
                .map_err(|reason| self.breach(state.as_ref(), signed, &reason))?;
            for (item, leaf) in rules::changes(&entry.action) {
                seen.push((item, leaves.digest(&item)));
                changes.push((item, leaf));
            }
            leaves.apply(&entry.action);
            followed.push((next.number, next.hash));
            state = Some(next);
        }
        let Some(state) = state else { return Ok(()) };
        let kept = local.follow(collection, &Followed { state: &state, entries: followed, changes })?;
        for (item, before) in seen {
            self.seen.entry(item).or_default().push(before);
        }
        if kept {
            (self.state, self.leaves) = (Some(state), Some(leaves));
        } else {
            // Another process of this home followed meanwhile; what it found is in the store.
            self.state = local.history(collection)?;
            self.jumped = true;
        }
        Ok(())
    }

    /// An entry that does not follow what is known is a fork where its own chain is in order.
    fn breach(&self, before: Option<&State>, signed: &SignedEntry, reason: &str) -> VaultError {
        let number = before.map_or(0, |state| state.number + 1);
        let forks = rules::read(signed).is_ok_and(|read| {
            read.entry.number == number && before.is_some_and(|before| read.entry.previous != before.hash)
        });
        if forks {
            return self.forked(number, "the entry that the server shows does not follow the one before it");
        }
        self.altered("history", &format!("entry {number}: {reason}"))
    }

    pub(crate) fn altered(&self, field: &'static str, reason: &dyn std::fmt::Display) -> VaultError {
        altered_collection(self.collection, field, reason)
    }

    pub(crate) fn forked(&self, number: u64, reason: &str) -> VaultError {
        VaultError::Forked { collection: self.collection.to_string(), number, reason: reason.to_owned() }
    }
}
