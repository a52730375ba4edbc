//! Pictures and sentences to embeddings: the only part of PMIRS that understands anything, and it runs on
//! the user's side.
//!
//! A [`Pack`] is a model in a folder (`model.toml`, weights, vocabulary). An [`Encoder`] opens one and turns
//! a [`Picture`] or a sentence into an [`Embedding`]: unit length after the model's mean for that modality was
//! subtracted, so that text and images rank fairly against each other in one list.
//!
//! ```
//! use pmirs_encoder::{Limits, Picture};
//!
//! // A two-pixel picture in the BMP format, as a stranger might send it.
//! let red_and_blue = Picture::from_rgb(2, 1, vec![255, 0, 0, 0, 0, 255])?;
//! let file = red_and_blue.to_png()?;
//! let picture = Picture::decode(&file, &Limits::default())?;
//! assert_eq!((picture.width(), picture.height()), (2, 1));
//! # Ok::<(), pmirs_encoder::PictureError>(())
//! ```
//!
//! From bytes to an embedding, in the order of the modules below:
//!
//! 1. [`picture`]: decode hostile bytes within limits, turn upright, thumbnail.
//! 2. [`preprocess`]: resize and normalise to what the image tower expects.
//! 3. [`tokenizer`]: sentence to token ids.
//! 4. [`pack`]: the manifest, and weights checked against their pinned SHA-256.
//! 5. [`clip`] and [`compact`]: the two engines behind the trait [`Towers`].
//! 6. [`import`]: from the files that others publish to a pack; [`local`]: from one pack to the next, on one's own
//!    pictures.
//! 7. [`Encoder`]: all of it together, towers loaded lazily and separately.

mod adapter;
pub mod clip;
pub mod compact;
mod cost;
mod embedding;
mod encoder;
mod engine;
mod error;
pub mod import;
pub mod local;
pub mod pack;
pub mod picture;
pub mod preprocess;
pub mod tokenizer;
mod towers;

pub use cost::cost;
pub use embedding::Embedding;
pub use encoder::{Encoder, PackInfo};
pub use error::{EncoderError, PackError, PictureError, TokenizerError};
pub use pack::{Pack, PackKind, PackManifest};
pub use picture::{Limits, Picture};
pub use preprocess::{Prepared, Preprocessor};
pub use tokenizer::{Tokenizer, Vocabulary};
pub use towers::Towers;
