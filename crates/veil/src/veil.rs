use std::fmt;

use rand_core::CryptoRng;
use rand_distr::{Distribution, StandardNormal};
use zeroize::Zeroizing;

use crate::blocks::{Round, RoundPair};
use crate::bound::{ScoreErrorBound, Spread};
use crate::orthogonal::{permutation, uniform};
use crate::{VeilError, VeilParams};

/// How far from 1 the length of an embedding may be: what 16-bit storage of a unit vector loses.
const UNIT_TOLERANCE: f32 = 1e-2;

/// The largest factor by which the fresh scale of a query differs from 1.
const RHO_RANGE: f64 = 2.0;

/// A veil: the secret map `M` with its inverse transpose, in single precision.
///
/// Its matrices are zeroised on drop and never printed. It has no `Clone`: share it behind an `Arc`.
pub struct Veil {
    params: VeilParams,
    first: RoundPair,
    second: Option<SecondRound>,
}

/// What mixes the blocks of the first round with each other.
struct SecondRound {
    /// Coordinate `i` after the shuffle is coordinate `order[i]` before it.
    order: Zeroizing<Vec<u32>>,
    round: RoundPair,
}

/// A query under the veil, with what its client needs to read the scores.
#[derive(Clone)]
pub struct VeiledQuery {
    /// `x`, of [`VeilParams::veiled_dim`] components: what the server gets (after quantisation).
    pub values: Vec<f32>,
    /// `ρ`: a score divided by it is the cosine. It stays with the client.
    pub rho: f32,
    /// `‖[q ; 0 ; m]‖`, which weighs the jitter in the error bound.
    pub(crate) spread: f32,
}

impl Veil {
    /// Draws a veil. The same parameters and the same stream of `rng` give the same veil on every machine, up
    /// to rounding in the last places of a double.
    ///
    /// Costs about `11 D³ / B²` operations: some milliseconds at `d = 256`.
    pub fn new(params: VeilParams, rng: &mut impl CryptoRng) -> Result<Self, VeilError> {
        params.check()?;
        let side = params.block_side();
        let first = RoundPair::draw(params.blocks, side, params.condition, rng);
        let second = params.shuffle.then(|| SecondRound {
            order: permutation(params.veiled_dim(), rng),
            round: RoundPair::draw(params.blocks, side, params.condition, rng),
        });
        Ok(Self { params, first, second })
    }

    /// The parameters that this veil was drawn with.
    pub fn params(&self) -> &VeilParams {
        &self.params
    }

    /// Veils one document embedding (unit length, `d` components) into `D` components.
    ///
    /// `rng` must be fresh randomness: two documents under the same noise reveal their difference.
    pub fn document(&self, embedding: &[f32], rng: &mut impl CryptoRng) -> Result<Vec<f32>, VeilError> {
        let mut input = Zeroizing::new(Vec::with_capacity(self.params.veiled_dim()));
        self.lay_out_document(embedding, &mut input, rng)?;
        Ok(self.forward(&input))
    }

    /// Veils many documents at once, a little faster than one by one.
    pub fn documents<E: AsRef<[f32]>>(
        &self,
        embeddings: &[E],
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Vec<f32>>, VeilError> {
        let dim = self.params.veiled_dim();
        let mut input = Zeroizing::new(Vec::with_capacity(embeddings.len() * dim));
        for embedding in embeddings {
            self.lay_out_document(embedding.as_ref(), &mut input, rng)?;
        }
        Ok(self.forward(&input).chunks_exact(dim).map(<[f32]>::to_vec).collect())
    }

    /// Veils one query embedding (unit length, `d` components) under a fresh noise and a fresh scale.
    pub fn query(&self, embedding: &[f32], rng: &mut impl CryptoRng) -> Result<VeiledQuery, VeilError> {
        self.check_embedding(embedding)?;
        let rho = RHO_RANGE.powf(2.0 * uniform(rng) - 1.0) as f32;
        let VeilParams { dim, noise_dim, .. } = self.params;
        let mut input = Zeroizing::new(Vec::with_capacity(self.params.veiled_dim()));
        input.extend_from_slice(embedding);
        input.resize(dim + noise_dim, 0.0);
        input.extend(self.noise(rng));
        input.resize(self.params.veiled_dim(), 0.0);
        let spread = length(&input);
        for value in input.iter_mut() {
            *value *= rho;
        }
        let mut values = self.inverse_transpose(&input);
        values.truncate(self.params.veiled_dim());
        Ok(VeiledQuery { values, rho, spread })
    }

    /// Bounds how far `score / ρ` can lie from the cosine of a document, when the server holds the document
    /// as int8 with a step of at most `document_scale` and gets the query as int8 with a step of
    /// `query_scale` (0 for a side that is not quantised).
    ///
    /// A client that does not know the largest step of the collection passes
    /// [`document_scale_bound`](Self::document_scale_bound). The bound is probabilistic:
    /// see [`ScoreErrorBound`].
    pub fn score_error_bound(
        &self,
        query: &VeiledQuery,
        query_scale: f32,
        document_scale: f32,
    ) -> ScoreErrorBound {
        self.spread().score_error_bound(query, query_scale, document_scale)
    }

    /// The largest int8 step `max|yᵢ| / 127` that a veiled document has, but for one in 10⁹.
    pub fn document_scale_bound(&self) -> f32 {
        self.spread().document_scale_bound()
    }

    fn spread(&self) -> Spread<'_> {
        let gain = self.first.gain * self.second.as_ref().map_or(1.0, |second| second.round.gain);
        Spread { params: &self.params, gain }
    }

