//! All that a run reads and never changes: corpus, photos, teacher, vocabulary, and the network's layout.

use std::path::Path;
use std::sync::Arc;

use rand::RngExt as _;
use rand_core::Rng;

use super::corpus::{Corpus, Part, Photo, Says};
use super::judge::unit;
use super::objective::{Objective, Rows, Terms};
use super::photos::Photos;
use super::rng::stream;
use super::standard::Standard;
use super::teacher::Teacher;
use super::{Plan, Progress, TrainError, words};
use crate::Tokenizer;
use crate::compact::CompactArchitecture;
use crate::compact::image::ImageTower;
use crate::compact::parameters::Layout;
use crate::compact::text::{TextShape, TextTower};
use crate::compact::trunk::Architecture;

/// What a run stands on.
pub(crate) struct Session {
    pub plan: Plan,
    pub corpus: Corpus,
    pub photos: Photos,
    pub teacher: Teacher,
    pub tokenizer: Tokenizer,
    pub architecture: CompactArchitecture,
    pub image: ImageTower,
    pub text: TextTower,
    /// Image tower, text tower, then the logarithm of the inverse temperature.
    pub layout: Arc<Layout>,
    /// Photos to learn from: those with captions, and those of class folders.
    pub captioned: Vec<usize>,
    pub classed: Vec<usize>,
    /// Photos that choose the checkpoint.
    pub validate: Vec<usize>,
}

impl Session {
    pub(crate) fn open(
        plan: &Plan,
        work: &Path,
        data: &Path,
        models: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let corpus = Corpus::read(data, models)?;
        let full = words::clip_tokenizer(models)?;
        let tokenizer = words::choose(&full, &corpus, plan.network.common_words);
        let photos = Photos::open(work, &corpus.photos, plan.photo_side, progress)?;
        let trunk = plan.network.trunk.clone().unwrap_or_else(Architecture::mobilenet_v2);
        let architecture = CompactArchitecture {
            head_hidden: plan.network.head_hidden,
            text: TextShape {
                vocabulary: tokenizer.len(),
                width: plan.network.text_width,
                layers: plan.network.text_layers,
                dim: plan.network.dim,
            },
            trunk,
        };
        let image = ImageTower::new(&architecture.trunk, architecture.head_hidden, plan.network.dim);
        let text = TextTower::new(architecture.text);
        let mut layout = image.layout().clone();
        for spec in text.layout().tensors() {
            layout.push(spec.name.clone(), &spec.shape);
        }
        layout.push("objective.log_scale", &[1]);
        let of = |wanted: &dyn Fn(&Photo) -> bool| {
            let photos = corpus.photos.iter().enumerate();
            photos.filter(|(_, photo)| wanted(photo)).map(|(number, _)| number).collect()
        };
        let train = |photo: &Photo| photo.part == Part::Train;
        let has_captions = |photo: &Photo| matches!(photo.says, Says::Captions(_));
        Ok(Self {
            captioned: of(&|photo| train(photo) && has_captions(photo)),
            classed: of(&|photo| train(photo) && !has_captions(photo)),
            validate: of(&|photo| photo.part == Part::Validate),
            plan: plan.clone(),
            photos,
            teacher: Teacher::read(models, &architecture.trunk)?,
            tokenizer,
            architecture,
            image,
            text,
            layout: Arc::new(layout),
            corpus,
        })
    }

    /// Where the text tower's tensors start in the flat vector.
    pub(crate) fn text_start(&self) -> usize {
        self.image.layout().len()
    }

    /// The teacher's trunk, and everything else at random.
    pub(crate) fn initial(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.layout.len()];
        let mut rng = stream(self.plan.seed, "initial weights", 0);
        for spec in self.layout.tensors() {
            let inputs = spec.shape.first().copied().unwrap_or(1) as f32;
            let deviation = match spec.name.as_str() {
                "text.embedding" => 0.05,
                name if name.rsplit('.').next() == Some("bias") => 0.0,
                _ => inputs.sqrt().recip(),
            };
            if let Some(values) = values.get_mut(spec.range()) {
                values.fill_with(|| deviation * normal(&mut rng));
            }
        }
        for (value, inherited) in values.iter_mut().zip(&self.teacher.weights) {
            *value = *inherited;
        }
        if let Some(log_scale) = values.last_mut() {
            *log_scale = (1.0_f32 / 0.07).ln();
        }
        values
    }

    pub(crate) fn objective<'a>(&'a self, terms: Terms, standard: &'a Standard) -> Objective<'a> {
        Objective {
            image: &self.image,
            standard,
            text: &self.text,
            text_start: self.text_start(),
            log_scale: self.layout.len() - 1,
            terms,
            classifier: Rows { values: self.teacher.classifier.clone(), width: self.teacher.classes },
            classifier_bias: self.teacher.classifier_bias.clone(),
        }
    }

    /// Tokens of a sentence, as the text tower takes them.
    pub(crate) fn tokens(&self, sentence: &str) -> Vec<u32> {
        words::inside(&self.tokenizer.encode(sentence, self.plan.network.context_length)).to_vec()
    }

    /// Every photo to learn from.
    pub(crate) fn train(&self) -> impl Iterator<Item = usize> {
        self.captioned.iter().chain(&self.classed).copied()
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

    /// The class of a photo, and a phrase that names it.
    pub(crate) fn class(&self, photo: usize, rng: &mut impl Rng) -> (u64, Vec<u32>) {
        let class = match self.corpus.photos.get(photo).map(|photo| &photo.says) {
            Some(&Says::Class(class)) => class,
            _ => 0,
        };
        let name = self.corpus.classes.get(class).map_or("", String::as_str);
        (class as u64, self.tokens(&words::phrase(name, rng)))
    }

    /// CLIP's vectors of the names, centred and of unit length.
    pub(crate) fn clip_rows(&self) -> Vec<Vec<f32>> {
        let rows: Vec<Vec<f32>> = self.corpus.names.iter().map(|(_, row)| row.clone()).collect();
        super::judge::centred(&rows, &super::judge::centre_of(&rows)).into_iter().map(unit).collect()
    }
}

/// A standard normal number (Box and Muller).
fn normal(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}
