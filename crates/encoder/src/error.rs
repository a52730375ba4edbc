//! Errors, by whose fault they are: the picture's, the model pack's, the vocabulary's, the engine's.

use std::path::PathBuf;

/// Why a picture could not be decoded. Says what is wrong with the bytes, never panics over them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file is larger than [`Limits::bytes`](crate::Limits::bytes).
    #[error("the file has {got} bytes, more than the limit of {limit}")]
    TooManyBytes {
        /// Size of the file.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// The header promises more pixels than [`Limits::pixels`](crate::Limits::pixels).
    #[error("the picture is {width} x {height}, more than the limit of {limit} pixels")]
    TooManyPixels {
        /// Width that the header promises.
        width: u32,
        /// Height that the header promises.
        height: u32,
        /// The limit, in pixels.
        limit: u64,
    },
    /// The picture has no pixels.
    #[error("the picture is empty ({width} x {height})")]
    Empty {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Decoding would need more memory than [`Limits::memory`](crate::Limits::memory).
    #[error("decoding this {format} needs more than the limit of {limit} bytes of memory")]
    TooMuchMemory {
        /// The format.
        format: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The first bytes belong to none of the formats that PMIRS reads.
    #[error("not a picture that can be read (JPEG, PNG, WebP, GIF, BMP and TIFF can)")]
    UnknownFormat,
    /// The format is known; these bytes break its rules or use a variant that the decoder lacks.
    #[error("broken or unsupported {format}: {reason}")]
    Broken {
        /// The format.
        format: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// Pixels given by the caller do not fill the stated size.
    #[error("{width} x {height} RGB needs {expected} bytes, got {got}")]
    WrongLength {
        /// Stated width.
        width: u32,
        /// Stated height.
        height: u32,
        /// Bytes that the size needs.
        expected: u64,
        /// Bytes given.
        got: u64,
    },
    /// A picture could not be written: a bug here or in the codec.
    #[error("encoding the picture failed: {0}")]
    Encode(String),
}

/// Why a vocabulary could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// A file of the vocabulary breaks its format.
    #[error("{file}: {reason}")]
    Malformed {
        /// The file.
        file: String,
        /// Where and why.
        reason: String,
    },
    /// The file describes a tokenizer that is not CLIP's byte-level BPE.
    #[error("{file}: {field} is {got}, expected {expected}")]
    Unsupported {
        /// The file.
        file: String,
        /// The field in it.
        field: &'static str,
        /// What it says.
        got: String,
        /// What can be read.
        expected: &'static str,
    },
}

/// Why a model pack could not be opened. Always names the file, and the field where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// A file of the pack cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The pack has no file of this name.
    #[error("the model pack has no file {file}")]
    Missing {
        /// The file's name inside the pack.
        file: String,
    },
    /// A file is larger than the limit for its kind.
    #[error("{file} has {got} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The file's name inside the pack.
        file: String,
        /// Its size.
        got: u64,
        /// The limit.
        limit: u64,
    },
    /// `model.toml` is not valid TOML of the expected shape.
    #[error("model.toml: {0}")]
    Toml(String),
    /// A field of `model.toml` has a value that makes no sense.
    #[error("model.toml: {field} {problem}")]
    Field {
        /// The field, dotted.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file is not the one that was pinned.
    #[error("{file} has SHA-256 {got}, but model.toml pins {expected}")]
    Checksum {
        /// The file's name inside the pack.
        file: String,
        /// The digest that `model.toml` pins, in hexadecimal.
        expected: String,
        /// The digest of the file's bytes, in hexadecimal.
        got: String,
    },
    /// Weights lack a tensor, or it has the wrong shape or type.
    #[error("{file}: tensor {tensor} {problem}")]
    Tensor {
        /// The weights file.
        file: String,
        /// The tensor, input or output.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights file as a whole cannot be read.
    #[error("{file}: {reason}")]
    Weights {
        /// The weights file.
        file: String,
        /// What the engine said.
        reason: String,
    },
}

/// Why something could not be embedded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// The model pack is at fault.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The picture is at fault.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The vocabulary is at fault.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The caller passed something that this model cannot take.
    #[error("{what} is {got}, expected {expected}")]
    Input {
        /// What was passed.
        what: &'static str,
        /// What it was.
        got: String,
        /// What it should have been.
        expected: String,
    },
    /// The model gave a vector without a direction (zero, or not finite), which cannot be ranked.
    #[error("the model gave a vector without a direction for this {0}")]
    NoDirection(&'static str),
    /// Whoever evaluates the towers elsewhere did not.
    #[error("{0}")]
    Elsewhere(Box<dyn std::error::Error + Send + Sync>),
    /// The engine failed while running a tower.
    #[error("the {tower} tower failed: {reason}")]
    Engine {
        /// `image` or `text`.
        tower: &'static str,
        /// What the engine said.
        reason: String,
    },
}
