//! Items that are in a collection already, embedded again from their content: the same embedding as a model gives them
//! when they are added.

use pmirs_encoder::Encoder;
use pmirs_wire::sealed::ItemMeta;

use super::captions::Captions;
use super::encode::embed_forms;
use super::load::Form;

/// What a model takes of an item.
pub(crate) struct Prepared {
    form: Form,
    captions: Vec<String>,
}

/// Decodes and resizes an item's content for a model.
///
/// # Errors
/// Says what is wrong with the content.
pub(crate) fn prepare(encoder: &Encoder, meta: &ItemMeta, content: &[u8]) -> Result<Prepared, String> {
    let form = Form::of(encoder, meta.kind, content)?;
    Ok(Prepared { form, captions: Captions::parted(meta.caption.as_deref()) })
}

/// Embeds items together. One that fails does so alone, and says why.
pub(crate) fn embed(encoder: &Encoder, batch: &[Prepared]) -> Vec<Result<Vec<f32>, String>> {
    let parts: Vec<(&Form, &[String])> =
        batch.iter().map(|one| (&one.form, one.captions.as_slice())).collect();
    embed_forms(encoder, &parts)
        .into_iter()
        .map(|embedding| {
            embedding.map(pmirs_encoder::Embedding::into_values).map_err(|error| error.to_string())
        })
        .collect()
}
