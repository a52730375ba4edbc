//! Ten thousand photographs through a real cloud: the best ten are those of a plain search.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what only tests use")]

#[expect(dead_code, reason = "other tests use more of it")]
mod world;

use std::fs;
use std::path::{Path, PathBuf};

use pmirs_encoder::{Embedding, Encoder, Limits, Picture};
use pmirs_vault::{Import, ItemKind, Protection, Query, SearchOptions};
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
        let photos = items.iter().enumerate().map(|(number, embedding)| Import {
            name: number.to_string(),
            kind: ItemKind::Image,
            media_type: "image/jpeg".to_owned(),
            content: number.to_le_bytes().to_vec(),
            embedding: embedding.clone(),
        });
        assert_eq!(collection.import(photos).unwrap(), ITEMS as u64);
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
