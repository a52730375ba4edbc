//! Every attack on every variant of the veil over growing material, as rows and as Markdown.

use faer::Mat;
use serde::Serialize;

use super::alignment::{Between, align};
use super::{AttackError, Capture, Recovery, Variant, drawn, known_pairs, noise, quadric};

/// An attack, with what it ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// Least squares over known pairs.
    KnownPairs,
    /// The same, block by block.
    KnownPairsByBlock,
    /// Queries give away the noise of documents.
    NoiseCoordinates,
    /// Principal axes matched with public vectors, then refinement.
    PrincipalAxes,
    /// The quadric fit: all documents up to one rotation.
    QuadricGeometry,
    /// The quadric fit after queries gave the noise away.
    QuadricWithoutNoise,
    /// The quadric fit, then public vectors for the rotation.
    QuadricVectors,
}

/// What an attack needs more and more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Material {
    /// Known pairs of an embedding and its veiling.
    Pairs,
    /// Veiled documents alone.
    Documents,
    /// Veiled queries.
    Queries,
}

/// How long a table may take: a test's seconds, or minutes for what SECURITY.md prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Fewer steps and smaller dimensions.
    Quick,
    /// The whole table.
    Full,
}

/// One attack on one veil with one amount of material.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The attack.
    pub attack: Attack,
    /// The veil.
    pub veil: Variant,
    /// `d`.
    pub dim: usize,
    /// What it was given,
    pub material: Material,
    /// and how much of it.
    pub count: usize,
    /// The attack's own measure, 0 to 1: see [`Attack::measure`].
    pub value: f64,
    /// Share of documents named from among 400, where the attack ends in vectors.
    pub reidentified: Option<f64>,
    /// Whether that is a success.
    pub succeeds: bool,
}

impl Attack {
    /// How a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::KnownPairs => "known pairs, least squares",
            Self::KnownPairsByBlock => "known pairs, block by block",
            Self::NoiseCoordinates => "noise coordinates, from queries",
            Self::PrincipalAxes => "principal axes and refinement",
            Self::QuadricGeometry => "quadric fit",
            Self::QuadricWithoutNoise => "quadric fit, noise stripped by queries",
            Self::QuadricVectors => "quadric fit and public vectors",
        }
    }

    /// What its value measures.
    pub fn measure(self) -> &'static str {
        match self {
            Self::KnownPairs | Self::KnownPairsByBlock | Self::PrincipalAxes | Self::QuadricVectors => {
                "mean cosine of recovered to true embeddings"
            }
            Self::NoiseCoordinates => "share of the noise removed",
            Self::QuadricGeometry | Self::QuadricWithoutNoise => "correlation of recovered to true cosines",
        }
    }
}

impl Material {
    /// How a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pairs => "pairs",
            Self::Documents => "documents",
            Self::Queries => "queries",
        }
    }
}

/// Runs the whole table on drawn embeddings.
pub fn table(seed: u64, effort: Effort) -> Result<Vec<Row>, AttackError> {
    let quick = effort == Effort::Quick;
    let mut rows = Vec::new();
    for veil in Variant::ALL {
        rows.extend(known_pairs_rows(veil, 64, seed)?);
        rows.extend(noise_rows(veil, 64, seed)?);
        let sizes: &[usize] = if quick { &[250, 2000] } else { &[250, 1000, 4000, 16_000] };
        for size in sizes {
            rows.push(principal_axes_row(veil, 64, *size, seed)?);
        }
        for dim in if quick { &[16][..] } else { &[16, 32][..] } {
            rows.extend(quadric_rows(veil, *dim, quick, seed)?);
        }
    }
    rows.sort_by_key(|row| row.attack as usize);
    Ok(rows)
}

/// Known pairs from an eighth of the veil's span to eight times as much.
fn known_pairs_rows(veil: Variant, dim: usize, seed: u64) -> Result<Vec<Row>, AttackError> {
    let counts = [dim / 4, dim / 2, dim, dim * 9 / 8, dim * 3 / 2, dim * 2, dim * 4];
    let items = dim * 4 + 400;
    let vectors = drawn::clustered(items, dim, seed);
    let capture = Capture::take(&veil.params(dim), &vectors, &[], &[], seed)?;
    let mut rows = Vec::new();
    for count in counts {
        let recovered = known_pairs::recover(&capture, count)?;
        rows.push(vectors_row(Attack::KnownPairs, veil, Material::Pairs, count, &recovered, &capture));
        if veil == Variant::Paper {
            let recovered = known_pairs::recover_by_block(&capture, count)?;
            rows.push(vectors_row(
                Attack::KnownPairsByBlock,
                veil,
                Material::Pairs,
                count,
                &recovered,
                &capture,
            ));
        }
    }
    Ok(rows)
}

/// Queries up to twice the span; a veil without noise has nothing to give away.
fn noise_rows(veil: Variant, dim: usize, seed: u64) -> Result<Vec<Row>, AttackError> {
    let params = veil.params(dim);
    if params.noise_dim == 0 {
        return Ok(Vec::new());
    }
    let span = dim + params.noise_dim;
    let vectors = drawn::clustered(200 + 2 * span, dim, seed);
    let (items, asked) = vectors.split_at(200);
    let twice = [items, items].concat();
    [span / 2, span, span * 2]
        .into_iter()
        .map(|count| {
            let queries = asked.get(..count).unwrap_or(asked);
            let value = noise::share_removed(&Capture::take(&params, &twice, queries, &[], seed)?)?;
            Ok(Row {
                attack: Attack::NoiseCoordinates,
                veil,
                dim,
                material: Material::Queries,
                count,
                value,
                reidentified: None,
                succeeds: value >= noise::SUCCESS,
            })
        })
        .collect()
}

