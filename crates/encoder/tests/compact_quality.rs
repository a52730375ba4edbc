//! The committed pack: it loads, is small and quick to start, and with the shared photos it finds what the
//! project promises.

use std::path::{Path, PathBuf};

use pmirs_encoder::compact::train::{Progress, measure};
use pmirs_encoder::{Encoder, Picture};

fn pack() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/compact")
}

struct Quiet;

impl Progress for Quiet {
    fn stage(&mut self, _: &str, _: u64) {}
    fn step(&mut self, _: u64, _: &str) {}
}

#[test]
fn the_committed_pack_is_whole_and_small() {
    let encoder = Encoder::open(&pack()).unwrap();
    assert!(encoder.pack().bytes().unwrap() <= 12_000_000);
    let colour = |rgb: [u8; 3]| Picture::from_rgb(8, 8, rgb.repeat(64)).unwrap();
    let images = encoder.embed_images(&[colour([200, 30, 30]), colour([30, 30, 200])]).unwrap();
    let texts = encoder.embed_texts(&["a dog on a beach", "a dog at the beach", "zzyzx", "", "犬"]).unwrap();
    assert!(images.iter().chain(&texts).all(|embedding| embedding.dim() == encoder.info().dim));
    assert!(texts[0].cosine(&texts[1]) > 0.8, "two ways to say the same");
    assert!(texts[0].cosine(&texts[1]) > texts[0].cosine(&texts[2]));
    let scores = &encoder.info().scores;
    for cutoff in [scores.text_to_image, scores.text_to_text, scores.image_to_image, scores.image_to_text] {
        assert!(cutoff.is_some_and(|cutoff| (-1.0..1.0).contains(&cutoff)));
    }
}

#[test]
fn word_order_is_read() {
    let encoder = Encoder::open(&pack()).unwrap();
    let texts = encoder.embed_texts(&["a dog bites a man", "a man bites a dog"]).unwrap();
    assert!(texts[0].cosine(&texts[1]) < 0.9999);
}

#[test]
fn the_committed_pack_finds_held_out_photos() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("PMIRS_DATA").map_or(shared, PathBuf::from);
    let encoder = Encoder::open(&pack()).unwrap();
    let Some(held_out) = measure(&encoder, &data, &mut Quiet).unwrap() else {
        println!("skipped: {} has no flickr8k/dev.tsv (set PMIRS_DATA)", data.display());
        return;
    };
    eprintln!("{held_out:?}");
    assert!(held_out.text_to_image.r10 >= 0.50, "{held_out:?}");
    assert!(held_out.accuracy >= 0.85, "{held_out:?}");
}
