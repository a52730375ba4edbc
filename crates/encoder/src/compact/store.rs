//! Weights on disk: safetensors, 16-bit floats, every tensor named and its shape checked.

use std::sync::Arc;

use half::f16;
use half::slice::{HalfBitsSliceExt as _, HalfFloatSliceExt as _};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::parameters::{Layout, Parameters};
use crate::PackError;

/// Reads the tensors of `layout` from a safetensors file of 16-bit or 32-bit floats.
///
/// # Errors
/// [`PackError::Weights`] for a file of another form, [`PackError::Tensor`] naming a missing tensor or one of
/// another shape or type; nothing is ever filled in.
pub fn read(file: &str, bytes: &[u8], layout: Arc<Layout>) -> Result<Parameters, PackError> {
    let archive = SafeTensors::deserialize(bytes)
        .map_err(|error| PackError::Weights { file: file.into(), reason: error.to_string() })?;
    let wrong = |tensor: &str, problem: String| PackError::Tensor {
        file: file.into(),
        tensor: tensor.into(),
        problem,
    };
    let mut values = Vec::with_capacity(layout.len());
    for spec in layout.tensors() {
        let view = archive.tensor(&spec.name).map_err(|_| wrong(&spec.name, "is missing".into()))?;
        if view.shape() != spec.shape {
            return Err(wrong(
                &spec.name,
                format!("has shape {:?}, expected {:?}", view.shape(), spec.shape),
            ));
        }
        match view.dtype() {
            Dtype::F16 => extend_from_f16(&mut values, view.data()),
            Dtype::F32 => values.extend(numbers::<4>(view.data()).map(f32::from_le_bytes)),
            other => return Err(wrong(&spec.name, format!("is {other:?}, expected F16 or F32"))),
        }
    }
    let mut parameters = Parameters::zeros(layout);
    parameters.values = values;
    Ok(parameters)
}

/// Writes tensors as 16-bit floats.
///
/// # Errors
/// [`PackError::Weights`] when a value does not fit 16 bits or the container refuses.
pub fn write<'a>(
    file: &str,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [f32])>,
) -> Result<Vec<u8>, PackError> {
    let wrong = |reason: String| PackError::Weights { file: file.into(), reason };
    let mut stored = Vec::new();
    for (name, shape, values) in tensors {
        let halves: Vec<u8> = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        if values.iter().any(|&value| !f16::from_f32(value).is_finite()) {
            return Err(wrong(format!("tensor {name} does not fit 16-bit floats")));
        }
        stored.push((name, shape.to_vec(), halves));
    }
    let views = stored
        .iter()
        .map(|(name, shape, data)| TensorView::new(Dtype::F16, shape.clone(), data).map(|view| (*name, view)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    safetensors::serialize(views, None).map_err(|error| wrong(error.to_string()))
}

/// Converts through the processor's own instruction where it has one.
fn extend_from_f16(values: &mut Vec<f32>, bytes: &[u8]) {
    let bits: Vec<u16> = numbers::<2>(bytes).map(u16::from_le_bytes).collect();
    values.extend(bits.reinterpret_cast::<f16>().to_f32_vec());
}

fn numbers<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok())
}
