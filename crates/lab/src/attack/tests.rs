//! Where each attack succeeds and where it does not yet, and that the ranking survives the veil.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use pmirs_index::{Hit, Matrix, quantise};
use pmirs_veil::{Jitter, Veil, VeilParams};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| table(1, Effort::Quick).unwrap());

/// Count -> row, for one attack on one veil.
fn line(attack: Attack, veil: Variant) -> HashMap<usize, Row> {
    let of_line = |row: &&Row| row.attack == attack && row.veil == veil;
    TABLE.iter().filter(of_line).map(|row| (row.count, row.clone())).collect()
}

#[test]
fn known_pairs_break_every_veil_at_about_its_span() {
    for veil in Variant::ALL {
        let line = line(Attack::KnownPairs, veil);
        assert!(!line[&16].succeeds, "{veil:?} must hold against a quarter of d: {:?}", line[&16]);
        assert!(line[&128].value > 0.95, "{veil:?} must fall to 2d pairs: {:?}", line[&128]);
    }
    assert!(line(Attack::KnownPairs, Variant::Plain)[&96].value > 0.99);
    assert!(
        line(Attack::KnownPairs, Variant::Recommended)[&96].value
            < line(Attack::KnownPairs, Variant::Plain)[&96].value,
        "jitter must cost the attacker something"
    );
}

#[test]
fn the_papers_blocks_fall_one_by_one_to_a_quarter_of_the_pairs() {
    assert!(line(Attack::KnownPairsByBlock, Variant::Paper)[&16].value > 0.95);
    assert!(line(Attack::KnownPairs, Variant::Paper)[&16].value < 0.8);
}

#[test]
fn queries_give_the_noise_away_once_they_span_everything() {
    for veil in [Variant::Plain, Variant::Recommended] {
        let line = line(Attack::NoiseCoordinates, veil);
        assert!(line[&36].value < 0.5 && line[&144].value > 0.9, "{line:?}");
    }
}

#[test]
fn documents_give_away_their_rank_unless_they_jitter_too_much_to_be_ranked() {
    let vectors = drawn::clustered(600, 64, 5);
    let rank = |params: &VeilParams| {
        let capture = Capture::take(params, &vectors, &[], &[], 5).unwrap();
        noise::rank(capture.documents.as_ref()).unwrap()
    };
    assert_eq!(rank(&VeilParams::plain(64)), Some(72), "d + r");
    assert_eq!(rank(&VeilParams::recommended(64)), Some(72), "the default jitter does not hide it");
    let drowned = Jitter { scale: 0.0, shift: 1.0 };
    assert_eq!(rank(&VeilParams { jitter: drowned, ..VeilParams::plain(64) }), None);
}

#[test]
fn principal_axes_break_a_rotation_and_not_yet_ours() {
    let rotation = line(Attack::PrincipalAxes, Variant::Rotation);
    assert!(!rotation[&250].succeeds && rotation[&2000].succeeds, "{rotation:?}");
    for veil in [Variant::Plain, Variant::Recommended] {
        let ours = line(Attack::PrincipalAxes, veil);
        assert!(ours.values().all(|row| !row.succeeds), "{ours:?}");
    }
}

#[test]
fn the_quadric_gives_the_geometry_from_its_unknowns_on() {
    for veil in Variant::ALL {
        let span = 16 + veil.params(16).noise_dim;
        let unknowns = quadric::unknowns(span);
        let line = line(Attack::QuadricGeometry, veil);
        assert!(!line[&(unknowns / 2)].succeeds, "half of the unknowns: {line:?}");
        assert!(line[&(unknowns * 4)].value > 0.95, "four times as many: {line:?}");
    }
    let exact = line(Attack::QuadricGeometry, Variant::Plain)[&213].value;
    let jittered = line(Attack::QuadricGeometry, Variant::Recommended)[&213].value;
    assert!(jittered < exact, "jitter must raise the price: {jittered} against {exact}");
}

#[test]
fn public_vectors_turn_the_geometry_into_embeddings() {
    let vectors = drawn::clustered(8000, 16, 1);
    let (items, public) = vectors.split_at(4000);
    for veil in Variant::ALL {
        let capture = Capture::take(&veil.params(16), items, &[], public, 1).unwrap();
        let span = 16 + capture.params.noise_dim;
        let turned = quadric::recover_up_to_rotation(capture.documents.as_ref(), span, 16).unwrap();
        let guess = Recovery::measure(turned.as_ref(), capture.truth.as_ref());
        assert!(!guess.gives_vectors() && guess.gives_geometry(), "{veil:?}: {guess:?}");
        let recovered =
            alignment::align(turned.as_ref(), capture.public.as_ref(), alignment::Between::Rotation).unwrap();
        let recovery = Recovery::measure(recovered.as_ref(), capture.truth.as_ref());
        assert!(recovery.gives_vectors(), "{veil:?}: {recovery:?}");
    }
}

#[test]
fn an_audit_says_what_a_collection_risks() {
    let vectors = drawn::clustered(900, 32, 2);
    let found = audit(&vectors, &VeilParams::recommended(32), 2).unwrap();
    let verdict = |attack| found.verdicts.iter().find(|verdict| verdict.attack == attack).unwrap();
    let pairs = verdict(Attack::KnownPairs);
    assert!(pairs.succeeds && pairs.measured && (16..=128).contains(&pairs.needs.unwrap()), "{pairs:?}");
    assert!(verdict(Attack::NoiseCoordinates).succeeds);
    assert_eq!(found.items, 900);

    // Too few documents for the quadric: its count is told instead.
    let few = audit(&vectors[..200], &VeilParams::recommended(32), 2).unwrap();
    let quadric = few.verdicts.iter().find(|verdict| verdict.attack == Attack::QuadricGeometry).unwrap();
    assert!(!quadric.measured && !quadric.succeeds && quadric.needs == Some(36 * 37 / 2));
    assert!(matches!(audit(&vectors[..50], &VeilParams::plain(32), 2), Err(AttackError::Embeddings { .. })));
}

