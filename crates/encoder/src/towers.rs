//! What every engine offers: raw image and text vectors.

use crate::{EncoderError, Prepared};

/// The two towers of one model. Implementations load each tower on its first use, so that a text query never
/// pays for the image tower.
///
/// Vectors come out raw: neither centred nor of unit length ([`Encoder`](crate::Encoder) does that), each of
/// the manifest's `dim` numbers, in the order of the inputs.
pub trait Towers: Send + Sync {
    /// One vector per prepared image; all images have the manifest's input size.
    ///
    /// # Errors
    /// When the tower cannot be loaded, or an image has another shape than the tower expects.
    fn image(&self, images: &[Prepared]) -> Result<Vec<Vec<f32>>, EncoderError>;

    /// One vector per token sequence, as [`Tokenizer::encode`](crate::Tokenizer::encode) gives them: start and
    /// end tokens included, unpadded, at most the context length long.
    ///
    /// # Errors
    /// When the tower cannot be loaded, or a sequence is longer than the context or names an unknown token.
    fn text(&self, sentences: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, EncoderError>;
}
