//! The `rten` engine against ONNX Runtime: tiny CLIP-shaped pairs from `scripts/golden_clip.py`.

use crate::folder::{cosine, golden, onnx_pack, picture};
use pmirs_encoder::clip::RtenTowers;
use pmirs_encoder::{Encoder, EncoderError, Pack, PackError, Prepared, Preprocessor, Tokenizer, Towers as _};

/// What the issue asks of a real model, asked here of a random one.
const LEAST_COSINE: f32 = 0.9999;

#[test]
fn text_towers_agree_with_onnx_runtime_and_pool_the_first_end_of_text() {
    let golden = golden();
    for text in &golden.text {
        let folder = onnx_pack(&golden, &text.name, |_| {});
        let pack = Pack::open(folder.path()).unwrap();
        let tokenizer = Tokenizer::open(&pack).unwrap();
        let ids: Vec<_> = golden.texts.iter().map(|t| tokenizer.encode(t, golden.context)).collect();
        assert_eq!(ids, text.ids, "token ids of {}", text.name);
        let vectors = RtenTowers::open(&pack).text(&ids).unwrap();
        for ((sentence, got), expected) in golden.texts.iter().zip(&vectors).zip(&text.vectors) {
            let agreement = cosine(got, expected);
            assert!(agreement >= LEAST_COSINE, "{} on {sentence:?}: cosine {agreement}", text.name);
        }
    }
}

#[test]
fn image_tower_agrees_with_onnx_runtime() {
    let golden = golden();
    let folder = onnx_pack(&golden, "text_pooled", |_| {});
    let pack = Pack::open(folder.path()).unwrap();
    let preprocessor = Preprocessor::new(&pack.manifest().image);
    let images: Vec<_> =
        (0..golden.image.len()).map(|n| preprocessor.prepare(&picture(&golden, n)).unwrap()).collect();
    let vectors = RtenTowers::open(&pack).image(&images).unwrap();
    for (n, (got, expected)) in vectors.iter().zip(&golden.image).enumerate() {
        let agreement = cosine(got, expected);
        assert!(agreement >= LEAST_COSINE, "image {n}: cosine {agreement}");
    }
}

#[test]
fn an_encoder_gives_unit_vectors_whatever_the_batch() {
    let golden = golden();
    let folder = onnx_pack(&golden, "text_pooled", |_| {});
    let encoder = Encoder::open(folder.path()).unwrap();
    let texts: Vec<&str> = golden.texts.iter().map(String::as_str).cycle().take(37).collect();
    let together = encoder.embed_texts(&texts).unwrap();
    for (text, embedding) in texts.iter().zip(&together) {
        let alone = &encoder.embed_texts(&[text]).unwrap()[0];
        assert!(alone.cosine(embedding) > 0.999_99, "{text:?} depends on its batch");
        assert!((embedding.cosine(embedding) - 1.0).abs() < 1e-5);
    }
    let pictures: Vec<_> = (0..19).map(|n| picture(&golden, n)).collect();
    assert_eq!(encoder.embed_images(&pictures).unwrap().len(), 19);
    assert!(encoder.embed_images(&[]).unwrap().is_empty() && encoder.embed_texts(&[]).unwrap().is_empty());
}

#[test]
fn text_needs_no_image_tower() {
    let golden = golden();
    let folder = onnx_pack(&golden, "text_pooled", |_| {});
    std::fs::remove_file(folder.path().join("image.onnx")).unwrap();
    let encoder = Encoder::open(folder.path()).unwrap();
    encoder.embed_texts(&["a cat"]).unwrap();
    let error = encoder.embed_images(&[picture(&golden, 0)]).unwrap_err();
    assert!(error.to_string().contains("image.onnx"), "{error}");
}

#[test]
fn a_wrong_dim_size_or_context_is_named() {
    let golden = golden();
    let run = |edit: &dyn Fn(&mut pmirs_encoder::PackManifest)| {
        let folder = onnx_pack(&golden, "text_pooled", edit);
        let encoder = Encoder::open(folder.path()).unwrap();
        let text = encoder.embed_texts(&["a cat"]).map(|_| ());
        let image = encoder.embed_images(&[picture(&golden, 0)]).map(|_| ());
        (text.map_err(|e| e.to_string()), image.map_err(|e| e.to_string()))
    };
    let (text, image) = run(&|manifest| {
        manifest.dim = 48;
        manifest.image.centre = vec![0.0; 48];
        manifest.text.centre = vec![0.0; 48];
    });
    assert!(text.unwrap_err().contains("text_embeds has shape"), "dim of the text tower");
    assert!(image.unwrap_err().contains("image_embeds has shape"), "dim of the image tower");
    let (text, image) = run(&|manifest| manifest.image.size = [24, 24]);
    assert_eq!(text, Ok(()));
    assert!(image.unwrap_err().contains("pixel_values has shape"));
    let (text, _) = run(&|manifest| manifest.text.context_length = 12);
    assert!(text.unwrap_err().contains("input_ids has shape"));
}

#[test]
fn towers_that_are_not_what_they_should_be_are_refused() {
    let golden = golden();
    // The text tower in the image tower's place: its inputs give it away.
    let folder = onnx_pack(&golden, "text_pooled", |manifest| {
        manifest.image.weights = manifest.text.weights.clone();
    });
    let error = Encoder::open(folder.path()).unwrap().embed_images(&[picture(&golden, 0)]).unwrap_err();
    assert!(
        matches!(&error, EncoderError::Pack(PackError::Tensor { tensor, .. }) if tensor.contains("input_ids"))
    );

    // Half a file, pinned as it is: the loader must say so.
    let folder = onnx_pack(&golden, "text_pooled", |_| {});
    let path = folder.path().join("text_pooled.onnx");
    let bytes = std::fs::read(&path).unwrap();
    crate::folder::replace(folder.path(), "text_pooled.onnx", &bytes[..bytes.len() / 2]);
    let error = Encoder::open(folder.path()).unwrap().embed_texts(&["a cat"]).unwrap_err();
    assert!(
        matches!(&error, EncoderError::Pack(PackError::Weights { file, .. }) if file == "text_pooled.onnx"),
        "{error}"
    );
}

#[test]
fn inputs_of_the_wrong_shape_are_refused() {
    let golden = golden();
    let folder = onnx_pack(&golden, "text_pooled", |_| {});
    let towers = RtenTowers::open(&Pack::open(folder.path()).unwrap());
    let small = Prepared::new(8, 8, vec![0.0; 192]).unwrap();
    assert!(matches!(towers.image(&[small]), Err(EncoderError::Input { .. })));
    assert!(matches!(towers.text(&[vec![1; 17]]), Err(EncoderError::Input { .. })));
    assert!(Prepared::new(8, 8, vec![0.0; 191]).is_err());
}
