//! What it costs to rank a collection of photographs by a model that it is only going over to, and how often the answer is
//! already the one that it will be. Run by hand:
//! `cargo test --release -p pmirs-vault --test moving -- --ignored --nocapture` with PMIRS_DATA naming the shared data.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

#[expect(dead_code, reason = "other tests use more of it")]
mod world;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pmirs_encoder::Encoder;
use pmirs_vault::add::caption_rows;
use pmirs_vault::{AddOptions, Audit, Collection, Protection, Query, Quiet, SearchOptions};
use world::World;

const ITEMS: usize = 1_000;
const QUESTIONS: usize = 100;

/// The photographs of `dev.tsv` in a folder of their own, and one caption of each of the first.
fn photographs(world: &World) -> Result<(PathBuf, Vec<String>), String> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("PMIRS_DATA").map_or(shared, PathBuf::from).join("flickr8k");
    let rows = caption_rows(&data.join("dev.tsv")).map_err(|error| format!("{error} (set PMIRS_DATA)"))?;
    let captions: BTreeMap<String, String> = rows.into_iter().map(|row| (row.image, row.text)).collect();
    let folder = world.folder.path().join("photographs");
    fs::create_dir(&folder).unwrap();
    for image in captions.keys().take(ITEMS) {
        fs::copy(data.join("images").join(image), folder.join(image)).unwrap();
    }
    let step = captions.len() / QUESTIONS;
    Ok((folder, captions.into_values().step_by(step).take(QUESTIONS).collect()))
}

/// What was found by name, what was looked at, and the milliseconds that it took.
type Told = (Vec<String>, usize, usize, f64);

fn ask(album: &Collection<'_>, questions: &[String]) -> Vec<Told> {
    let options = SearchOptions { audit: Audit::Some(0), ..SearchOptions::default() };
    let one = |words: &String| {
        let started = Instant::now();
        let answer = album.search(&Query::text(words), &options).unwrap();
        let took = started.elapsed().as_secs_f64() * 1e3;
        let (looked_at, fetched) = answer.moving.map_or((0, 0), |moving| (moving.looked_at, moving.fetched));
        (answer.hits.into_iter().map(|hit| hit.meta.name).collect(), looked_at, fetched, took)
    };
    questions.iter().map(one).collect()
}

fn print(what: &str, told: &[Told], truth: &[Told]) {
    let equal = told.iter().zip(truth).filter(|(a, b)| a.0 == b.0).count();
    let shared: usize =
        told.iter().zip(truth).map(|(a, b)| a.0.iter().filter(|it| b.0.contains(it)).count()).sum();
    let mut looked: Vec<usize> = told.iter().map(|it| it.1).collect();
    looked.sort_unstable();
    let fetched: usize = told.iter().map(|it| it.2).sum();
    let mut took: Vec<f64> = told.iter().map(|it| it.3).collect();
    took.sort_by(f64::total_cmp);
    println!(
        "{what}: {equal} of {} answers equal, {:.2} of 10 hits shared; looked at {} (median), fetched {:.0} a search, {:.0} ms \
         (median)",
        told.len(),
        shared as f64 / told.len() as f64,
        looked[looked.len() / 2],
        fetched as f64 / told.len() as f64,
        took[took.len() / 2]
    );
}

#[test]
#[ignore = "minutes, on photographs"]
fn photographs_ranked_by_a_model_that_their_collection_goes_over_to() {
    let (old, new) = ("compact", "compact-lite");
    for protection in Protection::ONE_CLOUD {
        let world = World::new();
        let (folder, questions) = match photographs(&world) {
            Ok(found) => found,
            Err(reason) => return println!("skipped: {reason}"),
        };
        world.vault.use_encoder(Arc::new(Encoder::builtin(old).unwrap()));
        let album = world.vault.create_collection("album", protection).unwrap();
        assert_eq!(album.add(&[folder], &AddOptions::default(), &Quiet).unwrap().added, ITEMS as u64);
        let before = ask(&album, &questions);
        album.use_model(&Encoder::builtin(new).unwrap()).unwrap();
        let first = ask(&album, &questions);
        let again = ask(&album, &questions);
        let report = album.reembed(&Quiet).unwrap();
        let truth = ask(&album, &questions);
        println!("{protection}, {ITEMS} photographs from {old} to {new}, {QUESTIONS} captions:");
        println!("  moved in {:.1} s", report.elapsed.as_secs_f64());
        print("  by the old model", &before, &truth);
        print("  not moved, nothing kept yet", &first, &truth);
        print("  not moved, asked again", &again, &truth);
        print("  moved", &truth, &truth);
    }
}