fn principal_axes_row(veil: Variant, dim: usize, size: usize, seed: u64) -> Result<Row, AttackError> {
    let vectors = drawn::clustered(2 * size, dim, seed);
    let (items, public) = vectors.split_at(size);
    let capture = Capture::take(&veil.params(dim), items, &[], public, seed)?;
    let between = if veil == Variant::Rotation { Between::Rotation } else { Between::Linear };
    let recovered = align(capture.documents.as_ref(), capture.public.as_ref(), between)?;
    Ok(vectors_row(Attack::PrincipalAxes, veil, Material::Documents, size, &recovered, &capture))
}

/// The quadric fit from half of its unknowns to many times as many documents.
fn quadric_rows(veil: Variant, dim: usize, quick: bool, seed: u64) -> Result<Vec<Row>, AttackError> {
    let params = veil.params(dim);
    let (span, queries) = (dim + params.noise_dim, 4 * dim);
    let unknowns = quadric::unknowns(span);
    let steps: &[usize] = if quick { &[2, 5, 16] } else { &[2, 4, 5, 6, 8, 16, 64] };
    let mut rows = Vec::new();
    for quarters in steps {
        let count = unknowns * quarters / 4;
        let vectors = drawn::clustered(count + queries + 2000, dim, seed);
        let (items, rest) = vectors.split_at(count);
        let (asked, public) = rest.split_at(queries);
        let capture = Capture::take(&params, items, asked, public, seed)?;
        let recovered = quadric::recover_up_to_rotation(capture.documents.as_ref(), span, dim)?;
        rows.push(geometry_row(Attack::QuadricGeometry, veil, count, &recovered, &capture));
        let aligned = align(recovered.as_ref(), capture.public.as_ref(), Between::Rotation)?;
        rows.push(vectors_row(Attack::QuadricVectors, veil, Material::Documents, count, &aligned, &capture));
        if params.noise_dim > 0 {
            let stripped = noise::strip(&capture)?;
            let recovered = quadric::recover_up_to_rotation(stripped.as_ref(), dim, dim)?;
            rows.push(geometry_row(Attack::QuadricWithoutNoise, veil, count, &recovered, &capture));
        }
    }
    Ok(rows)
}

/// A row for an attack that ends in vectors; pairs that it was given do not count.
pub(crate) fn vectors_row(
    attack: Attack,
    veil: Variant,
    material: Material,
    count: usize,
    recovered: &Mat<f64>,
    capture: &Capture,
) -> Row {
    let given = if material == Material::Pairs { count } else { 0 };
    let (_, unseen) = recovered.as_ref().split_at_row(given);
    let (_, truth) = capture.truth.as_ref().split_at_row(given);
    let recovery = Recovery::measure(unseen, truth);
    Row {
        attack,
        veil,
        dim: capture.params.dim,
        material,
        count,
        value: recovery.cosine,
        reidentified: Some(recovery.reidentified),
        succeeds: recovery.gives_vectors(),
    }
}

/// A row for an attack that ends in the geometry.
pub(crate) fn geometry_row(
    attack: Attack,
    veil: Variant,
    count: usize,
    recovered: &Mat<f64>,
    capture: &Capture,
) -> Row {
    let recovery = Recovery::measure(recovered.as_ref(), capture.truth.as_ref());
    Row {
        attack,
        veil,
        dim: capture.params.dim,
        material: Material::Documents,
        count,
        value: recovery.geometry,
        reidentified: None,
        succeeds: recovery.gives_geometry(),
    }
}

/// Rows as a Markdown table with its legend, one line per attack, veil and dimension: what each amount of material gave, and
/// the least of them with which the attack succeeded.
pub fn markdown(rows: &[Row]) -> String {
    let head = "| attack | veil | d | given: value (**success**) | succeeds from |\n|---|---|---|---|---|\n";
    let lines = rows.chunk_by(|a, b| (a.attack, a.veil, a.dim) == (b.attack, b.veil, b.dim));
    head.to_owned() + &lines.filter_map(markdown_line).collect::<String>() + "\n" + &legend(rows)
}

/// What the values of these rows measure, and what counts as success.
fn legend(rows: &[Row]) -> String {
    let mut attacks: Vec<Attack> = rows.iter().map(|row| row.attack).collect();
    attacks.dedup();
    let measures = attacks.iter().map(|attack| format!("- {}: {}\n", attack.name(), attack.measure()));
    let success = "Success is a value of 0.9 or more (0.8 for the noise, of which jitter stays); where the attack \
                   ends in embeddings, naming 90% of the documents from among 400 is one too.\n";
    measures.collect::<String>() + "\n" + success
}

fn markdown_line(line: &[Row]) -> Option<String> {
    let first = line.first()?;
    let cell = |row: &Row| {
        let mark = if row.succeeds { "**" } else { "" };
        format!("{}: {mark}{:.2}{mark}", row.count, row.value)
    };
    let values: Vec<String> = line.iter().map(cell).collect();
    // The least material with success, even where more of it failed: an attacker may be lucky too.
    let least = line.iter().find(|row| row.succeeds).map_or_else(
        || "not yet".to_owned(),
        |row| {
            let steadily = line.iter().filter(|more| more.count >= row.count).all(|more| more.succeeds);
            let mark = if steadily { "" } else { ", not steadily" };
            format!("{} {}{mark}", row.count, row.material.name())
        },
    );
    let (attack, veil) = (first.attack.name(), first.veil.name());
    Some(format!("| {attack} | {veil} | {} | {} | {least} |\n", first.dim, values.join(", ")))
}
