//! From the files that the common zoos publish to a pack: what `pmirs model add` does.
//!
//! Two layouts are understood. An ONNX file for pictures and one for texts, with `tokenizer.json` and
//! `preprocessor_config.json` or `preprocess_cfg.json`, are taken as they are. Hugging Face's CLIP
//! (`model.safetensors`, `config.json`) is written as such a pair (see `transformer`). Everything that decides
//! what a vector means is read from these files; what is missing or unknown is an error that names file and field,
//! because a guess would give vectors that look right and find little.
//!
//! 1. `layout`: which file is what.
//! 2. `config`, `text`: what the JSON files say.
//! 3. `transformer` (`graph`, `tensors`): safetensors to ONNX.
//! 4. `phrases`: the means of both modalities, over bundled phrases and drawn pictures or a folder of them.
//! 5. `cost`: what one picture and one sentence cost.

mod config;
mod cost;
mod error;
mod graph;
mod layout;
mod phrases;
mod tensors;
mod text;
mod transformer;

use std::fs;
use std::path::{Path, PathBuf};

use self::config::{ClipConfig, ImageSettings, Json, image_settings};
use self::cost::Probe;
use self::layout::{Layout, OnnxFile, Weights};
use self::tensors::Tensors;
use self::text::{TextSettings, check_end, text_settings};
use crate::pack::{
    CostSpec, FORMAT, ImageSpec, MANIFEST, PackKind, PackManifest, Padding, Pooling, ScoreSpec, TextSpec,
    sha256_hex,
};
use crate::{Encoder, Limits, Picture, Tokenizer, Vocabulary};

pub use error::ImportError;

pub(crate) use cost::parameters;

const IMAGE: &str = "image.onnx";
const TEXT: &str = "text.onnx";
const IMAGE_WEIGHTS: &str = "image.data";
const TEXT_WEIGHTS: &str = "text.data";

/// Most pictures of a folder that a mean is taken over.
const MAX_CALIBRATION: usize = 512;
/// Pictures that are embedded at once.
const BATCH: usize = 16;

/// What the files do not say.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The pack's name.
    pub name: String,
    /// Licence of the weights.
    pub licence: String,
    /// Where they come from.
    pub origin: String,
    /// Folder of pictures to take the mean of the image vectors over; without it, pictures are drawn.
    pub calibrate: Option<PathBuf>,
}

/// Makes a pack of `sources`, a folder or files, in the empty folder `pack`, and says what it is.
///
/// # Errors
/// When a part is missing or there are several of it, a file is malformed, a field has a value that is not known,
/// or the model does not run.
pub fn import(
    sources: &[PathBuf],
    options: &ImportOptions,
    pack: &Path,
) -> Result<PackManifest, ImportError> {
    let layout = layout::find(sources)?;
    let image = image_settings(&layout.preprocessing)?;
    let mut files = PackFiles { folder: pack, manifest: draft(options, &image) };
    let tokenizer = files.add_tokenizer(&layout.tokenizer)?;
    match &layout.weights {
        Weights::Onnx { image, text } => files.add_onnx(&layout, image, text, tokenizer.as_ref())?,
        Weights::Safetensors(path) => files.add_safetensors(&layout, path, tokenizer.as_ref())?,
    }
    let digests: String = files.manifest.sha256.values().map(String::as_str).collect();
    // Other weights are another model, whatever they are called: their vectors must never meet.
    files.manifest.version = sha256_hex(digests.as_bytes()).chars().take(12).collect();
    files.write_manifest()?;
    files.choose_padding()?;
    files.calibrate(options.calibrate.as_deref())?;
    files.write_manifest()?;
    Ok(files.manifest)
}

