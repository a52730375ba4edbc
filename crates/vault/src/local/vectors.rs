//! Embeddings that this machine made of items whose collection still holds those of an earlier model, sealed under
//! the identity's local key. They are as good as what the collection will hold, so a search makes each once.

use std::collections::HashMap;

use pmirs_wire::sealed::StoredEmbedding;
use pmirs_wire::{CollectionId, Digest, ItemId, decode, encode};
use rusqlite::OptionalExtension;

use super::Local;
use crate::{VaultError, fresh};

/// An embedding that was made here: of which item, as the log pinned that then.
pub(crate) struct MadeHere {
    pub(crate) item: ItemId,
    pub(crate) of: Digest,
    pub(crate) vector: Vec<f32>,
}

impl Local {
    /// The embeddings that were made of these items with a model, as far as the items are still what they were.
    pub(crate) fn vectors(
        &self,
        collection: CollectionId,
        model: Digest,
        items: &[(ItemId, Digest)],
    ) -> Result<HashMap<ItemId, Vec<f32>>, VaultError> {
        let read = || -> rusqlite::Result<Vec<(ItemId, Digest, Vec<u8>)>> {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT sealed FROM made_here WHERE collection = ?1 AND model = ?2 AND item = ?3 AND of = ?4",
            )?;
            let mut found = Vec::new();
            for (item, of) in items {
                let sealed: Option<Vec<u8>> = statement
                    .query_row((collection.0, model.0, item.0, of.0), |row| row.get(0))
                    .optional()?;
                found.extend(sealed.map(|sealed| (*item, *of, sealed)));
            }
            Ok(found)
        };
        let mut vectors = HashMap::new();
        for (item, of, sealed) in read().map_err(|error| self.damaged(&error))? {
            let plain = self.key.open(&label(collection, model, item, of), &sealed);
            let stored: StoredEmbedding = decode(&plain.map_err(|error| self.damaged(&error))?)
                .map_err(|error| self.damaged(&error))?;
            vectors.extend(stored.to_vector(stored.values.0.len() / 2).map(|vector| (item, vector)));
        }
        Ok(vectors)
    }

    /// Keeps embeddings that were made with a model, and forgets those of items that are not what they were.
    pub(crate) fn remember_vectors(
        &self,
        collection: CollectionId,
        model: Digest,
        made: &[MadeHere],
    ) -> Result<(), VaultError> {
        let mut rng = fresh::rng()?;
        let mut rows = Vec::with_capacity(made.len());
        for MadeHere { item, of, vector } in made {
            let plain = encode(&StoredEmbedding::from_unit(vector))?;
            rows.push((item, of, self.key.seal(&mut rng, &label(collection, model, *item, *of), &plain)));
        }
        let write = || -> rusqlite::Result<()> {
            let mut connection = self.connection();
            let transaction = connection.transaction()?;
            for (item, of, sealed) in &rows {
                transaction
                    .prepare_cached(
                        "INSERT OR REPLACE INTO made_here (collection, model, item, of, sealed)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute((collection.0, model.0, item.0, of.0, sealed))?;
            }
            transaction.commit()
        };
        write().map_err(|error| self.damaged(&error))
    }

    /// Forgets embeddings of items that are gone or are not what they were when these were made.
    pub(crate) fn prune_vectors(&self, collection: CollectionId) -> Result<(), VaultError> {
        self.connection()
            .execute(
                "DELETE FROM made_here WHERE collection = ?1 AND NOT EXISTS (
                     SELECT 1 FROM leaf WHERE leaf.collection = made_here.collection
                     AND leaf.item = made_here.item AND leaf.digest = made_here.of)",
                [collection.0],
            )
            .map(drop)
            .map_err(|error| self.damaged(&error))
    }
}

fn label(collection: CollectionId, model: Digest, item: ItemId, of: Digest) -> Vec<u8> {
    [b"made here ".as_slice(), &collection.0, &model.0, &item.0, &of.0].concat()
}
