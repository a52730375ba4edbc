//! `import` on the layouts that zoos publish, against the reference implementations: `scripts/golden_zoo.py`.

use std::fs;
use std::path::{Path, PathBuf};

use pmirs_encoder::import::{ImportError, ImportOptions, import};
use pmirs_encoder::pack::{Padding, Pooling, Resample, ResizeMode};
use pmirs_encoder::tokenizer::Clean;
use pmirs_encoder::{Embedding, Encoder, PackManifest, Picture};
use proptest::prelude::*;
use serde::Deserialize;
use tempfile::TempDir;

use crate::folder::cosine;

/// What a model that somebody relies on must reach.
const LEAST_COSINE: f32 = 0.9999;

/// `golden.json`: what the reference made of drawn pictures and of texts.
#[derive(Deserialize)]
struct Golden {
    shapes: Vec<[u32; 2]>,
    /// Resized and cut pixels, R, G, B, in hexadecimal.
    pixels: Vec<String>,
    image: Vec<Vec<f32>>,
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
    text: Vec<Vec<f32>>,
}

/// A model of `golden/zoo`, copied so that a test may spoil it, and the pack that `import` made of it.
struct Zoo {
    source: TempDir,
    pack: TempDir,
    golden: Golden,
}

impl Zoo {
    fn new(name: &str) -> Self {
        let zoo = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/suite/golden/zoo").join(name);
        let source = TempDir::new().unwrap();
        copy(&zoo, source.path());
        let golden = serde_json::from_slice(&fs::read(source.path().join("golden.json")).unwrap()).unwrap();
        Self { source, pack: TempDir::new().unwrap(), golden }
    }

    fn import(&self) -> Result<PackManifest, ImportError> {
        let options =
            ImportOptions { name: "tiny".into(), licence: "none".into(), ..ImportOptions::default() };
        import(&[self.source.path().to_owned()], &options, self.pack.path())
    }

    /// Puts another text in place of one that must be there.
    fn replace(&self, file: &str, from: &str, to: &str) -> &Self {
        let path = self.source.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(path, text.replace(from, to)).unwrap();
        self
    }

    fn error(&self) -> String {
        self.import().unwrap_err().to_string()
    }

    fn picture(&self, n: usize) -> Picture {
        let [width, height] = self.golden.shapes[n];
        let value =
            |x: u32, y: u32, c: u32| ((x * 7 + y * 13 + c * 50 + n as u32 * 31 + x * y / 3) % 256) as u8;
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| (0..3).map(move |c| value(x, y, c))));
        Picture::from_rgb(width, height, rgb.collect()).unwrap()
    }

    /// Pixels within one step of 255, ids equal, vectors of both towers within the cosine that is asked for.
    fn agrees(&self) {
        let encoder = Encoder::open(self.pack.path()).unwrap();
        let manifest = encoder.pack().manifest().clone();
        let raw = |embedding: &Embedding, centre: &[f32]| uncentred(embedding, centre);
        for (n, (pixels, expected)) in self.golden.pixels.iter().zip(&self.golden.image).enumerate() {
            let resized = encoder.preprocessor().resize(&self.picture(n)).unwrap();
            let reference = hexadecimal(pixels);
            assert_eq!(resized.rgb().len(), reference.len());
            let worst = resized.rgb().iter().zip(&reference).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst <= Some(1), "picture {n} is off by {worst:?} of 255");
            let embedding = &encoder.embed_images(&[self.picture(n)]).unwrap()[0];
            let agreement = cosine(&raw(embedding, &manifest.image.centre), expected);
            assert!(agreement >= LEAST_COSINE, "picture {n}: cosine {agreement}");
        }
        let vocabulary = encoder.tokenizer().unwrap();
        for (text, ids) in self.golden.texts.iter().zip(&self.golden.ids) {
            assert_eq!(&vocabulary.encode(text, manifest.text.context_length), ids, "{text:?}");
        }
        let texts: Vec<&str> = self.golden.texts.iter().map(String::as_str).collect();
        let embeddings = encoder.embed_texts(&texts).unwrap();
        for ((text, embedding), expected) in texts.iter().zip(&embeddings).zip(&self.golden.text) {
            let agreement = cosine(&raw(embedding, &manifest.text.centre), expected);
            assert!(agreement >= LEAST_COSINE, "{text:?}: cosine {agreement}");
        }
    }
}

