//! A collection as its log tells it: chain, items, members and epochs.

use std::collections::{BTreeMap, BTreeSet};

use pmirs_wire::collection::{Protection, Role};
use pmirs_wire::envelope::Method;
use pmirs_wire::log::{Action, Append, Entry, Head, Leaf, LogPage, Payload, SignedEntry};
use pmirs_wire::{AccountId, CollectionId, Digest, ItemId, decode};

use crate::chain::{Chain, send, sign};
use crate::client::{User, account};

/// What became of an append.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// There was nothing to do any more once the others were followed.
    Moot,
    /// The collection, or the right to change it, is not this user's any more.
    Out,
}

#[derive(Clone)]
pub struct Ledger {
    pub chain: Chain,
    /// Role, and whether it was accepted.
    pub members: BTreeMap<AccountId, (Role, bool)>,
    pub items: BTreeMap<ItemId, Leaf>,
    /// Those that are live.
    pub epochs: BTreeSet<u32>,
    /// The largest change number that was seen.
    pub seq: u64,
}

impl Ledger {
    pub fn begin(owner: &User, id: CollectionId, protection: Protection) -> Self {
        let chain = Chain::begin(owner, id, protection);
        let mut ledger = Self::unbegun(id);
        assert!(ledger.catch_up(owner));
        assert_eq!(ledger.chain.previous, chain.previous);
        ledger
    }

    pub fn unbegun(id: CollectionId) -> Self {
        let chain = Chain::unbegun(id);
        let (members, items, epochs) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { chain, members, items, epochs, seq: 0 }
    }

    pub fn role(&self, user: &User) -> Option<(Role, bool)> {
        self.members.get(&account(&user.identity)).copied()
    }

    /// Follows what others appended; `false` where the log is not this user's to see.
    pub fn catch_up(&mut self, user: &User) -> bool {
        loop {
            let after =
                self.chain.next.checked_sub(1).map_or(String::new(), |after| format!("?after={after}"));
            let path = format!("/v1/collections/{}/log{after}", self.chain.id);
            let reply = user.ask(Method::Get, &path, &[]);
            if reply.status == 404 {
                return false;
            }
            let page: LogPage = reply.message();
            for signed in &page.entries {
                let entry: Entry = decode(&signed.entry.0).unwrap();
                self.follow(signed, &entry);
            }
            if !page.more {
                return true;
            }
        }
    }

    /// Sees a change number, which never goes back.
    pub fn see(&mut self, seq: u64) {
        assert!(seq >= self.seq, "the change number went back from {} to {seq}", self.seq);
        self.seq = seq;
    }

    /// Appends what `make` says, as often as it takes until it is the first; counts the races that it lost.
    pub fn append(
        &mut self,
        user: &User,
        mut lost: impl FnMut(),
        mut make: impl FnMut(&Self) -> Option<(Action, Payload)>,
    ) -> Outcome {
        loop {
            let Some((action, payload)) = make(self) else { return Outcome::Moot };
            let entry = self.chain.entry(user, action);
            let append = Append { entry: sign(user, &entry), payload };
            let reply = send(user, self.chain.id, &append);
            match reply.status {
                201 => {
                    let head: Head = reply.message();
                    self.follow(&append.entry, &entry);
                    assert_eq!(head.hash, self.chain.previous);
                    self.see(head.seq);
                    return Outcome::Done;
                }
                409 => {
                    lost();
                    if !self.catch_up(user) {
                        return Outcome::Out;
                    }
                }
                403 | 404 => {
                    self.catch_up(user);
                    return Outcome::Out;
                }
                status => panic!("{status} to '{}': {}", entry.action.name(), reply.problem()),
            }
        }
    }

    /// An entry must follow the one before, fit its author's role, and end with the items that it says.
    pub fn follow(&mut self, signed: &SignedEntry, entry: &Entry) {
        let number = entry.number;
        assert_eq!((number, entry.previous), (self.chain.next, self.chain.previous));
        self.may(entry);
        self.apply(entry);
        self.chain.follow(signed, entry);
        let expected = (self.chain.set.len() as u64, Digest(self.chain.set.root()));
        assert_eq!((entry.items, entry.root), expected, "entry {number}");
        assert_eq!(self.items.len() as u64, entry.items, "entry {number}");
    }

    fn may(&self, entry: &Entry) {
        let least = match entry.action {
            Action::Create { .. } => {
                assert_eq!(entry.number, 0);
                return;
            }
            Action::Accept | Action::Leave => {
                assert!(self.members.contains_key(&entry.author), "entry {}", entry.number);
                return;
            }
            Action::Add { .. } | Action::Remove { .. } | Action::Replace { .. } => Role::Writer,
            _ => Role::Owner,
        };
        let may = self.members.get(&entry.author).is_some_and(|(role, accepted)| *accepted && *role >= least);
        assert!(may, "entry {}: {} by somebody who may not", entry.number, entry.action.name());
    }

    fn apply(&mut self, entry: &Entry) {
        match &entry.action {
            Action::Create { .. } => {
                self.members.insert(entry.author, (Role::Owner, true));
                self.epochs.insert(0);
            }
            Action::Add { items } => {
                for leaf in items {
                    assert_eq!(leaf.epoch, entry.epoch);
                    assert!(self.items.insert(leaf.item, *leaf).is_none());
                }
            }
            Action::Replace { items } => {
                for leaf in items {
                    assert!(self.items.insert(leaf.item, *leaf).is_some());
                }
            }
            Action::Remove { items } => {
                for item in items {
                    assert!(self.items.remove(item).is_some());
                }
            }
            Action::Share { member, role, .. } => {
                let accepted = self.members.get(member).is_some_and(|(_, accepted)| *accepted);
                self.members.insert(*member, (*role, accepted));
            }
            Action::Accept => {
                self.members.get_mut(&entry.author).unwrap().1 = true;
            }
            Action::Leave => {
                self.members.remove(&entry.author).unwrap();
            }
            Action::Revoke { member, .. } => {
                self.members.remove(member).unwrap();
                self.epochs.insert(entry.epoch);
            }
            Action::Rotate { .. } => {
                self.epochs.insert(entry.epoch);
            }
            Action::Retire { epoch } => {
                assert!(self.items.values().all(|leaf| leaf.epoch != *epoch));
                assert!(self.epochs.remove(epoch));
            }
            Action::Settings { .. } => {}
        }
    }
}
