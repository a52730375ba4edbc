//! Opening collections: those that the server lists and this person accepted, and new ones.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use pmirs_crypto::{CollectionKey, GrantContext, grant};
use pmirs_veil::VeilParams;
use pmirs_wire::collection::{CollectionRecord, EpochGrant, NewCollection, Protection, Role};
use pmirs_wire::log::{Action, Payload};
use pmirs_wire::sealed::CollectionHeader;
use pmirs_wire::split::Trio;
use pmirs_wire::{Bytes, CollectionId, Digest, encode};

use super::{Collection, Collections, DamagedCollection, Model, Models, UnlistedCollection, check_name};
use crate::history::History;
use crate::keys::{CollectionKeys, altered_collection, header_place, open_header, veil_settings};
use crate::local::KnownCollection;
use crate::remote::Remote;
use crate::split::Parties;
use crate::{Vault, VaultError, fresh, share};

/// How often a record and the history that it must fit are asked for again, because others changed them between the
/// two questions.
const ATTEMPTS: usize = 16;

/// Every collection of this person, opened, or why it does not open.
pub(crate) fn open_all(
    vault: &Vault,
) -> Result<impl Iterator<Item = Result<Collection<'_>, (CollectionId, VaultError)>>, VaultError> {
    let remote = vault.remote()?;
    let mut records = remote.collections()?;
    let mut listed = BTreeSet::new();
    records.retain(|record| listed.insert(record.id));
    Ok(records.into_iter().map(move |record| {
        let id = record.id;
        open(vault, remote.clone(), record).and_then(accepted).map_err(|error| (id, error))
    }))
}

/// What this person has not accepted is an offer, whatever the server calls it: anybody can make one.
fn accepted(collection: Collection<'_>) -> Result<Collection<'_>, VaultError> {
    let me = collection.remote.account();
    {
        let mut history = collection.history();
        if !history.has_accepted(me) {
            // Another of this person's devices may have.
            history.follow(&collection.remote, collection.vault.local())?;
        }
        if history.has_accepted(me) {
            drop(history);
            return Ok(collection);
        }
    }
    Err(altered_collection(collection.record.id, "membership", &"this person never accepted it"))
}

pub(crate) fn list(vault: &Vault) -> Result<Collections, VaultError> {
    let mut collections = Collections::default();
    for opened in open_all(vault)? {
        match opened {
            Ok(collection) => collections.readable.push(collection.info()),
            Err((id, error)) => {
                collections.damaged.push(DamagedCollection { id, reason: error.to_string() });
            }
        }
    }
    let remote = vault.remote()?;
    for record in remote.shares()? {
        let id = record.id;
        match share::offer(vault, &remote, record) {
            Ok(offer) => collections.offered.push(offer),
            Err(error) => collections.damaged.push(DamagedCollection { id, reason: error.to_string() }),
        }
    }
    let readable = collections.readable.iter().map(|it| it.id);
    let listed = readable.chain(collections.damaged.iter().map(|it| it.id)).collect();
    collections.unlisted = unlisted(vault, &listed)?;
    Ok(collections)
}

/// Collections that this machine knows this person to be a member of, and that the server does not list.
pub(crate) fn unlisted(
    vault: &Vault,
    listed: &BTreeSet<CollectionId>,
) -> Result<Vec<UnlistedCollection>, VaultError> {
    let (local, remote) = (vault.local(), vault.remote()?);
    let mut unlisted = Vec::new();
    for (id, KnownCollection { name, server }) in local.known_collections()? {
        if server != remote.server() || listed.contains(&id) {
            continue;
        }
        let member = local.history(id)?.and_then(|mut state| state.members.remove(&remote.account()));
        if member.is_some_and(|member| member.accepted) {
            unlisted.push(UnlistedCollection { id, name });
        }
    }
    if unlisted.is_empty() {
        return Ok(unlisted);
    }
    // Another process of this home may have made or accepted it meanwhile.
    let now: BTreeSet<CollectionId> = remote.collections()?.iter().map(|record| record.id).collect();
    unlisted.retain(|it| !now.contains(&it.id));
    // Who was removed may have been asked again, if the log says so too.
    let offered: BTreeSet<CollectionId> = remote.shares()?.iter().map(|record| record.id).collect();
    unlisted.retain(|it| !offered.contains(&it.id) || !is_offer(vault, &remote, it.id));
    Ok(unlisted)
}

/// Whether the log, followed to its head, says that this person has not accepted.
fn is_offer(vault: &Vault, remote: &Remote, id: CollectionId) -> bool {
    let followed = History::open(vault.local(), remote.account(), id).and_then(|mut history| {
        history.follow(remote, vault.local())?;
        Ok(!history.has_accepted(remote.account()))
    });
    followed.unwrap_or(false)
}

/// One damaged collection does not stand before the others; but where none has the name, it may be the one.
pub(crate) fn find<'v>(vault: &'v Vault, name: &str) -> Result<Collection<'v>, VaultError> {
    let (mut found, mut damaged) = (None, None);
    let mut listed = BTreeSet::new();
    for opened in open_all(vault)? {
        listed.insert(opened.as_ref().map_or_else(|(id, _)| *id, |collection| collection.record.id));
        match opened {
            Ok(collection) if collection.record.id.to_string() == name => return Ok(collection),
            Ok(collection) if collection.header.name == name => {
                if found.is_some() {
                    return Err(VaultError::Ambiguous(name.to_owned()));
                }
                found = Some(collection);
            }
            Ok(_) => {}
            Err((id, error)) if is_named(vault, id, name)? => return Err(error),
            Err((_, error)) => damaged = Some(error),
        }
    }
    // Where the one of this name is hidden or does not open, another of the name must not take its place.
    if let Some(UnlistedCollection { id, .. }) = unlisted(vault, &listed)?.into_iter().find(|it| it.is(name))
    {
        return Err(VaultError::Unlisted { collection: name.to_owned(), id });
    }
    if let Some(found) = found {
        return Ok(found);
    }
    Err(damaged.unwrap_or_else(|| VaultError::NoCollection(name.to_owned())))
}

