//! The committed packs: they load, keep their budgets, and with the shared photos they find what the project
//! promises.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what tests share may fail like a test")]

use std::fs;
use std::path::{Path, PathBuf};

use pmirs_encoder::compact::train::{HeldOut, Progress, Recall, measure};
use pmirs_encoder::{Embedding, Encoder, Limits, Picture, cost};

const NAMES: [&str; 2] = ["compact", "compact-lite"];

fn pack(name: &str) -> Encoder {
    Encoder::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name)).unwrap()
}

fn data() -> PathBuf {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    std::env::var_os("PMIRS_DATA").map_or(shared, PathBuf::from)
}

struct Quiet;

impl Progress for Quiet {
    fn stage(&mut self, _: &str, _: u64) {}
    fn step(&mut self, _: u64, _: &str) {}
}

#[test]
fn the_committed_packs_are_whole_and_keep_their_budgets() {
    // Bytes, multiply-adds and ReLU evaluations at most.
    for (name, bytes, multiply_adds, relus) in
        [("compact", 12_000_000, 300_000_000, u64::MAX), ("compact-lite", 4_000_000, 100_000_000, 1_000_000)]
    {
        let encoder = pack(name);
        assert!(encoder.pack().bytes().unwrap() <= bytes, "{name}");
        let cost = cost(encoder.pack()).unwrap();
        assert!(cost.image_multiply_adds.is_some_and(|count| count <= multiply_adds), "{name}: {cost:?}");
        assert!(cost.relus.is_some_and(|count| count <= relus), "{name}: {cost:?}");
        assert!(cost.text_multiply_adds.is_some_and(|count| count <= 10_000_000), "{name}: {cost:?}");
        let scores = &encoder.info().scores;
        for cutoff in [scores.text_to_image, scores.text_to_text, scores.image_to_image, scores.image_to_text]
        {
            assert!(cutoff.is_some_and(|cutoff| (-1.0..1.0).contains(&cutoff)), "{name}");
        }
    }
}

#[test]
fn the_packs_in_the_program_are_the_committed_ones() {
    assert_eq!(Encoder::builtin_names().collect::<Vec<_>>(), NAMES);
    for name in NAMES {
        let (built_in, committed) = (Encoder::builtin(name).unwrap(), pack(name));
        assert_eq!(built_in.info().version, committed.info().version);
        let [a, b] = [&built_in, &committed].map(|encoder| encoder.embed_texts(&["a red car"]).unwrap());
        assert_eq!(a[0].as_slice(), b[0].as_slice());
    }
    assert!(Encoder::builtin("compact-huge").is_err());
}

#[test]
fn words_mean_what_they_say() {
    for name in NAMES {
        let encoder = pack(name);
        let texts =
            encoder.embed_texts(&["a dog on a beach", "a dog at the beach", "zzyzx", "", "犬"]).unwrap();
        assert!(texts[0].cosine(&texts[1]) > 0.8, "{name}: two ways to say the same");
        assert!(texts[0].cosine(&texts[1]) > texts[0].cosine(&texts[2]), "{name}");
        let texts = encoder.embed_texts(&["a dog bites a man", "a man bites a dog"]).unwrap();
        assert!(texts[0].cosine(&texts[1]) < 0.9999, "{name}: word order is read");
    }
}

/// Plain colours need no photo: whoever sees nothing cannot tell them apart.
#[test]
fn drawn_pictures_are_told_apart_by_their_words() {
    let field = |rgb: [u8; 3]| Picture::from_rgb(8, 8, rgb.repeat(64)).unwrap();
    for name in NAMES {
        let encoder = pack(name);
        let images = encoder.embed_images(&[field([200, 30, 30]), field([30, 200, 30])]).unwrap();
        let texts = encoder.embed_texts(&["red", "green grass"]).unwrap();
        let margin = images[0].cosine(&texts[0]) + images[1].cosine(&texts[1])
            - images[0].cosine(&texts[1])
            - images[1].cosine(&texts[0]);
        assert!(margin > 0.0, "{name}: {margin}");
    }
}

#[test]
fn the_committed_packs_find_held_out_photos() {
    let data = data();
    // The level that was reached, less what another processor's rounding may move; the model cards have the figures.
    for (name, least, least_accuracy, least_flowers) in [
        ("compact", [0.178, 0.418, 0.540], 0.898, 0.40),
        ("compact-lite", [0.112, 0.298, 0.418], 0.760, 0.40),
    ] {
        let encoder = pack(name);
        let Some(found) = measure(&encoder, &data, &mut Quiet).unwrap() else {
            println!("skipped: {} has no flickr8k/dev.tsv (set PMIRS_DATA)", data.display());
            return;
        };
        let flowers = named_right(&encoder, &data.join("flowers"));
        let HeldOut { text_to_image: Recall { r1, r5, r10 }, accuracy, .. } = found;
        assert!(least.iter().zip([r1, r5, r10]).all(|(least, found)| found >= *least), "{name}: {found:?}");
        assert!(accuracy >= least_accuracy, "{name}: {found:?}");
        assert!(flowers >= least_flowers, "{name}: {flowers:?}");
    }
}

/// The share of pictures in class folders that lie nearest to their own folder's name.
fn named_right(encoder: &Encoder, root: &Path) -> f64 {
    let sorted = |folder: &Path| {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let folders: Vec<PathBuf> = sorted(root).into_iter().filter(|path| path.is_dir()).collect();
    let names: Vec<Embedding> = folders
        .iter()
        .map(|folder| {
            let name = folder.file_name().unwrap().to_str().unwrap();
            let phrases = [
                format!("a photo of a {name}"),
                format!("a picture of a {name}"),
                format!("a {name}"),
                format!("a close-up photo of the {name}"),
            ];
            let texts = encoder.embed_texts(&phrases.each_ref().map(String::as_str)).unwrap();
            let sum = (0..texts[0].dim()).map(|at| texts.iter().map(|text| text.as_slice()[at]).sum());
            Embedding::from_values(sum.collect()).unwrap()
        })
        .collect();
    let (mut right, mut all) = (0, 0);
    for (class, folder) in folders.iter().enumerate() {
        for files in sorted(folder).chunks(32) {
            let decode = |path: &PathBuf| Picture::decode(&fs::read(path).unwrap(), &Limits::default());
            let pictures: Vec<Picture> = files.iter().map(|path| decode(path).unwrap()).collect();
            for image in encoder.embed_images(&pictures).unwrap() {
                let nearest = (0..names.len())
                    .max_by(|&a, &b| image.cosine(&names[a]).total_cmp(&image.cosine(&names[b])));
                right += usize::from(nearest == Some(class));
                all += 1;
            }
        }
    }
    f64::from(right as u32) / f64::from(all)
}
