//! Adding items whose embeddings were made elsewhere.

use pmirs_wire::sealed::{ItemKind, ItemMeta};
use pmirs_wire::{Digest, ItemId};

use super::protect::seal;
use super::upload::Batch;
use crate::collection::Collection;
use crate::progress::Quiet;
use crate::{VaultError, fresh};

/// An item with its embedding.
#[derive(Debug, Clone)]
pub struct Import {
    /// What to call it.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
    /// Media type of the content.
    pub media_type: String,
    /// The content.
    pub content: Vec<u8>,
    /// Of unit length, by the collection's model.
    pub embedding: Vec<f32>,
}

pub(crate) fn import(
    collection: &Collection<'_>,
    items: impl IntoIterator<Item = Import>,
) -> Result<u64, VaultError> {
    let mut rng = fresh::rng()?;
    let models = collection.models();
    let model = models.current();
    let mut batch = Batch::of(&model.name);
    let mut added = 0;
    for Import { name, kind, media_type, content, embedding } in items {
        if embedding.len() != model.dim as usize {
            let reason = format!("the embedding of '{name}' has {} dimensions", embedding.len());
            return Err(VaultError::Query(reason));
        }
        let length = embedding.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !(0.98..=1.02).contains(&length) {
            return Err(VaultError::Query(format!(
                "the embedding of '{name}' has length {length}, and not 1"
            )));
        }
        let meta = ItemMeta {
            name,
            kind,
            media_type,
            caption: None,
            size: content.len() as u64,
            content: Digest(pmirs_crypto::sha256(&content)),
            added_ms: fresh::now_ms(),
            date_ms: None,
            tags: Vec::new(),
            pixels: None,
            model: model.name.clone(),
            veiled: None,
        };
        let item = ItemId(fresh::id(&mut rng));
        batch.push(seal(collection, item, meta, &embedding, &content, &mut rng)?, content.len() as u64);
        if batch.is_full() {
            added += batch.send(collection)?.items;
        }
    }
    added += batch.send(collection)?.items;
    collection.level(&Quiet)?;
    Ok(added)
}
