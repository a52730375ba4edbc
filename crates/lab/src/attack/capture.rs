//! What an attacker of the veil holds.

use faer::Mat;
use pmirs_veil::{Veil, VeilParams};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use super::AttackError;
use super::linear::from_rows;

/// The veils that the attacks are compared on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// One orthogonal matrix.
    Rotation,
    /// The paper's plain variant: one round of secret blocks, no noise.
    Paper,
    /// Two rounds with a shuffle between them and cancelling noise, without jitter.
    Plain,
    /// The default: `Plain` with jitter.
    Recommended,
}

impl Variant {
    /// Every variant, the weakest first.
    pub const ALL: [Self; 4] = [Self::Rotation, Self::Paper, Self::Plain, Self::Recommended];

    /// The parameters of this variant.
    pub fn params(self, dim: usize) -> VeilParams {
        match self {
            Self::Rotation => VeilParams::rotation(dim),
            Self::Paper => VeilParams::paper(dim),
            Self::Plain => VeilParams::plain(dim),
            Self::Recommended => VeilParams::recommended(dim),
        }
    }

    /// How a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rotation => "rotation",
            Self::Paper => "paper (blocks)",
            Self::Plain => "ours, no jitter",
            Self::Recommended => "ours",
        }
    }
}

/// A collection as its cloud sees it, beside the truth that an experiment is scored with.
pub struct Capture {
    /// The public parameters of the veil.
    pub params: VeilParams,
    /// Veiled documents, one per row, as the int8 copies stand for them.
    pub documents: Mat<f64>,
    /// Their embeddings: the truth. An attack may read only the rows it was given as pairs.
    pub truth: Mat<f64>,
    /// Veiled queries, one per row, as the int8 copies stand for them.
    pub queries: Mat<f64>,
    /// Public vectors of the same model, of other items.
    pub public: Mat<f64>,
}

impl Capture {
    /// Veils `embeddings` and `queries` under a key drawn from `seed`.
    pub fn take(
        params: &VeilParams,
        embeddings: &[Vec<f32>],
        queries: &[Vec<f32>],
        public: &[Vec<f32>],
        seed: u64,
    ) -> Result<Self, AttackError> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let veil = Veil::new(params.clone(), &mut rng)?;
        let stored = veil.documents(embeddings, &mut rng)?;
        let asked = queries
            .iter()
            .map(|query| Ok(veil.query(query, &mut rng)?.values))
            .collect::<Result<Vec<_>, AttackError>>()?;
        Ok(Self {
            params: params.clone(),
            documents: from_rows(&through_int8(&stored)?),
            truth: from_rows(embeddings),
            queries: from_rows(&through_int8(&asked)?),
            public: from_rows(public),
        })
    }
}

fn through_int8(vectors: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, AttackError> {
    vectors.iter().map(|vector| Ok(pmirs_index::quantise(vector)?.dequantise())).collect()
}
