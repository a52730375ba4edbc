//! The network that a run shapes: its sizes, its weights, and what they cost.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::standard::Standard;
use crate::compact::CompactArchitecture;
use crate::compact::image::{Head, ImageTower};
use crate::compact::parameters::{Layout, TensorSpec};
use crate::compact::store;
use crate::compact::text::TextTower;
use crate::compact::trunk::Cost;
use crate::{Pack, PackError};

/// Files of a pack.
pub(crate) const IMAGE_WEIGHTS: &str = "image.safetensors";
pub(crate) const TEXT_WEIGHTS: &str = "text.safetensors";

/// Sizes and weights.
#[derive(Clone)]
pub(crate) struct Student {
    pub architecture: CompactArchitecture,
    pub image: ImageTower,
    pub text: TextTower,
    /// Image tower, text tower, then the logarithm of the inverse temperature.
    pub layout: Arc<Layout>,
    pub values: Vec<f32>,
    /// Side of its input in pixels.
    pub size: usize,
    /// Which of the teacher's features its own are.
    pub kept: Vec<usize>,
}

/// What a network weighs and costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Side of the input in pixels.
    pub image_size: usize,
    /// Weights of both towers.
    pub parameters: usize,
    /// Multiply-adds of one image.
    pub multiply_adds: usize,
    /// ReLU evaluations of one image.
    pub relus: usize,
    /// Multiply-adds of the longest query.
    pub text_multiply_adds: usize,
    /// Both weight files.
    pub bytes: usize,
    /// Milliseconds for one image on one thread, the median of several.
    pub image_ms: f64,
    /// Milliseconds for one sentence.
    pub text_ms: f64,
}

impl Student {
    /// A network of this architecture with zeros for weights.
    pub(crate) fn new(architecture: CompactArchitecture, size: usize) -> Self {
        let image = ImageTower::new(&architecture.trunk, architecture.head_hidden, architecture.text.dim);
        let text = TextTower::new(architecture.text);
        let mut layout = image.layout().clone();
        for spec in text.layout().tensors() {
            layout.push(spec.name.clone(), &spec.shape);
        }
        layout.push("objective.log_scale", &[1]);
        let values = vec![0.0; layout.len()];
        let kept = (0..architecture.trunk.features).collect();
        Self { architecture, image, text, layout: Arc::new(layout), values, size, kept }
    }

    /// Reads a pack's weights; what belongs to no file is left as it is.
    pub(crate) fn fill(&mut self, pack: &Pack) -> Result<(), PackError> {
        let manifest = pack.manifest();
        let (image, text) = (self.image.layout().clone(), self.text.layout().clone());
        for (files, layout) in [(&manifest.image.weights, image), (&manifest.text.weights, text)] {
            let file = files.first().map_or("", String::as_str);
            let layout = Arc::new(layout);
            let stored = store::read(file, &pack.read(file)?, layout.clone())?;
            for spec in layout.tensors() {
                self.set(&spec.name, stored.values.get(spec.range()).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Where the text tower's tensors start in the flat vector.
    pub(crate) fn text_start(&self) -> usize {
        self.image.layout().len()
    }

    pub(crate) fn head(&self) -> &Head {
        self.image.head()
    }

    pub(crate) fn spec(&self, name: &str) -> Option<&TensorSpec> {
        self.layout.tensors().iter().find(|spec| spec.name == name)
    }

    /// A tensor's values by name; empty when there is none.
    pub(crate) fn tensor(&self, name: &str) -> &[f32] {
        self.spec(name).and_then(|spec| self.values.get(spec.range())).unwrap_or_default()
    }

    /// Overwrites a tensor of the same length.
    pub(crate) fn set(&mut self, name: &str, values: &[f32]) {
        let Some(range) = self.spec(name).map(TensorSpec::range) else { return };
        if let Some(target) = self.values.get_mut(range).filter(|target| target.len() == values.len()) {
            target.copy_from_slice(values);
        }
    }

    /// Copies every tensor that both networks have in the same shape.
    pub(crate) fn inherit(&mut self, from: &Self) {
        for spec in from.layout.tensors() {
            if self.spec(&spec.name).is_some_and(|own| own.shape == spec.shape) {
                self.set(&spec.name, from.tensor(&spec.name));
            }
        }
    }

    pub(crate) fn log_scale(&self) -> f32 {
        self.values.last().copied().unwrap_or_default()
    }

    /// The head as it trains, over standard features, or back.
    pub(crate) fn standardised(&self, standard: &Standard) -> Vec<f32> {
        let mut values = self.values.clone();
        standard.unfold(self.head(), &mut values);
        values
    }

    /// The raw vector of a sentence; empty for tokens that the vocabulary lacks.
    pub(crate) fn embed_tokens(&self, tokens: &[u32]) -> Vec<f32> {
        let weights = self.values.get(self.text_start()..).unwrap_or_default();
        self.text.embed(weights, tokens).unwrap_or_default()
    }

    /// Its two weight files.
    pub(crate) fn files(&self) -> Result<[(&'static str, Vec<u8>); 2], TrainError> {
        let tensors = |text: bool| {
            let towers = self.layout.tensors().iter().filter(|spec| !spec.name.starts_with("objective."));
            towers
                .filter(move |spec| spec.name.starts_with("text.") == text)
                .map(|spec| (spec, self.values.get(spec.range()).unwrap_or_default()))
        };
        Ok([
            (IMAGE_WEIGHTS, store::write(IMAGE_WEIGHTS, tensors(false))?),
            (TEXT_WEIGHTS, store::write(TEXT_WEIGHTS, tensors(true))?),
        ])
    }

    /// Multiply-adds and ReLU evaluations of one image, head included.
    pub(crate) fn image_cost(&self) -> Cost {
        let [features, hidden, dim] = self.head().shape();
        let Cost { multiply_adds, relus } = self.architecture.trunk.cost(self.size);
        Cost {
            multiply_adds: multiply_adds + features * (hidden + dim) + hidden * dim,
            relus: relus + hidden,
        }
    }

    /// Weighs the network and times it here and now.
    pub(crate) fn measure(&self, context_length: usize) -> Result<Size, TrainError> {
        const REPEATS: usize = 5;
        let cost = self.image_cost();
        let pixels = vec![0.25; self.size * self.size * 3];
        let tokens: Vec<u32> = (1..9).map(|token| token % self.architecture.text.vocabulary as u32).collect();
        Ok(Size {
            image_size: self.size,
            parameters: self.layout.len() - 1,
            multiply_adds: cost.multiply_adds,
            relus: cost.relus,
            text_multiply_adds: self.text.multiply_adds(context_length - 2),
            bytes: self.files()?.iter().map(|(_, bytes)| bytes.len()).sum(),
            image_ms: median_ms(REPEATS, || drop(self.image.embed(&self.values, &pixels, self.size, 1))),
            text_ms: median_ms(REPEATS * 20, || drop(self.embed_tokens(&tokens))),
        })
    }
}

fn median_ms(repeats: usize, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(repeats / 2).copied().unwrap_or_default()
}
