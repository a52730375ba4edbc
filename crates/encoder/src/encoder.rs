//! One opened model: pictures and sentences in, embeddings out.

use std::path::Path;
use std::sync::OnceLock;

use crate::adapter::{Adapter, Side};
use crate::clip::RtenTowers;
use crate::compact::CompactTowers;
use crate::pack::{EmbeddedFiles, Pack, PackKind, PackManifest, ScoreSpec};
use crate::{Embedding, EncoderError, Picture, Prepared, Preprocessor, Towers, Vocabulary};

/// Names and files of the packs in `models`; `build.rs` lists them.
const BUILTIN: &[(&str, EmbeddedFiles)] = include!(concat!(env!("OUT_DIR"), "/builtin_packs.rs"));

/// An encoder: preprocessing, tokenizer and the two towers of one [`Pack`]. Share it behind an `Arc`; every
/// method takes `&self` and may run on many threads.
///
/// Opening reads `model.toml` alone. Each tower, and the tokenizer with the text tower, is read and checked
/// on its first use.
pub struct Encoder {
    info: PackInfo,
    pack: Pack,
    preprocessor: Preprocessor,
    tokenizer: OnceLock<Vocabulary>,
    adapter: OnceLock<Option<Adapter>>,
    towers: Box<dyn Towers>,
}

/// What a user should know about the model in use.
#[derive(Clone, Debug, PartialEq)]
pub struct PackInfo {
    /// Short name.
    pub name: String,
    /// Version; embeddings of different versions must not be compared.
    pub version: String,
    /// The engine.
    pub kind: PackKind,
    /// Length of an embedding.
    pub dim: usize,
    /// Width and height that the image tower takes.
    pub image_size: [u32; 2],
    /// Longest token sequence, start and end included.
    pub context_length: usize,
    /// Licence of the weights.
    pub licence: String,
    /// Inverse temperature and "no match" cutoffs.
    pub scores: ScoreSpec,
}

impl Encoder {
    /// Opens the model pack in `folder`.
    ///
    /// # Errors
    /// When `model.toml` is missing or wrong, naming the field.
    pub fn open(folder: &Path) -> Result<Self, EncoderError> {
        Self::from_pack(Pack::open(folder)?)
    }

    /// Opens a pack whose files (name, bytes) are compiled into the program.
    ///
    /// # Errors
    /// As [`Encoder::open`].
    pub fn from_embedded(files: EmbeddedFiles) -> Result<Self, EncoderError> {
        Self::from_pack(Pack::from_embedded(files)?)
    }

    /// The project's own small model, compiled into the program from `models/compact`.
    ///
    /// # Errors
    /// [`PackError::Missing`](crate::PackError::Missing) in a program that was built before a pack was there.
    pub fn compact_builtin() -> Result<Self, EncoderError> {
        Self::builtin("compact")
    }

    /// One of the project's own models, compiled into the program from `models`: `compact`, or `compact-lite`
    /// for weak devices.
    ///
    /// # Errors
    /// [`PackError::Missing`](crate::PackError::Missing) for another name, and in a program that was built before
    /// that pack was there.
    pub fn builtin(name: &str) -> Result<Self, EncoderError> {
        let pack = BUILTIN.iter().find(|(known, _)| *known == name);
        Self::from_embedded(pack.map_or(&[], |(_, files)| files))
    }

