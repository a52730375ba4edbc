//! The largest jitter that a collection's ranking bears, and what it costs the client's proof of exactness.
//!
//! Jitter makes an attacker need more documents; the client's re-ranking repairs it as long as the true top
//! ten are among the candidates that it fetches. [`calibrate`] measures that on real veilings with int8
//! copies, for any embeddings; `pmirs_veil::Jitter::recommended` is what it found (see the figures there).

use pmirs_index::{Matrix, quantise};
use pmirs_veil::{Jitter, Veil, VeilParams};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use super::AttackError;

/// The top that must survive, among how many candidates, out of how many items, in which share of queries.
const TOP: usize = 10;
const CANDIDATES: usize = 64;
const ITEMS: usize = 10_000;
const KEPT: f64 = 0.999;

/// Trials per jitter at least; queries are asked again under fresh veils until there are as many.
const TRIALS: usize = 4000;

/// `scale = shift · SCALE_PER_SHIFT / √D`: then both disturb the score of a document at cosine one half alike
/// (the uniform `ε` has deviation `scale/√3`, `<η, v>` has `shift·√1.25/√D`).
const SCALE_PER_SHIFT: f64 = 4.0;

/// Steps of the search; the shift is found to one part in 2^STEPS of its range.
const STEPS: u32 = 7;
const LARGEST_SHIFT: f64 = 1.0;

/// What one jitter did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// [`Jitter::scale`].
    pub scale: f32,
    /// [`Jitter::shift`].
    pub shift: f32,
    /// Items searched.
    pub items: usize,
    /// Queries asked.
    pub queries: usize,
    /// Share of queries whose true top 10 were all among the 64 best by veiled score.
    pub kept: f64,
    /// Share of queries whose top 10 the 64 candidates prove exact, by the error bound.
    pub proven: f64,
    /// Candidates that a client must fetch for the proof: median,
    pub candidates_p50: usize,
    /// and 95th percentile.
    pub candidates_p95: usize,
}

/// What a calibration found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Components of an embedding.
    pub dim: usize,
    /// The largest jitter with at least 99.9% of the queries kept, if any is.
    pub largest: Option<Trial>,
    /// No jitter, for comparison: int8 rounding alone.
    pub without: Trial,
    /// Every jitter tried.
    pub trials: Vec<Trial>,
}

/// Finds the largest jitter for these unit vectors. The last tenth (1,000 at most) are the queries, up to
/// 10,000 others the items.
pub fn calibrate(embeddings: &[Vec<f32>], seed: u64) -> Result<Calibration, AttackError> {
    let world = World::split(embeddings)?;
    let without = world.trial(Jitter::NONE, TRIALS, seed)?;
    let (mut low, mut high) = (0.0, LARGEST_SHIFT);
    let mut largest = None;
    let mut trials = Vec::new();
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        let trial = world.trial(world.jitter(middle), TRIALS, seed)?;
        trials.push(trial.clone());
        if trial.kept >= KEPT {
            (low, largest) = (middle, Some(trial));
        } else {
            high = middle;
        }
    }
    Ok(Calibration { dim: world.dim, largest, without, trials })
}

/// Asks at least `queries` queries under this jitter.
pub fn trial(
    embeddings: &[Vec<f32>],
    jitter: Jitter,
    queries: usize,
    seed: u64,
) -> Result<Trial, AttackError> {
    World::split(embeddings)?.trial(jitter, queries, seed)
}

struct World<'a> {
    dim: usize,
    items: &'a [Vec<f32>],
    queries: &'a [Vec<f32>],
    /// Per query: its cosine with every item.
    cosines: Vec<Vec<f32>>,
}

