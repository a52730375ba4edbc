use crate::VeilError;

/// Largest veiled dimension that a veil is built for: it bounds memory before anything is allocated.
const MAX_VEILED_DIM: usize = 1 << 14;

/// Largest κ; beyond it, single precision no longer carries the scores.
const MAX_CONDITION: f64 = 1e4;

/// The public shape of a veil. Two clients of one collection must use equal parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct VeilParams {
    /// `d`, the components of an embedding.
    pub dim: usize,
    /// `r`, the components of the noise `n` of a document and of the noise `m` of a query.
    pub noise_dim: usize,
    /// `B`, the secret blocks in each round.
    pub blocks: usize,
    /// `κ`: each round's blocks have a condition number of at most `√κ`, so `M` has at most `κ`.
    pub condition: f64,
    /// `E‖n‖² = E‖m‖²`, against a unit embedding.
    pub noise_energy: f32,
    /// Whether a secret permutation and a second round of blocks follow the first one.
    pub shuffle: bool,
    /// What is done to a document before `M`, at the price of a score error.
    pub jitter: Jitter,
}

/// A disturbance of documents that the client's re-ranking repairs. Zero is the paper's scheme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jitter {
    /// A document is scaled by `1 + ε` with `ε` uniform in `[-scale, scale]`.
    pub scale: f32,
    /// A document is moved by an isotropic Gaussian `η` in all `D` coordinates with `E‖η‖² = shift²`.
    pub shift: f32,
}

impl Jitter {
    /// No jitter: scores are exact up to rounding.
    pub const NONE: Self = Self { scale: 0.0, shift: 0.0 };

    /// The default for veiled vectors of this many components: `ε` up to 2%, and `η` of deviation 0.005 in
    /// each of them, so that a score is off by about 0.006 whatever the dimension is.
    ///
    /// About the largest jitter that leaves the true top 10 among the 64 best of 10,000 by veiled score in
    /// 99.9% of queries over drawn clustered embeddings of 256 components, as
    /// `pmirs_lab::attack::jitter::calibrate` measured it with int8 copies (kept: 99.98% of 4,000; 99.85% at a
    /// shift one eighth larger). Real CLIP text vectors (1,484 items of 512 components) bore four times as
    /// much; the default must suit the harder collection.
    ///
    /// Its price for the proof of exactness, there: 64 candidates prove the top 10 for 72% of the queries, 158
    /// for 95% (25 without jitter). On the CLIP vectors 31 do for 95% (15 without jitter), and on 10,000
    /// photographs by the compact model 41 (18 without): there 64 candidates kept and proved the top 10 in all of
    /// 4,000 queries. `pmirs audit FOLDER --jitter` measures it for anyone's pictures.
    pub fn recommended(veiled_dim: usize) -> Self {
        Self { scale: 0.02, shift: 0.005 * (veiled_dim as f32).sqrt() }
    }
}

impl VeilParams {
    /// What a `veiled` collection uses: four blocks, two rounds, κ = 8, `r = d/8`, noise of energy 1/4, and
    /// [`Jitter::recommended`].
    pub fn recommended(dim: usize) -> Self {
        let plain = Self::plain(dim);
        Self { jitter: Jitter::recommended(plain.veiled_dim()), ..plain }
    }

    /// [`recommended`](Self::recommended) without jitter: scores are exact up to rounding.
    pub fn plain(dim: usize) -> Self {
        Self {
            dim,
            noise_dim: dim / 8,
            blocks: 4,
            condition: 8.0,
            noise_energy: 0.25,
            shuffle: true,
            jitter: Jitter::NONE,
        }
    }

    /// The PMIRS paper's variant: one block-diagonal round, no permutation, no noise, no jitter.
    pub fn paper(dim: usize) -> Self {
        Self { noise_dim: 0, noise_energy: 0.0, shuffle: false, ..Self::plain(dim) }
    }

    /// A pure rotation, the weakest veil worth naming: one orthogonal block and nothing else.
    pub fn rotation(dim: usize) -> Self {
        Self { blocks: 1, condition: 1.0, ..Self::paper(dim) }
    }

    /// `D`: `d + 2r` padded to a multiple of the block count, the components of a veiled vector.
    pub fn veiled_dim(&self) -> usize {
        (self.dim + 2 * self.noise_dim).next_multiple_of(self.blocks.max(1))
    }

    /// Components of one block.
    pub(crate) fn block_side(&self) -> usize {
        self.veiled_dim() / self.blocks.max(1)
    }

    /// Block-diagonal rounds: two with a shuffle between them, else one.
    pub(crate) fn rounds(&self) -> usize {
        if self.shuffle { 2 } else { 1 }
    }

    /// Refuses what describes no veil, before anything is allocated.
    pub(crate) fn check(&self) -> Result<(), VeilError> {
        let refuse = |parameter, got: &dyn std::fmt::Display, expected| {
            Err(VeilError::Parameter { parameter, got: got.to_string(), expected })
        };
        if !(1..=MAX_VEILED_DIM).contains(&self.dim) {
            return refuse("dim", &self.dim, "from 1 to 16384");
        }
        if self.noise_dim > self.dim {
            return refuse("noise_dim", &self.noise_dim, "at most dim");
        }
        if self.blocks == 0 || self.blocks > self.dim {
            return refuse("blocks", &self.blocks, "from 1 to dim");
        }
        if self.veiled_dim() > MAX_VEILED_DIM {
            return refuse("noise_dim", &self.noise_dim, "small enough for 16384 veiled components");
        }
        if !(1.0..=MAX_CONDITION).contains(&self.condition) {
            return refuse("condition", &self.condition, "from 1 to 10000");
        }
        if !(0.0..=100.0).contains(&self.noise_energy) {
            return refuse("noise_energy", &self.noise_energy, "from 0 to 100");
        }
        if !(0.0..=0.5).contains(&self.jitter.scale) {
            return refuse("jitter.scale", &self.jitter.scale, "from 0 to 0.5");
        }
        if !(0.0..=100.0).contains(&self.jitter.shift) {
            return refuse("jitter.shift", &self.jitter.shift, "from 0 to 100");
        }
        Ok(())
    }
}