fn draft(options: &ImportOptions, image: &ImageSettings) -> PackManifest {
    PackManifest {
        format: FORMAT,
        name: options.name.clone(),
        version: String::new(),
        kind: PackKind::Onnx,
        dim: 0,
        licence: options.licence.clone(),
        origin: options.origin.clone(),
        image: ImageSpec {
            weights: vec![IMAGE.into()],
            size: image.size,
            resize: image.resize,
            resample: image.resample,
            mean: image.mean,
            std: image.std,
            centre: Vec::new(),
        },
        text: TextSpec {
            weights: vec![TEXT.into()],
            tokenizer: Vec::new(),
            context_length: 0,
            pad: 0,
            clean: crate::tokenizer::Clean::None,
            pooling: Pooling::FirstEnd,
            padding: Padding::Full,
            centre: Vec::new(),
        },
        scores: ScoreSpec::default(),
        cost: None,
        architecture: toml::Table::new(),
        adapter: None,
        lineage: None,
        sha256: std::collections::BTreeMap::new(),
    }
}

/// A pack while it is made.
struct PackFiles<'a> {
    folder: &'a Path,
    manifest: PackManifest,
}

impl PackFiles<'_> {
    /// Writes a file and pins it.
    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), ImportError> {
        let path = self.folder.join(name);
        fs::write(&path, bytes).map_err(|source| ImportError::Write { path, source })?;
        self.manifest.sha256.insert(name.into(), sha256_hex(bytes));
        Ok(())
    }

    fn write_manifest(&self) -> Result<(), ImportError> {
        let path = self.folder.join(MANIFEST);
        fs::write(&path, self.manifest.to_toml()?).map_err(|source| ImportError::Write { path, source })
    }

    /// Takes over the vocabulary; gives `tokenizer.json` for a look into it.
    fn add_tokenizer(&mut self, paths: &[PathBuf]) -> Result<Option<Json>, ImportError> {
        let mut tokenizer = None;
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let bytes = layout::read_weights(path)?;
            if name == "tokenizer.json" {
                tokenizer = Some(Json::parse(name, &bytes)?);
            }
            self.add(name, &bytes)?;
            self.manifest.text.tokenizer.push(name.into());
        }
        Ok(tokenizer)
    }

    fn set_text(&mut self, settings: &TextSettings, pooling: Pooling) {
        let text = &mut self.manifest.text;
        text.context_length = settings.context_length;
        (text.pad, text.clean, text.pooling) = (settings.pad, settings.clean, pooling);
    }

    fn set_dim(&mut self, dim: usize) {
        self.manifest.dim = dim;
        self.manifest.image.centre = vec![0.0; dim];
        self.manifest.text.centre = vec![0.0; dim];
    }

    fn vocabulary(&self) -> Result<Vocabulary, ImportError> {
        let text = |name: &str| -> Result<String, ImportError> {
            let bytes = layout::read_weights(&self.folder.join(name))?;
            String::from_utf8(bytes)
                .map_err(|error| ImportError::Malformed { file: name.into(), reason: error.to_string() })
        };
        let spec = &self.manifest.text;
        if spec.tokenizer.iter().any(|name| name == "tokenizer.json") {
            return Ok(Vocabulary::from_tokenizer_json(&text("tokenizer.json")?, spec.clean)?);
        }
        let tokenizer = Tokenizer::from_vocab_and_merges(&text("vocab.json")?, &text("merges.txt")?)?;
        Ok(Vocabulary::Bytes(spec.clean, tokenizer))
    }

    fn add_onnx(
        &mut self,
        layout: &Layout,
        image: &OnnxFile,
        text: &OnnxFile,
        tokenizer: Option<&Json>,
    ) -> Result<(), ImportError> {
        let pooling = if text.seeks || text.per_token { Pooling::FirstEnd } else { Pooling::Fixed };
        let fixed = text.input.get(1).copied().flatten();
        let settings = text_settings(layout, tokenizer, fixed, pooling)?;
        self.set_text(&settings, pooling);
        let dim = match (image.dim, text.dim) {
            (Some(of_image), Some(of_text)) if of_image != of_text => {
                return Err(ImportError::Dimensions { image: of_image, text: of_text });
            }
            (Some(dim), _) | (None, Some(dim)) => dim,
            (None, None) => declared_dim(layout)?,
        };
        self.set_dim(dim);
        // A vocabulary that cannot be read should be known before gigabytes are copied.
        self.vocabulary()?;
        let [width, height] = self.manifest.image.size.map(|side| side as usize);
        let of_image = self.copy_onnx(image, IMAGE, "image", &Probe::Picture([height, width]))?;
        let of_text = self.copy_onnx(text, TEXT, "text", &Probe::Sentence(settings.context_length))?;
        self.set_cost(of_image, of_text);
        Ok(())
    }

    /// Copies a graph and the files with its weights, and counts what it costs.
    fn copy_onnx(
        &mut self,
        file: &OnnxFile,
        name: &str,
        tower: &str,
        probe: &Probe,
    ) -> Result<(u64, Option<cost::Cost>), ImportError> {
        let onnx = layout::read_weights(&file.path)?;
        self.add(name, &onnx)?;
        let mut external = Vec::new();
        for location in &file.external {
            let beside = file.path.parent().unwrap_or(Path::new(".")).join(location);
            let plain = Path::new(location).file_name().is_some_and(|own| own == location.as_str());
            if !plain || !location.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
                let reason = format!("names the weights file {location:?}, which is not a plain file name");
                return Err(ImportError::Malformed { file: file.path.display().to_string(), reason });
            }
            let bytes = layout::read_weights(&beside)?;
            // Both towers may call theirs the same.
            let stored = crate::clip::external_file(tower, location);
            self.add(&stored, &bytes)?;
            let spec = match tower {
                "image" => &mut self.manifest.image.weights,
                _ => &mut self.manifest.text.weights,
            };
            spec.push(stored);
            external.push((location.clone(), bytes));
        }
        Ok((parameters(&onnx), cost::count(&onnx, &external, probe)))
    }

    fn add_safetensors(
        &mut self,
        layout: &Layout,
        path: &Path,
        tokenizer: Option<&Json>,
    ) -> Result<(), ImportError> {
        let config = layout
            .config
            .as_ref()
            .ok_or(ImportError::Missing { what: "shape of the network", expected: "config.json" })?;
        let clip = ClipConfig::read(config)?;
        let settings = text_settings(layout, tokenizer, None, Pooling::FirstEnd)?;
        self.set_text(&settings, Pooling::FirstEnd);
        self.set_dim(clip.dim);
        check_end(config, &clip, &self.vocabulary()?)?;
        let bytes = layout::read_weights(path)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let tensors = Tensors::open(name, &bytes)?;
        if !tensors.has("text_model.embeddings.token_embedding.weight") && tensors.has("visual.conv1.weight")
        {
            let reason =
                "has open_clip's tensor names; add Hugging Face's form of it, or its ONNX files".into();
            return Err(ImportError::Malformed { file: name.into(), reason });
        }
        self.manifest.scores.logit_scale =
            tensors.scalar("logit_scale").map(f32::exp).filter(|scale| scale.is_finite());
        let side = clip.vision.image_size;
        let image = transformer::image_tower(&tensors, &clip, IMAGE_WEIGHTS)?;
        let of_image = self.add_converted(image, IMAGE, IMAGE_WEIGHTS, &Probe::Picture([side, side]))?;
        let text = transformer::text_tower(&tensors, &clip, TEXT_WEIGHTS)?;
        let of_text =
            self.add_converted(text, TEXT, TEXT_WEIGHTS, &Probe::Sentence(settings.context_length))?;
        self.manifest.image.weights.push(IMAGE_WEIGHTS.into());
        self.manifest.text.weights.push(TEXT_WEIGHTS.into());
        self.set_cost(of_image, of_text);
        Ok(())
    }

    fn add_converted(
        &mut self,
        (onnx, weights): transformer::TowerFiles,
        name: &str,
        weights_name: &str,
        probe: &Probe,
    ) -> Result<(u64, Option<cost::Cost>), ImportError> {
        self.add(name, &onnx)?;
        self.add(weights_name, &weights)?;
        let external = [(weights_name.to_owned(), weights)];
        Ok((parameters(&onnx), cost::count(&onnx, &external, probe)))
    }

    fn set_cost(&mut self, image: (u64, Option<cost::Cost>), text: (u64, Option<cost::Cost>)) {
        self.manifest.cost = Some(CostSpec {
            parameters: image.0 + text.0,
            image_multiply_adds: image.1.map(|cost| cost.multiply_adds),
            text_multiply_adds: text.1.map(|cost| cost.multiply_adds),
            relus: image.1.map(|cost| cost.relus),
        });
    }

    /// Tries whether sentences need to be filled up to the context at all: a causal tower that takes any length
    /// gives the same vectors without, in a fraction of the time.
    fn choose_padding(&mut self) -> Result<(), ImportError> {
        let [first, .., last] = phrases::PHRASES;
        let vectors = |folder: &Path| Encoder::open(folder)?.embed_texts(&[first, "x", last]);
        let full = vectors(self.folder)?;
        if self.manifest.text.pooling == Pooling::Fixed {
            return Ok(());
        }
        self.manifest.text.padding = Padding::Longest;
        self.write_manifest()?;
        let same = vectors(self.folder).is_ok_and(|short| {
            full.iter().zip(&short).all(|(full, short)| crate::clip::alike(full.as_slice(), short.as_slice()))
        });
        if !same {
            self.manifest.text.padding = Padding::Full;
        }
        self.write_manifest()
    }

    /// Takes the means of both modalities.
    fn calibrate(&mut self, folder: Option<&Path>) -> Result<(), ImportError> {
        let encoder = Encoder::open(self.folder)?;
        let pictures = match folder {
            Some(folder) => pictures_of(folder)?,
            None => phrases::pictures().map_err(crate::EncoderError::from)?,
        };
        let mut images = Vec::new();
        for batch in pictures.chunks(BATCH) {
            images.extend(encoder.embed_images(batch)?);
        }
        let texts = encoder.embed_texts(&phrases::PHRASES)?;
        self.manifest.image.centre = mean(&images, self.manifest.dim);
        self.manifest.text.centre = mean(&texts, self.manifest.dim);
        Ok(())
    }
}

