//! What the cloud of a given veiled collection could do: the attacks, run on the user's own embeddings.

use pmirs_veil::VeilParams;
use serde::Serialize;

use super::alignment::{Between, align};
use super::table::{geometry_row, vectors_row};
use super::{Attack, AttackError, Capture, Material, Row, Variant, known_pairs, noise, quadric};

/// Embeddings that an audit needs at least.
const FEWEST: usize = 100;

/// Multiplications that the quadric fit of an audit may take per iteration; beyond it only the count is told.
const AFFORDABLE: usize = 2_000_000_000;

/// The answer for one collection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audit {
    /// Embeddings given.
    pub items: usize,
    /// `d`.
    pub dim: usize,
    /// Every attack that was run.
    pub rows: Vec<Row>,
    /// What it comes to, one per attack.
    pub verdicts: Vec<Verdict>,
}

/// Whether one attack succeeds on this collection, and from how much material on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The attack.
    pub attack: Attack,
    /// What it needs.
    pub material: Material,
    /// The least amount with success. Measured, or where the attack is too dear to run here, its count of
    /// unknowns; `None`: not even with all there is.
    pub needs: Option<usize>,
    /// Whether that was measured on these embeddings.
    pub measured: bool,
    /// Whether this collection has as much: for documents its size; pairs and queries are for the reader to
    /// judge, so this says whether the attack succeeds once they are there.
    pub succeeds: bool,
}

/// Runs the attacks on a collection of these unit vectors under this veil.
///
/// A fifth of the embeddings, at random, plays the attacker's public vectors: the nearest to the
/// collection that any attacker can have.
pub fn audit(embeddings: &[Vec<f32>], params: &VeilParams, seed: u64) -> Result<Audit, AttackError> {
    if embeddings.len() < FEWEST {
        let reason = format!("{} given, but an audit takes at least {FEWEST}", embeddings.len());
        return Err(AttackError::Embeddings { reason });
    }
    let span = params.dim + params.noise_dim;
    let (items, public) = split(embeddings, seed);
    // Queries resemble items; their number is the attacker's patience, not the collection's size.
    let asked: Vec<Vec<f32>> = items.iter().cycle().take(4 * span).cloned().collect();
    let capture = Capture::take(params, &items, &asked, &public, seed)?;
    let veil = variant_like(params);

    let mut rows = pairs_rows(&capture, veil)?;
    if params.noise_dim > 0 {
        rows.push(noise_row(params, &items, &asked, veil, seed)?);
    }
    let between = if params.condition <= 1.0 { Between::Rotation } else { Between::Linear };
    let aligned = align(capture.documents.as_ref(), capture.public.as_ref(), between)?;
    let count = items.len();
    rows.push(vectors_row(Attack::PrincipalAxes, veil, Material::Documents, count, &aligned, &capture));
    let enough = count >= quadric::unknowns(params.dim) / 2;
    let fits = enough && count * span * span <= AFFORDABLE;
    if fits {
        rows.extend(quadric_rows(&capture, veil)?);
    }
    let verdicts = verdicts(&rows, params, count, fits);
    Ok(Audit { items: embeddings.len(), dim: params.dim, rows, verdicts })
}

/// The collection and, every fifth vector of a seeded order, the attacker's public ones.
fn split(embeddings: &[Vec<f32>], seed: u64) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    use rand::seq::SliceRandom;
    use rand_chacha::rand_core::SeedableRng;
    let mut order: Vec<&Vec<f32>> = embeddings.iter().collect();
    order.shuffle(&mut rand_chacha::ChaCha20Rng::seed_from_u64(seed));
    let (public, items) = order.split_at(order.len() / 5);
    (items.iter().map(|v| (*v).clone()).collect(), public.iter().map(|v| (*v).clone()).collect())
}

/// The named variant that a row of these parameters is filed under.
fn variant_like(params: &VeilParams) -> Variant {
    if params.condition <= 1.0 {
        Variant::Rotation
    } else if !params.shuffle {
        Variant::Paper
    } else if params.jitter == pmirs_veil::Jitter::NONE {
        Variant::Plain
    } else {
        Variant::Recommended
    }
}

