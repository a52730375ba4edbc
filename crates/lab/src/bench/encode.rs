use pmirs_encoder::{Encoder, EncoderError, Picture};
use serde::Serialize;

use super::BenchError;
use super::stopwatch::median_of_turns;

/// What is embedded: a sentence of usual length.
const SENTENCE: &str = "a photo of a dog running along the beach";

/// How long one picture and one sentence take in a model.
#[derive(Debug, Clone, Serialize)]
pub struct EncodeReport {
    /// Milliseconds for the image tower, one prepared picture at a time.
    pub image_ms: f64,
    /// Milliseconds for the text tower and the vocabulary, one sentence at a time.
    pub text_ms: f64,
    /// Threads that were used.
    pub threads: usize,
    /// Name and version of the model.
    pub model: String,
}

/// Measures the towers of a freshly opened encoder, which take as many threads as the pool they first run in.
///
/// # Errors
/// When a tower cannot be loaded or fails, or the threads cannot be made.
pub fn encode(encoder: &Encoder, threads: usize) -> Result<EncodeReport, BenchError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| BenchError::Threads(error.to_string()))?;
    let [width, height] = encoder.info().image_size;
    let rgb = (0..3 * width * height).map(|at| (at * 7 % 251) as u8).collect();
    let picture = Picture::from_rgb(width, height, rgb).map_err(EncoderError::from)?;
    let prepared = [encoder.preprocess(&picture)?];
    pool.install(|| {
        // Loading belongs to neither; and what fails, fails here.
        encoder.embed_prepared(&prepared)?;
        encoder.embed_texts(&[SENTENCE])?;
        let (image, text) = median_of_turns(
            || drop(encoder.embed_prepared(&prepared)),
            || drop(encoder.embed_texts(&[SENTENCE])),
        );
        let info = encoder.info();
        let model = format!("{} {}", info.name, info.version);
        Ok(EncodeReport { image_ms: image * 1e3, text_ms: text * 1e3, threads, model })
    })
}
