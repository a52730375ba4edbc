//! Embedded sources to sealed items: from here on nothing is readable.

use pmirs_crypto::{Kind, Prg};
use pmirs_index::quantise;
use pmirs_wire::item::{NewItem, VeiledVector};
use pmirs_wire::sealed::{ItemMeta, StoredEmbedding};
use pmirs_wire::{Bytes, ItemId, encode};

use super::captions::Captions;
use super::encode::Embedded;
use super::load::Form;
use crate::collection::Collection;
use crate::keys::veiled_digest;
use crate::tag::tokens_of;
use crate::{VaultError, fresh};

/// Seals a source that `model` embedded, under the collection's current epoch.
pub(super) fn protect(
    collection: &Collection<'_>,
    model: &str,
    embedded: Embedded,
    rng: &mut Prg,
) -> Result<NewItem, VaultError> {
    let Embedded { source, embedding } = embedded;
    let meta = ItemMeta {
        name: source.file.name,
        kind: source.file.kind,
        media_type: source.file.media_type.to_owned(),
        caption: Captions::stored(&source.captions),
        size: source.content.len() as u64,
        content: source.digest,
        added_ms: fresh::now_ms(),
        date_ms: source.date_ms,
        tags: source.tags,
        pixels: match source.form {
            Form::Picture { pixels, .. } => Some(pixels),
            Form::Text { .. } => None,
        },
        model: model.to_owned(),
        veiled: None,
    };
    let item = ItemId(fresh::id(rng));
    seal(collection, item, meta, &embedding, &source.content, rng)
}

/// Veils and seals one item under the latest epoch; `meta.veiled` is filled in here.
pub(crate) fn seal(
    collection: &Collection<'_>,
    item: ItemId,
    mut meta: ItemMeta,
    embedding: &[f32],
    content: &[u8],
    rng: &mut Prg,
) -> Result<NewItem, VaultError> {
    let all = collection.keys();
    let epoch = all.current_epoch();
    let keys = all.epoch(epoch)?;
    let veiled = collection
        .header
        .veil
        .is_some()
        .then(|| -> Result<VeiledVector, VaultError> {
            let veil = all.veil(epoch, &collection.header)?;
            let row = quantise(&veil.document(embedding, rng)?)?;
            let values = row.values.iter().map(|&value| value as u8).collect();
            Ok(VeiledVector { scale: row.scale, values: Bytes(values) })
        })
        .transpose()?;
    let tokens = if veiled.is_some() { tokens_of(&keys.token, &meta) } else { Vec::new() };
    meta.veiled = veiled.as_ref().map(|veiled| veiled_digest(veiled.scale, &veiled.values));

    let place = |kind| all.place(item, epoch, kind);
    let stored = encode(&StoredEmbedding::from_unit(embedding))?;
    Ok(NewItem {
        item,
        epoch,
        meta: Bytes(keys.metadata.seal(rng, &place(Kind::ItemMeta), &encode(&meta)?)),
        embedding: Bytes(keys.metadata.seal(rng, &place(Kind::ItemEmbedding), &stored)),
        veiled,
        content: Bytes(keys.content.seal(rng, &place(Kind::ItemContent), content)),
        tokens,
    })
}
