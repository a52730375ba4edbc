//! Which entry may follow, and what it makes of a collection: the same rules as the server's, checked again
//! because the server is not believed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pmirs_crypto::merkle::ItemSet;
use pmirs_crypto::{Context, PublicIdentity, Signature, entry_hash};
use pmirs_wire::collection::{Protection, Role};
use pmirs_wire::log::{Action, Entry, Leaf, SignedEntry};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, ItemId, Message, decode, encode};
use serde::{Deserialize, Serialize};

/// What is wrong with an entry, in words that follow "entry N: ".
pub(super) type Reason = String;

/// Somebody with a part in a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Their encoded public identity.
    pub(crate) identity: Bytes,
    pub(crate) role: Role,
    /// Whether they took what was shared.
    pub(crate) accepted: bool,
}

/// What the log says of one grant of this client's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PinnedGrant {
    /// SHA-256 of the wrapped key.
    pub(crate) digest: Digest,
    /// The encoded identity of the member who granted.
    pub(crate) granter: Bytes,
    /// What it allows.
    pub(crate) role: Role,
}

/// A collection after an entry of its log, but for its items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The entry's number.
    pub(crate) number: u64,
    /// The entry's hash: what its successor names.
    pub(crate) hash: Digest,
    /// The latest epoch.
    pub(crate) epoch: u32,
    /// Epochs whose keys members hold.
    pub(crate) live: BTreeSet<u32>,
    pub(crate) protection: Protection,
    /// SHA-256 of the sealed header.
    pub(crate) header: Digest,
    /// Who began the log.
    pub(crate) creator: AccountId,
    pub(crate) members: BTreeMap<AccountId, Member>,
    /// How many items there are.
    pub(crate) items: u64,
    /// The Merkle root over them.
    pub(crate) root: Digest,
    /// This client's own grants, by epoch.
    pub(crate) grants: BTreeMap<u32, PinnedGrant>,
    /// Who shared the collection with this client last, if anybody did.
    pub(crate) sharer: Option<AccountId>,
}

impl Message for State {
    const NAME: &'static str = "followed history";
    const MAX_BYTES: usize = 8 << 20;
}

/// What the log pins of every live item.
#[derive(Default, Clone)]
pub(crate) struct Leaves {
    set: ItemSet,
    epochs: HashMap<ItemId, u32>,
}

/// One item after an entry: its epoch and digest, or nothing where it is gone.
pub(crate) type LeafChange = (ItemId, Option<(u32, Digest)>);

impl Leaves {
    pub(crate) fn new(leaves: Vec<Leaf>) -> Self {
        let epochs = leaves.iter().map(|leaf| (leaf.item, leaf.epoch)).collect();
        Self { set: ItemSet::new(leaves.into_iter().map(|leaf| (leaf.item.0, leaf.digest.0))), epochs }
    }

    pub(crate) fn digest(&self, item: &ItemId) -> Option<Digest> {
        self.set.get(&item.0).copied().map(Digest)
    }