/// The direction of the raw vector `u` (of length 1) that centring made `(u - c) / |u - c|`: along the line from
/// `c`, the point on the sphere.
fn uncentred(embedding: &Embedding, centre: &[f32]) -> Vec<f32> {
    let e = embedding.as_slice();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let (along, inside) = (dot(e, centre), 1.0 - dot(centre, centre));
    let length = (along * along + inside).sqrt() - along;
    e.iter().zip(centre).map(|(e, c)| (f64::from(*e) * length + f64::from(*c)) as f32).collect()
}

fn hexadecimal(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (entry, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if entry.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
        }
    }
}

#[test]
fn clip_from_safetensors_is_the_reference() {
    let zoo = Zoo::new("clip");
    let manifest = zoo.import().unwrap();
    assert_eq!((manifest.dim, manifest.image.size, manifest.text.context_length), (20, [32, 32], 16));
    assert_eq!(
        (manifest.image.resize, manifest.image.resample),
        (ResizeMode::CentreCropDown, Resample::Bicubic)
    );
    assert_eq!(manifest.text.padding, Padding::Longest, "a causal tower of any length");
    let scale = manifest.scores.logit_scale.unwrap();
    assert!((scale - 2.6592_f32.exp()).abs() < 0.01, "{scale}");
    zoo.agrees();
}

#[test]
fn clip_as_an_onnx_pair_is_the_reference() {
    let zoo = Zoo::new("clip_onnx");
    let manifest = zoo.import().unwrap();
    // The vocabulary pads with its end token: only the first one may be pooled.
    assert_eq!((manifest.text.pooling, manifest.text.padding), (Pooling::FirstEnd, Padding::Longest));
    assert_eq!(manifest.text.pad, 530);
    zoo.agrees();
}

#[test]
fn siglip_is_the_reference() {
    let zoo = Zoo::new("siglip");
    let manifest = zoo.import().unwrap();
    assert_eq!(
        (manifest.image.resize, manifest.image.mean, manifest.image.std),
        (ResizeMode::Squash, [0.5; 3], [0.5; 3])
    );
    // Not causal, pooled at the last place: every text is filled up, with the end token.
    assert_eq!((manifest.text.pooling, manifest.text.padding), (Pooling::Fixed, Padding::Full));
    assert_eq!((manifest.text.pad, manifest.text.clean), (1, Clean::Siglip));
    zoo.agrees();
}

#[test]
fn mobileclip_is_the_reference() {
    let zoo = Zoo::new("mobileclip");
    let manifest = zoo.import().unwrap();
    assert_eq!((manifest.image.mean, manifest.image.std), ([0.0; 3], [1.0; 3]));
    assert_eq!(
        (manifest.image.resize, manifest.image.resample),
        (ResizeMode::CentreCrop, Resample::Bilinear)
    );
    assert_eq!(manifest.text.padding, Padding::Full, "the export has a fixed length");
    zoo.agrees();
}

#[test]
fn half_precision_weights_are_read() {
    use safetensors::tensor::{Dtype, SafeTensors, TensorView};
    for kind in [Dtype::F16, Dtype::BF16] {
        let zoo = Zoo::new("clip");
        let path = zoo.source.path().join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let archive = SafeTensors::deserialize(&bytes).unwrap();
        let halves: Vec<_> = archive
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let values = view.data().chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().unwrap()));
                let narrow = |value| match kind {
                    Dtype::F16 => half::f16::from_f32(value).to_le_bytes(),
                    _ => half::bf16::from_f32(value).to_le_bytes(),
                };
                (name, view.shape().to_vec(), values.flat_map(narrow).collect::<Vec<u8>>())
            })
            .collect();
        let views = halves
            .iter()
            .map(|(name, shape, data)| (name.as_str(), TensorView::new(kind, shape.clone(), data).unwrap()));
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        zoo.import().unwrap();
        let encoder = Encoder::open(zoo.pack.path()).unwrap();
        let embedding = &encoder.embed_texts(&["a photo of a cat"]).unwrap()[0];
        let raw = uncentred(embedding, &encoder.pack().manifest().text.centre);
        let agreement = cosine(&raw, &zoo.golden.text[0]);
        // Rounded weights: near the reference, and not on it.
        assert!(agreement > 0.995, "{kind:?}: {agreement}");
    }
}

#[test]
fn a_missing_tensor_is_named_and_never_made_up() {
    let zoo = Zoo::new("clip");
    let path = zoo.source.path().join("model.safetensors");
    let name = b"vision_model.encoder.layers.1.mlp.fc2.bias";
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(name.len()).position(|it| it == name).unwrap();
    bytes[at + name.len() - 1] = b'z';
    fs::write(&path, bytes).unwrap();
    let error = zoo.error();
    assert!(error.contains("vision_model.encoder.layers.1.mlp.fc2.bias is missing"), "{error}");
}