/// Forgets what this machine knows of a collection, one that the server does not list any more too.
pub(crate) fn forget(vault: &Vault, name: &str) -> Result<(), VaultError> {
    let local = vault.local();
    let mut named = Vec::new();
    for (id, known) in local.known_collections()? {
        if id.to_string() == name {
            return local.forget(id);
        }
        if known.name == name {
            named.push(id);
        }
    }
    match named.as_slice() {
        [id] => local.forget(*id),
        [] => find(vault, name).and_then(|collection| local.forget(collection.record.id)),
        _ => Err(VaultError::Ambiguous(name.to_owned())),
    }
}

/// Whether this machine knows a collection by this name or identifier.
fn is_named(vault: &Vault, id: CollectionId, name: &str) -> Result<bool, VaultError> {
    let known = vault.local().known_collections()?;
    Ok(id.to_string() == name || known.iter().any(|(known, it)| *known == id && it.name == name))
}

/// Deletes a collection that does not open any more, by its identifier.
pub(crate) fn delete_damaged(vault: &Vault, id: &str) -> Result<(), VaultError> {
    let remote = vault.remote()?;
    for DamagedCollection { id: damaged, .. } in list(vault)?.damaged {
        if damaged.to_string() == id {
            remote.delete_collection(damaged)?;
            return vault.local().forget(damaged);
        }
    }
    Err(VaultError::NoCollection(id.to_owned()))
}

pub(crate) fn create<'v>(
    vault: &'v Vault,
    name: &str,
    protection: Protection,
    trio: Option<Trio>,
) -> Result<Collection<'v>, VaultError> {
    check_name(name)?;
    if (protection == Protection::Split) != trio.is_some() {
        return Err(VaultError::Parties(
            "a split collection has three servers, and no other has any".to_owned(),
        ));
    }
    let Collections { readable, unlisted, .. } = list(vault)?;
    if readable.iter().any(|known| known.name == name) {
        return Err(VaultError::CollectionExists(name.to_owned()));
    }
    if let Some(UnlistedCollection { id, .. }) = unlisted.into_iter().find(|it| it.name == name) {
        return Err(VaultError::Unlisted { collection: name.to_owned(), id });
    }
    let remote = vault.remote()?;
    let identity = vault.identity();
    let mut rng = fresh::rng()?;
    let id = CollectionId(fresh::id(&mut rng));
    let encoder = vault.encoder()?;
    // Whether they are there and who they should be is found out before anything is made.
    let parties = trio.as_ref().map(|trio| Parties::connect(trio, vault.identity())).transpose()?;
    let veil = (protection == Protection::Veiled).then(|| VeilParams::recommended(encoder.info().dim));
    let model = Model::of(&encoder, 0);
    let header = CollectionHeader {
        name: name.to_owned(),
        created_ms: fresh::now_ms(),
        model: model.name,
        dim: model.dim,
        digest: model.digest,
        since: 0,
        earlier: Vec::new(),
        veil: veil.as_ref().map(veil_settings),
        parties: trio,
    };

    let key = CollectionKey::generate(&mut rng);
    let sealed = key.epoch_keys(&id.0, 0).metadata.seal(&mut rng, &header_place(id), &encode(&header)?);
    let role = Role::Owner;
    let context = GrantContext { collection: id.0, epoch: 0, role: role as u8 };
    let public = identity.public();
    let wrapped = grant::seal(&mut rng, &identity, &public, &key, &context);
    let record = remote.create_collection(&NewCollection {
        id,
        protection,
        veiled_dim: veil.map_or(0, |params| params.veiled_dim() as u32),
        header: Bytes(sealed),
        grant: EpochGrant { epoch: 0, role, granter: Bytes(public.to_bytes()), grant: Bytes(wrapped) },
    })?;
    let mut history = History::open(vault.local(), remote.account(), id)?;
    begin(&mut history, vault, &remote, &record)?;
    if let Some(parties) = parties
        && let Err(error) = parties.found(id, header.dim, &identity)
    {
        remote.delete_collection(id)?;
        vault.local().forget(id)?;
        return Err(error);
    }
    open(vault, remote, record)
}

