//! Embeddings that this machine makes of items, by a model that their collection does not have them of yet.

use std::collections::HashMap;
use std::thread;

use pmirs_encoder::Encoder;
use pmirs_wire::item::ItemRecord;
use pmirs_wire::sealed::{ItemMeta, StoredEmbedding};
use pmirs_wire::{Digest, ItemId};

use crate::VaultError;
use crate::add::again::{self, Prepared};
use crate::collection::{Collection, Model, record_digest};
use crate::local::MadeHere;

/// Contents that are asked for at a time: the network waits, the encoder does not.
const AT_ONCE: usize = 4;
/// Items that are embedded together.
pub(super) const BATCH: usize = 16;

/// What came of items that were to be embedded.
#[derive(Default)]
pub(crate) struct Anew {
    /// Their embeddings, at the precision at which a collection keeps them.
    pub(crate) vectors: HashMap<ItemId, Vec<f32>>,
    /// How many contents were fetched for that.
    pub(crate) fetched: usize,
    /// Those that do not open, or that the model cannot embed.
    pub(crate) failed: Vec<(ItemId, String)>,
}

/// The embeddings of items by `model`, which `encoder` runs: those that were made before, and the rest from the
/// items' contents. Items that are gone are left out.
pub(crate) fn anew(
    collection: &Collection<'_>,
    encoder: &Encoder,
    model: &Model,
    items: &[ItemId],
) -> Result<Anew, VaultError> {
    let (local, id) = (collection.vault.local(), collection.record.id);
    let pinned: Vec<(ItemId, Digest)> = {
        let mut history = collection.history();
        let leaves = history.leaves(local)?;
        items.iter().filter_map(|item| leaves.digest(item).map(|of| (*item, of))).collect()
    };
    let mut made = Anew { vectors: local.vectors(id, model.key(), &pinned)?, ..Anew::default() };
    let missing: Vec<ItemId> =
        pinned.iter().map(|(item, _)| *item).filter(|item| !made.vectors.contains_key(item)).collect();
    for batch in missing.chunks(BATCH) {
        let mut ready = Vec::with_capacity(batch.len());
        for (item, fetched) in fetch(collection, encoder, model, batch)? {
            match fetched {
                Fetched::Ready { of, prepared } => ready.push((item, of, *prepared)),
                Fetched::Moved(vector) => drop(made.vectors.insert(item, vector)),
                Fetched::Gone => {}
                Fetched::Failed(reason) => made.failed.push((item, reason)),
            }
        }
        made.fetched += ready.len();
        let (known, prepared): (Vec<_>, Vec<Prepared>) =
            ready.into_iter().map(|(item, of, prepared)| ((item, of), prepared)).unzip();
        let mut keep = Vec::with_capacity(known.len());
        for ((item, of), embedded) in known.into_iter().zip(again::embed(encoder, &prepared)) {
            match embedded {
                Ok(vector) => {
                    let vector = stored(&vector);
                    made.vectors.insert(item, vector.clone());
                    keep.push(MadeHere { item, of, vector });
                }
                Err(reason) => made.failed.push((item, reason)),
            }
        }
        local.remember_vectors(id, model.key(), &keep)?;
    }
    Ok(made)
}

/// A vector as a collection will have it: rounded to 16 bits.
fn stored(vector: &[f32]) -> Vec<f32> {
    StoredEmbedding::from_unit(vector).to_vector(vector.len()).unwrap_or_default()
}

/// What was fetched of an item.
enum Fetched {
    Ready {
        of: Digest,
        prepared: Box<Prepared>,
    },
    /// Somebody moved it meanwhile: its own embedding is by the model.
    Moved(Vec<f32>),
    Gone,
    Failed(String),
}

/// Fetches and prepares some items at once.
fn fetch(
    collection: &Collection<'_>,
    encoder: &Encoder,
    model: &Model,
    items: &[ItemId],
) -> Result<Vec<(ItemId, Fetched)>, VaultError> {
    contents(collection, items)?
        .into_iter()
        .map(|(item, opened)| {
            let fetched = match opened {
                Opened::Gone => Fetched::Gone,
                Opened::Damaged(reason) => Fetched::Failed(reason),
                Opened::Whole(whole) => {
                    let (record, meta, content) = *whole;
                    if meta.model == model.name {
                        let sealed = &record.embedding.0;
                        Fetched::Moved(collection.keys().open_embedding(
                            item,
                            record.epoch,
                            sealed,
                            model.dim,
                        )?)
                    } else {
                        match again::prepare(encoder, &meta, &content) {
                            Ok(prepared) => {
                                Fetched::Ready { of: record_digest(&record), prepared: Box::new(prepared) }
                            }
                            Err(reason) => Fetched::Failed(reason),
                        }
                    }
                }
            };
            Ok((item, fetched))
        })
        .collect()
}

/// An item that was asked for.
pub(super) enum Opened {
    Whole(Box<(ItemRecord, ItemMeta, Vec<u8>)>),
    Gone,
    Damaged(String),
}

/// Records, metadata and contents of items, a few asked for at a time.
///
/// # Errors
/// When the cloud fails; what is wrong with an item is in its place.
pub(super) fn contents(
    collection: &Collection<'_>,
    items: &[ItemId],
) -> Result<Vec<(ItemId, Opened)>, VaultError> {
    let open = |item: ItemId| match collection.fetch(item) {
        Ok(whole) => Ok((item, Opened::Whole(Box::new(whole)))),
        Err(VaultError::NoItem(_)) => Ok((item, Opened::Gone)),
        Err(VaultError::Altered { field, reason, .. }) => {
            Ok((item, Opened::Damaged(format!("{field}: {reason}"))))
        }
        Err(error) => Err(error),
    };
    let share = items.len().div_ceil(AT_ONCE).max(1);
    thread::scope(|scope| {
        let open = &open;
        let working: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(|&item| open(item)).collect::<Vec<_>>()))
            .collect();
        let mut opened = Vec::with_capacity(items.len());
        for part in working {
            let part =
                part.join().map_err(|_| VaultError::Internal("fetching contents panicked".to_owned()))?;
            for one in part {
                // Fetched beside others it may look altered where somebody replaced it meanwhile; alone it does not.
                opened.push(match one? {
                    (item, Opened::Damaged(_)) => open(item)?,
                    whole => whole,
                });
            }
        }
        Ok(opened)
    })
}
