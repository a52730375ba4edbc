//! What depends on the collection: the head, the author's role, the rules of each action.

use std::collections::BTreeSet;

use pmirs_crypto::merkle::ItemSet;
use pmirs_crypto::{GrantContext, PublicIdentity, grant, sha256};
use pmirs_wire::collection::Role;
use pmirs_wire::log::{Action, Leaf};
use pmirs_wire::{AccountId, CollectionId, Digest, ItemId, limits};

use super::claim::Claim;
use crate::app::App;
use crate::check;
use crate::refusal::Refusal;
use crate::storage::{Effect, GrantToAdd, ItemToAdd, LogState, Member, Membership, Place};

/// An entry before its collection.
pub(super) struct Judge<'a> {
    pub(super) app: &'a App,
    pub(super) claim: &'a Claim<'a>,
    pub(super) identity: &'a PublicIdentity,
    /// The same, encoded.
    pub(super) encoded: &'a [u8],
    pub(super) id: &'a CollectionId,
}

/// What an entry that may follow does.
pub(super) struct Ruling<'a> {
    action: &'a Action,
    grants: Vec<GrantToAdd<'a>>,
    granter: &'a [u8],
    header: &'a [u8],
    /// Whose quota the collection counts against from now on.
    owner: AccountId,
    author: AccountId,
}

impl<'a> Judge<'a> {
    /// The checks that most losers fail, against a state that may be old by a moment.
    pub(super) fn precheck(&self, place: Place, account: &AccountId) -> Result<(), Refusal> {
        let state = self.state(place)?;
        self.follows(place, &state)?;
        self.may(&author(&state, account)?)
    }