#[test]
fn a_tensor_of_another_shape_than_the_configuration_is_named() {
    let zoo = Zoo::new("clip");
    let error = zoo.replace("config.json", "\"projection_dim\": 20", "\"projection_dim\": 24").error();
    assert!(
        error.contains("visual_projection.weight has shape [20, 24], config.json expects [24, 24]"),
        "{error}"
    );
}

#[test]
fn an_old_configuration_pools_the_highest_token() {
    // Before transformers 4.31 the field said 2, and the model took the highest id, which is the end token.
    let zoo = Zoo::new("clip");
    zoo.replace("config.json", "\"eos_token_id\": 530", "\"eos_token_id\": 2").import().unwrap();
    zoo.agrees();
    let zoo = Zoo::new("clip");
    let error = zoo.replace("config.json", "\"eos_token_id\": 530", "\"eos_token_id\": 17").error();
    assert!(
        error.contains("text_config.eos_token_id is 17, expected the vocabulary's end token, 530"),
        "{error}"
    );
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let cases: [(&str, &str, &str, &str, &str); 13] = [
        ("clip", "config.json", "\"quick_gelu\"", "\"relu\"", "text_config.hidden_act is \"relu\""),
        (
            "clip",
            "config.json",
            "\"model_type\": \"clip\"",
            "\"model_type\": \"bert\"",
            "model_type is \"bert\"",
        ),
        (
            "clip",
            "config.json",
            "\"num_hidden_layers\": 2",
            "\"num_hidden_layers\": 4000000000",
            "num_hidden_layers is 4000000000",
        ),
        (
            "clip",
            "preprocessor_config.json",
            "\"resample\": 3",
            "\"resample\": 1",
            "resample is 1, expected 2 (bilinear)",
        ),
        (
            "clip",
            "preprocessor_config.json",
            "\"shortest_edge\": 32",
            "\"shortest_edge\": 36",
            "expected the same size as crop_size",
        ),
        ("clip", "preprocessor_config.json", "0.48145466", "\"much\"", "image_mean is"),
        ("clip", "tokenizer_config.json", "<|endoftext|>", "<unheard of>", "pad_token is \"<unheard of>\""),
        ("siglip", "tokenizer.json", "\"Metaspace\"", "\"Bert\"", "pre_tokenizer.type is Bert"),
        ("siglip", "tokenizer.json", " {2,}", "x+", "normalizer.pattern is x+"),
        (
            "siglip",
            "tokenizer_config.json",
            "\"pad_token\"",
            "\"padding_side\": \"left\", \"pad_token\"",
            "padding_side is \"left\"",
        ),
        ("mobileclip", "visual/preprocess_cfg.json", "shortest", "longest", "resize_mode is \"longest\""),
        ("mobileclip", "visual/preprocess_cfg.json", "\"shortest\"", "7", "resize_mode is 7"),
        ("clip", "tokenizer_config.json", "\"<|endoftext|>\"", "17", "is 17, expected words"),
    ];
    for (model, file, from, to, expected) in cases {
        let error = Zoo::new(model).replace(file, from, to).error();
        assert!(error.contains(expected), "{file}: {error}");
    }
}

#[test]
fn parts_that_lack_or_abound_are_listed() {
    let zoo = Zoo::new("clip_onnx");
    let onnx = zoo.source.path().join("onnx");
    fs::copy(onnx.join("text_model.onnx"), onnx.join("text_model_quantized.onnx")).unwrap();
    zoo.import().expect("a reduced variant beside the full one is left alone");
    fs::copy(onnx.join("text_model.onnx"), onnx.join("other.onnx")).unwrap();
    let error = zoo.error();
    assert!(error.contains("text tower") && error.contains("other.onnx"), "{error}");
    for file in ["other.onnx", "text_model.onnx", "text_model_quantized.onnx"] {
        fs::remove_file(onnx.join(file)).unwrap();
    }
    assert!(zoo.error().contains("no text tower found"));

    for (file, expected) in [
        ("tokenizer.json", "no vocabulary found"),
        ("preprocessor_config.json", "no preprocessing found"),
        ("model.safetensors", "no weights found"),
    ] {
        let zoo = Zoo::new("clip");
        fs::remove_file(zoo.source.path().join(file)).unwrap();
        assert!(zoo.error().contains(expected), "{}", zoo.error());
    }
}