impl<'a> World<'a> {
    fn split(embeddings: &'a [Vec<f32>]) -> Result<Self, AttackError> {
        let asked = (embeddings.len() / 10).min(1000);
        let (items, queries) = embeddings.split_at(embeddings.len() - asked);
        let (items, _) = items.split_at(items.len().min(ITEMS));
        if asked == 0 || items.len() <= CANDIDATES {
            let reason = format!("{} given, but this takes at least 100", embeddings.len());
            return Err(AttackError::Embeddings { reason });
        }
        let cosine = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let cosines = queries.iter().map(|q| items.iter().map(|z| cosine(z, q)).collect()).collect();
        Ok(Self { dim: items.first().map_or(0, Vec::len), items, queries, cosines })
    }

    fn jitter(&self, shift: f64) -> Jitter {
        let veiled = VeilParams::plain(self.dim).veiled_dim() as f64;
        Jitter { scale: (SCALE_PER_SHIFT * shift / veiled.sqrt()).min(0.5) as f32, shift: shift as f32 }
    }

    fn trial(&self, jitter: Jitter, queries: usize, seed: u64) -> Result<Trial, AttackError> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let params = VeilParams { jitter, ..VeilParams::plain(self.dim) };
        let mut outcomes = Vec::new();
        while outcomes.len() < queries {
            self.ask_all(&Veil::new(params.clone(), &mut rng)?, &mut outcomes, &mut rng)?;
        }
        let share = |holds: &dyn Fn(&Outcome) -> bool| {
            outcomes.iter().filter(|outcome| holds(outcome)).count() as f64 / outcomes.len() as f64
        };
        let (kept, proven) = (share(&|outcome| outcome.kept), share(&|outcome| outcome.needed <= CANDIDATES));
        let mut needed: Vec<usize> = outcomes.iter().map(|outcome| outcome.needed).collect();
        needed.sort_unstable();
        let percentile = |percent: usize| needed.get(needed.len() * percent / 100).copied().unwrap_or(0);
        Ok(Trial {
            scale: jitter.scale,
            shift: jitter.shift,
            items: self.items.len(),
            queries: outcomes.len(),
            kept,
            proven,
            candidates_p50: percentile(50),
            candidates_p95: percentile(95),
        })
    }

    /// Veils the items afresh and asks every query once.
    fn ask_all(
        &self,
        veil: &Veil,
        outcomes: &mut Vec<Outcome>,
        rng: &mut ChaCha20Rng,
    ) -> Result<(), AttackError> {
        let mut matrix = Matrix::with_capacity(veil.params().veiled_dim(), self.items.len())?;
        let mut largest_step = 0.0_f32;
        for batch in self.items.chunks(64) {
            for veiled in veil.documents(batch, rng)? {
                let stored = quantise(&veiled)?;
                largest_step = largest_step.max(stored.scale);
                matrix.push(&stored)?;
            }
        }
        for (query, cosines) in self.queries.iter().zip(&self.cosines) {
            let veiled = veil.query(query, rng)?;
            let asked = quantise(&veiled.values)?;
            let bound = veil.score_error_bound(&veiled, asked.scale, largest_step);
            let ranked = matrix.top_k(&asked, self.items.len(), 1)?;
            let mut best = cosines.clone();
            best.sort_unstable_by(|a, b| b.total_cmp(a));
            let tenth = best.get(TOP - 1).copied().unwrap_or(-1.0);
            let of_row = |row: u32| cosines.get(row as usize).copied().unwrap_or(-1.0);
            // Ties with the tenth do not matter: any of them is a right answer.
            let candidates = ranked.iter().take(CANDIDATES);
            let found = candidates.filter(|hit| of_row(hit.row) >= tenth).count();
            let settled = |score: f32| bound.largest_cosine(score / veiled.rho) < tenth;
            let needed = ranked.iter().position(|hit| settled(hit.score)).map_or(ranked.len(), |at| at + 1);
            outcomes.push(Outcome { kept: found >= TOP, needed: needed.max(TOP) });
        }
        Ok(())
    }
}

struct Outcome {
    kept: bool,
    /// Candidates up to the first whose veiled score rules out everything behind it.
    needed: usize,
}
