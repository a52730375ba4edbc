//! Sources to embeddings, many pictures at once.

use pmirs_encoder::{Embedding, Encoder, EncoderError, Prepared};

use super::load::{Form, Source, passages};
use super::walk::File;

/// Pictures that the encoder takes at once: enough to keep all cores busy, few enough to start early.
pub(super) const BATCH: usize = 16;

/// A source with its embedding, of unit length.
pub(super) struct Embedded {
    pub(super) source: Source,
    pub(super) embedding: Vec<f32>,
}

/// A source that could not be embedded.
pub(super) struct Failed {
    pub(super) file: File,
    pub(super) reason: String,
}

/// Embeds a batch. A source that fails does so alone.
pub(super) fn embed(encoder: &Encoder, batch: Vec<Source>) -> Vec<Result<Embedded, Failed>> {
    let parts: Vec<(&Form, &[String])> =
        batch.iter().map(|source| (&source.form, source.captions.as_slice())).collect();
    let embeddings = embed_forms(encoder, &parts);
    let embedded = |(source, embedding): (Source, Result<Embedding, EncoderError>)| match embedding {
        Ok(embedding) => Ok(Embedded { source, embedding: embedding.into_values() }),
        Err(error) => Err(Failed { file: source.file, reason: error.to_string() }),
    };
    batch.into_iter().zip(embeddings).map(embedded).collect()
}

/// The embedding of each form with its captions, in their order.
pub(super) fn embed_forms(
    encoder: &Encoder,
    parts: &[(&Form, &[String])],
) -> Vec<Result<Embedding, EncoderError>> {
    let mut pictures = pictures(encoder, parts).into_iter();
    parts
        .iter()
        .map(|(form, captions)| {
            let own = match form {
                Form::Picture { .. } => pictures.next().unwrap_or(Err(EncoderError::NoDirection("image"))),
                Form::Text { passages } => text(encoder, passages),
            };
            own.and_then(|own| with_captions(encoder, own, captions))
        })
        .collect()
}

/// Embeds the batch's pictures together; where that fails, one by one, to find the one at fault.
fn pictures(encoder: &Encoder, parts: &[(&Form, &[String])]) -> Vec<Result<Embedding, EncoderError>> {
    let prepared: Vec<Prepared> = parts
        .iter()
        .filter_map(|(form, _)| match form {
            Form::Picture { prepared, .. } => Some(prepared.clone()),
            Form::Text { .. } => None,
        })
        .collect();
    match encoder.embed_prepared(&prepared) {
        Ok(embeddings) => embeddings.into_iter().map(Ok).collect(),
        Err(_) => prepared
            .iter()
            .map(|one| {
                let one = encoder.embed_prepared(std::slice::from_ref(one))?;
                one.into_iter().next().ok_or(EncoderError::NoDirection("image"))
            })
            .collect(),
    }
}

/// A text is the mean of its passages.
fn text(encoder: &Encoder, passages: &[String]) -> Result<Embedding, EncoderError> {
    let passages: Vec<&str> = passages.iter().map(String::as_str).collect();
    mean(&encoder.embed_texts(&passages)?)
}

/// A picture with notes lies half way between what it shows and what they say, so that both find it.
fn with_captions(encoder: &Encoder, own: Embedding, captions: &[String]) -> Result<Embedding, EncoderError> {
    let passages: Vec<String> = captions.iter().flat_map(|caption| passages(caption)).collect();
    if passages.is_empty() {
        return Ok(own);
    }
    mean(&[own, text(encoder, &passages)?])
}

fn mean(embeddings: &[Embedding]) -> Result<Embedding, EncoderError> {
    let dim = embeddings.first().map_or(0, Embedding::dim);
    let mut sum = vec![0.0; dim];
    for embedding in embeddings {
        for (total, value) in sum.iter_mut().zip(embedding.as_slice()) {
            *total += value;
        }
    }
    Embedding::from_values(sum)
}