#[test]
fn weights_may_lie_beside_the_graphs() {
    // As large exports have them, here those that `import` itself writes.
    let zoo = Zoo::new("clip");
    zoo.import().unwrap();
    let again = Zoo::new("clip_onnx");
    for name in ["text_model.onnx", "vision_model.onnx"] {
        fs::remove_file(again.source.path().join("onnx").join(name)).unwrap();
    }
    for name in ["image.onnx", "image.data", "text.onnx", "text.data"] {
        fs::copy(zoo.pack.path().join(name), again.source.path().join("onnx").join(name)).unwrap();
    }
    let manifest = again.import().unwrap();
    assert_eq!(
        manifest.image.weights,
        ["image.onnx", "image--image.data"],
        "both towers may call theirs the same"
    );
    again.agrees();
    fs::remove_file(again.source.path().join("onnx/text.data")).unwrap();
    assert!(again.error().contains("text.data"));
}

#[test]
fn a_pack_counts_its_cost_and_its_version_follows_its_weights() {
    let zoo = Zoo::new("clip");
    let manifest = zoo.import().unwrap();
    let cost = manifest.cost.unwrap();
    // By hand, from config.json: tables, positions, two blocks, norms and projection of each tower.
    let block = |w: u64, inner: u64| 4 * (w * w + w) + 2 * w * inner + inner + w + 4 * w;
    let text = 531 * 16 + 16 * 16 + 2 * block(16, 32) + 2 * 16 + 16 * 20;
    let image = 24 * 3 * 64 + 24 + 17 * 24 + 2 * block(24, 32) + 4 * 24 + 24 * 20;
    // The graph adds a few numbers of its own: activations' slopes, the mask's two values.
    assert!((text + image..text + image + 8).contains(&cost.parameters), "{cost:?} is not {}", text + image);
    let of_block = |w: u64, inner: u64, n: u64| n * (4 * w * w + 2 * w * inner) + 2 * n * n * w;
    let expected = 16 * 24 * 3 * 64 + 2 * of_block(24, 32, 17) + 24 * 20;
    assert_eq!(cost.image_multiply_adds, Some(expected));
    assert_eq!(cost.text_multiply_adds, Some(2 * of_block(16, 32, 16) + 16 * 16 * 20));
    assert_eq!(cost.relus, Some(0));

    let other = Zoo::new("clip");
    let path = other.source.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_ne!(other.import().unwrap().version, manifest.version);
}

#[test]
fn calibration_with_pictures_moves_the_mean_of_images_alone() {
    let zoo = Zoo::new("mobileclip");
    let drawn = zoo.import().unwrap();
    let folder = TempDir::new().unwrap();
    for n in 0..3 {
        fs::write(folder.path().join(format!("{n}.png")), zoo.picture(n).to_png().unwrap()).unwrap();
    }
    fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let options = ImportOptions {
        name: "tiny".into(),
        licence: "none".into(),
        calibrate: Some(folder.path().into()),
        ..ImportOptions::default()
    };
    let pack = TempDir::new().unwrap();
    let given = import(&[zoo.source.path().to_owned()], &options, pack.path()).unwrap();
    assert_ne!(given.image.centre, drawn.image.centre);
    assert_eq!(given.text.centre, drawn.text.centre);
    let empty = TempDir::new().unwrap();
    let options = ImportOptions { calibrate: Some(empty.path().into()), ..options };
    assert!(matches!(
        import(&[zoo.source.path().to_owned()], &options, pack.path()),
        Err(ImportError::NoPictures { .. })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A byte of any of the small files changed: an error or a model, never a panic.
    #[test]
    fn mutated_files_never_panic(which in 0usize..4, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let zoo = Zoo::new("clip");
        let file = ["config.json", "preprocessor_config.json", "tokenizer_config.json", "model.safetensors"][which];
        let path = zoo.source.path().join(file);
        let mut bytes = fs::read(&path).unwrap();
        // Of the weights, the header.
        let within = if which == 3 { 2000 } else { bytes.len() };
        bytes[at.index(within)] = byte;
        fs::write(&path, bytes).unwrap();
        let _ = zoo.import();
    }

    /// The same of the graphs themselves.
    #[test]
    fn mutated_graphs_never_panic(image in any::<bool>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let zoo = Zoo::new("clip_onnx");
        let path = zoo.source.path().join(if image { "onnx/vision_model.onnx" } else { "onnx/text_model.onnx" });
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        fs::write(&path, bytes).unwrap();
        let _ = zoo.import();
    }
}
