//! One collection: what it is, and everything that can be done with it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pmirs_crypto::{CollectionKey, GrantContext, Kind, Place, grant};
use pmirs_veil::VeilParams;
use pmirs_wire::collection::{CollectionRecord, EpochGrant, NewCollection, Protection, Role};
use pmirs_wire::item::{Change, Changes, ItemRecord, RemoveItems};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::sealed::{CollectionHeader, ItemKind, ItemMeta};
use pmirs_wire::{Bytes, CollectionId, ItemId, encode, limits};
use rayon::prelude::*;

use crate::add::{self, AddOptions, AddReport, Import};
use crate::keys::{CollectionKeys, altered_item, open_header, veil_settings};
use crate::local::LocalRecord;
use crate::progress::Progress;
use crate::remote::{Remote, Timing};
use crate::search::{self, Answer, LocalIndex, Query, SearchOptions};
use crate::verify::{self, VerifyReport};
use crate::{Vault, VaultError, fresh};

/// The longest name of a collection, in characters.
const MAX_NAME: usize = 200;

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
}

/// Every collection of a person.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Collections {
    /// Those that open.
    pub readable: Vec<CollectionInfo>,
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
    pub(crate) keys: CollectionKeys,
    /// At `sealed`: the decrypted index, kept between searches.
    index: Mutex<Option<LocalIndex>>,
}

impl Collection<'_> {
    /// What it is, as of when it was opened.
    pub fn info(&self) -> CollectionInfo {
        CollectionInfo {
            id: self.record.id,
            name: self.header.name.clone(),
            protection: self.record.protection,
            model: self.header.model.clone(),
            items: self.record.items,
            bytes: self.record.bytes,
            epoch: self.keys.current_epoch(),
            created_ms: self.header.created_ms,
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
        let meta = self.keys.open_meta(item, record.epoch, &record.meta.0)?;
        let sealed = self.remote.content(self.record.id, item)?;
        let content = self.keys.open_content(item, record.epoch, &sealed)?;
        if pmirs_crypto::sha256(&content) != meta.content.0 {
            return Err(altered_item(item, "content", &"its digest is not the metadata's"));
        }
        Ok((meta, content))
    }

    /// Removes items for good, and says how many there were.
    ///
    /// # Errors
    /// When the cloud fails.
    pub fn remove(&self, items: &[ItemId]) -> Result<u64, VaultError> {
        let mut removed = 0;
        let items: Vec<ItemId> = items.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        for batch in items.chunks(limits::BATCH_ITEMS) {
            let request = RemoveItems { items: batch.to_vec() };
            removed += self.remote.remove_items(self.record.id, &request)?.items;
        }
        Ok(removed)
    }

    /// Every item with its metadata, ordered by name.
    ///
    /// # Errors
    /// When the cloud fails, or a record is not what its author wrote.
    pub fn items(&self) -> Result<Vec<ItemSummary>, VaultError> {
        self.sync()?;
        let mut items = self
            .local_records()?
            .into_iter()
            .map(|record| {
                let meta = self.keys.open_meta(record.item, record.epoch, &record.meta.0)?;
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

    /// Follows the collection's changes into the local store.
    pub(crate) fn sync(&self) -> Result<Timing, VaultError> {
        let local = self.vault.local();
        let mut total = Timing::default();
        let mut after = local.synced(self.record.id)?;
        loop {
            let (page, timing) = self.remote.changes(self.record.id, after)?;
            total.seal += timing.seal;
            total.network += timing.network;
            total.open += timing.open;
            if page.seq < after || (page.more && page.seq == after) {
                let got = format!("change {} after change {after}", page.seq);
                return Err(crate::keys::altered_collection(self.record.id, "history", &got));
            }
            if page.seq > after {
                self.check(&page)?;
                local.apply(self.record.id, &page)?;
            }
            after = page.seq;
            if !page.more {
                return Ok(total);
            }
        }
    }

    /// Nothing enters the local store that its author did not write: one lie would stay there for good.
    fn check(&self, page: &Changes) -> Result<(), VaultError> {
        page.changes.par_iter().try_for_each(|change| match change {
            Change::Added(ItemRecord { item, epoch, meta, embedding, .. }) => {
                self.keys.open_meta(*item, *epoch, &meta.0)?;
                self.keys.open_embedding(*item, *epoch, &embedding.0, self.header.dim).map(drop)
            }
            Change::Removed(_) => Ok(()),
        })
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

pub(crate) fn list(vault: &Vault) -> Result<Collections, VaultError> {
    let remote = vault.remote()?;
    let mut collections = Collections::default();
    for record in remote.collections()? {
        let id = record.id;
        match open(vault, remote.clone(), record) {
            Ok(collection) => collections.readable.push(collection.info()),
            Err(error) => collections.damaged.push(DamagedCollection { id, reason: error.to_string() }),
        }
    }
    Ok(collections)
}

/// One damaged collection does not stand before the others; but where none has the name, it may be the one.
pub(crate) fn find<'v>(vault: &'v Vault, name: &str) -> Result<Collection<'v>, VaultError> {
    let remote = vault.remote()?;
    let mut damaged = None;
    for record in remote.collections()? {
        match open(vault, remote.clone(), record) {
            Ok(collection) if collection.header.name == name => return Ok(collection),
            Ok(_) => {}
            Err(error) => damaged = Some(error),
        }
    }
    Err(damaged.unwrap_or_else(|| VaultError::NoCollection(name.to_owned())))
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

fn open(vault: &Vault, remote: Arc<Remote>, record: CollectionRecord) -> Result<Collection<'_>, VaultError> {
    let keys = CollectionKeys::open(&vault.identity(), &record)?;
    let header = open_header(&keys, &record)?;
    Ok(Collection { vault, remote, record, header, keys, index: Mutex::new(None) })
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
        "txt" | "text" => (ItemKind::Text, "text/plain"),
        "md" | "markdown" => (ItemKind::Text, "text/markdown"),
        _ => return None,
    })
}
