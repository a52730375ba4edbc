//! What the model learns from: captions, class folders, the teacher's labels and CLIP's class names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::TrainError;
use super::recipe::Recipe;
use super::rng::bucket;
use crate::pack::sha256_hex;

/// Sentences around a class name, `{}` being the name.
pub(crate) const PHRASES: [&str; 8] = [
    "a photo of a {}",
    "{}",
    "a {}",
    "a picture of a {}",
    "a photo of the {}",
    "a close-up photo of a {}",
    "a good photo of a {} .",
    "an image of a {}",
];

/// Of four buckets of `class/file`, this one is left out of training: about a quarter of each class.
const HELD_OUT_OF_4: u32 = 0;

/// Whether a Caltech-101 photo is left out of training: SHA-256 of `class/file` falls in the first quarter.
pub fn is_held_out(class: &str, file: &str) -> bool {
    bucket(&format!("{class}/{file}"), 4) == HELD_OUT_OF_4
}

/// How a photo takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Train,
    /// Chooses the best checkpoint; drawn from the training captions and classes.
    Validate,
}

/// A photo with what is said about it.
#[derive(Clone, Debug)]
pub(crate) struct Photo {
    pub path: PathBuf,
    pub part: Part,
    pub says: Says,
}

#[derive(Clone, Debug)]
pub(crate) enum Says {
    Captions(Vec<String>),
    /// Index into [`Corpus::classes`].
    Class(usize),
}

/// Everything that has words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Corpus {
    pub photos: Vec<Photo>,
    pub classes: Vec<String>,
    /// Per teacher class (the background class left out): its names.
    pub labels: Vec<Vec<String>>,
    /// Class names with CLIP's vector of "a NAME".
    pub names: Vec<(String, Vec<f32>)>,
    /// Words, and what they show.
    pub glossary: Vec<(String, String)>,
}

impl Corpus {
    /// Reads captions (`flickr8k/train.tsv`, if the recipe has captions) and class folders (`caltech101`) below
    /// `data`, and what `models` offers: `mobilenet_v2/labels.txt`, and `clip_vit_b32_text_vectors` when it is
    /// there; and a glossary.
    pub(crate) fn read(data: &Path, models: &Path, recipe: &Recipe) -> Result<Self, TrainError> {
        let mut corpus = Self::default();
        if recipe.captions {
            corpus.read_captions(&data.join("flickr8k"))?;
        }
        corpus.read_classes(&data.join("caltech101"))?;
        let labels = read_text(&models.join("mobilenet_v2/labels.txt"))?;
        corpus.labels = labels.lines().skip(1).map(synonyms).collect();
        corpus.names = super::clip_names::read(&models.join("clip_vit_b32_text_vectors"))?;
        if let Some(file) = &recipe.glossary {
            corpus.read_glossary(file)?;
        }
        Ok(corpus)
    }

    fn read_glossary(&mut self, file: &Path) -> Result<(), TrainError> {
        for (number, line) in read_text(file)?.lines().enumerate() {
            let (word, shows) = line.split_once('\t').ok_or_else(|| TrainError::Data {
                file: file.to_path_buf(),
                line: number + 1,
                reason: "expected a word, a tab and a description".into(),
            })?;
            self.glossary.push((word.to_owned(), shows.to_owned()));
        }
        Ok(())
    }

    /// Digest of all that is said, of which photo, and of CLIP's vectors.
    pub(crate) fn words_digest(&self) -> String {
        let mut words = Vec::new();
        for (number, photo) in self.photos.iter().enumerate() {
            words.extend(format!("{number} {:?} {:?}\n", photo.part, photo.says).into_bytes());
        }
        words.extend(format!("{:?} {:?} {:?}", self.classes, self.labels, self.glossary).into_bytes());
        for (name, row) in &self.names {
            words.extend(name.as_bytes());
            words.extend(row.iter().flat_map(|value| value.to_le_bytes()));
        }
        sha256_hex(&words)
    }

    /// Digest of what the photos' files hold, in order.
    pub(crate) fn photos_digest(&self) -> Result<String, TrainError> {
        let digest = |photo: &Photo| {
            let path = &photo.path;
            let bytes =
                std::fs::read(path).map_err(|source| TrainError::Io { path: path.clone(), source })?;
            Ok(pmirs_crypto::sha256(&bytes))
        };
        let digests = self.photos.par_iter().map(digest).collect::<Result<Vec<_>, TrainError>>()?;
        Ok(sha256_hex(&digests.concat()))
    }

    fn read_captions(&mut self, folder: &Path) -> Result<(), TrainError> {
        let file = folder.join("train.tsv");
        let text = read_text(&file)?;
        let mut order: Vec<&str> = Vec::new();
        let mut captions: HashMap<&str, Vec<String>> = HashMap::new();
        for (number, line) in text.lines().enumerate().skip(1) {
            let (image, caption) = line.split_once('\t').ok_or_else(|| TrainError::Data {
                file: file.clone(),
                line: number + 1,
                reason: "expected an image, a tab and a caption".into(),
            })?;
            let known = captions.entry(image).or_default();
            if known.is_empty() {
                order.push(image);
            }
            known.push(caption.to_owned());
        }
        for image in order {
            let validate = bucket(image, 15) == 0;
            self.photos.push(Photo {
                path: folder.join("images").join(image),
                part: if validate { Part::Validate } else { Part::Train },
                says: Says::Captions(captions.remove(image).unwrap_or_default()),
            });
        }
        Ok(())
    }

    fn read_classes(&mut self, folder: &Path) -> Result<(), TrainError> {
        for directory in sorted(folder)? {
            let class = file_name(&directory);
            let number = self.classes.len();
            for path in sorted(&directory)? {
                let file = file_name(&path);
                if is_held_out(&class, &file) {
                    continue;
                }
                let validate = bucket(&format!("validate {class}/{file}"), 16) == 0;
                let part = if validate { Part::Validate } else { Part::Train };
                self.photos.push(Photo { path, part, says: Says::Class(number) });
            }
            self.classes.push(class.replace('_', " "));
        }
        Ok(())
    }

    /// Every sentence that training can show, to choose the vocabulary from.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = String> + '_ {
        let captions = self.photos.iter().flat_map(|photo| match &photo.says {
            Says::Captions(captions) => captions.clone(),
            Says::Class(_) => Vec::new(),
        });
        let phrases = PHRASES.iter().map(|phrase| phrase.replace("{}", " "));
        let shows = self.glossary.iter().map(|(_, shows)| shows.clone());
        captions.chain(phrases).chain(shows)
    }

    /// Every class name that training can show.
    pub(crate) fn class_names(&self) -> impl Iterator<Item = &str> {
        let labels = self.labels.iter().flatten().map(String::as_str);
        let names = self.names.iter().map(|(name, _)| name.as_str());
        let words = self.glossary.iter().map(|(word, _)| word.as_str());
        self.classes.iter().map(String::as_str).chain(labels).chain(names).chain(words)
    }
}

/// "tench, Tinca tinca" to its names, in lower case.
fn synonyms(line: &str) -> Vec<String> {
    line.split(", ").map(|name| name.trim().to_lowercase()).filter(|name| !name.is_empty()).collect()
}

pub(crate) fn sorted(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let failed = |source| TrainError::Io { path: folder.to_path_buf(), source };
    let mut paths = std::fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

pub(crate) fn read_text(path: &Path) -> Result<String, TrainError> {
    std::fs::read_to_string(path).map_err(|source| TrainError::Io { path: path.to_path_buf(), source })
}
