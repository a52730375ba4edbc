//! One collection: what it is, and everything that can be done with it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use pmirs_crypto::{CollectionKey, GrantContext, Kind, Place, grant};
use pmirs_veil::VeilParams;
use pmirs_wire::collection::{CollectionRecord, EpochGrant, NewCollection, Protection, Role};
use pmirs_wire::item::{Change as ItemChange, Changes, ItemRecord, NewItem};
use pmirs_wire::log::{Action, Entry, Payload};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::sealed::{CollectionHeader, ItemKind, ItemMeta};
use pmirs_wire::{Bytes, CollectionId, Digest, ItemId, encode, limits};
use rayon::prelude::*;

use crate::add::{self, AddOptions, AddReport, Import};
use crate::history::{Change, History, State, digests};
use crate::keys::{CollectionKeys, altered_collection, altered_item, open_header, veil_settings};
use crate::local::LocalRecord;
use crate::progress::Progress;
use crate::remote::{Remote, Timing};
use crate::search::{self, Answer, LocalIndex, Query, SearchOptions};
use crate::share::{self, Offer};
use crate::verify::{self, VerifyReport};
use crate::{Vault, VaultError, fresh};

/// The longest name of a collection, in characters.
const MAX_NAME: usize = 200;
/// How often history and items are asked for again because somebody changed them in between.
const SYNC_ROUNDS: usize = 64;

/// What a collection is and holds.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionInfo {
    /// Its identifier.
    pub id: CollectionId,
    /// Its name, which the cloud cannot read.
    pub name: String,
    /// Its protection level.
    pub protection: Protection,
    /// The model pack whose embeddings it holds.
    pub model: String,
    /// Items it holds.
    pub items: u64,
    /// Bytes that they take at the cloud.
    pub bytes: u64,
    /// The epoch that new items belong to.
    pub epoch: u32,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// What this person may do in it.
    pub role: Role,
    /// How many people have a part in it, those who have not accepted yet too.
    pub members: usize,
}

/// Every collection of a person.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Collections {
    /// Those that open.
    pub readable: Vec<CollectionInfo>,
    /// Those that somebody shared and that wait for an answer.
    pub offered: Vec<Offer>,
    /// Those whose name, settings or keys the server did not keep.
    pub damaged: Vec<DamagedCollection>,
}

/// A collection that does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedCollection {
    /// Its identifier.
    pub id: CollectionId,
    /// What is wrong with it.
    pub reason: String,
}

/// An item, as a list shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemSummary {
    /// Its identifier.
    pub item: ItemId,
    /// Its metadata.
    pub meta: ItemMeta,
}

/// A collection that this person can read, opened.
pub struct Collection<'v> {
    pub(crate) vault: &'v Vault,
    pub(crate) remote: Arc<Remote>,
    pub(crate) record: CollectionRecord,
    pub(crate) header: CollectionHeader,
    keys: RwLock<Arc<CollectionKeys>>,
    /// The collection's log, as far as it was followed.
    history: Mutex<History>,
    /// At `sealed`: the decrypted index, kept between searches.
    index: Mutex<Option<LocalIndex>>,
}

