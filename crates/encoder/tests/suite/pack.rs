//! Model packs: every file pinned, every field checked, errors that name both.

use crate::folder::{golden, onnx_pack};
use pmirs_encoder::pack::MANIFEST;
use pmirs_encoder::{Encoder, Pack, PackError, PackManifest};

#[test]
fn a_flipped_byte_in_any_file_is_noticed() {
    let golden = golden();
    for file in ["image.onnx", "text_pooled.onnx", "tiny.bpe"] {
        let folder = onnx_pack(&golden, "text_pooled", |_| {});
        let path = folder.path().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        *bytes.get_mut(middle).unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let encoder = Encoder::open(folder.path()).unwrap();
        let error = if file == "image.onnx" {
            encoder.embed_images(&[crate::folder::picture(&golden, 0)]).unwrap_err()
        } else {
            encoder.embed_texts(&["a cat"]).unwrap_err()
        };
        let message = error.to_string();
        assert!(message.starts_with(&format!("{file} has SHA-256")), "{message}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let golden = golden();
    let folder = onnx_pack(&golden, "text_pooled", |_| {});
    std::fs::remove_file(folder.path().join("tiny.bpe")).unwrap();
    let error = Encoder::open(folder.path()).unwrap().embed_texts(&["a cat"]).unwrap_err();
    assert!(error.to_string().contains("tiny.bpe"), "{error}");
    std::fs::remove_file(folder.path().join(MANIFEST)).unwrap();
    assert!(
        matches!(Pack::open(folder.path()), Err(PackError::Read { path, .. }) if path.ends_with(MANIFEST))
    );
}

/// Spoils one field.
type Edit = fn(&mut PackManifest);

#[test]
fn every_senseless_field_is_named() {
    let golden = golden();
    let mut good = crate::folder::manifest(&golden, "text_pooled");
    for file in ["image.onnx", "text_pooled.onnx", "tiny.bpe"] {
        good.sha256.insert(file.into(), "0".repeat(64));
    }
    good.to_toml().unwrap();
    let edits: [(&str, Edit); 12] = [
        ("format", |m| m.format = 2),
        ("name", |m| m.name.clear()),
        ("dim", |m| m.dim = 0),
        ("dim", |m| m.dim = 1 << 20),
        ("image.size", |m| m.image.size = [224, 4096]),
        ("image.std", |m| m.image.std = [0.0, 1.0, 1.0]),
        ("image.mean", |m| m.image.mean = [f32::NAN, 1.0, 1.0]),
        ("image.centre", |m| m.image.centre.truncate(3)),
        ("text.centre", |m| m.text.centre.clear()),
        ("text.context_length", |m| m.text.context_length = 100_000),
        ("text.weights", |m| m.text.weights = vec!["../../etc/passwd".into()]),
        ("sha256", |m| {
            m.sha256.insert("tiny.bpe".into(), "not hex".into());
        }),
    ];
    for (name, edit) in edits {
        let mut bad = good.clone();
        edit(&mut bad);
        assert!(matches!(bad.to_toml(), Err(PackError::Field { field, .. }) if field == name), "{name}");
    }
    let mut unpinned = good.clone();
    unpinned.sha256.remove("tiny.bpe");
    assert!(unpinned.to_toml().unwrap_err().to_string().contains("text.tokenizer"));
}

#[test]
fn a_manifest_survives_its_own_text_and_refuses_unknown_fields() {
    let golden = golden();
    let folder = onnx_pack(&golden, "text_pooled", |manifest| {
        manifest.architecture.insert("stem".into(), toml::Value::Integer(16));
        manifest.scores.logit_scale = Some(40.0);
    });
    let text = std::fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
    let manifest = PackManifest::parse(&text).unwrap();
    assert_eq!(manifest.to_toml().unwrap(), text);
    let unknown = text.replacen("dim =", "colour = 3\ndim =", 1);
    assert!(PackManifest::parse(&unknown).unwrap_err().to_string().contains("colour"));
}

#[test]
fn embedded_files_are_checked_like_a_folder() {
    let golden = golden();
    let folder = onnx_pack(&golden, "text_pooled", |_| {});
    let leak = |file: &str| -> &'static [u8] { std::fs::read(folder.path().join(file)).unwrap().leak() };
    let files = vec![
        (MANIFEST, leak(MANIFEST)),
        ("tiny.bpe", leak("tiny.bpe")),
        ("text_pooled.onnx", leak("text_pooled.onnx")),
    ];
    let encoder = Encoder::from_embedded(files.leak()).unwrap();
    let from_folder = Encoder::open(folder.path()).unwrap();
    assert_eq!(encoder.embed_texts(&["a cat"]).unwrap(), from_folder.embed_texts(&["a cat"]).unwrap());
    let error = encoder.embed_images(&[crate::folder::picture(&golden, 0)]).unwrap_err();
    assert!(error.to_string().contains("no file image.onnx"), "{error}");
    assert_eq!(from_folder.pack().bytes().unwrap(), {
        let sizes = ["image.onnx", "text_pooled.onnx", "tiny.bpe", MANIFEST];
        sizes.iter().map(|file| leak(file).len() as u64).sum::<u64>()
    });
}