    /// The whole of the rules but for the items' root, which needs the change applied. The caller holds the
    /// collection's lock.
    pub(super) fn rule(&self, account: &AccountId, set: &ItemSet) -> Result<Ruling<'a>, Refusal> {
        let absent = || Refusal::not_found("collection");
        let membership = self.app.store.membership(account, self.id)?.ok_or_else(absent)?;
        let place = membership.place;
        let state = self.state(place)?;
        self.follows(place, &state)?;
        self.may(&author(&state, account)?)?;
        self.epoch(&state)?;
        self.items(&membership, &state, set)?;
        self.membership_rules(&membership, &state)?;
        Ok(Ruling {
            action: &self.claim.entry.action,
            grants: self.grants(&state)?,
            granter: self.encoded,
            header: self.claim.header,
            owner: self.owner(&state),
            author: *account,
        })
    }

    /// Whether the items, once changed, are what the entry says.
    pub(super) fn commitment(&self, set: &ItemSet) -> Result<(), Refusal> {
        let entry = &self.claim.entry;
        if entry.items != set.len() as u64 {
            let (got, expected) = (entry.items, set.len());
            return Err(Refusal::bad(format!("entry.items is {got}, expected {expected}")));
        }
        if entry.root != Digest(set.root()) {
            return Err(Refusal::bad("entry.root is not the root over the items"));
        }
        Ok(())
    }

    fn state(&self, place: Place) -> Result<LogState, Refusal> {
        self.app.store.log_state(place)?.ok_or_else(|| Refusal::not_found("collection"))
    }

    /// Compare and swap.
    fn follows(&self, place: Place, state: &LogState) -> Result<(), Refusal> {
        let entry = &self.claim.entry;
        let (expected, previous) = state.head.map_or((0, Digest([0; 32])), |(at, hash)| (at + 1, hash));
        let head = match state.head {
            Some((number, hash)) => format!("the head is entry {number}, {hash}"),
            None => "the log was not begun".to_owned(),
        };
        if entry.number != expected {
            if entry.number < expected && self.is_there(place)? {
                return Err(Refusal::conflict(format!("this entry is in the log already; {head}")));
            }
            let got = entry.number;
            return Err(Refusal::conflict(format!("entry.number is {got}, expected {expected}: {head}")));
        }
        if entry.previous != previous {
            return Err(Refusal::conflict(format!("entry.previous is not the head's hash: {head}")));
        }
        Ok(())
    }

    /// Whether the log has these very bytes at the entry's number.
    fn is_there(&self, place: Place) -> Result<bool, Refusal> {
        let before = self.claim.entry.number.checked_sub(1);
        let page = self.app.store.log_page(place, before, 1)?;
        Ok(page.entries.first() == Some(self.claim.signed))
    }

    fn may(&self, author: &Member) -> Result<(), Refusal> {
        let action = &self.claim.entry.action;
        let least = match action {
            Action::Accept if author.accepted => {
                return Err(Refusal::conflict("the collection is accepted already"));
            }
            Action::Accept | Action::Leave => return Ok(()),
            Action::Add { .. } | Action::Remove { .. } | Action::Replace { .. } => Role::Writer,
            Action::Create { .. }
            | Action::Share { .. }
            | Action::Revoke { .. }
            | Action::Rotate { .. }
            | Action::Retire { .. }
            | Action::Settings { .. } => Role::Owner,
        };
        check::role(author.role, author.accepted, least)
    }

    /// Only the actions that start one change the epoch.
    fn epoch(&self, state: &LogState) -> Result<(), Refusal> {
        let entry = &self.claim.entry;
        let expected = match &entry.action {
            Action::Revoke { .. } | Action::Rotate { .. } => state.epoch.checked_add(1),
            _ => Some(state.epoch),
        };
        let Some(expected) = expected else { return Err(Refusal::bad("there is no epoch left")) };
        if entry.epoch != expected {
            return Err(Refusal::bad(format!("entry.epoch is {}, expected {expected}", entry.epoch)));
        }
        Ok(())
    }

    fn items(&self, membership: &Membership, state: &LogState, set: &ItemSet) -> Result<(), Refusal> {
        let there = |item: &ItemId| set.get(&item.0).is_some();
        match &self.claim.entry.action {
            Action::Add { items } => {
                check::new_items(self.claim.items, membership)?;
                for (i, Leaf { item, epoch, .. }) in items.iter().enumerate() {
                    if there(item) {
                        return Err(Refusal::conflict(format!("item {item} is there already")));
                    }
                    if *epoch != state.epoch {
                        let expected = state.epoch;
                        return Err(Refusal::bad(format!(
                            "items[{i}].epoch is {epoch}, expected {expected}"
                        )));
                    }
                }
            }
            Action::Replace { items } => {
                check::new_items(self.claim.items, membership)?;
                let ids: Vec<ItemId> = items.iter().map(|leaf| leaf.item).collect();
                all_there(&ids, there)?;
                // Back into an earlier epoch would be back to whoever knows its key.
                let before = self.app.store.epochs_of(membership.place, &ids)?;
                for (i, (leaf, (_, epoch))) in items.iter().zip(before).enumerate() {
                    if leaf.epoch < epoch {
                        let got = leaf.epoch;
                        let problem = format!("items[{i}].epoch is {got}, expected {epoch} or later");
                        return Err(Refusal::bad(problem));
                    }
                }
            }
            Action::Remove { items } => {
                check::batch(items.iter().copied())?;
                all_there(items, there)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn membership_rules(&self, membership: &Membership, state: &LogState) -> Result<(), Refusal> {
        let entry = &self.claim.entry;
        let is_member = |account: &AccountId| state.members.iter().any(|member| member.account == *account);
        match &entry.action {
            Action::Create { protection, header, identity, grant } => {
                let granted = self.app.store.granted(membership.place, &entry.author)?;
                let fits = [
                    ("protection", *protection == state.protection),
                    ("header", *header == state.header),
                    ("identity", identity.0 == self.encoded),
                    (
                        "grant",
                        granted.iter().any(|(epoch, key)| *epoch == 0 && Digest(sha256(key)) == *grant),
                    ),
                ];
                if let Some((field, _)) = fits.iter().find(|(_, fits)| !fits) {
                    return Err(Refusal::bad(format!("create.{field} is not the collection's")));
                }
            }
            Action::Share { member, identity, grants, .. } => {
                if *member == entry.author {
                    return Err(Refusal::bad("share.member is the author, whose role others change"));
                }
                let known = self.app.store.identity(member)?;
                if known.ok_or_else(|| Refusal::not_found("account"))? != identity.0 {
                    return Err(Refusal::bad("share.identity is not that of the member"));
                }
                if !is_member(member) && state.members.len() >= limits::MEMBERS {
                    let most = limits::MEMBERS;
                    return Err(Refusal::too_large(format!("a collection has at most {most} members")));
                }
                if !grants.iter().map(|(epoch, _)| epoch).eq(&membership.epochs) {
                    return Err(Refusal::bad("share.grants is not one for every live epoch, in order"));
                }
            }
            Action::Revoke { member, .. } => {
                if *member == entry.author {
                    return Err(Refusal::bad("revoke.member is the author, who may leave instead"));
                }
                if !is_member(member) {
                    return Err(Refusal::not_found("member"));
                }
            }
            Action::Leave if is_last_owner(state, &entry.author) => {
                return Err(Refusal::conflict(
                    "the last owner cannot leave: make somebody else one, or delete the collection",
                ));
            }
            Action::Retire { epoch } => {
                if *epoch >= state.epoch || !membership.epochs.contains(epoch) {
                    return Err(Refusal::bad("retire.epoch is not an earlier live epoch"));
                }
                if self.app.store.epoch_in_use(membership.place, *epoch)? {
                    return Err(Refusal::conflict("retire.epoch still holds items"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The grants of the entry, each signed by the author for its member, epoch and role, and for everybody
    /// who must have one.
    fn grants(&self, state: &LogState) -> Result<Vec<GrantToAdd<'a>>, Refusal> {
        let entry = &self.claim.entry;
        let claims: Vec<(AccountId, u32, Role)> = match &entry.action {
            Action::Share { member, role, grants, .. } => {
                grants.iter().map(|(epoch, _)| (*member, *epoch, *role)).collect()
            }
            Action::Revoke { grants, .. } | Action::Rotate { grants } => {
                let gone = match &entry.action {
                    Action::Revoke { member, .. } => Some(*member),
                    _ => None,
                };
                let staying: Vec<&Member> =
                    state.members.iter().filter(|member| Some(member.account) != gone).collect();
                let named: BTreeSet<AccountId> = grants.iter().map(|(account, _)| *account).collect();
                let expected: BTreeSet<AccountId> = staying.iter().map(|member| member.account).collect();
                if named != expected || grants.len() != expected.len() {
                    let expected = expected.len();
                    return Err(Refusal::bad(format!("grants are not one for each of {expected} members")));
                }
                let role = |account: &AccountId| {
                    staying
                        .iter()
                        .find(|member| member.account == *account)
                        .map_or(Role::Reader, |it| it.role)
                };
                grants.iter().map(|(account, _)| (*account, entry.epoch, role(account))).collect()
            }
            _ => Vec::new(),
        };
        let mut checked = Vec::with_capacity(claims.len());
        for (i, ((member, epoch, role), grant)) in claims.into_iter().zip(self.claim.grants).enumerate() {
            let (identity, _) = self.app.identity(&member)?;
            let context = GrantContext { collection: self.id.0, epoch, role: role as u8 };
            grant::verify(self.identity, &identity, &grant.0, &context)
                .map_err(|error| Refusal::bad(format!("payload.grants[{i}]: {error}")))?;
            checked.push(GrantToAdd { member, epoch, role, wrapped_key: &grant.0 });
        }
        Ok(checked)
    }

    /// A collection counts against one of its owners: when that one goes, against the author, or where the
    /// author goes, against any that stays.
    fn owner(&self, state: &LogState) -> AccountId {
        let entry = &self.claim.entry;
        let leaving = match &entry.action {
            Action::Leave => entry.author,
            Action::Revoke { member, .. } => *member,
            Action::Share { member, role, .. } if *role != Role::Owner => *member,
            _ => return state.owner,
        };
        if leaving != state.owner {
            return state.owner;
        }
        if leaving != entry.author {
            return entry.author;
        }
        let others = || state.members.iter().filter(|member| member.account != leaving);
        others().find(|member| is_owner(member)).map_or(state.owner, |member| member.account)
    }
}

impl Ruling<'_> {
    /// What the store does beside keeping the entry.
    pub(super) fn effect<'b>(&'b self, items: &'b [ItemToAdd<'b>]) -> Effect<'b> {
        let (grants, granter, owner) = (self.grants.as_slice(), self.granter, self.owner);
        match self.action {
            Action::Create { .. } => Effect::Nothing,
            Action::Add { .. } => Effect::Add(items),
            Action::Remove { items } => Effect::Remove(items),
            Action::Replace { .. } => Effect::Replace(items),
            Action::Share { member, role, .. } => {
                Effect::Share { member: *member, role: *role, owner, granter, grants }
            }
            Action::Accept => Effect::Accept,
            Action::Leave => Effect::Depart { member: self.author, owner, granter, grants },
            Action::Revoke { member, .. } => Effect::Depart { member: *member, owner, granter, grants },
            Action::Rotate { .. } => Effect::Rotate { granter, grants },
            Action::Retire { epoch } => Effect::Retire { epoch: *epoch },
            Action::Settings { .. } => Effect::Settings { header: self.header },
        }
    }

    /// What becomes of the items' digests.
    pub(super) fn changes(&self) -> Vec<([u8; 16], Option<[u8; 32]>)> {
        match self.action {
            Action::Add { items } | Action::Replace { items } => {
                items.iter().map(|leaf| (leaf.item.0, Some(leaf.digest.0))).collect()
            }
            Action::Remove { items } => items.iter().map(|item| (item.0, None)).collect(),
            _ => Vec::new(),
        }
    }
}

fn author(state: &LogState, account: &AccountId) -> Result<Member, Refusal> {
    let found = state.members.iter().find(|member| member.account == *account);
    found.copied().ok_or_else(|| Refusal::not_found("collection"))
}

fn is_owner(member: &Member) -> bool {
    member.role == Role::Owner && member.accepted
}

fn is_last_owner(state: &LogState, account: &AccountId) -> bool {
    let mut owners = state.members.iter().filter(|member| is_owner(member));
    owners.next().is_some_and(|owner| owner.account == *account) && owners.next().is_none()
}

fn all_there(items: &[ItemId], there: impl Fn(&ItemId) -> bool) -> Result<(), Refusal> {
    match items.iter().enumerate().find(|(_, item)| !there(item)) {
        Some((i, item)) => Err(Refusal::bad(format!("items[{i}]: there is no item {item}"))),
        None => Ok(()),
    }
}
