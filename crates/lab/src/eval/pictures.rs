//! Many picture files to embeddings, with every core at work.

use std::path::{Path, PathBuf};

use pmirs_encoder::{Embedding, Encoder, Limits, Picture};
use rayon::prelude::*;

use super::{EvalError, Watch};

/// Pictures decoded and encoded together.
const BATCH: usize = 64;

/// The embedding of each file, in order.
pub(super) fn embed(
    encoder: &Encoder,
    paths: &[PathBuf],
    watch: Watch<'_>,
) -> Result<Vec<Embedding>, EvalError> {
    let mut embeddings = Vec::with_capacity(paths.len());
    for batch in paths.chunks(BATCH) {
        let prepared = batch
            .par_iter()
            .map(|path| Ok(encoder.preprocess(&read(path)?)?))
            .collect::<Result<Vec<_>, EvalError>>()?;
        embeddings.extend(encoder.embed_prepared(&prepared)?);
        watch(embeddings.len(), paths.len());
    }
    Ok(embeddings)
}

fn read(path: &Path) -> Result<Picture, EvalError> {
    let bytes = std::fs::read(path).map_err(|error| EvalError::file(path, &error))?;
    Picture::decode(&bytes, &Limits::default()).map_err(|error| EvalError::file(path, &error))
}
