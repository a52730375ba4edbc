//! Weights out of a safetensors file: by name, of the expected shape, as 32-bit floats.

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors};

use crate::PackError;

pub(super) struct Tensors<'a> {
    file: String,
    archive: SafeTensors<'a>,
}

impl<'a> Tensors<'a> {
    /// Reads the header, which must account for every byte of the file.
    pub(super) fn open(file: &str, bytes: &'a [u8]) -> Result<Self, PackError> {
        let archive = SafeTensors::deserialize(bytes)
            .map_err(|error| PackError::Weights { file: file.into(), reason: error.to_string() })?;
        Ok(Self { file: file.into(), archive })
    }

    /// The values of a tensor; nothing is ever filled in.
    ///
    /// # Errors
    /// [`PackError::Tensor`] naming a tensor that is missing, or of another shape or type.
    pub(super) fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, PackError> {
        let wrong =
            |problem: String| PackError::Tensor { file: self.file.clone(), tensor: name.into(), problem };
        let view = self.archive.tensor(name).map_err(|_| wrong("is missing".into()))?;
        if view.shape() != shape {
            return Err(wrong(format!("has shape {:?}, config.json expects {shape:?}", view.shape())));
        }
        let data = view.data();
        let halves = || data.as_chunks::<2>().0.iter().copied();
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            Dtype::F16 => halves().map(|bytes| f16::from_le_bytes(bytes).to_f32()).collect(),
            Dtype::BF16 => halves().map(|bytes| bf16::from_le_bytes(bytes).to_f32()).collect(),
            other => return Err(wrong(format!("is {other:?}, expected F32, F16 or BF16"))),
        };
        if values.iter().any(|value| !value.is_finite()) {
            return Err(wrong("holds a number that is not finite".into()));
        }
        Ok(values)
    }

    /// Whether there is a tensor of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.archive.tensor(name).is_ok()
    }

    /// A single number, where there is one.
    pub(super) fn scalar(&self, name: &str) -> Option<f32> {
        let shapes: [&[usize]; 2] = [&[], &[1]];
        shapes.iter().find_map(|shape| self.read(name, shape).ok()?.first().copied())
    }
}
