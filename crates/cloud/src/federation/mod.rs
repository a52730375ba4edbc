//! The coordinator of federated learning: it carries messages, adds up what it cannot read, and signs what came of it.
//!
//! A [`Live`] federation is a charter, a chain of records and the round that runs. Whatever changes it is on the disk
//! before it is answered, so that a server that was killed reads it back and stands where it stood. Time passes only
//! when somebody looks: each request first ends the steps whose deadline is over.

mod desk;
mod live;
mod load;
mod staging;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pmirs_crypto::Identity;
use pmirs_wire::AccountId;
use tokio::sync::{Semaphore, watch};

use crate::app::App;
use crate::refusal::Refusal;
use crate::storage::Blobs;
use crate::storage::federation::FederationPlace;

pub(crate) use desk::Desk;
pub(crate) use live::Live;
pub(crate) use staging::Staging;

/// All federations of a server.
pub(crate) struct Federations {
    open: Mutex<HashMap<FederationPlace, Arc<Federation>>>,
    pub(crate) models: Box<dyn Blobs>,
    pub(crate) staging: Staging,
    /// Signs what rounds gave.
    pub(crate) signer: Identity,
    /// Places for requests that wait for a change.
    pub(crate) waiting: Semaphore,
}

/// One that somebody has asked about since the server started.
pub(crate) struct Federation {
    live: Mutex<Live>,
    changes: watch::Sender<News>,
}

/// What those who wait look at: serial and deadline.
type News = (u64, Option<u64>);

impl Federation {
    /// Tells when its serial or its deadline changes.
    pub(crate) fn watch(&self) -> watch::Receiver<News> {
        self.changes.subscribe()
    }
}

impl Federations {
    pub(crate) fn new(models: Box<dyn Blobs>, staging: Staging, signer: Identity, waiting: usize) -> Self {
        Self { open: Mutex::default(), models, staging, signer, waiting: Semaphore::new(waiting) }
    }

    /// Forgets what is in memory of one; the next request reads it back.
    pub(crate) fn forget(&self, place: FederationPlace) {
        lock(&self.open).remove(&place);
    }

    /// Forgets those of an owner who is gone.
    pub(crate) fn forget_owner(&self, owner: &AccountId) {
        lock(&self.open).retain(|_, federation| lock(&federation.live).owner != *owner);
    }
}

impl App {
    /// A federation, read from the disk if nobody asked about it before.
    pub(crate) fn federation(&self, place: FederationPlace) -> Result<Arc<Federation>, Refusal> {
        let mut open = lock(&self.federations.open);
        if let Some(federation) = open.get(&place) {
            return Ok(federation.clone());
        }
        let stored = self.store.federation(place)?.ok_or_else(|| Refusal::not_found("federation"))?;
        let live = Live::load(&self.desk(), stored)?;
        let changes = watch::Sender::new(live.news());
        let federation = Arc::new(Federation { live: Mutex::new(live), changes });
        open.insert(place, federation.clone());
        Ok(federation)
    }

    /// Works on a federation as it is now, and wakes those who wait for a change.
    pub(crate) fn at<T>(
        &self,
        place: FederationPlace,
        work: impl FnOnce(&mut Live, &Desk<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        loop {
            let federation = self.federation(place)?;
            let mut live = lock(&federation.live);
            if live.is_broken() {
                // Somebody else met a disk that failed; what is in memory may be ahead of it.
                self.federations.forget(place);
                continue;
            }
            let desk = self.desk();
            let answer = live.advance(&desk).and_then(|()| work(&mut live, &desk));
            if live.is_broken() {
                self.federations.forget(place);
            }
            let news = live.news();
            drop(live);
            federation.changes.send_if_modified(|known| std::mem::replace(known, news) != news);
            return answer;
        }
    }

    fn desk(&self) -> Desk<'_> {
        Desk {
            store: &*self.store,
            models: &*self.federations.models,
            staging: &self.federations.staging,
            signer: &self.federations.signer,
            now_ms: crate::clock::now_ms(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