impl Collection<'_> {
    /// What it is, as of when it was opened.
    pub fn info(&self) -> CollectionInfo {
        let me = self.remote.account();
        let members = self.history().state().map(|state| state.members.clone()).unwrap_or_default();
        CollectionInfo {
            id: self.record.id,
            name: self.header.name.clone(),
            protection: self.record.protection,
            model: self.header.model.clone(),
            items: self.record.items,
            bytes: self.record.bytes,
            epoch: self.keys().current_epoch(),
            created_ms: self.header.created_ms,
            role: members.get(&me).map_or(Role::Reader, |member| member.role),
            members: members.len(),
        }
    }

    /// Adds files, and folders with everything below them. What is there already is left alone, so running
    /// it again after a failure adds only what is missing; a broken file is reported and skipped.
    ///
    /// # Errors
    /// When a path does not exist, the captions are malformed, or the cloud fails. What was acknowledged
    /// before stays.
    pub fn add(
        &self,
        paths: &[PathBuf],
        options: &AddOptions,
        progress: &dyn Progress,
    ) -> Result<AddReport, VaultError> {
        add::add(self, paths, options, progress)
    }

    /// Adds items whose embeddings were made elsewhere, and says how many the cloud acknowledged.
    ///
    /// # Errors
    /// When an embedding has another dimension than the collection's, or the cloud fails.
    pub fn import(&self, items: impl IntoIterator<Item = Import>) -> Result<u64, VaultError> {
        add::import(self, items)
    }

    /// Finds the items nearest to a description or a picture.
    ///
    /// # Errors
    /// When the query cannot be embedded, the cloud fails, or a record is not what its author wrote.
    pub fn search(&self, query: &Query, options: &SearchOptions) -> Result<Answer, VaultError> {
        search::search(self, query, options)
    }

    /// An item's metadata and content, checked against each other.
    ///
    /// # Errors
    /// When there is no such item, or it is not what its author wrote.
    pub fn get(&self, item: ItemId) -> Result<(ItemMeta, Vec<u8>), VaultError> {
        let record = self.remote.item(self.record.id, item).map_err(|error| no_item(item, error))?;
        if record.item != item {
            return Err(altered_item(item, "identifier", &"the server answers with another item"));
        }
        let mut history = self.history();
        history.watch();
        self.pinned(&mut history, item, Some(record_digest(&record)))?;
        self.renew_keys(&history)?;
        drop(history);
        let keys = self.keys();
        let meta = keys.open_meta(item, record.epoch, &record.meta.0)?;
        let sealed = self.remote.content(self.record.id, item)?;
        let content = keys.open_content(item, record.epoch, &sealed)?;
        if pmirs_crypto::sha256(&content) != meta.content.0 {
            return Err(altered_item(item, "content", &"its digest is not the metadata's"));
        }
        Ok((meta, content))
    }

    /// Removes items for good, and says how many there were.
    ///
    /// # Errors
    /// When the role does not allow it, or the cloud fails.
    pub fn remove(&self, items: &[ItemId]) -> Result<u64, VaultError> {
        let mut removed = 0;
        let items: Vec<ItemId> = items.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        for batch in items.chunks(limits::BATCH_ITEMS) {
            self.change(&mut |_, leaves| {
                let items: Vec<ItemId> =
                    batch.iter().copied().filter(|item| leaves.epoch(item).is_some()).collect();
                Ok((!items.is_empty()).then_some((Action::Remove { items }, Payload::Nothing)))
            })
            .map(|entry| {
                if let Some(Entry { action: Action::Remove { items }, .. }) = entry {
                    removed += items.len() as u64;
                }
            })?;
        }
        Ok(removed)
    }

    /// Sealed items to the cloud, all or none.
    pub(crate) fn publish(&self, items: &[NewItem]) -> Result<(), VaultError> {
        let leaves = digests(items);
        self.change(&mut |state, _| {
            latest_epoch(state, items)?;
            Ok(Some((Action::Add { items: leaves.clone() }, Payload::Items(items.to_vec()))))
        })
        .map(drop)
    }

    /// Puts sealed items in the place of those with their identifiers, as far as these are still there, and says
    /// how many were.
    pub(crate) fn replace(&self, items: Vec<NewItem>) -> Result<u64, VaultError> {
        let mut there = items;
        let entry = self.change(&mut |state, leaves| {
            there.retain(|new| leaves.epoch(&new.item).is_some());
            latest_epoch(state, &there)?;
            let action = Action::Replace { items: digests(&there) };
            Ok((!there.is_empty()).then(|| (action, Payload::Items(there.clone()))))
        })?;
        Ok(entry.map_or(0, |_| there.len() as u64))
    }

    /// Signs and sends a change of the collection.
    pub(crate) fn change(&self, change: &mut Change<'_>) -> Result<Option<Entry>, VaultError> {
        self.history().append(&self.vault.identity(), &self.remote, self.vault.local(), change)
    }

    /// The keys of all live epochs.
    pub(crate) fn keys(&self) -> Arc<CollectionKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the keys of epochs that the history began or ended since the collection was opened.
    pub(crate) fn renew_keys(&self, history: &History) -> Result<(), VaultError> {
        let granted = history.state().into_iter().flat_map(|state| state.grants.keys().copied());
        if granted.eq(self.keys().epochs()) {
            return Ok(());
        }
        let record = self.remote.collection(self.record.id)?;
        let (keys, _) = open_record(self.vault, &record, history)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(())
    }

    /// The collection's log.
    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every item with its metadata, ordered by name.
    ///
    /// # Errors
    /// When the cloud fails, or a record is not what its author wrote.
    pub fn items(&self) -> Result<Vec<ItemSummary>, VaultError> {
        self.sync()?;
        let keys = self.keys();
        let mut items = self
            .local_records()?
            .into_iter()
            .map(|record| {
                let meta = keys.open_meta(record.item, record.epoch, &record.meta.0)?;
                Ok(ItemSummary { item: record.item, meta })
            })
            .collect::<Result<Vec<_>, VaultError>>()?;
        items.sort_by(|a, b| (&a.meta.name, a.item).cmp(&(&b.meta.name, b.item)));
        Ok(items)
    }

    /// Checks every record and every content of the collection.
    ///
    /// # Errors
    /// When the cloud cannot be asked; what is wrong with an item is in the report instead.
    pub fn verify(&self, progress: &dyn Progress) -> Result<VerifyReport, VaultError> {
        verify::verify(self, progress)
    }

    /// Forgets what this machine remembers of the collection, so that whatever the cloud holds now is taken as
    /// it is: after the cloud was restored from a backup on purpose.
    ///
    /// # Errors
    /// When the local store is damaged.
    pub fn forget(&self) -> Result<(), VaultError> {
        self.vault.local().forget(self.record.id)
    }

    /// Deletes the collection with everything in it, for good.
    ///
    /// # Errors
    /// When the cloud refuses or fails.
    pub fn delete(self) -> Result<(), VaultError> {
        self.remote.delete_collection(self.record.id)?;
        self.vault.local().forget(self.record.id)
    }

    /// Follows the collection's history and its items into the local store: afterwards that holds every item
    /// that the signed log has at the server's head, as its author wrote it, and no other.
    pub(crate) fn sync(&self) -> Result<Timing, VaultError> {
        let local = self.vault.local();
        let id = self.record.id;
        let mut history = self.history();
        history.watch();
        let mut total = Timing::default();
        for _ in 0..SYNC_ROUNDS {
            let head = history.follow(&self.remote, local)?;
            self.renew_keys(&history)?;
            let mut after = local.synced(id)?;
            loop {
                let (page, timing) = self.remote.changes(id, after)?;
                total.seal += timing.seal;
                total.network += timing.network;
                total.open += timing.open;
                if page.seq < after || (page.more && page.seq == after) {
                    let got = format!("change {} after change {after}", page.seq);
                    return Err(altered_collection(id, "history", &got));
                }
                if page.seq > after {
                    // An epoch may have begun after the head was given.
                    if !self.knows_epochs(&page) {
                        history.follow(&self.remote, local)?;
                        self.renew_keys(&history)?;
                    }
                    self.check(&page)?;
                    self.check_pinned(&mut history, &page)?;
                    local.apply(id, &page)?;
                }
                after = page.seq;
                if !page.more {
                    break;
                }
            }
            if after < head.seq {
                let got = format!("changes end at {after}, the head speaks of {}", head.seq);
                return Err(altered_collection(id, "history", &got));
            }
            // Where somebody changed it between the two questions, both are asked again.
            if after == head.seq && history.state().is_some_and(|state| state.hash == head.hash) {
                // Counting takes longer than a search does, so it is done once for each state.
                if history.counted != Some((after, head.hash)) {
                    self.whole(&history)?;
                    history.counted = Some((after, head.hash));
                }
                return Ok(total);
            }
        }
        Err(VaultError::Busy)
    }

    /// Every item that the log has must have come.
    fn whole(&self, history: &History) -> Result<(), VaultError> {
        let (local, id) = (self.vault.local(), self.record.id);
        let expected = history.state().map_or(0, |state| state.items);
        if local.record_count(id)? == expected {
            return Ok(());
        }
        match local.leaf_without_record(id)? {
            Some(item) => Err(altered_item(item, "record", &"the signed log has it, the server left it out")),
            None => Err(altered_collection(id, "items", &"there are more than the signed log has")),
        }
    }

    fn knows_epochs(&self, page: &Changes) -> bool {
        let keys = self.keys();
        page.changes.iter().all(|change| match change {
            ItemChange::Added(record) => keys.epoch(record.epoch).is_ok(),
            ItemChange::Removed(_) => true,
        })
    }

    /// Nothing enters the local store that its author did not write: one lie would stay there for good.
    fn check(&self, page: &Changes) -> Result<(), VaultError> {
        let keys = self.keys();
        page.changes.par_iter().try_for_each(|change| match change {
            ItemChange::Added(ItemRecord { item, epoch, meta, embedding, .. }) => {
                keys.open_meta(*item, *epoch, &meta.0)?;
                keys.open_embedding(*item, *epoch, &embedding.0, self.header.dim).map(drop)
            }
            ItemChange::Removed(_) => Ok(()),
        })
    }

    /// Each change must be one that a member signed.
    fn check_pinned(&self, history: &mut History, page: &Changes) -> Result<(), VaultError> {
        for change in &page.changes {
            let (item, digest) = match change {
                ItemChange::Added(record) => (record.item, Some(record_digest(record))),
                ItemChange::Removed(item) => (*item, None),
            };
            self.pinned(history, item, digest)?;
        }
        Ok(())
    }

    /// Whether an item is, or was a moment ago, what the signed log says.
    ///
    /// # Errors
    /// [`VaultError::Altered`] where it is not; the log is asked for again before that is said.
    pub(crate) fn pinned(
        &self,
        history: &mut History,
        item: ItemId,
        digest: Option<Digest>,
    ) -> Result<(), VaultError> {
        let local = self.vault.local();
        if history.fits(local, item, digest)? {
            return Ok(());
        }
        history.follow(&self.remote, local)?;
        if history.fits(local, item, digest)? {
            return Ok(());
        }
        let there = !history.fits(local, item, None)?;
        let reason = match (digest, there) {
            (None, _) => "the server says that it was removed, the signed log has it",
            (Some(_), true) => "it is not the one in the signed log",
            (Some(_), false) => "no member added it: it is not in the signed log",
        };
        Err(altered_item(item, "record", &reason))
    }

    pub(crate) fn local_records(&self) -> Result<Vec<LocalRecord>, VaultError> {
        self.vault.local().records(self.record.id)
    }

    /// Lends the decrypted index, made or brought up to date first.
    pub(crate) fn with_index<T>(
        &self,
        work: impl FnOnce(&LocalIndex) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let mut slot = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = self.vault.local().synced(self.record.id)?;
        let index = match slot.take().filter(|index| index.seq() == seq) {
            Some(index) => index,
            None => LocalIndex::build(self, seq)?,
        };
        work(slot.insert(index))
    }
}

