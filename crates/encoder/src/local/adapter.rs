//! Training an adapter on the frozen unit vectors of any model.

use super::Part;
use super::batches::Batch;
use super::error::LocalError;
use super::examples::{Examples, Said, Seen};
use super::objective::{self, one};
use super::task::{Slope, Task, Vectors, Written};
use crate::adapter::{Adapter, AdapterShape, Side};
use crate::compact::parameters::Layout;
use crate::compact::store;
use crate::compact::train::TrainError;
use crate::compact::train::judge::unit;
use crate::compact::train::objective::{Leaves, Matrix, Rows, numbers, unit as unit_rows};
use crate::pack::AdapterSpec;
use crate::{Embedding, Encoder, EncoderError, Pack, Picture};

const WEIGHTS: &str = "adapter.safetensors";
/// Temperature of a model that states none, and the sharpest that leaves a gradient to learn from.
const DEFAULT_SCALE: f32 = 1.0 / 0.07;
const SHARPEST: f32 = 50.0;

pub(super) struct AdapterTask {
    encoder: Encoder,
    shape: AdapterShape,
    /// `A`, transposed: dim x rank.
    spread: [Rows; 2],
    initial: Vec<f32>,
    /// Fixed: a trained temperature would be one number that noise moves as far as all others together.
    scale: f32,
}

impl AdapterTask {
    pub(super) fn open(pack: &Pack, weights: u32) -> Result<Self, LocalError> {
        let manifest = pack.manifest();
        let part = Part::Adapter { weights };
        let unfit = |reason: String| LocalError::Unfit { model: manifest.name.clone(), part, reason };
        let dim = manifest.dim;
        let shape = AdapterShape::within(dim, weights.min(super::MOST_ADAPTER_WEIGHTS) as usize)
            .ok_or_else(|| unfit(format!("vectors of {dim} numbers take at least {} weights", 4 * dim)))?;
        let encoder = Encoder::from_opened(pack)?;
        let initial = match encoder.adapter()? {
            Some(adapter) if adapter.weights().len() == shape.layout().len() => adapter.weights().to_vec(),
            Some(adapter) => {
                return Err(unfit(format!(
                    "it has an adapter of {} weights already",
                    adapter.weights().len()
                )));
            }
            None => vec![0.0; shape.layout().len()],
        };
        let spread = Side::BOTH.map(|side| transposed(&shape.spread(side), dim));
        let scale = manifest.scores.logit_scale.unwrap_or(DEFAULT_SCALE).clamp(1.0, SHARPEST);
        Ok(Self { encoder, shape, spread, initial, scale })
    }

    /// The adapter of a side in the tensor engine.
    fn adapt(&self, side: Side, leaves: &mut Leaves<'_>) -> impl Fn(Matrix) -> Matrix + use<> {
        let [weight, bias] = self.shape.places(side);
        let weight = leaves.leaf(weight, self.shape.rank, self.shape.dim);
        let bias = leaves.leaf(bias, 1, self.shape.dim);
        let [image, text] = &self.spread;
        let spread = if side == Side::Image { image } else { text }.tensor();
        move |frozen: Matrix| {
            let change = frozen.clone().matmul(spread.clone()).matmul(weight.clone()) + bias.clone();
            unit_rows(frozen + change)
        }
    }
}

impl Task for AdapterTask {
    fn layout(&self) -> &Layout {
        self.shape.layout()
    }

    fn initial(&self) -> Vec<f32> {
        self.initial.clone()
    }

    fn reduce(&self, pairs: &[(Picture, Vec<String>)]) -> Result<Examples, EncoderError> {
        let prepared: Result<Vec<_>, _> =
            pairs.iter().map(|(picture, _)| self.encoder.preprocess(picture)).collect();
        let seen = self.encoder.frozen_images(&prepared?)?.into_iter().map(Embedding::into_values);
        let captions: Vec<&str> = pairs.iter().flat_map(|(_, said)| said).map(String::as_str).collect();
        let mut vectors = Vec::new();
        if !captions.is_empty() {
            vectors = self.encoder.frozen_texts(&captions)?;
        }
        let mut vectors = vectors.into_iter().map(|vector| Said::Vector(vector.into_values()));
        let said = pairs.iter().map(|(_, said)| vectors.by_ref().take(said.len()).collect()).collect();
        Ok(Examples { seen: seen.map(Seen::Vector).collect(), said })
    }

    /// Nothing is left out of vectors that are the model's last word.
    fn slope(
        &self,
        values: &[f32],
        examples: &Examples,
        batch: &Batch,
        _drop: &mut dyn FnMut() -> f32,
    ) -> Result<Slope, TrainError> {
        let mut leaves = Leaves { values, start: 0, found: Vec::new() };
        let [image, text] = [self.adapt(Side::Image, &mut leaves), self.adapt(Side::Text, &mut leaves)];
        let vectors = objective::Vectors {
            pictures: image(examples.rows(&batch.pictures).tensor()),
            captions: text(examples.vectors(&batch.captions).tensor()),
            others: text(examples.vectors(&batch.others).tensor()),
        };
        let loss = objective::loss(vectors, one(self.scale));
        let number = numbers(loss.clone().inner())?.first().copied().unwrap_or(f32::NAN);
        let mut gradient = vec![0.0; values.len()];
        leaves.collect(&loss.backward(), &mut gradient)?;
        Ok(Slope { loss: number, gradient })
    }

    fn vectors(
        &self,
        values: &[f32],
        examples: &Examples,
        pictures: &[usize],
        captions: &[(usize, usize)],
    ) -> (Vectors, Vectors) {
        let adapter = Adapter::new(self.shape.clone(), values.to_vec());
        let adapt = |rows: Rows, side: Side| -> Vectors {
            let row = |row: &[f32]| {
                let mut vector = row.to_vec();
                adapter.apply(side, &mut vector);
                unit(vector)
            };
            rows.values.chunks_exact(rows.width.max(1)).map(row).collect()
        };
        (adapt(examples.rows(pictures), Side::Image), adapt(examples.vectors(captions), Side::Text))
    }

    fn sharpness(&self, _values: &[f32]) -> f32 {
        self.scale
    }

    fn files(&self, _pack: &Pack, values: &[f32]) -> Result<Written, LocalError> {
        let tensors = self.shape.layout().tensors().iter();
        let tensors = tensors.map(|spec| (spec, values.get(spec.range()).unwrap_or_default()));
        let bytes = store::write_exact(WEIGHTS, tensors)?;
        Ok(Written {
            files: vec![(WEIGHTS.to_owned(), bytes)],
            adapter: Some(AdapterSpec { weights: WEIGHTS.to_owned(), rank: self.shape.rank }),
            logit_scale: None,
        })
    }
}

/// Rows as columns.
fn transposed(rows: &[f32], width: usize) -> Rows {
    let count = rows.len() / width.max(1);
    let columns = (0..width).flat_map(|column| rows.iter().skip(column).step_by(width).copied());
    Rows { values: columns.collect(), width: count }
}
