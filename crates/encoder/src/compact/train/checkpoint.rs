//! A run's state on disk, written whole or not at all, so that a killed run continues bit for bit.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::TrainError;
use super::optimiser::State;

/// A learning step's states, and the best network so far with its score.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Checkpoint {
    pub states: Vec<State>,
    pub best: Vec<f32>,
    pub best_score: f64,
    /// Sum of losses since the last line of progress, and their number.
    pub losses: (f64, u64),
}

impl Checkpoint {
    /// Reads the checkpoint of a run that `plan` (a digest of everything that shapes it) describes; `None` when
    /// there is none, or it belongs to another plan.
    pub(crate) fn read(path: &Path, plan: &str) -> Result<Option<Self>, TrainError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(TrainError::Io { path: path.to_path_buf(), source }),
        };
        let broken = |reason: String| TrainError::Checkpoint { path: path.to_path_buf(), reason };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| broken(error.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        if metadata.get("plan").map(String::as_str) != Some(plan) {
            return Ok(None);
        }
        let archive = SafeTensors::deserialize(&bytes).map_err(|error| broken(error.to_string()))?;
        let vector = |name: &str| -> Result<Vec<f32>, TrainError> {
            let view = archive.tensor(name).map_err(|error| broken(error.to_string()))?;
            let numbers = view.data().chunks_exact(4).filter_map(|bytes| bytes.try_into().ok());
            Ok(numbers.map(f32::from_le_bytes).collect())
        };
        let number = |name: &str| {
            let bits = metadata.get(name).and_then(|bits| bits.parse::<u64>().ok());
            bits.ok_or_else(|| broken(format!("{name} is missing")))
        };
        let step = number("step")?;
        let states = (0..number("states")?).map(|at| {
            Ok(State {
                step,
                values: vector(&format!("values.{at}"))?,
                first: vector(&format!("first.{at}"))?,
                second: vector(&format!("second.{at}"))?,
                average: vector(&format!("average.{at}"))?,
            })
        });
        Ok(Some(Self {
            states: states.collect::<Result<_, TrainError>>()?,
            best: vector("best")?,
            best_score: f64::from_bits(number("best_score")?),
            losses: (f64::from_bits(number("loss_sum")?), number("loss_count")?),
        }))
    }

    /// Steps taken.
    pub(crate) fn step(&self) -> u64 {
        self.states.first().map_or(0, |state| state.step)
    }

    /// Writes beside, flushes, then renames over the old checkpoint.
    pub(crate) fn write(&self, path: &Path, plan: &str) -> Result<(), TrainError> {
        let broken = |reason: String| TrainError::Checkpoint { path: path.to_path_buf(), reason };
        let vectors = self.states.iter().enumerate().flat_map(|(at, state)| {
            let parts = [
                ("values", &state.values),
                ("first", &state.first),
                ("second", &state.second),
                ("average", &state.average),
            ];
            parts.map(|(name, values)| (format!("{name}.{at}"), values))
        });
        let bytes: Vec<(String, usize, Vec<u8>)> = vectors
            .chain([("best".to_owned(), &self.best)])
            .map(|(name, values)| {
                (name, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
            })
            .collect();
        let views = bytes
            .iter()
            .map(|(name, length, bytes)| {
                TensorView::new(Dtype::F32, vec![*length], bytes).map(|view| (name.as_str(), view))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| broken(error.to_string()))?;
        let metadata = HashMap::from([
            ("plan".to_owned(), plan.to_owned()),
            ("step".to_owned(), self.step().to_string()),
            ("states".to_owned(), self.states.len().to_string()),
            ("best_score".to_owned(), self.best_score.to_bits().to_string()),
            ("loss_sum".to_owned(), self.losses.0.to_bits().to_string()),
            ("loss_count".to_owned(), self.losses.1.to_string()),
        ]);
        let file =
            safetensors::serialize(views, Some(metadata)).map_err(|error| broken(error.to_string()))?;
        super::write_whole(path, &file)
    }
}
