//! One collection: what it is, and everything that can be done with it.

mod follow;
mod models;
mod open;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use pmirs_wire::collection::{CollectionRecord, Protection, Role};
use pmirs_wire::item::{ItemRecord, NewItem};
use pmirs_wire::log::{Action, Entry, Payload};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::sealed::{CollectionHeader, ItemKind, ItemMeta};
use pmirs_wire::{CollectionId, Digest, ItemId, limits};

use crate::add::{self, AddOptions, AddReport, Import};
use crate::history::{Change, History, State, digests};
pub(crate) use crate::keys::header_place;
use crate::keys::{CollectionKeys, altered_item};
use crate::local::LocalRecord;
use crate::progress::{Progress, Quiet};
use crate::remote::Remote;
use crate::search::{self, Answer, LocalIndex, Query, SearchOptions};
use crate::share::Offer;
use crate::split::{Parties, trio_digest};
use crate::verify::{self, VerifyReport};
use crate::{Vault, VaultError};

pub(crate) use models::{Model, Models, model_name};
pub(crate) use open::{create, delete_damaged, find, forget, list, open, open_all, open_record, unlisted};

/// The longest name of a collection, in characters.
const MAX_NAME: usize = 200;
/// How often an item is fetched again because somebody changed it in between.
const ATTEMPTS: usize = 8;

/// What a collection is and holds.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionInfo {
    /// Its identifier.
    pub id: CollectionId,
    /// Its name, which the cloud cannot read.
    pub name: String,
    /// Its protection level.
    pub protection: Protection,
    /// The model that new items are embedded with: its name and version.
    pub model: String,
    /// Models that items may still be embedded with, the latest first; none where all are of [`CollectionInfo::model`].
    pub moving_from: Vec<String>,
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
    /// Those that this person had a part in, and that the server does not list any more.
    pub unlisted: Vec<UnlistedCollection>,
}

/// A collection that does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedCollection {
    /// Its identifier.
    pub id: CollectionId,
    /// What is wrong with it.
    pub reason: String,
}

/// A collection that this machine knows and the server does not list any more: it was deleted, this person was
/// removed from it, or the server hides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlistedCollection {
    /// Its identifier.
    pub id: CollectionId,
    /// Its name.
    pub name: String,
}

impl UnlistedCollection {
    fn is(&self, name: &str) -> bool {
        self.name == name || self.id.to_string() == name
    }
}

/// An item sealed anew, and the digest that the log pinned of what it was made from.
pub(crate) struct Resealed {
    pub(crate) new: NewItem,
    pub(crate) of: Digest,
}

/// What came of items that were to be replaced.
#[derive(Default)]
pub(crate) struct Replaced {
    /// How many were.
    pub(crate) replaced: u64,
    /// Those that somebody else replaced meanwhile; they are to be made anew of what they are now.
    pub(crate) overtaken: Vec<ItemId>,
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
    /// The settings when it was opened. Of these only the models change, which [`Collection::models`] keeps up with.
    pub(crate) header: CollectionHeader,
    keys: RwLock<Arc<CollectionKeys>>,
    models: RwLock<Arc<Models>>,
    /// The collection's log, as far as it was followed.
    history: Mutex<History>,
    /// At `sealed`: the decrypted index, kept between searches.
    index: Mutex<Option<LocalIndex>>,
    /// At `split`: the three servers, once they were asked.
    parties: OnceLock<Arc<Parties>>,
}

