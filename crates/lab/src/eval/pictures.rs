//! Many picture files to embeddings, with every core at work.

use std::io::Read;
use std::path::{Path, PathBuf};

use pmirs_encoder::{Embedding, Encoder, Limits, Picture};
use rayon::prelude::*;

use super::{EvalError, Step, Watch};

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
        watch(Step { what: "embedding pictures", done: embeddings.len(), total: paths.len() });
    }
    Ok(embeddings)
}

/// One picture, decoded within limits.
pub(super) fn read(path: &Path) -> Result<Picture, EvalError> {
    let limits = Limits::default();
    let mut bytes = Vec::new();
    // One byte more than the limit, so that a file beyond it is seen to be too large and never read whole.
    std::fs::File::open(path)
        .and_then(|file| file.take(limits.bytes + 1).read_to_end(&mut bytes))
        .map_err(|error| EvalError::file(path, &error))?;
    Picture::decode(&bytes, &limits).map_err(|error| EvalError::file(path, &error))
}