/// Every collection of this person, opened, or why it does not open.
pub(crate) fn open_all(
    vault: &Vault,
) -> Result<impl Iterator<Item = Result<Collection<'_>, (CollectionId, VaultError)>>, VaultError> {
    let remote = vault.remote()?;
    let records = remote.collections()?;
    Ok(records.into_iter().map(move |record| {
        let id = record.id;
        open(vault, remote.clone(), record).map_err(|error| (id, error))
    }))
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
    Ok(collections)
}

/// One damaged collection does not stand before the others; but where none has the name, it may be the one.
pub(crate) fn find<'v>(vault: &'v Vault, name: &str) -> Result<Collection<'v>, VaultError> {
    let (mut found, mut damaged) = (None, None);
    for opened in open_all(vault)? {
        match opened {
            Ok(collection) if collection.record.id.to_string() == name => return Ok(collection),
            Ok(collection) if collection.header.name == name => {
                if found.is_some() {
                    return Err(VaultError::Ambiguous(name.to_owned()));
                }
                found = Some(collection);
            }
            Ok(_) => {}
            Err((_, error)) => damaged = Some(error),
        }
    }
    found.ok_or_else(|| damaged.unwrap_or_else(|| VaultError::NoCollection(name.to_owned())))
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
) -> Result<Collection<'v>, VaultError> {
    check_name(name)?;
    if list(vault)?.readable.iter().any(|known| known.name == name) {
        return Err(VaultError::CollectionExists(name.to_owned()));
    }
    let remote = vault.remote()?;
    let identity = vault.identity();
    let mut rng = fresh::rng()?;
    let id = CollectionId(fresh::id(&mut rng));
    let encoder = vault.encoder()?;
    let veil = (protection == Protection::Veiled).then(|| VeilParams::recommended(encoder.info().dim));
    let header = CollectionHeader {
        name: name.to_owned(),
        created_ms: fresh::now_ms(),
        model: model_name(&encoder),
        dim: encoder.info().dim as u32,
        veil: veil.as_ref().map(veil_settings),
    };

    let key = CollectionKey::generate(&mut rng);
    let place = Place { collection: id.0, item: [0; 16], epoch: 0, kind: Kind::CollectionHeader };
    let sealed = key.epoch_keys(&id.0, 0).metadata.seal(&mut rng, &place, &encode(&header)?);
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
    if history.state().is_none() {
        begin(&mut history, vault, &remote, &record)?;
    }
    let (record, keys, header) = if let Ok((keys, header)) = open_record(vault, &record, &history) {
        (record, keys, header)
    } else {
        history.follow(&remote, local)?;
        let record = remote.collection(record.id)?;
        let (keys, header) = open_record(vault, &record, &history)?;
        (record, keys, header)
    };
    let (keys, index) = (RwLock::new(Arc::new(keys)), Mutex::new(None));
    Ok(Collection { vault, remote, record, header, keys, history: Mutex::new(history), index })
}

