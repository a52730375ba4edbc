//! Model packs in temporary folders, made of the golden files.

use std::path::{Path, PathBuf};

use pmirs_encoder::Picture;
use pmirs_encoder::pack::{
    FORMAT, ImageSpec, MANIFEST, PackKind, PackManifest, Padding, Pooling, Resample, ResizeMode, ScoreSpec,
    TextSpec, sha256_hex,
};
use pmirs_encoder::tokenizer::Clean;
use serde::Deserialize;
use tempfile::TempDir;

/// `towers.json`.
#[derive(Deserialize)]
pub struct Golden {
    pub dim: usize,
    pub side: u32,
    pub context: usize,
    pub mean: [f32; 3],
    pub std: [f32; 3],
    pub texts: Vec<String>,
    pub image: Vec<Vec<f32>>,
    pub text: Vec<GoldenText>,
}

/// One text tower of `towers.json`.
#[derive(Deserialize)]
pub struct GoldenText {
    pub name: String,
    pub pad: u32,
    pub ids: Vec<Vec<u32>>,
    pub vectors: Vec<Vec<f32>>,
}

pub fn golden() -> Golden {
    serde_json::from_slice(&golden_file("towers.json")).unwrap()
}

pub fn golden_file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/suite/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A pack of the golden image tower and the text tower `text`; `edit` changes the manifest before it is written.
pub fn onnx_pack(golden: &Golden, text: &str, edit: impl Fn(&mut PackManifest)) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut manifest = manifest(golden, text);
    for file in ["image.onnx", &format!("{text}.onnx"), "tiny.bpe"] {
        let bytes = golden_file(file);
        std::fs::write(folder.path().join(file), &bytes).unwrap();
        manifest.sha256.insert(file.into(), sha256_hex(&bytes));
    }
    edit(&mut manifest);
    std::fs::write(folder.path().join(MANIFEST), manifest.to_toml().unwrap()).unwrap();
    folder
}

pub fn manifest(golden: &Golden, text: &str) -> PackManifest {
    let pad = golden.text.iter().find(|candidate| candidate.name == text).unwrap().pad;
    PackManifest {
        format: FORMAT,
        name: "tiny".into(),
        version: "1".into(),
        kind: PackKind::Onnx,
        dim: golden.dim,
        licence: "MIT OR Apache-2.0".into(),
        origin: "random weights".into(),
        image: ImageSpec {
            weights: vec!["image.onnx".into()],
            size: [golden.side, golden.side],
            resize: ResizeMode::CentreCrop,
            resample: Resample::Bicubic,
            mean: golden.mean,
            std: golden.std,
            centre: vec![0.0; golden.dim],
        },
        text: TextSpec {
            weights: vec![format!("{text}.onnx")],
            tokenizer: vec!["tiny.bpe".into()],
            context_length: golden.context,
            pad,
            clean: Clean::None,
            pooling: Pooling::FirstEnd,
            padding: Padding::Full,
            centre: vec![0.0; golden.dim],
        },
        scores: ScoreSpec::default(),
        cost: None,
        architecture: toml::Table::new(),
        adapter: None,
        lineage: None,
        sha256: std::collections::BTreeMap::new(),
    }
}

/// Replaces a file of a pack and pins the new one.
pub fn replace(folder: &Path, file: &str, bytes: &[u8]) {
    std::fs::write(folder.join(file), bytes).unwrap();
    let path = folder.join(MANIFEST);
    let mut manifest = PackManifest::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    manifest.sha256.insert(file.into(), sha256_hex(bytes));
    std::fs::write(path, manifest.to_toml().unwrap()).unwrap();
}

/// The picture that `scripts/golden_clip.py` draws as number `n`.
pub fn picture(golden: &Golden, n: usize) -> Picture {
    let n = n as u32;
    let rgb = (0..golden.side).flat_map(|y| {
        (0..golden.side).flat_map(move |x| {
            (0..3).map(move |c| ((x * 7 + y * 13 + c * 50 + n * 31 + x * y / 3) % 256) as u8)
        })
    });
    Picture::from_rgb(golden.side, golden.side, rgb.collect()).unwrap()
}

pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
