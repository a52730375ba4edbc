//! What differs between the parts that can train.

use crate::compact::parameters::Layout;
use crate::compact::train::TrainError;
use crate::{EncoderError, Pack, Picture};

use super::batches::Batch;
use super::error::LocalError;
use super::examples::Examples;

/// A loss and its gradient for the flat vector.
pub(super) struct Slope {
    pub loss: f32,
    pub gradient: Vec<f32>,
}

/// Unit vectors as a search compares them.
pub type Vectors = Vec<Vec<f32>>;

/// A part that trains, over what is frozen below or beside it.
pub(super) trait Task: Send + Sync {
    /// Names, shapes and order of what trains.
    fn layout(&self) -> &Layout;

    /// What the model has now.
    fn initial(&self) -> Vec<f32>;

    /// Reduces pictures and captions to what the frozen part makes of them.
    fn reduce(&self, pairs: &[(Picture, Vec<String>)]) -> Result<Examples, EncoderError>;

    /// Loss and gradient of a batch; `drop` draws what is left out of the pictures' features, if anything.
    fn slope(
        &self,
        values: &[f32],
        examples: &Examples,
        batch: &Batch,
        drop: &mut dyn FnMut() -> f32,
    ) -> Result<Slope, TrainError>;

    /// Vectors of pictures, and of captions by picture and number.
    fn vectors(
        &self,
        values: &[f32],
        examples: &Examples,
        pictures: &[usize],
        captions: &[(usize, usize)],
    ) -> (Vectors, Vectors);

    /// The inverse temperature.
    fn sharpness(&self, values: &[f32]) -> f32;

    /// Files of a pack with these weights, besides those of `pack` that it keeps.
    fn files(&self, pack: &Pack, values: &[f32]) -> Result<Written, LocalError>;
}

/// Files of a new pack.
pub(super) struct Written {
    /// By name, new or in the place of the parent's.
    pub files: Vec<(String, Vec<u8>)>,
    /// The adapter's rank and file, where one was written.
    pub adapter: Option<crate::pack::AdapterSpec>,
    /// The inverse temperature, where it trained.
    pub logit_scale: Option<f32>,
}