/// Pairs doubled from 8 up to three quarters of the collection, or eight times the span.
fn pairs_rows(capture: &Capture, veil: Variant) -> Result<Vec<Row>, AttackError> {
    let most = (capture.documents.nrows() * 3 / 4).min(8 * capture.documents.ncols());
    let by_block = !capture.params.shuffle && capture.params.noise_dim == 0 && capture.params.blocks > 1;
    let mut rows = Vec::new();
    for pairs in std::iter::successors(Some(8), |pairs| Some(pairs * 2)).take_while(|pairs| *pairs <= most) {
        let recovered = known_pairs::recover(capture, pairs)?;
        rows.push(vectors_row(Attack::KnownPairs, veil, Material::Pairs, pairs, &recovered, capture));
        if by_block {
            let recovered = known_pairs::recover_by_block(capture, pairs)?;
            rows.push(vectors_row(
                Attack::KnownPairsByBlock,
                veil,
                Material::Pairs,
                pairs,
                &recovered,
                capture,
            ));
        }
    }
    rows.sort_by_key(|row| row.attack as usize);
    Ok(rows)
}

fn noise_row(
    params: &VeilParams,
    items: &[Vec<f32>],
    asked: &[Vec<f32>],
    veil: Variant,
    seed: u64,
) -> Result<Row, AttackError> {
    let few: Vec<Vec<f32>> = items.iter().take(500).cloned().collect();
    let twice = [few.as_slice(), &few].concat();
    let value = noise::share_removed(&Capture::take(params, &twice, asked, &[], seed)?)?;
    Ok(Row {
        attack: Attack::NoiseCoordinates,
        veil,
        dim: params.dim,
        material: Material::Queries,
        count: asked.len(),
        value,
        reidentified: None,
        succeeds: value >= noise::SUCCESS,
    })
}

fn quadric_rows(capture: &Capture, veil: Variant) -> Result<Vec<Row>, AttackError> {
    let (dim, count) = (capture.params.dim, capture.documents.nrows());
    let span = dim + capture.params.noise_dim;
    let recovered = quadric::recover_up_to_rotation(capture.documents.as_ref(), span, dim)?;
    let aligned = align(recovered.as_ref(), capture.public.as_ref(), Between::Rotation)?;
    let mut rows = vec![
        geometry_row(Attack::QuadricGeometry, veil, count, &recovered, capture),
        vectors_row(Attack::QuadricVectors, veil, Material::Documents, count, &aligned, capture),
    ];
    if capture.params.noise_dim > 0 {
        let stripped = noise::strip(capture)?;
        let recovered = quadric::recover_up_to_rotation(stripped.as_ref(), dim, dim)?;
        rows.push(geometry_row(Attack::QuadricWithoutNoise, veil, count, &recovered, capture));
    }
    Ok(rows)
}

fn verdicts(rows: &[Row], params: &VeilParams, documents: usize, quadric_was_run: bool) -> Vec<Verdict> {
    let mut verdicts: Vec<Verdict> = rows
        .chunk_by(|a, b| a.attack == b.attack)
        .filter_map(|run| {
            let first = run.first()?;
            let needs = run.iter().find(|row| row.succeeds).map(|row| row.count);
            let (attack, material) = (first.attack, first.material);
            Some(Verdict { attack, material, needs, measured: true, succeeds: needs.is_some() })
        })
        .collect();
    if !quadric_was_run {
        let span = params.dim + params.noise_dim;
        let mut counted = vec![(Attack::QuadricGeometry, quadric::unknowns(span))];
        if params.noise_dim > 0 {
            counted.push((Attack::QuadricWithoutNoise, quadric::unknowns(params.dim)));
        }
        verdicts.extend(counted.into_iter().map(|(attack, unknowns)| Verdict {
            attack,
            material: Material::Documents,
            needs: Some(unknowns),
            measured: false,
            succeeds: documents >= unknowns,
        }));
    }
    verdicts
}