    pub(crate) fn epoch(&self, item: &ItemId) -> Option<u32> {
        self.epochs.get(item).copied()
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = (ItemId, u32)> {
        self.epochs.iter().map(|(&item, &epoch)| (item, epoch))
    }

    /// Number and root of the items once `action` is applied; nothing is changed.
    pub(super) fn after(&mut self, action: &Action) -> (u64, Digest) {
        let undo = self.set.apply(digests_of(action));
        let after = (self.set.len() as u64, Digest(self.set.root()));
        self.set.apply(undo);
        after
    }

    pub(super) fn apply(&mut self, action: &Action) {
        self.set.apply(digests_of(action));
        for (item, leaf) in changes(action) {
            match leaf {
                Some((epoch, _)) => self.epochs.insert(item, epoch),
                None => self.epochs.remove(&item),
            };
        }
    }
}

/// What an action does to items.
pub(super) fn changes(action: &Action) -> Vec<LeafChange> {
    match action {
        Action::Add { items } | Action::Replace { items } => {
            items.iter().map(|leaf| (leaf.item, Some((leaf.epoch, leaf.digest)))).collect()
        }
        Action::Remove { items } => items.iter().map(|&item| (item, None)).collect(),
        _ => Vec::new(),
    }
}

fn digests_of(action: &Action) -> impl Iterator<Item = ([u8; 16], Option<[u8; 32]>)> {
    changes(action).into_iter().map(|(item, leaf)| (item.0, leaf.map(|(_, digest)| digest.0)))
}

/// An entry that was decoded and has the one encoding that it may have; nothing else was checked.
pub(super) struct Read {
    pub(super) entry: Entry,
    pub(super) hash: Digest,
    signature: [u8; 64],
}

pub(super) fn read(signed: &SignedEntry) -> Result<Read, Reason> {
    let entry: Entry = decode(&signed.entry.0).map_err(|error| error.to_string())?;
    if encode(&entry).ok().as_ref() != Some(&signed.entry.0) {
        return Err("it is not in its shortest encoding".to_owned());
    }
    let signature: [u8; 64] = signed
        .signature
        .0
        .as_slice()
        .try_into()
        .map_err(|_| format!("its signature has {} bytes", signed.signature.0.len()))?;
    Ok(Read { hash: Digest(entry_hash(&signed.entry.0, &signature)), entry, signature })
}

/// The collection after `signed`, where that may follow `before`; `leaves` are the items before it.
///
/// `me` is whose grants are noted.
pub(super) fn next(
    me: &AccountId,
    collection: CollectionId,
    before: Option<&State>,
    leaves: &mut Leaves,
    signed: &SignedEntry,
) -> Result<(State, Entry), Reason> {
    let Read { entry, hash, signature } = read(signed)?;
    if entry.collection != collection {
        return Err("it belongs to another collection".to_owned());
    }
    let (number, previous) = before.map_or((0, Digest([0; 32])), |state| (state.number + 1, state.hash));
    if entry.number != number {
        return Err(format!("it calls itself entry {}", entry.number));
    }
    if entry.previous != previous {
        return Err("it does not follow the entry before it".to_owned());
    }
    let author = author(before, &entry)?;
    author
        .verify(Context::Change, &signed.entry.0, &Signature(signature))
        .map_err(|_| "its author did not sign it".to_owned())?;
    let mut after = match before {
        None => begin(&entry, hash)?,
        Some(before) => {
            allowed(before, &entry)?;
            epoch(before, &entry)?;
            State { number, hash, epoch: entry.epoch, ..before.clone() }
        }
    };
    items(&after, leaves, &entry.action)?;
    members(&mut after, leaves, &entry)?;
    grants(&mut after, me, &entry);
    let (count, root) = leaves.after(&entry.action);
    if (entry.items, entry.root) != (count, root) {
        return Err("its root is not the root over the items".to_owned());
    }
    (after.items, after.root) = (count, root);
    Ok((after, entry))
}

fn author(before: Option<&State>, entry: &Entry) -> Result<PublicIdentity, Reason> {
    let encoded = match (before, &entry.action) {
        (None, Action::Create { identity, .. }) => identity,
        (None, action) => return Err(format!("a log begins with 'create', not '{}'", action.name())),
        (Some(state), _) => {
            &state.members.get(&entry.author).ok_or_else(|| "its author is no member".to_owned())?.identity
        }
    };
    identity_of(&entry.author, encoded)
}

/// The identity that these bytes encode, if it is this account's.
fn identity_of(account: &AccountId, encoded: &Bytes) -> Result<PublicIdentity, Reason> {
    let identity = PublicIdentity::from_bytes(&encoded.0).map_err(|error| error.to_string())?;
    if identity.fingerprint() != account.0 {
        return Err("an identity in it is another account's".to_owned());
    }
    Ok(identity)
}

fn begin(entry: &Entry, hash: Digest) -> Result<State, Reason> {
    let Action::Create { protection, header, identity, .. } = &entry.action else {
        return Err("a log begins with 'create'".to_owned());
    };
    if entry.epoch != 0 {
        return Err(format!("it begins in epoch {}", entry.epoch));
    }
    let owner = Member { identity: identity.clone(), role: Role::Owner, accepted: true };
    Ok(State {
        number: 0,
        hash,
        epoch: 0,
        live: BTreeSet::from([0]),
        protection: *protection,
        header: *header,
        creator: entry.author,
        members: BTreeMap::from([(entry.author, owner)]),
        items: 0,
        root: Digest(pmirs_crypto::merkle::EMPTY),
        grants: BTreeMap::new(),
        sharer: None,
    })
}

/// Whether the author's role allows the action at this place of the log.
fn allowed(before: &State, entry: &Entry) -> Result<(), Reason> {
    let Some(author) = before.members.get(&entry.author) else {
        return Err("its author is no member".to_owned());
    };
    let name = entry.action.name();
    let least = match &entry.action {
        Action::Create { .. } => return Err("the log was begun before".to_owned()),
        Action::Accept if author.accepted => return Err("its author had accepted before".to_owned()),
        Action::Leave if last_owner(before, &entry.author) => {
            return Err("the last owner cannot leave".to_owned());
        }
        Action::Accept | Action::Leave => return Ok(()),
        Action::Add { .. } | Action::Remove { .. } | Action::Replace { .. } => Role::Writer,
        Action::Share { .. }
        | Action::Revoke { .. }
        | Action::Rotate { .. }
        | Action::Retire { .. }
        | Action::Settings { .. } => Role::Owner,
    };
    if author.accepted && author.role >= least {
        return Ok(());
    }
    let role = author.role.name();
    let state = if author.accepted { "" } else { " who has not accepted" };
    Err(format!("its author, a {role}{state}, may not '{name}'"))
}

fn last_owner(state: &State, account: &AccountId) -> bool {
    let mut owners = state.members.iter().filter(|(_, it)| it.role == Role::Owner && it.accepted);
    owners.next().is_some_and(|(owner, _)| owner == account) && owners.next().is_none()
}

fn epoch(before: &State, entry: &Entry) -> Result<(), Reason> {
    let starts = matches!(entry.action, Action::Revoke { .. } | Action::Rotate { .. });
    let expected = before.epoch.checked_add(u32::from(starts));
    if expected == Some(entry.epoch) {
        return Ok(());
    }
    Err(format!("its epoch is {} after {}", entry.epoch, before.epoch))
}

fn items(state: &State, leaves: &Leaves, action: &Action) -> Result<(), Reason> {
    let mut seen = BTreeSet::new();
    for (item, leaf) in changes(action) {
        if !seen.insert(item) {
            return Err(format!("item {item} is in it twice"));
        }
        let before = leaves.epoch(&item);
        match (action, before, leaf) {
            (Action::Add { .. }, Some(_), _) => return Err(format!("item {item} was there before")),
            (Action::Add { .. }, None, Some((epoch, _))) if epoch != state.epoch => {
                return Err(format!("item {item} is of epoch {epoch}"));
            }
            (Action::Replace { .. } | Action::Remove { .. }, None, _) => {
                return Err(format!("item {item} was not there"));
            }
            (Action::Replace { .. }, Some(before), Some((epoch, _)))
                if epoch < before || !state.live.contains(&epoch) =>
            {
                return Err(format!("item {item} goes from epoch {before} to {epoch}"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn members(state: &mut State, leaves: &Leaves, entry: &Entry) -> Result<(), Reason> {
    match &entry.action {
        Action::Share { member, identity, role, grants } => {
            if *member == entry.author {
                return Err("its author gives themselves a role".to_owned());
            }
            identity_of(member, identity)?;
            if !grants.iter().map(|(epoch, _)| epoch).eq(&state.live) {
                return Err("it grants other epochs than the live ones".to_owned());
            }
            let accepted = state.members.get(member).is_some_and(|known| known.accepted);
            let known = Member { identity: identity.clone(), role: *role, accepted };
            state.members.insert(*member, known);
        }
        Action::Accept => {
            if let Some(member) = state.members.get_mut(&entry.author) {
                member.accepted = true;
            }
        }
        Action::Leave => {
            state.members.remove(&entry.author);
        }
        Action::Revoke { member, grants } => {
            if *member == entry.author {
                return Err("its author revokes themselves".to_owned());
            }
            if state.members.remove(member).is_none() {
                return Err("it revokes somebody who is no member".to_owned());
            }
            starts(state, grants)?;
        }
        Action::Rotate { grants } => starts(state, grants)?,
        Action::Retire { epoch } => {
            if *epoch >= state.epoch || !state.live.remove(epoch) {
                return Err(format!("epoch {epoch} is not an earlier live one"));
            }
            if leaves.items().any(|(_, of)| of == *epoch) {
                return Err(format!("epoch {epoch} still holds items"));
            }
        }
        Action::Settings { header } => state.header = *header,
        Action::Create { .. } | Action::Add { .. } | Action::Remove { .. } | Action::Replace { .. } => {}
    }
    Ok(())
}

/// A new epoch is for everybody who is a member, and for nobody else.
fn starts(state: &mut State, grants: &[(AccountId, Digest)]) -> Result<(), Reason> {
    let granted: BTreeSet<&AccountId> = grants.iter().map(|(account, _)| account).collect();
    if granted.len() != grants.len() || !granted.into_iter().eq(state.members.keys()) {
        return Err("it does not grant its epoch to each member once".to_owned());
    }
    state.live.insert(state.epoch);
    Ok(())
}

/// Notes what the entry grants to `me`. The author of an entry is the granter of what it grants.
fn grants(state: &mut State, me: &AccountId, entry: &Entry) {
    let granter = state.members.get(&entry.author).map(|author| author.identity.clone()).unwrap_or_default();
    match &entry.action {
        Action::Create { grant, .. } if entry.author == *me => {
            state.grants.insert(0, PinnedGrant { digest: *grant, granter, role: Role::Owner });
        }
        Action::Share { member, role, grants, .. } if member == me => {
            let pin = |digest| PinnedGrant { digest, granter: granter.clone(), role: *role };
            state.grants = grants.iter().map(|&(epoch, digest)| (epoch, pin(digest))).collect();
            state.sharer = Some(entry.author);
        }
        Action::Revoke { grants, .. } | Action::Rotate { grants } => {
            let own = grants.iter().find(|(account, _)| account == me);
            match (own, state.members.get(me)) {
                (Some((_, digest)), Some(member)) => {
                    let pinned = PinnedGrant { digest: *digest, granter, role: member.role };
                    state.grants.insert(entry.epoch, pinned);
                }
                _ => state.grants.clear(),
            }
        }
        Action::Leave if entry.author == *me => state.grants.clear(),
        Action::Retire { epoch } => {
            state.grants.remove(epoch);
        }
        _ => {}
    }
}
