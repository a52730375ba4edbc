//! A model whose weights no server knows: what is public of it, and how three servers encode with it.
//!
//! At the three a model is a store as that of a collection: its rows are pieces of the weights, [`SPLIT_MODEL_ROW`] words
//! each, dealt modulo 2⁶⁴ with the low word of each weight first. They are added in batches, each on all three or on none,
//! and whoever ended early goes on where they were. Its statements say who may use it, and name the digest of its
//! [`ModelManifest`] for good. Nobody searches its rows; an [`Encode`] sends a picture or a sentence through it.
//!
//! [`SPLIT_MODEL_ROW`]: crate::limits::SPLIT_MODEL_ROW

use pmirs_mpc::network::{ImageTower, TextTower};
use serde::{Deserialize, Serialize};

use super::{SharePair, Version};
use crate::{AccountId, Bytes, CollectionId, Digest, Message, limits};

/// What users and servers know of a model: everything but its weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelManifest {
    /// Name and version, as collections name the model that their embeddings come from.
    pub name: String,
    /// Bits after the point, of weights and of what they are multiplied with.
    pub fraction: u32,
    /// Bits that hold what enters a ReLU.
    pub relu_bits: u32,
    /// Sizes of the image tower.
    pub image: ImageTower,
    /// Sizes of the text tower, which takes sentences that are filled up.
    pub text: TextTower,
    /// The owner's own digest of the weights, under a key that nobody else has: two models can be told apart by it, and no
    /// guess of the weights can be tested.
    pub weights: Digest,
    /// `model.toml`: preprocessing, means and cutoffs; where it pins files of weights, zeros stand.
    pub card: String,
    /// The vocabulary's files.
    pub files: Vec<ModelFile>,
}

impl Message for ModelManifest {
    const NAME: &'static str = "model manifest";
    const MAX_BYTES: usize = limits::SPLIT_MANIFEST;
}

/// One public file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFile {
    /// Its plain name.
    pub name: String,
    /// What it holds.
    pub content: Bytes,
}

/// Which of a model's networks is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelTower {
    /// Takes pixels.
    Image,
    /// Takes a sentence.
    Text,
}

impl ModelTower {
    /// What errors and logs call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
        }
    }
}

/// One picture or sentence to send through a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encode {
    /// SHA-256 of the model's encoded [`ModelManifest`].
    pub model: Digest,
    /// Through which tower.
    pub tower: ModelTower,
    /// SHA-256 of the encoded [`Parts`](super::Parts) of P0, P1 and P2: the tower's input, modulo 2⁶⁴, each value as two
    /// words with the low one first.
    pub parts: [Digest; 3],
}

/// One server's shares of the tower's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoded {
    /// The session that the three agreed on; complaints name it.
    pub session: Digest,
    /// The version of the weights.
    pub version: Version,
    /// The raw vector in fixed point, in words of 64 bits.
    pub vector: SharePair,
    /// Rounds of the session.
    pub rounds: u32,
    /// Bytes that this server sent to the two others.
    pub sent: u64,
}

/// A model that somebody may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// What orders call it.
    pub model: CollectionId,
    /// SHA-256 of its manifest.
    pub manifest: Digest,
    /// Its name and version; nothing where this server lacks the manifest.
    pub name: Option<String>,
    /// Who decides who may use it.
    pub owners: Vec<AccountId>,
}