/// A record's keys and header, where all of it is what the history says.
pub(crate) fn open_record(
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

/// The first entry of the log of a collection that this person just made, perhaps in a run that was cut short.
/// Where anything is in it already, a server that hides its log could have it begun anew without those who were
/// revoked, so nothing is signed.
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

/// Items are sealed before they are sent; an epoch that began in between is one that they are not sealed for.
fn latest_epoch(state: Option<&State>, items: &[NewItem]) -> Result<(), VaultError> {
    let epoch = state.map_or(0, |state| state.epoch);
    if items.iter().all(|item| item.epoch == epoch) { Ok(()) } else { Err(VaultError::NewEpoch) }
}

/// What the log pins of a record.
pub(crate) fn record_digest(record: &ItemRecord) -> Digest {
    let ItemRecord { item, epoch, meta, embedding, .. } = record;
    Digest(pmirs_crypto::leaf_digest(&item.0, *epoch, &meta.0, &embedding.0))
}

fn no_item(item: ItemId, error: VaultError) -> VaultError {
    match error.refusal() {
        Some(ProblemKind::NotFound) => VaultError::NoItem(item.to_string()),
        _ => error,
    }
}

/// How a collection names the model that its embeddings come from.
pub(crate) fn model_name(encoder: &pmirs_encoder::Encoder) -> String {
    format!("{} {}", encoder.info().name, encoder.info().version)
}

fn check_name(name: &str) -> Result<(), VaultError> {
    let refuse = |reason| Err(VaultError::CollectionName { name: name.to_owned(), reason });
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.chars().count() > MAX_NAME {
        return refuse("it is longer than 200 characters");
    }
    if name.chars().any(char::is_control) {
        return refuse("it holds a control character");
    }
    Ok(())
}

/// What an item is, by the ending of its file's name.
pub(crate) fn kind_of(path: &std::path::Path) -> Option<(ItemKind, &'static str)> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    Some(match ending.as_str() {
        "jpg" | "jpeg" => (ItemKind::Image, "image/jpeg"),
        "png" => (ItemKind::Image, "image/png"),
        "webp" => (ItemKind::Image, "image/webp"),
        "gif" => (ItemKind::Image, "image/gif"),
        "bmp" => (ItemKind::Image, "image/bmp"),
        "tif" | "tiff" => (ItemKind::Image, "image/tiff"),
        "dcm" | "dicom" => (ItemKind::Image, add::dicom::MEDIA_TYPE),
        "txt" | "text" => (ItemKind::Text, "text/plain"),
        "md" | "markdown" => (ItemKind::Text, "text/markdown"),
        _ => return None,
    })
}