    /// The names of the models that this program was built with.
    pub fn builtin_names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().filter(|(_, files)| !files.is_empty()).map(|(name, _)| *name)
    }

    /// Runs a pack that is open already.
    pub(crate) fn from_opened(pack: &Pack) -> Result<Self, EncoderError> {
        Self::from_pack(pack.clone())
    }

    fn from_pack(pack: Pack) -> Result<Self, EncoderError> {
        let towers: Box<dyn Towers> = match pack.manifest().kind {
            PackKind::Compact => Box::new(CompactTowers::open(&pack)?),
            PackKind::Onnx => Box::new(RtenTowers::open(&pack)),
        };
        Ok(Self::with_towers(pack, towers))
    }

    /// The encoder of a pack whose towers run elsewhere: preprocessing, vocabulary and means are the pack's.
    pub fn with_towers(pack: Pack, towers: Box<dyn Towers>) -> Self {
        Self {
            info: PackInfo::of(pack.manifest()),
            preprocessor: Preprocessor::new(&pack.manifest().image),
            pack,
            tokenizer: OnceLock::new(),
            adapter: OnceLock::new(),
            towers,
        }
    }

    /// Name, version, sizes and cutoffs of the model.
    pub fn info(&self) -> &PackInfo {
        &self.info
    }

    /// The pack that this encoder runs.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// How pictures are brought to the tower's shape.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }

    /// The tokenizer, read on first use.
    ///
    /// # Errors
    /// When the vocabulary is missing, altered or malformed.
    pub fn tokenizer(&self) -> Result<&Vocabulary, EncoderError> {
        get_or_try_init(&self.tokenizer, || Vocabulary::open(&self.pack))
    }

    /// Resizes and normalises one picture: the part of the work that pipeline threads do on their own.
    ///
    /// # Errors
    /// When the picture cannot be resized.
    pub fn preprocess(&self, picture: &Picture) -> Result<Prepared, EncoderError> {
        self.preprocessor.prepare(picture)
    }

    /// Embeds pictures that [`Encoder::preprocess`] prepared.
    ///
    /// # Errors
    /// When the image tower cannot be loaded or fails, or an image has another shape than it takes.
    pub fn embed_prepared(&self, images: &[Prepared]) -> Result<Vec<Embedding>, EncoderError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let frozen = self.frozen_images(images)?;
        self.adapted(Side::Image, frozen)
    }

    /// Embeds pictures: [`Encoder::preprocess`] then [`Encoder::embed_prepared`].
    ///
    /// # Errors
    /// As those two.
    pub fn embed_images(&self, pictures: &[Picture]) -> Result<Vec<Embedding>, EncoderError> {
        let prepared = pictures.iter().map(|picture| self.preprocess(picture));
        self.embed_prepared(&prepared.collect::<Result<Vec<_>, _>>()?)
    }

    /// Embeds sentences. Text beyond the model's context length is ignored.
    ///
    /// # Errors
    /// When the text tower or the vocabulary cannot be loaded, or the tower fails.
    pub fn embed_texts(&self, texts: &[&str]) -> Result<Vec<Embedding>, EncoderError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let frozen = self.frozen_texts(texts)?;
        self.adapted(Side::Text, frozen)
    }

    /// Embeddings as the towers give them, before the adapter.
    pub(crate) fn frozen_images(&self, images: &[Prepared]) -> Result<Vec<Embedding>, EncoderError> {
        let centre = &self.pack.manifest().image.centre;
        finish(&self.towers.image(images)?, images.len(), centre, "image")
    }

    /// The same for sentences.
    pub(crate) fn frozen_texts(&self, texts: &[&str]) -> Result<Vec<Embedding>, EncoderError> {
        let tokenizer = self.tokenizer()?;
        let encode = |text: &&str| tokenizer.encode(text, self.info.context_length);
        let sentences: Vec<_> = texts.iter().map(encode).collect();
        finish(&self.towers.text(&sentences)?, texts.len(), &self.pack.manifest().text.centre, "text")
    }

    /// The pack's adapter, read on first use.
    pub(crate) fn adapter(&self) -> Result<Option<&Adapter>, EncoderError> {
        Ok(get_or_try_init(&self.adapter, || Adapter::read(&self.pack))?.as_ref())
    }

    fn adapted(&self, side: Side, frozen: Vec<Embedding>) -> Result<Vec<Embedding>, EncoderError> {
        let Some(adapter) = self.adapter()? else { return Ok(frozen) };
        let adapt = |embedding: Embedding| {
            let mut values = embedding.into_values();
            adapter.apply(side, &mut values);
            Embedding::from_values(values)
        };
        frozen.into_iter().map(adapt).collect()
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder({} {})", self.info.name, self.info.version)
    }
}

impl PackInfo {
    fn of(manifest: &PackManifest) -> Self {
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            kind: manifest.kind,
            dim: manifest.dim,
            image_size: manifest.image.size,
            context_length: manifest.text.context_length,
            licence: manifest.licence.clone(),
            scores: manifest.scores.clone(),
        }
    }
}

/// Centres and normalises raw vectors, after checking that there is one for each input.
fn finish(
    raw: &[Vec<f32>],
    expected: usize,
    centre: &[f32],
    tower: &'static str,
) -> Result<Vec<Embedding>, EncoderError> {
    if raw.len() != expected {
        let reason = format!("it gave {} vectors for {expected} inputs", raw.len());
        return Err(EncoderError::Engine { tower, reason });
    }
    raw.iter().map(|vector| Embedding::from_raw(vector, centre, tower)).collect()
}

/// `OnceLock::get_or_try_init`, which is not stable yet. Two threads may both do the work; one result is
/// kept, and both are equal.
pub(crate) fn get_or_try_init<T, E>(
    cell: &OnceLock<T>,
    make: impl FnOnce() -> Result<T, E>,
) -> Result<&T, E> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}
