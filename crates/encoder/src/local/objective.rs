//! What local training minimises: each picture beside its caption among those of a batch, and captions of one picture
//! beside each other, as the recipe has it ([`crate::compact::train`]), on the vectors that a search compares.

use burn::backend::flex::FlexDevice;
use burn::tensor::Tensor;

use crate::compact::train::objective::{Engine, Matrix, contrast, matrix, shared_words, unit};

/// The weight of captions against other captions of the same pictures.
const AMONG_CAPTIONS: f32 = 0.3;
/// Share of each target spread over the whole batch.
const SMOOTHING: f32 = 0.02;
/// The largest inverse temperature, as CLIP bounds it.
const SHARPEST: f32 = 100.0;

/// The vectors of a batch, of unit length after the model's means were taken off.
pub(super) struct Vectors {
    pub pictures: Matrix,
    pub captions: Matrix,
    pub others: Matrix,
}

/// The loss of a batch at an inverse temperature.
pub(super) fn loss(vectors: Vectors, scale: Matrix) -> Tensor<Engine, 1> {
    let Vectors { pictures, captions, others } = vectors;
    let [count, _] = pictures.dims();
    let apart = || shared_words(&(0..count as u64).collect::<Vec<_>>(), SMOOTHING);
    let scale = scale.clamp_max(SHARPEST);
    contrast(pictures, captions.clone(), scale.clone(), apart())
        + contrast(captions, others, scale, apart()).mul_scalar(AMONG_CAPTIONS)
}

/// Raw vectors as an [`Embedding`](crate::Embedding) has them.
pub(super) fn centred(raw: Matrix, centre: &[f32]) -> Matrix {
    unit(unit(raw) - matrix(centre.to_vec(), 1, centre.len()))
}

/// A matrix of one number.
pub(super) fn one(value: f32) -> Matrix {
    Tensor::from_data([[value]], &FlexDevice)
}
