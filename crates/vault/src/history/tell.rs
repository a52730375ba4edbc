//! The whole history, read again from its first entry and told to people.

use std::collections::BTreeMap;

use pmirs_wire::collection::Role;
use pmirs_wire::log::{Action, Entry, SignedEntry};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, ItemId};

use super::rules::{self, Leaves, State};
use crate::VaultError;
use crate::keys::altered_collection;
use crate::remote::Remote;

/// One entry of a collection's log, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its number, counted from 0.
    pub number: u64,
    /// When, by its author's clock, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who signed it.
    pub author: AccountId,
    /// The epoch from then on.
    pub epoch: u32,
    /// How many items there were then.
    pub items: u64,
    /// What was done.
    pub what: Happening,
}

/// What an entry did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// The collection was made.
    Created,
    /// Items were added.
    Added(Vec<ItemId>),
    /// Items were removed.
    Removed(Vec<ItemId>),
    /// Items were sealed anew.
    Resealed(Vec<ItemId>),
    /// Somebody was made a member, or got another role.
    Shared(AccountId, Role),
    /// The author accepted.
    Accepted,
    /// The author left.
    Left,
    /// Somebody's membership was ended.
    Revoked(AccountId),
    /// A new epoch was started.
    Rotated,
    /// An epoch's keys were given up.
    Retired(u32),
    /// The sealed settings were changed: the collection goes over to another model, or is done with an earlier one.
    Settled,
}

impl From<Entry> for Event {
    fn from(entry: Entry) -> Self {
        let ids = |leaves: Vec<pmirs_wire::log::Leaf>| leaves.into_iter().map(|leaf| leaf.item).collect();
        let what = match entry.action {
            Action::Create { .. } => Happening::Created,
            Action::Add { items } => Happening::Added(ids(items)),
            Action::Remove { items } => Happening::Removed(items),
            Action::Replace { items } => Happening::Resealed(ids(items)),
            Action::Share { member, role, .. } => Happening::Shared(member, role),
            Action::Accept => Happening::Accepted,
            Action::Leave => Happening::Left,
            Action::Revoke { member, .. } => Happening::Revoked(member),
            Action::Rotate { .. } => Happening::Rotated,
            Action::Retire { epoch } => Happening::Retired(epoch),
            Action::Settings { .. } => Happening::Settled,
        };
        let Entry { number, at_ms, author, epoch, items, .. } = entry;
        Self { number, at_ms, author, epoch, items, what }
    }
}

/// A log that was read and checked from its first entry on.
pub(crate) struct Told {
    pub(crate) events: Vec<Event>,
    /// Of every entry.
    pub(crate) hashes: BTreeMap<u64, Digest>,
    /// Of everybody who ever was a member.
    pub(crate) identities: BTreeMap<AccountId, Bytes>,
    pub(crate) state: Option<State>,
    pub(crate) leaves: Leaves,
    /// How many items were ever added.
    pub(crate) added: u64,
}

/// Reads the whole log from the server, checking every entry before `each` is told of it; nothing that is known here is
/// used or changed.
pub(crate) fn tell(
    remote: &Remote,
    me: AccountId,
    collection: CollectionId,
    each: &mut dyn FnMut(&SignedEntry),
) -> Result<Told, VaultError> {
    let mut told = Told {
        events: Vec::new(),
        hashes: BTreeMap::new(),
        identities: BTreeMap::new(),
        state: None,
        leaves: Leaves::default(),
        added: 0,
    };
    loop {
        let after = told.state.as_ref().map(|state| state.number);
        let page = remote.log_page(collection, after)?;
        for signed in &page.entries {
            let (state, entry) = rules::next(&me, collection, told.state.as_ref(), &mut told.leaves, signed)
                .map_err(|reason| {
                    let number = told.state.as_ref().map_or(0, |state| state.number + 1);
                    altered_collection(collection, "history", &format!("entry {number}: {reason}"))
                })?;
            told.leaves.apply(&entry.action);
            if let Action::Add { items } = &entry.action {
                told.added += items.len() as u64;
            }
            each(signed);
            told.hashes.insert(state.number, state.hash);
            for (account, member) in &state.members {
                told.identities.entry(*account).or_insert_with(|| member.identity.clone());
            }
            told.state = Some(state);
            told.events.push(entry.into());
        }
        if !page.more || page.entries.is_empty() {
            return Ok(told);
        }
    }
}
