//! Sharing: who has a part in a collection, and how that changes.
//!
//! A grant hands on a collection's key, sealed to one member's pinned key; the log pins its digest, so that the
//! server can neither make one nor keep one back. Whoever is revoked keeps what they saw: from then on the
//! collection goes on under a key that they were never given.

use std::sync::Arc;

use pmirs_crypto::{CollectionKey, GrantContext, PublicIdentity, grant, sha256};
use pmirs_wire::collection::{CollectionRecord, Protection, Role};
use pmirs_wire::log::{Action, Payload};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest};

use crate::collection::{self, Collection};
use crate::history::{Member, State};
use crate::remote::Remote;
use crate::split::{ATTEMPTS, is_conflict, members_of, pause};
use crate::{Vault, VaultError, fresh};

/// A collection that somebody shared and that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its identifier.
    pub id: CollectionId,
    /// Its name.
    pub name: String,
    /// Its protection level.
    pub protection: Protection,
    /// Items it holds.
    pub items: u64,
    /// What this person may do once they accept.
    pub role: Role,
    /// The contact who shared it; nothing where whoever did is not among the contacts.
    pub from: Option<String>,
    /// Safety words of whoever shared it.
    pub from_words: String,
}

/// Somebody with a part in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// Their account.
    pub account: AccountId,
    /// Their name among this person's contacts.
    pub name: Option<String>,
    /// The words that name their key.
    pub safety_words: String,
    /// What they may do.
    pub role: Role,
    /// Whether they accepted.
    pub accepted: bool,
    /// Whether it is this person.
    pub me: bool,
}

