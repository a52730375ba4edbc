//! All that a run reads and never changes: corpus, photos, teacher, vocabulary.

use std::path::Path;

use rand::RngExt as _;
use rand_core::Rng;

use super::corpus::{Corpus, Part, Photo, Says};
use super::judge::unit;
use super::photos::Photos;
use super::recipe::Recipe;
use super::student::Student;
use super::teacher::Teacher;
use super::{Progress, TrainError, words};
use crate::Tokenizer;
use crate::compact::CompactArchitecture;
use crate::compact::text::TextShape;
use crate::compact::trunk::Architecture;
use crate::pack::sha256_hex;

/// What a run stands on.
pub(crate) struct Session {
    pub recipe: Recipe,
    pub corpus: Corpus,
    pub photos: Photos,
    pub teacher: Teacher,
    pub teacher_shape: Architecture,
    pub tokenizer: Tokenizer,
    /// Photos to learn from: those with captions, and those of class folders.
    pub captioned: Vec<usize>,
    pub classed: Vec<usize>,
    /// Photos that choose the checkpoint.
    pub validate: Vec<usize>,
    /// Digest of the photos' files and of the teacher.
    pub seen_digest: String,
    /// Digest of the words.
    pub words_digest: String,
    /// CLIP's vectors of the names, centred and of unit length.
    pub clip: Vec<Vec<f32>>,
}

impl Session {
    pub(crate) fn open(
        recipe: &Recipe,
        work: &Path,
        data: &Path,
        models: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let corpus = Corpus::read(data, models, recipe)?;
        let full = words::clip_tokenizer(models)?;
        let tokenizer = words::choose(&full, &corpus, recipe.common_words);
        let photos_digest = corpus.photos_digest()?;
        let photos = Photos::open(work, &corpus.photos, &photos_digest, recipe.photo_side, progress)?;
        let teacher_shape = recipe.teacher.clone().unwrap_or_else(Architecture::mobilenet_v2);
        let of = |wanted: &dyn Fn(&Photo) -> bool| {
            let photos = corpus.photos.iter().enumerate();
            photos.filter(|(_, photo)| wanted(photo)).map(|(number, _)| number).collect()
        };
        let train = |photo: &Photo| photo.part == Part::Train;
        let has_captions = |photo: &Photo| matches!(photo.says, Says::Captions(_));
        let names: Vec<Vec<f32>> = corpus.names.iter().map(|(_, row)| row.clone()).collect();
        let clip = super::judge::centred(&names, &super::judge::centre_of(&names));
        let teacher = Teacher::read(models, &teacher_shape)?;
        let session = Self {
            captioned: of(&|photo| train(photo) && has_captions(photo)),
            classed: of(&|photo| train(photo) && !has_captions(photo)),
            validate: of(&|photo| photo.part == Part::Validate),
            recipe: recipe.clone(),
            photos,
            seen_digest: sha256_hex(format!("{photos_digest} {}", teacher.digest).as_bytes()),
            words_digest: corpus.words_digest(),
            teacher,
            teacher_shape,
            tokenizer,
            clip: clip.into_iter().map(unit).collect(),
            corpus,
        };
        for (photos, what) in [(&session.captioned, "flickr8k/train.tsv"), (&session.classed, "caltech101")] {
            if photos.is_empty() && (recipe.captions || what == "caltech101") {
                return Err(TrainError::Data {
                    file: data.join(what),
                    line: 1,
                    reason: "no photo to learn from".into(),
                });
            }
        }
        Ok(session)
    }

    /// The teacher's trunk, which sees but has no words yet.
    pub(crate) fn wordless(&self) -> Student {
        let architecture = CompactArchitecture {
            head_hidden: 1,
            text: TextShape {
                vocabulary: self.tokenizer.len(),
                width: self.recipe.dim,
                layers: 0,
                dim: self.recipe.dim,
            },
            trunk: self.teacher_shape.clone(),
        };
        let mut student = Student::new(architecture, self.recipe.photo_side);
        for (value, inherited) in student.values.iter_mut().zip(&self.teacher.weights) {
            *value = *inherited;
        }
        student
    }

    /// Tokens of a sentence, as the text tower takes them.
    pub(crate) fn tokens(&self, sentence: &str) -> Vec<u32> {
        words::inside(&self.tokenizer.encode(sentence, self.recipe.context_length)).to_vec()
    }

    /// Every photo to learn from.
    pub(crate) fn train(&self) -> impl Iterator<Item = usize> {
        self.captioned.iter().chain(&self.classed).copied()
    }

    /// Whether something else is said about another photo.
    pub(crate) fn tells_apart(&self, photo: usize, other: usize) -> bool {
        let class = |photo: usize| match self.corpus.photos.get(photo).map(|photo| &photo.says) {
            Some(&Says::Class(class)) => Some(class),
            _ => None,
        };
        photo != other && (class(photo).is_none() || class(photo) != class(other))
    }

    /// What is said about a photo first: a caption, or a phrase with its class.
    pub(crate) fn sentence(&self, photo: usize) -> String {
        match self.corpus.photos.get(photo).map(|photo| &photo.says) {
            Some(Says::Captions(captions)) => captions.first().cloned().unwrap_or_default(),
            Some(&Says::Class(class)) => {
                format!("a photo of a {}", self.corpus.classes.get(class).map_or("", String::as_str))
            }
            None => String::new(),
        }
    }

    /// Two captions of a photo, the same one twice if there is no other.
    pub(crate) fn captions(&self, photo: usize, rng: &mut impl Rng) -> [Vec<u32>; 2] {
        let captions = match self.corpus.photos.get(photo).map(|photo| &photo.says) {
            Some(Says::Captions(captions)) => captions.as_slice(),
            _ => &[],
        };
        let first = rng.random_range(0..captions.len().max(1));
        let second = (first + rng.random_range(1..captions.len().max(2))) % captions.len().max(1);
        [first, second]
            .map(|at| self.tokens(&words::caption(captions.get(at).map_or("", String::as_str), rng)))
    }

    /// The class of a photo, and a phrase that names it, in the plural as often as `plurals` says.
    pub(crate) fn class(&self, photo: usize, plurals: f32, rng: &mut impl Rng) -> (u64, Vec<u32>) {
        let class = match self.corpus.photos.get(photo).map(|photo| &photo.says) {
            Some(&Says::Class(class)) => class,
            _ => 0,
        };
        let name = self.corpus.classes.get(class).map_or("", String::as_str);
        (class as u64, self.tokens(&words::phrase(name, plurals, rng)))
    }
}
