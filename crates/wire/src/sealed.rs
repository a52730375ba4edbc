//! What only clients read: it is sealed under the collection's keys before it leaves.

use serde::{Deserialize, Serialize};

use crate::split::Trio;
use crate::{Bytes, Digest, Message, limits};

/// A collection's name and settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollectionHeader {
    /// What its members call it.
    pub name: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
    /// The model pack that new items are embedded with: its name and version.
    pub model: String,
    /// Dimension of its embeddings.
    pub dim: u32,
    /// SHA-256 of that pack, by its files; settings of earlier versions of PMIRS do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The epoch in which the collection went over to it: no earlier epoch holds an item of it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub since: u32,
    /// Models that items may still be embedded with, the latest first; none where every item is of `model`. At most
    /// [`limits::EARLIER_MODELS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierModel>,
    /// How embeddings are veiled; present exactly at `veiled`.
    pub veil: Option<VeilSettings>,
    /// The three servers that hold the shares; present exactly at `split`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parties: Option<Trio>,
}

impl Message for CollectionHeader {
    const NAME: &'static str = "collection header";
    const MAX_BYTES: usize = limits::SEALED_HEADER - 64;
}

/// A model that a collection goes away from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierModel {
    /// Its name and version.
    pub model: String,
    /// Dimension of its embeddings.
    pub dim: u32,
    /// SHA-256 of its pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The epoch from which on items may be of it.
    pub since: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The veil's public parameters; its secret matrices come from the epoch's veil key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VeilSettings {
    /// Noise coordinates r.
    pub noise_dim: u32,
    /// Blocks B.
    pub blocks: u32,
    /// Bound κ on the condition number of the whole.
    pub condition: f64,
    /// Expected squared length of the noise.
    pub noise_energy: f32,
    /// Whether a secret permutation and a second round of blocks follow the first.
    pub shuffle: bool,
    /// Largest relative change of a document's length.
    pub jitter_scale: f32,
    /// Length of a document's random displacement.
    pub jitter_shift: f32,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// A picture.
    Image,
    /// A text.
    Text,
}

impl ItemKind {
    /// The name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Text => "text",
        }
    }
}

/// An item's metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemMeta {
    /// File name, relative to the folder that was added.
    pub name: String,
    /// What it is.
    pub kind: ItemKind,
    /// Media type, such as `image/jpeg`.
    pub media_type: String,
    /// A note attached to it.
    pub caption: Option<String>,
    /// Plain bytes of its content.
    pub size: u64,
    /// SHA-256 of its content.
    pub content: Digest,
    /// When it was added, in milliseconds since 1970.
    pub added_ms: u64,
    /// When what it shows was written or taken, in milliseconds since 1970, as far as its file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_ms: Option<u64>,
    /// Words that people attached to it, sorted, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Width and height in pixels, for pictures.
    pub pixels: Option<(u32, u32)>,
    /// The model pack that embedded it.
    pub model: String,
    /// SHA-256 of the veiled vector (scale, then values), so that the cloud cannot exchange it.
    pub veiled: Option<Digest>,
}

impl Message for ItemMeta {
    const NAME: &'static str = "item metadata";
    const MAX_BYTES: usize = limits::SEALED_META - 64;
}

/// An embedding at rest: signed 16-bit fixed point of a unit vector, so `values[i] / 32767`.
///
/// 16 bits keep every cosine to about 1e-5, at half the size of floats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEmbedding {
    /// Little-endian 16-bit values, one per dimension.
    pub values: Bytes,
}

impl Message for StoredEmbedding {
    const NAME: &'static str = "stored embedding";
    const MAX_BYTES: usize = limits::SEALED_EMBEDDING - 64;
}

impl StoredEmbedding {
    /// Rounds a unit vector to 16 bits.
    pub fn from_unit(vector: &[f32]) -> Self {
        let values = vector
            .iter()
            .flat_map(|x| ((x.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16).to_le_bytes())
            .collect();
        Self { values: Bytes(values) }
    }

    /// The vector again, or `None` where the bytes are not whole 16-bit values of this dimension.
    pub fn to_vector(&self, dim: usize) -> Option<Vec<f32>> {
        let (pairs, rest) = self.values.0.as_chunks::<2>();
        (rest.is_empty() && pairs.len() == dim)
            .then(|| pairs.iter().map(|&pair| f32::from(i16::from_le_bytes(pair)) / 32767.0).collect())
    }
}