impl Collection<'_> {
    /// Everybody with a part in the collection, as its history says.
    ///
    /// # Errors
    /// When the cloud cannot be asked, or its history is not in order.
    pub fn members(&self) -> Result<Vec<MemberInfo>, VaultError> {
        let mut history = self.history();
        history.follow(&self.remote, self.vault.local())?;
        let members = history.state().map(|state| state.members.clone()).unwrap_or_default();
        drop(history);
        members.into_iter().map(|(account, member)| self.member_info(account, &member)).collect()
    }

    /// Gives a contact a role, or another one, with the keys of all live epochs.
    ///
    /// # Errors
    /// [`VaultError::ContactChanged`] where the server shows another key than the pinned one; when this person
    /// is no owner, or the cloud fails.
    pub fn share(&self, contact: &str, role: Role) -> Result<MemberInfo, VaultError> {
        let identity = self.vault.contact_identity(contact)?;
        let account = AccountId(identity.fingerprint());
        let mut rng = fresh::rng()?;
        let keys = self.keys();
        self.change(&mut |state, _| {
            let state = begun(state)?;
            let mut grants = Vec::with_capacity(state.live.len());
            let mut wrapped = Vec::with_capacity(state.live.len());
            for &epoch in &state.live {
                let key = keys.key(epoch).map_err(|_| VaultError::NewEpoch)?;
                let sealed = self.wrap(&mut rng, &identity, key, epoch, role);
                grants.push((epoch, Digest(sha256(&sealed.0))));
                wrapped.push(sealed);
            }
            let encoded = Bytes(identity.to_bytes());
            let action = Action::Share { member: account, identity: encoded, role, grants };
            Ok(Some((action, Payload::Grants(wrapped))))
        })?;
        self.level_members()?;
        let member = Member { identity: Bytes(identity.to_bytes()), role, accepted: false };
        let known = self.history().state().and_then(|state| state.members.get(&account).cloned());
        self.member_info(account, &known.unwrap_or(member))
    }

    /// Ends somebody's membership and starts an epoch that they have no key for. `who` is a contact's name or the
    /// beginning of an account's identifier.
    ///
    /// # Errors
    /// [`VaultError::NotMember`] where nobody of this name has a part; when this person is no owner, or the cloud
    /// fails.
    pub fn revoke(&self, who: &str) -> Result<MemberInfo, VaultError> {
        let gone = self.member(who);
        if matches!(gone, Err(VaultError::NotMember(_))) {
            // The three may not have heard of it, when an earlier attempt ended in between.
            self.level_members()?;
        }
        let gone = gone?;
        self.start_epoch(Some(gone.account))?;
        self.level_members()?;
        Ok(gone)
    }

    /// Starts an epoch for the same members: what is added from now on is under a fresh key.
    ///
    /// # Errors
    /// When this person is no owner, or the cloud fails.
    pub fn rotate(&self) -> Result<u32, VaultError> {
        self.start_epoch(None)
    }

    /// Gives up the membership. The last owner must make somebody else one, or delete the collection.
    ///
    /// The three servers of a split collection are told first, as far as they can be reached: an owner's next command tells
    /// those that were away.
    ///
    /// # Errors
    /// When this person is the last owner, or the cloud fails.
    pub fn leave(self) -> Result<(), VaultError> {
        leave(self.vault, &self.remote, self.record.id)
    }

    /// Has the three servers of a split collection know the members that the log has, and hold fresh shares where somebody
    /// went: what an earlier share, revocation or departure left undone, whoever made it. An owner's alone to do; does
    /// nothing for others, and nothing where this machine saw it done.
    pub(crate) fn level_members(&self) -> Result<(), VaultError> {
        let (id, local) = (self.record.id, self.vault.local());
        if self.record.protection != Protection::Split {
            return Ok(());
        }
        let me = self.remote.account();
        let told = |state: &State| Ok::<_, VaultError>(local.levelled(id)? == Some(levelled(state)));
        {
            let history = self.history();
            let state = begun(history.state())?;
            let is_owner = state.members.get(&me).is_some_and(|member| member.role == Role::Owner);
            if !is_owner || told(state)? {
                return Ok(());
            }
        }
        let parties = self.parties()?;
        for attempt in 1.. {
            let known = parties.membership(id)?;
            let state = {
                let mut history = self.history();
                history.follow(&self.remote, local)?;
                begun(history.state())?.clone()
            };
            let members = members_of(&state);
            let gone = known.statement.members.iter().any(|it| !state.members.contains_key(&it.account));
            if known.statement.members != members {
                match parties.tell_members(&known, members, &self.vault.identity()) {
                    // Another owner told them something meanwhile.
                    Err(error) if is_conflict(&error) && attempt < ATTEMPTS => {
                        pause(attempt)?;
                        continue;
                    }
                    told => told?,
                }
            }
            if gone || known.stale {
                // Old shares that somebody kept are useless with the new ones.
                parties.refresh(id)?;
            }
            return local.remember_levelled(id, &levelled(&state));
        }
        Err(VaultError::Busy)
    }

    /// Has the three servers take this person for a member no longer, by its own word.
    fn leave_parties(&self) -> Result<(), VaultError> {
        let (parties, me) = (self.parties()?, self.remote.account());
        for attempt in 1.. {
            let known = parties.membership(self.record.id)?;
            let mut members = known.statement.members.clone();
            members.retain(|member| member.account != me);
            match parties.tell_members(&known, members, &self.vault.identity()) {
                Err(error) if is_conflict(&error) && attempt < ATTEMPTS => pause(attempt)?,
                told => return told,
            }
        }
        Err(VaultError::Busy)
    }

    fn start_epoch(&self, gone: Option<AccountId>) -> Result<u32, VaultError> {
        let mut rng = fresh::rng()?;
        let entry = self.change(&mut |state, _| {
            let state = begun(state)?;
            let epoch = state.epoch + 1;
            let key = CollectionKey::generate(&mut rng);
            let mut grants = Vec::with_capacity(state.members.len());
            let mut wrapped = Vec::with_capacity(state.members.len());
            for (&account, member) in state.members.iter().filter(|(account, _)| Some(**account) != gone) {
                // The log was checked, so each of its identities is one.
                let identity = PublicIdentity::from_bytes(&member.identity.0)
                    .map_err(|error| VaultError::Internal(error.to_string()))?;
                let sealed = self.wrap(&mut rng, &identity, &key, epoch, member.role);
                grants.push((account, Digest(sha256(&sealed.0))));
                wrapped.push(sealed);
            }
            let action = match gone {
                Some(member) => Action::Revoke { member, grants },
                None => Action::Rotate { grants },
            };
            Ok(Some((action, Payload::Grants(wrapped))))
        })?;
        self.renew_keys(&mut self.history())?;
        Ok(entry.map_or_else(|| self.keys().current_epoch(), |entry| entry.epoch))
    }

    fn wrap(
        &self,
        rng: &mut pmirs_crypto::Prg,
        member: &PublicIdentity,
        key: &CollectionKey,
        epoch: u32,
        role: Role,
    ) -> Bytes {
        let context = GrantContext { collection: self.record.id.0, epoch, role: role as u8 };
        Bytes(grant::seal(rng, &self.vault.identity(), member, key, &context))
    }

    fn member(&self, who: &str) -> Result<MemberInfo, VaultError> {
        let name = who.split_once('@').map_or(who, |(name, _)| name);
        let mut named = self.members()?.into_iter().filter(|member| {
            member.name.as_deref() == Some(name)
                || (who.len() >= 8 && member.account.to_string().starts_with(who))
        });
        match (named.next(), named.next()) {
            (Some(member), None) => Ok(member),
            _ => Err(VaultError::NotMember(who.to_owned())),
        }
    }

    fn member_info(&self, account: AccountId, member: &Member) -> Result<MemberInfo, VaultError> {
        let name = self.vault.contact_of(account)?.map(|contact| contact.name);
        let me = account == self.remote.account();
        let safety_words = words(&member.identity);
        Ok(MemberInfo { account, name, safety_words, role: member.role, accepted: member.accepted, me })
    }
}

