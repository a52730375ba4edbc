//! Photographs through a real cloud and three real servers: the best ten are those of a plain search, and the same at every
//! level.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what only tests use")]

#[expect(dead_code, reason = "other tests use more of it")]
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use pmirs_encoder::{Embedding, Encoder, Limits, Picture};
use pmirs_party::Embedded;
use pmirs_vault::{Collection, Import, ItemKind, Protection, Query, SearchOptions};
use rayon::prelude::*;
use world::World;

const ITEMS: usize = 10_000;
const ASKED_BY_IMAGE: usize = 100;
const K: usize = 10;
/// Two items whose cosines differ by less may change places.
const TIE: f32 = 1e-3;

const WORDS: [&str; 20] = [
    "a dog on a beach",
    "a child with a ball",
    "a red car",
    "a mountain lake",
    "two people riding bicycles",
    "a man climbing a rock",
    "a butterfly",
    "an airplane",
    "a woman in a red dress",
    "snow",
    "a football game at night",
    "a boat on the water",
    "a crowd in the street",
    "a piano",
    "a sunflower",
    "a black and white photo of a face",
    "skateboard trick",
    "somebody is jumping into a swimming pool",
    "a clock",
    "a motorbike race",
];

/// Photographs in the order of their names, as far as the shared data has them.
fn photographs() -> Result<Vec<PathBuf>, String> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("PMIRS_DATA").map_or(shared, PathBuf::from);
    let missing = |_| format!("{} has no flickr8k, caltech101 and flowers (set PMIRS_DATA)", data.display());
    let mut folders = vec![data.join("flickr8k/images"), data.join("caltech101"), data.join("flowers")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).map_err(missing)? {
            let path = entry.map_err(missing)?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

fn embed(encoder: &Encoder, files: &[PathBuf]) -> Vec<Vec<f32>> {
    let of = |chunk: &[PathBuf]| {
        let read = |path: &PathBuf| Picture::decode(&fs::read(path).ok()?, &Limits::default()).ok();
        let pictures: Vec<Picture> = chunk.iter().filter_map(read).collect();
        encoder.embed_images(&pictures).unwrap().into_iter().map(Embedding::into_values).collect::<Vec<_>>()
    };
    files.par_chunks(16).flat_map_iter(of).collect()
}

#[test]
fn the_best_ten_of_ten_thousand_photographs() {
    let files = match photographs() {
        Ok(files) => files,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let encoder = Encoder::compact_builtin().unwrap();
    let embeddings = embed(&encoder, &files);
    let (items, others) = embeddings.split_at(ITEMS);
    let step = others.len() / ASKED_BY_IMAGE;
    let asked = (0..ASKED_BY_IMAGE).map(|query| {
        let at = ITEMS + query * step;
        let picture = Picture::decode(&fs::read(&files[at]).unwrap(), &Limits::default()).unwrap();
        (Query::Image(picture), embeddings[at].clone())
    });
    let said = encoder.embed_texts(&WORDS).unwrap().into_iter().map(Embedding::into_values);
    let queries: Vec<(Query, Vec<f32>)> = asked.chain(WORDS.map(Query::text).into_iter().zip(said)).collect();

    let world = World::new();
    for protection in Protection::ONE_CLOUD {
        let collection = world.vault.create_collection(protection.name(), protection).unwrap();
        import(&collection, items);
        for (number, (query, vector)) in queries.iter().enumerate() {
            let cosine = |item: &[f32]| item.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
            let mut plain: Vec<f32> = items.iter().map(|item| cosine(item)).collect();
            let of_item = plain.clone();
            plain.sort_by(|a, b| b.total_cmp(a));
            let answer =
                collection.search(query, &SearchOptions { k: K, ..SearchOptions::default() }).unwrap();
            assert_eq!(answer.hits.len(), K);
            for (hit, expected) in answer.hits.iter().zip(&plain) {
                let truth = of_item[hit.meta.name.parse::<usize>().unwrap()];
                assert!(
                    (truth - expected).abs() < TIE,
                    "{protection}, query {number}: {truth} for {expected}"
                );
                assert!(
                    (hit.score - truth).abs() < TIE,
                    "{protection}, query {number}: {} is {truth}",
                    hit.score
                );
            }
        }
    }
}

/// Items of a collection that is searched at every level.
const EVERYWHERE: usize = 1000;

#[test]
fn every_level_finds_the_same_ten_of_a_thousand_photographs() {
    let files = match photographs() {
        Ok(files) => files,
        Err(reason) => return println!("skipped: {reason}"),
    };
    // Evenly drawn, so that all three sources are among them; and others to ask for.
    let step = files.len() / (EVERYWHERE + ASKED_BY_IMAGE / 2);
    let drawn: Vec<PathBuf> = files.into_iter().step_by(step).take(EVERYWHERE + ASKED_BY_IMAGE / 2).collect();
    let (items, asked) = drawn.split_at(EVERYWHERE);
    let decode = |path: &PathBuf| Picture::decode(&fs::read(path).unwrap(), &Limits::default()).ok();
    let (items, asked): (Vec<_>, Vec<_>) =
        (items.iter().filter_map(decode).collect(), asked.iter().filter_map(decode).collect());
    assert!(items.len() > EVERYWHERE * 9 / 10, "only {} photographs open", items.len());
    agree(&items, asked);
}

#[test]
fn every_level_finds_the_same_ten_of_a_few_dozen_drawn_pictures() {
    let pictures: Vec<Picture> = (0..60).map(drawn).collect();
    agree(&pictures, [100, 101, 102].map(drawn).into());
}

/// A ring, a disc or bars, in colours and sizes that all differ.
fn drawn(seed: u32) -> Picture {
    let side = 64_u32;
    let colour = |salt: u32| (seed.wrapping_mul(2_654_435_761).wrapping_add(salt) >> 13) as u8;
    let (front, back) =
        ([colour(0), colour(1 << 21), colour(5 << 21)], [colour(9 << 20), 200, colour(3 << 22)]);
    let radius = 8 + seed % 23;
    let pixels = (0..side * side).flat_map(|at| {
        let (x, y) = (at % side, at / side);
        let far = (x.abs_diff(side / 2)).pow(2) + (y.abs_diff(side / 2)).pow(2);
        let inside = match seed % 3 {
            0 => far < radius * radius,
            1 => far < radius * radius && far > (radius - 6) * (radius - 6),
            _ => (x / (2 + radius / 3)).is_multiple_of(2),
        };
        if inside { front } else { back }
    });
    Picture::from_rgb(side, side, pixels.collect()).unwrap()
}

/// Adds these pictures at every level, and asks each for the best ten by words and by picture.
fn agree(pictures: &[Picture], asked: Vec<Picture>) {
    let encoder = Encoder::compact_builtin().unwrap();
    let items: Vec<Vec<f32>> = pictures
        .par_chunks(16)
        .flat_map_iter(|chunk| encoder.embed_images(chunk).unwrap().into_iter().map(Embedding::into_values))
        .collect();
    let world = World::new();
    let three = Embedded::trio(&world.folder.path().join("parties")).unwrap();
    let collections = Protection::ALL.map(|protection| {
        let name = protection.name();
        let collection = match protection {
            Protection::Split => world.vault.create_split_collection(name, three[0].parties().clone()),
            _ => world.vault.create_collection(name, protection),
        };
        let collection = collection.unwrap();
        import(&collection, &items);
        collection
    });
    let queries = asked.into_iter().map(Query::Image).chain(WORDS.map(Query::text));
    let options = SearchOptions { k: K, ..SearchOptions::default() };
    for (number, query) in queries.enumerate() {
        let answers = collections.each_ref().map(|collection| collection.search(&query, &options).unwrap());
        let best = answers.each_ref().map(|answer| {
            assert!(answer.warnings.is_empty(), "query {number}: {:?}", answer.warnings);
            answer.hits.iter().map(|hit| (hit.meta.name.clone(), hit.score)).collect::<Vec<_>>()
        });
        assert_eq!(best[0].len(), K);
        for (level, other) in Protection::ALL.iter().zip(&best) {
            for (place, (one, same)) in best[0].iter().zip(other).enumerate() {
                // The very same stored embedding is compared at every level; equal ones go by their identifiers.
                assert!(
                    (one.1 - same.1).abs() < 1e-6 && (one.0 == same.0 || one.1.total_cmp(&same.1).is_eq()),
                    "{level}, query {number}, place {place}: {same:?} for {one:?}"
                );
            }
            assert_eq!(other.len(), K, "{level}, query {number}");
        }
        // Four candidates for each that is wanted suffice: their scores are close to the cosines.
        assert!(answers[2].candidates <= 4 * K, "query {number}: {} candidates", answers[2].candidates);
    }
}

fn import(collection: &Collection<'_>, items: &[Vec<f32>]) {
    let photos = items.iter().enumerate().map(|(number, embedding)| Import {
        name: number.to_string(),
        kind: ItemKind::Image,
        media_type: "image/jpeg".to_owned(),
        content: number.to_le_bytes().to_vec(),
        embedding: embedding.clone(),
    });
    assert_eq!(collection.import(photos).unwrap(), items.len() as u64);
}
