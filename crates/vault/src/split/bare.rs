//! Vectors at three servers, and nothing else.

use std::sync::Arc;

use pmirs_crypto::{Identity, IdentitySeed};
use pmirs_wire::split::{Trio, Version};
use pmirs_wire::{CollectionId, ItemId, limits};

use super::ask::Parties;
use super::cosine_of;
use crate::{VaultError, fresh};

/// Vectors at three servers, of an identity of their own and with no cloud, no log and no items around them: what
/// measurements of the servers use.
pub struct BareRows {
    parties: Parties,
    collection: CollectionId,
    dim: usize,
    version: Version,
}

/// What the three answered.
#[derive(Debug, Clone, PartialEq)]
pub struct BareFound {
    /// Of each query: rows, in the order in which they were added, with their cosines; best first.
    pub lists: Vec<Vec<(u32, f32)>>,
    /// Rounds of messages among the three.
    pub rounds: u32,
    /// Bytes that the three sent to each other.
    pub sent: u64,
}

impl BareRows {
    /// Makes a collection without rows at these three.
    ///
    /// # Errors
    /// When one of them is not there or not who it should be, or refuses.
    pub fn create(trio: &Trio, dim: usize) -> Result<Self, VaultError> {
        let mut rng = fresh::rng()?;
        let identity = Arc::new(Identity::from_seed(&IdentitySeed::generate(&mut rng)));
        let collection = CollectionId(fresh::id(&mut rng));
        let parties = Parties::connect(trio, Arc::clone(&identity))?;
        let version = parties.found(collection, dim as u32, &identity)?.version;
        Ok(Self { parties, collection, dim, version })
    }

    /// Adds vectors of unit length.
    ///
    /// # Errors
    /// When one of the three refuses or is away.
    pub fn add(&mut self, vectors: &[Vec<f32>]) -> Result<(), VaultError> {
        let mut rng = fresh::rng()?;
        let most = limits::SPLIT_ROWS.min(limits::SPLIT_WORDS / self.dim.max(1)).max(1);
        for batch in vectors.chunks(most) {
            let rows: Vec<(ItemId, Vec<f32>)> =
                batch.iter().map(|vector| (ItemId(fresh::id(&mut rng)), vector.clone())).collect();
            self.version = self.parties.change(self.collection, self.version, &rows, &[])?.version;
        }
        Ok(())
    }

    /// The best `count` rows of each query.
    ///
    /// # Errors
    /// When one of the three refuses, is away or lies.
    pub fn search(&self, queries: &[&[f32]], count: usize) -> Result<BareFound, VaultError> {
        let joined = self.parties.search(self.collection, queries, count, None)?;
        let lists = joined.lists.into_iter().map(|list| {
            let mut list: Vec<(u32, f32)> =
                list.into_iter().map(|(row, score)| (row, cosine_of(score))).collect();
            list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            list
        });
        Ok(BareFound { lists: lists.collect(), rounds: joined.rounds, sent: joined.sent })
    }

    /// What the three say of these two vectors, as a cosine.
    pub fn score(a: &[f32], b: &[f32]) -> f32 {
        super::stepped_score(a, b)
    }

    /// Erases it at all three.
    ///
    /// # Errors
    /// When one of them is away.
    pub fn delete(self) -> Result<(), VaultError> {
        self.parties.delete(self.collection)
    }
}