fn declared_dim(layout: &Layout) -> Result<usize, ImportError> {
    const MAX_DIM: usize = 8192;
    for path in ["projection_dim", "embed_dim", "model_cfg.embed_dim", "text_config.hidden_size"] {
        if let Some(config) = &layout.config
            && let Some(dim) = config.number(path, MAX_DIM)?
        {
            return Ok(dim);
        }
    }
    Err(ImportError::Missing {
        what: "length of the vectors",
        expected: "projection_dim or embed_dim in config.json",
    })
}

fn mean(embeddings: &[crate::Embedding], dim: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f64; dim];
    for embedding in embeddings {
        for (sum, value) in sum.iter_mut().zip(embedding.as_slice()) {
            *sum += f64::from(*value);
        }
    }
    sum.into_iter().map(|sum| (sum / embeddings.len().max(1) as f64) as f32).collect()
}

/// Readable pictures of a folder, in the order of their names; the others are passed over.
fn pictures_of(folder: &Path) -> Result<Vec<Picture>, ImportError> {
    let failed = |source| ImportError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    let limits = Limits::default();
    let readable = paths.iter().filter_map(|path| {
        let bytes = layout::read(path, limits.bytes).ok()?;
        Picture::decode(&bytes, &limits).ok()
    });
    let pictures: Vec<Picture> = readable.take(MAX_CALIBRATION).collect();
    if pictures.is_empty() {
        return Err(ImportError::NoPictures { folder: folder.to_owned() });
    }
    Ok(pictures)
}