/// Opens a collection with what is known of its history, and follows that where it does not fit: others may
/// have changed it since.
pub(crate) fn open(
    vault: &Vault,
    remote: Arc<Remote>,
    record: CollectionRecord,
) -> Result<Collection<'_>, VaultError> {
    let local = vault.local();
    let mut history = History::open(local, remote.account(), record.id)?;
    if history.state().is_none() {
        history.follow(&remote, local)?;
    }
    let (record, keys, header) = open_record(vault, &remote, record, &mut history)?;
    local.remember(record.id, &KnownCollection { name: header.name.clone(), server: remote.server() })?;
    let models = RwLock::new(Arc::new(Models::of(&header, header_digest(&record))));
    let (keys, index) = (RwLock::new(Arc::new(keys)), Mutex::new(None));
    let (history, parties) = (Mutex::new(history), OnceLock::new());
    Ok(Collection { vault, remote, record, header, keys, models, history, index, parties })
}

/// What the log pins of a record's sealed settings.
pub(crate) fn header_digest(record: &CollectionRecord) -> Digest {
    Digest(pmirs_crypto::sha256(&record.header.0))
}

/// A record's keys and header, once record and history fit each other. Either may be a little older than the other,
/// so both are asked for again until neither moves; what does not fit then was altered.
pub(crate) fn open_record(
    vault: &Vault,
    remote: &Remote,
    mut record: CollectionRecord,
    history: &mut History,
) -> Result<(CollectionRecord, CollectionKeys, CollectionHeader), VaultError> {
    let mut attempts = 0;
    loop {
        let error = match open_fitting(vault, &record, history) {
            Ok((keys, header)) => return Ok((record, keys, header)),
            Err(error) => error,
        };
        let stood = history.number();
        history.follow(remote, vault.local())?;
        let again = remote.collection(record.id)?;
        attempts += 1;
        if again == record && history.number() == stood {
            return Err(error);
        }
        if attempts == ATTEMPTS {
            return Err(VaultError::Busy);
        }
        record = again;
    }
}

fn open_fitting(
    vault: &Vault,
    record: &CollectionRecord,
    history: &History,
) -> Result<(CollectionKeys, CollectionHeader), VaultError> {
    let state =
        history.state().ok_or_else(|| altered_collection(record.id, "history", &"its log was not begun"))?;
    if state.protection != record.protection {
        return Err(altered_collection(record.id, "protection", &"the history has another"));
    }
    let owner = state.members.get(&record.owner);
    if owner.is_none_or(|owner| owner.role != Role::Owner) {
        return Err(altered_collection(record.id, "owner", &"the history knows no such owner"));
    }
    let keys = CollectionKeys::open(&vault.identity(), record, state)?;
    let header = open_header(&keys, record, state)?;
    Ok((keys, header))
}

/// The first entry of the log of a collection that was made just now. It is never signed later: a server that hides
/// a log could have it begun anew, without those who were revoked. Where a run is cut short before this, an empty
/// collection that does not open is left, to be deleted.
fn begin(
    history: &mut History,
    vault: &Vault,
    remote: &Remote,
    record: &CollectionRecord,
) -> Result<(), VaultError> {
    let identity = vault.identity();
    let public = identity.public();
    let first = record
        .grants
        .first()
        .filter(|grant| grant.epoch == 0 && grant.granter.0 == public.to_bytes() && record.grants.len() == 1);
    let fresh = record.owner == remote.account() && record.items == 0;
    let Some(grant) = first.filter(|_| fresh) else {
        return Err(altered_collection(record.id, "history", &"its log was not begun"));
    };
    let action = Action::Create {
        protection: record.protection,
        header: Digest(pmirs_crypto::sha256(&record.header.0)),
        identity: Bytes(public.to_bytes()),
        grant: Digest(pmirs_crypto::sha256(&grant.grant.0)),
    };
    history
        .append(&identity, remote, vault.local(), &mut |state, _| {
            Ok(state.is_none().then(|| (action.clone(), Payload::Nothing)))
        })
        .map(drop)
}