#[test]
fn the_table_prints_every_row_and_repeats_itself() {
    let text = markdown(&TABLE);
    for row in TABLE.iter() {
        assert!(text.contains(&format!("{}: ", row.count)) && text.contains(row.attack.name()));
    }
    assert!(text.contains("| not yet |") && text.contains("**1.00**"));
    let again = |seed| {
        let vectors = drawn::clustered(300, 32, seed);
        audit(&vectors, &VeilParams::recommended(32), seed).unwrap()
    };
    assert_eq!(again(7), again(7));
}

#[test]
fn calibration_finds_the_edge_between_enough_and_too_much() {
    let vectors = drawn::clustered(1100, 32, 3);
    let found = jitter::calibrate(&vectors, 3).unwrap();
    let largest = found.largest.unwrap();
    assert!(largest.kept >= 0.999 && largest.shift > 0.0);
    assert!(found.trials.iter().any(|trial| trial.kept < 0.999 && trial.shift > largest.shift));
    assert!(found.without.candidates_p95 <= largest.candidates_p95);
}

/// What a client does: the candidates by veiled score, more of them until the bound proves the top ten, then
/// the true cosines.
struct Search {
    veil: Veil,
    matrix: Matrix,
    largest_step: f32,
    items: Vec<Vec<f32>>,
}

impl Search {
    fn over(items: Vec<Vec<f32>>, params: VeilParams) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(4);
        let veil = Veil::new(params, &mut rng).unwrap();
        let mut matrix = Matrix::new(veil.params().veiled_dim()).unwrap();
        let mut largest_step = 0.0_f32;
        for veiled in veil.documents(&items, &mut rng).unwrap() {
            let stored = quantise(&veiled).unwrap();
            largest_step = largest_step.max(stored.scale);
            matrix.push(&stored).unwrap();
        }
        Self { veil, matrix, largest_step, items }
    }

    /// The ten best true cosines among the candidates, and how many candidates it took.
    fn top(&self, query: &[f32], until_proven: bool, rng: &mut ChaCha20Rng) -> (Vec<f32>, usize) {
        let veiled = self.veil.query(query, rng).unwrap();
        let asked = quantise(&veiled.values).unwrap();
        let bound = self.veil.score_error_bound(&veiled, asked.scale, self.largest_step);
        let mut wanted = 64;
        loop {
            let hits: Vec<Hit> = self.matrix.top_k(&asked, wanted, 1).unwrap();
            let mut cosines: Vec<f32> =
                hits.iter().map(|hit| cosine(&self.items[hit.row as usize], query)).collect();
            cosines.sort_by(|a, b| b.total_cmp(a));
            let behind = bound.largest_cosine(hits.last().unwrap().score / veiled.rho);
            if !until_proven || behind < cosines[9] || hits.len() == self.items.len() {
                return (cosines[..10].to_vec(), hits.len());
            }
            wanted *= 2;
        }
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Embeddings for the searches: drawn ones always, and the CLIP text vectors where the shared data lies.
fn collections() -> Vec<(&'static str, Vec<Vec<f32>>)> {
    let mut collections = vec![("drawn", drawn::clustered(10_100, 256, 6))];
    let data = std::env::var_os("PMIRS_DATA").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = data.unwrap_or(beside).join("../models/clip_vit_b32_text_vectors");
    let files = ["lvis_v1_clip_a+cname", "coco_clip_a+cname", "o365_clip_a+cnamefix", "oid_clip_a+cname"];
    let read: Result<Vec<_>, _> =
        files.iter().map(|file| npy::read(&folder.join(file).with_extension("npy"))).collect();
    match read {
        Ok(sets) => collections.push(("CLIP text vectors", drawn::centred(&sets.concat()))),
        Err(error) => println!("no real embeddings, drawn ones alone are searched: {error}"),
    }
    collections
}

#[test]
fn the_top_ten_after_re_ranking_equal_plaintext_search() {
    for (name, embeddings) in collections() {
        let (queries, items) = embeddings.split_at(100);
        println!("{name}: {} items, {} queries", items.len(), queries.len());
        for (params, until_proven) in [
            (VeilParams { jitter: Jitter::NONE, ..VeilParams::recommended(items[0].len()) }, false),
            (VeilParams::recommended(items[0].len()), false),
            (VeilParams::recommended(items[0].len()), true),
        ] {
            let search = Search::over(items.to_vec(), params);
            let mut rng = ChaCha20Rng::seed_from_u64(5);
            for query in queries {
                let mut truth: Vec<f32> = items.iter().map(|item| cosine(item, query)).collect();
                truth.sort_by(|a, b| b.total_cmp(a));
                let (found, candidates) = search.top(query, until_proven, &mut rng);
                let tolerance = if until_proven { 1e-6 } else { 1e-3 };
                let equal = truth.iter().zip(&found).all(|(t, f)| (t - f).abs() <= tolerance);
                assert!(equal, "{name}: {:?} for {found:?}, {candidates} candidates", &truth[..10]);
            }
        }
    }
}