    /// Appends `(1 + ε) [z ; n ; 0] + η`.
    fn lay_out_document(
        &self,
        embedding: &[f32],
        input: &mut Vec<f32>,
        rng: &mut impl CryptoRng,
    ) -> Result<(), VeilError> {
        self.check_embedding(embedding)?;
        let start = input.len();
        input.extend_from_slice(embedding);
        input.extend(self.noise(rng));
        input.resize(start + self.params.veiled_dim(), 0.0);
        let (_, laid_out) = input.split_at_mut(start);
        let jitter = self.params.jitter;
        if jitter.scale > 0.0 {
            let factor = 1.0 + jitter.scale * (2.0 * uniform(rng) - 1.0) as f32;
            for value in laid_out.iter_mut() {
                *value *= factor;
            }
        }
        if jitter.shift > 0.0 {
            let deviation = jitter.shift / (laid_out.len() as f32).sqrt();
            for value in laid_out {
                *value += deviation * gaussian(rng);
            }
        }
        Ok(())
    }

    /// Isotropic Gaussian noise of `noise_dim` components and squared length `noise_energy` on average.
    fn noise(&self, rng: &mut impl CryptoRng) -> impl Iterator<Item = f32> {
        let deviation = (self.params.noise_energy / self.params.noise_dim.max(1) as f32).sqrt();
        (0..self.params.noise_dim).map(move |_| deviation * gaussian(rng))
    }

    fn check_embedding(&self, embedding: &[f32]) -> Result<(), VeilError> {
        if embedding.len() != self.params.dim {
            return Err(VeilError::Dimension { got: embedding.len(), expected: self.params.dim });
        }
        let length = length(embedding);
        if (length - 1.0).abs() <= UNIT_TOLERANCE { Ok(()) } else { Err(VeilError::NotUnit { got: length }) }
    }

    /// `M` over vectors laid one after another.
    fn forward(&self, input: &[f32]) -> Vec<f32> {
        self.apply(input, |pair| &pair.forward)
    }

    /// `M⁻ᵀ` over vectors laid one after another: a permutation is its own inverse transpose, so it is the
    /// same walk through the inverse transposes of the blocks.
    fn inverse_transpose(&self, input: &[f32]) -> Vec<f32> {
        self.apply(input, |pair| &pair.inverse_transpose)
    }

    fn apply(&self, input: &[f32], side_of: impl Fn(&RoundPair) -> &Round) -> Vec<f32> {
        let mut output = vec![0.0; input.len()];
        side_of(&self.first).apply(input, &mut output);
        let Some(SecondRound { order, round }) = &self.second else { return output };
        let mut shuffled = Zeroizing::new(Vec::with_capacity(output.len()));
        for vector in output.chunks_exact(order.len()) {
            shuffled.extend(order.iter().filter_map(|place| vector.get(*place as usize)));
        }
        side_of(round).apply(&shuffled, &mut output);
        output
    }
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Veil").field("params", &self.params).finish_non_exhaustive()
    }
}

impl fmt::Debug for VeiledQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VeiledQuery").field("dim", &self.values.len()).finish_non_exhaustive()
    }
}

fn gaussian(rng: &mut impl CryptoRng) -> f32 {
    StandardNormal.sample(rng)
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt() as f32
}