impl Collection<'_> {
    /// What it is, as of when it was opened.
    pub fn info(&self) -> CollectionInfo {
        let me = self.remote.account();
        let members = self.history().state().map(|state| state.members.clone()).unwrap_or_default();
        let models = self.models();
        CollectionInfo {
            id: self.record.id,
            name: self.header.name.clone(),
            protection: self.record.protection,
            model: models.current().name.clone(),
            moving_from: models.earlier().iter().map(|model| model.name.clone()).collect(),
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
        self.history().follow(&self.remote, self.vault.local())?;
        self.fetch(item).map(|(_, meta, content)| (meta, content))
    }

    /// The same with the record that the log pins, as far as that was followed.
    pub(crate) fn fetch(&self, item: ItemId) -> Result<(ItemRecord, ItemMeta, Vec<u8>), VaultError> {
        let mut attempts = 0;
        loop {
            self.history().watch();
            let error = match self.fetch_now(item) {
                Ok(fetched) => return Ok(fetched),
                Err(error @ VaultError::Altered { .. }) => error,
                Err(error) => return Err(error),
            };
            // Somebody may have sealed it anew between its parts.
            let mut history = self.history();
            history.follow(&self.remote, self.vault.local())?;
            attempts += 1;
            if !history.changed(item) {
                return Err(error);
            }
            if attempts == ATTEMPTS {
                return Err(VaultError::Busy);
            }
        }
    }

    fn fetch_now(&self, item: ItemId) -> Result<(ItemRecord, ItemMeta, Vec<u8>), VaultError> {
        let record = match self.remote.item(self.record.id, item) {
            Ok(record) if record.item == item => record,
            Ok(_) => return Err(altered_item(item, "identifier", &"the server answers with another item")),
            Err(error) => return Err(self.no_item(item, error)),
        };
        {
            let mut history = self.history();
            self.pinned(&mut history, item, Some(record_digest(&record)))?;
            self.renew_keys(&mut history)?;
        }
        let keys = self.keys();
        let meta = keys.open_meta(item, record.epoch, &record.meta.0)?;
        let sealed = self.remote.content(self.record.id, item).map_err(|error| self.no_item(item, error))?;
        let content = keys.open_content(item, record.epoch, &sealed)?;
        if pmirs_crypto::sha256(&content) != meta.content.0 {
            return Err(altered_item(item, "content", &"its digest is not the metadata's"));
        }
        Ok((record, meta, content))
    }

    /// That the server has no such item counts only where the log has none either.
    fn no_item(&self, item: ItemId, error: VaultError) -> VaultError {
        if error.refusal() != Some(ProblemKind::NotFound) {
            return error;
        }
        let pinned = self.pinned(&mut self.history(), item, None);
        pinned.err().unwrap_or_else(|| VaultError::NoItem(item.to_string()))
    }

    /// Removes items for good, and says how many there were.
    ///
    /// # Errors
    /// When the role does not allow it, or the cloud fails.
    pub fn remove(&self, items: &[ItemId]) -> Result<u64, VaultError> {
        let mut removed = 0;
        self.history().follow(&self.remote, self.vault.local())?;
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
        self.level(&Quiet)?;
        Ok(removed)
    }

    /// Sealed items to the cloud, all or none; all of them embedded by `model`, which must still be one of the
    /// collection's.
    pub(crate) fn publish(&self, items: &[NewItem], model: &str) -> Result<(), VaultError> {
        let leaves = digests(items);
        self.with_models(|models| {
            if models.dim_of(model).is_none() {
                return Err(VaultError::NewModel);
            }
            self.change(&mut |state, _| {
                latest_epoch(state, items)?;
                same_settings(state, models)?;
                Ok(Some((Action::Add { items: leaves.clone() }, Payload::Items(items.to_vec()))))
            })
            .map(drop)
        })
    }

    /// Does what depends on the collection's models, and again with the present ones where it finds out on the way
    /// that they changed.
    pub(crate) fn with_models<T>(
        &self,
        mut work: impl FnMut(&Models) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        for _ in 0..ATTEMPTS {
            let models = self.models();
            match work(&models) {
                Err(VaultError::NewModel) => self.renew_keys(&mut self.history())?,
                done => return done,
            }
            if self.models().settings == models.settings {
                return Err(VaultError::NewModel);
            }
        }
        Err(VaultError::Busy)
    }

    /// Puts sealed items in the place of those that they were made from, as far as these are still what they were.
    /// A model is given up only when no item is of it, so one that is still what it was may be of any that it had.
    pub(crate) fn replace(&self, items: Vec<Resealed>) -> Result<Replaced, VaultError> {
        let mut there = items;
        let mut overtaken = Vec::new();
        let entry = self.change(&mut |state, leaves| {
            there.retain(|Resealed { new, of }| {
                let now = leaves.digest(&new.item);
                if now.is_some_and(|now| now != *of) {
                    overtaken.push(new.item);
                }
                now == Some(*of)
            });
            let items: Vec<NewItem> = there.iter().map(|it| it.new.clone()).collect();
            latest_epoch(state, &items)?;
            let action = Action::Replace { items: digests(&items) };
            Ok((!items.is_empty()).then_some((action, Payload::Items(items))))
        })?;
        Ok(Replaced { replaced: entry.map_or(0, |_| there.len() as u64), overtaken })
    }

    /// The three servers of a split collection.
    pub(crate) fn parties(&self) -> Result<Arc<Parties>, VaultError> {
        if let Some(parties) = self.parties.get() {
            return Ok(parties.clone());
        }
        let trio = self.header.parties.as_ref();
        let trio =
            trio.ok_or_else(|| VaultError::Internal("parties of a collection without any".to_owned()))?;
        let moved = self.vault.local().moved_parties(trio_digest(trio))?;
        let parties = Arc::new(Parties::connect(moved.as_ref().unwrap_or(trio), self.vault.identity())?);
        Ok(self.parties.get_or_init(|| parties).clone())
    }

    /// Where three servers search, they must hold what the log has.
    pub(crate) fn level(&self, progress: &dyn Progress) -> Result<(), VaultError> {
        if self.record.protection == Protection::Split { self.follow_rows(progress) } else { Ok(()) }
    }

    /// Whether this person may change the collection.
    pub(crate) fn may_write(&self) -> bool {
        let me = self.remote.account();
        let history = self.history();
        history.state().and_then(|state| state.members.get(&me)).is_some_and(|it| it.role >= Role::Writer)
    }

    /// Signs and sends a change of the collection.
    pub(crate) fn change(&self, change: &mut Change<'_>) -> Result<Option<Entry>, VaultError> {
        self.history().append(&self.vault.identity(), &self.remote, self.vault.local(), change)
    }

    /// The keys of all live epochs.
    pub(crate) fn keys(&self) -> Arc<CollectionKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The models of its items, as of the settings that were followed last.
    pub(crate) fn models(&self) -> Arc<Models> {
        self.models.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Numbers in this item's embedding; nothing where its model is none of the collection's.
    pub(crate) fn dim_of(&self, meta: &ItemMeta) -> Option<u32> {
        self.models().dim_of(&meta.model)
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

    /// Deletes the collection with everything in it, for good.
    ///
    /// # Errors
    /// When the cloud refuses or fails.
    pub fn delete(self) -> Result<(), VaultError> {
        if self.record.protection == Protection::Split {
            self.parties()?.delete(self.record.id)?;
        }
        self.remote.delete_collection(self.record.id)?;
        self.vault.local().forget(self.record.id)
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
        let at = (seq, self.models().settings);
        let index = match slot.take().filter(|index| index.at() == at) {
            Some(index) => index,
            None => LocalIndex::build(self, seq)?,
        };
        work(slot.insert(index))
    }
}

/// Items are sealed before they are sent; an epoch that began in between is one that they are not sealed for.
fn latest_epoch(state: Option<&State>, items: &[NewItem]) -> Result<(), VaultError> {
    let epoch = state.map_or(0, |state| state.epoch);
    if items.iter().all(|item| item.epoch == epoch) { Ok(()) } else { Err(VaultError::NewEpoch) }
}

/// What is sealed for the models of one time must not be added at another, when its model may be given up.
pub(crate) fn same_settings(state: Option<&State>, models: &Models) -> Result<(), VaultError> {
    if state.is_none_or(|state| state.header == models.settings) { Ok(()) } else { Err(VaultError::NewModel) }
}

/// What the log pins of a record.
pub(crate) fn record_digest(record: &ItemRecord) -> Digest {
    let ItemRecord { item, epoch, meta, embedding, .. } = record;
    Digest(pmirs_crypto::leaf_digest(&item.0, *epoch, &meta.0, &embedding.0))
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