/// An offer, opened. Nothing in it is taken before its history is in order.
pub(crate) fn offer(
    vault: &Vault,
    remote: &Arc<Remote>,
    record: CollectionRecord,
) -> Result<Offer, VaultError> {
    let opened = collection::open(vault, remote.clone(), record)?;
    let history = opened.history();
    let state = begun(history.state())?;
    let role = state.members.get(&remote.account()).map_or(Role::Reader, |member| member.role);
    // Whoever shared it may have left since.
    let from = match state.sharer {
        Some(account) => vault.contact_of(account)?.map(|contact| contact.name),
        None => None,
    };
    let granter = state.grants.values().next().map(|grant| words(&grant.granter)).unwrap_or_default();
    Ok(Offer {
        id: opened.record.id,
        name: opened.header.name.clone(),
        protection: opened.record.protection,
        items: state.items,
        role,
        from,
        from_words: granter,
    })
}

/// Accepts what a contact shared, by its name or identifier.
pub(crate) fn accept(vault: &Vault, name: &str) -> Result<Offer, VaultError> {
    let remote = vault.remote()?;
    let offer = find(vault, &remote, name)?;
    if offer.from.is_none() {
        return Err(VaultError::UnknownSharer { collection: offer.name, words: offer.from_words });
    }
    let collection = collection::open(vault, remote.clone(), remote.collection(offer.id)?)?;
    collection.change(&mut |_, _| Ok(Some((Action::Accept, Payload::Nothing))))?;
    Ok(offer)
}

/// Declines what somebody shared.
pub(crate) fn decline(vault: &Vault, name: &str) -> Result<Offer, VaultError> {
    let remote = vault.remote()?;
    let offer = find(vault, &remote, name)?;
    leave(vault, &remote, offer.id)?;
    Ok(offer)
}

fn find(vault: &Vault, remote: &Arc<Remote>, name: &str) -> Result<Offer, VaultError> {
    let mut named = Vec::new();
    let mut failed = None;
    for record in remote.shares()? {
        match offer(vault, remote, record) {
            Ok(offer) if offer.name == name || offer.id.to_string() == name => named.push(offer),
            Ok(_) => {}
            Err(error) => failed = Some(error),
        }
    }
    match (named.pop(), named.is_empty()) {
        (Some(offer), true) => Ok(offer),
        (Some(_), false) => Err(VaultError::Ambiguous(name.to_owned())),
        (None, _) => Err(failed.unwrap_or_else(|| VaultError::NoCollection(name.to_owned()))),
    }
}

fn leave(vault: &Vault, remote: &Arc<Remote>, id: CollectionId) -> Result<(), VaultError> {
    let collection = collection::open(vault, remote.clone(), remote.collection(id)?)?;
    if collection.record.protection == Protection::Split {
        // Nobody is held back by a server that is away, or that knows already.
        let _ = collection.leave_parties();
    }
    collection.change(&mut |_, _| Ok(Some((Action::Leave, Payload::Nothing))))?;
    vault.local().forget(id)
}

/// What names the members of a moment: accounts with keys and roles, and the epoch, which a revocation begins.
fn levelled(state: &State) -> Digest {
    let mut bytes = state.epoch.to_be_bytes().to_vec();
    for member in members_of(state) {
        let identity = sha256(&member.identity.0);
        bytes.extend([member.account.0.as_slice(), &identity, &[member.role as u8]].concat());
    }
    Digest(sha256(&bytes))
}

fn begun(state: Option<&State>) -> Result<&State, VaultError> {
    state.ok_or_else(|| VaultError::Internal("a collection without a history was opened".to_owned()))
}

fn words(identity: &Bytes) -> String {
    PublicIdentity::from_bytes(&identity.0).map(|it| it.safety_words()).unwrap_or_default()
}
