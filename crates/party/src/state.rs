//! What every order works with.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use pmirs_mpc::Role;
use pmirs_wire::split::{StoreHeader, Trio};
use pmirs_wire::{AccountId, CollectionId, Digest};
use tokio::sync::Semaphore;

use crate::clock;
use crate::config::{Config, Limits};
use crate::error::Error;
use crate::folder::{COLLECTIONS, Keys};
use crate::models::Models;
use crate::orders::Once;
use crate::parties;
use crate::peers::Mesh;
use crate::refusal::Refusal;
use crate::store::{self, Collection};

/// A collection that several orders may work on.
pub(crate) type Shared = Arc<RwLock<Collection>>;

/// One party's state, shared by all orders.
pub(crate) struct Node {
    pub(crate) role: Role,
    pub(crate) trio: Trio,
    pub(crate) trio_digest: Digest,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
    founders: Option<Vec<AccountId>>,
    pub(crate) once: Once,
    pub(crate) mesh: Arc<Mesh>,
    /// Sessions at a time, at P0, which admits them for all three.
    pub(crate) sessions: Semaphore,
    /// Of these, how many may send something through a model: that takes far more work and memory than a search.
    pub(crate) encodings: Semaphore,
    pub(crate) models: Models,
    pub(crate) root: PathBuf,
    collections: Mutex<HashMap<CollectionId, Shared>>,
    #[cfg(test)]
    pub(crate) tamper: Mutex<Option<crate::peers::Tamper>>,
}

impl Node {
    /// Opens every collection. One that is damaged is left out, and a repair brings it back.
    pub(crate) fn open(config: Config, keys: Keys, role: Role) -> Result<Self, Error> {
        let root = config.data.join(COLLECTIONS);
        let trio_digest = parties::digest(&config.trio);
        let limits = config.limits;
        let mut collections = HashMap::new();
        for id in store::list(&root)? {
            let expected =
                StoreHeader { collection: id, trio: trio_digest, place: role.index() as u8, dim: 0 };
            match Collection::open(&root, &expected, id) {
                Ok(collection) => drop(collections.insert(id, Arc::new(RwLock::new(collection)))),
                Err(error) => tracing::error!(collection = %id, %error, "a collection needs a repair"),
            }
        }
        let mesh = Mesh::new(role, &config.trio, &keys.signing, limits.meeting_time);
        let mesh = mesh.map_err(|error| Error::Serve(std::io::Error::other(error)))?;
        let window_ms = limits.clock_skew.as_millis() as u64;
        Ok(Self {
            role,
            trio: config.trio,
            trio_digest,
            keys,
            once: Once::new(limits.remembered_orders, window_ms, clock::now_ms()),
            mesh: Arc::new(mesh),
            sessions: Semaphore::new(limits.sessions),
            encodings: Semaphore::new(limits.encodings),
            models: Models::default(),
            limits,
            founders: config.founders,
            root,
            collections: Mutex::new(collections),
            #[cfg(test)]
            tamper: Mutex::default(),
        })
    }

    /// Whether this account may make collections here.
    pub(crate) fn admits(&self, founder: &AccountId) -> bool {
        self.founders.as_ref().is_none_or(|founders| founders.contains(founder))
    }

    pub(crate) fn find(&self, id: &CollectionId) -> Option<Shared> {
        self.map().get(id).cloned()
    }

    /// Everything that is here.
    pub(crate) fn all(&self) -> Vec<Shared> {
        self.map().values().cloned().collect()
    }

    /// Makes a collection known; `make` runs while nobody else can make it.
    pub(crate) fn insert(
        &self,
        id: CollectionId,
        make: impl FnOnce() -> Result<Collection, Refusal>,
    ) -> Result<Shared, Refusal> {
        let mut collections = self.map();
        if collections.contains_key(&id) {
            return Err(Refusal::conflict("the collection exists already"));
        }
        if collections.len() >= self.limits.collections {
            return Err(Refusal::unavailable("this server holds as many collections as it may"));
        }
        let shared = Arc::new(RwLock::new(make()?));
        collections.insert(id, Arc::clone(&shared));
        Ok(shared)
    }

    /// Puts a repaired collection in the place of what was there.
    pub(crate) fn replace(
        &self,
        id: CollectionId,
        make: impl FnOnce() -> Result<Collection, Error>,
    ) -> Result<(), Error> {
        let mut collections = self.map();
        let shared = Arc::new(RwLock::new(make()?));
        collections.insert(id, shared);
        self.models.forget(&id);
        Ok(())
    }

    /// Forgets a collection, so that its files can go.
    pub(crate) fn remove(&self, id: &CollectionId) -> Option<Shared> {
        self.map().remove(id)
    }

    pub(crate) fn header(&self, id: CollectionId, dim: u32) -> StoreHeader {
        StoreHeader { collection: id, trio: self.trio_digest, place: self.role.index() as u8, dim }
    }

    /// What people call a party, with its number.
    pub(crate) fn name(&self, role: Role) -> String {
        format!("{} ({role})", parties::entry(&self.trio, role).name)
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<CollectionId, Shared>> {
        self.collections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn read(shared: &Shared) -> RwLockReadGuard<'_, Collection> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write(shared: &Shared) -> RwLockWriteGuard<'_, Collection> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}
