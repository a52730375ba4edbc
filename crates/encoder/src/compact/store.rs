//! Weights on disk: safetensors, every tensor named and its shape checked.
//!
//! A matrix `NAME` is stored as 8-bit integers beside `NAME.scale`, 32-bit floats of shape `[1, columns]` or
//! `[rows, 1]`: the value is their product. One scale per output channel, or per row of a lookup table, keeps
//! the largest error below half a 127th of that channel's largest weight. Vectors are 16-bit floats.

use std::sync::Arc;

use half::f16;
use half::slice::{HalfBitsSliceExt as _, HalfFloatSliceExt as _};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::parameters::{Layout, Parameters, TensorSpec};
use crate::PackError;

/// Ends the name of a tensor's scales.
const SCALE: &str = ".scale";

/// Reads the tensors of `layout` from a safetensors file of scaled 8-bit integers, 16-bit or 32-bit floats.
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
            Dtype::I8 => {
                let name = format!("{}{SCALE}", spec.name);
                let scale = archive.tensor(&name).map_err(|_| wrong(&name, "is missing".into()))?;
                let columns = spec.shape.last().copied().unwrap_or(1).max(1);
                let (by_row, by_column) = ([spec.len() / columns, 1], [1, columns]);
                if scale.dtype() != Dtype::F32 || (scale.shape() != by_row && scale.shape() != by_column) {
                    let problem = format!(
                        "is {:?} {:?}, expected F32 {by_row:?} or {by_column:?}",
                        scale.dtype(),
                        scale.shape()
                    );
                    return Err(wrong(&name, problem));
                }
                let scales: Vec<f32> = numbers::<4>(scale.data()).map(f32::from_le_bytes).collect();
                let integers = view.data().iter().map(|&byte| f32::from(byte.cast_signed()));
                if scale.shape() == by_column {
                    values.extend(integers.zip(scales.iter().cycle()).map(|(value, scale)| value * scale));
                } else {
                    let scales = scales.iter().flat_map(|scale| std::iter::repeat_n(scale, columns));
                    values.extend(integers.zip(scales).map(|(value, scale)| value * scale));
                }
            }
            other => return Err(wrong(&spec.name, format!("is {other:?}, expected I8, F16 or F32"))),
        }
    }
    let mut parameters = Parameters::zeros(layout);
    parameters.values = values;
    Ok(parameters)
}

/// Writes matrices as scaled 8-bit integers and vectors as 16-bit floats.
///
/// # Errors
/// [`PackError::Weights`] when a value is not finite or does not fit, or the container refuses.
pub fn write<'a>(
    file: &str,
    tensors: impl Iterator<Item = (&'a TensorSpec, &'a [f32])>,
) -> Result<Vec<u8>, PackError> {
    let wrong = |reason: String| PackError::Weights { file: file.into(), reason };
    let mut stored = Vec::new();
    for (spec, values) in tensors {
        if values.iter().any(|&value| !f16::from_f32(value).is_finite()) {
            return Err(wrong(format!("tensor {} does not fit 16-bit floats", spec.name)));
        }
        if let [_, .., columns] = spec.shape.as_slice() {
            let scales = Scales::of(spec, values, *columns);
            stored.push((format!("{}{SCALE}", spec.name), Dtype::F32, scales.shape.to_vec(), scales.bytes()));
            stored.push((spec.name.clone(), Dtype::I8, spec.shape.clone(), scales.quantise(values)));
        } else {
            let halves = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
            stored.push((spec.name.clone(), Dtype::F16, spec.shape.clone(), halves));
        }
    }
    let views = stored
        .iter()
        .map(|(name, dtype, shape, data)| {
            TensorView::new(*dtype, shape.clone(), data).map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    safetensors::serialize(views, None).map_err(|error| wrong(error.to_string()))
}

/// Writes tensors as they are, in 32 bits.
///
/// # Errors
/// [`PackError::Weights`] when a value is not finite, or the container refuses.
pub fn write_exact<'a>(
    file: &str,
    tensors: impl Iterator<Item = (&'a TensorSpec, &'a [f32])>,
) -> Result<Vec<u8>, PackError> {
    let wrong = |reason: String| PackError::Weights { file: file.into(), reason };
    let mut stored = Vec::new();
    for (spec, values) in tensors {
        if values.iter().any(|value| !value.is_finite()) {
            return Err(wrong(format!("tensor {} is not finite", spec.name)));
        }
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        stored.push((spec.name.clone(), spec.shape.clone(), bytes));
    }
    let views = stored
        .iter()
        .map(|(name, shape, data)| {
            TensorView::new(Dtype::F32, shape.clone(), data).map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    safetensors::serialize(views, None).map_err(|error| wrong(error.to_string()))
}

/// One scale per output channel, or per row of the lookup table: a token's row is read on its own.
struct Scales {
    shape: [usize; 2],
    values: Vec<f32>,
}

impl Scales {
    fn of(spec: &TensorSpec, values: &[f32], columns: usize) -> Self {
        let by_row = spec.name.ends_with(".embedding");
        let rows = values.len() / columns.max(1);
        let mut largest = vec![0.0_f32; if by_row { rows } else { columns }];
        for (row, line) in values.chunks_exact(columns.max(1)).enumerate() {
            for (column, value) in line.iter().enumerate() {
                if let Some(largest) = largest.get_mut(if by_row { row } else { column }) {
                    *largest = largest.max(value.abs());
                }
            }
        }
        let values = largest.into_iter().map(|largest| (largest / 127.0).max(f32::MIN_POSITIVE)).collect();
        Self { shape: if by_row { [rows, 1] } else { [1, columns] }, values }
    }

    fn quantise(&self, values: &[f32]) -> Vec<u8> {
        let each = if self.shape[1] == 1 { values.len() / self.values.len().max(1) } else { 1 };
        let scales = self.values.iter().flat_map(|scale| std::iter::repeat_n(scale, each)).cycle();
        values
            .iter()
            .zip(scales)
            .map(|(value, scale)| ((value / scale).round() as i8).cast_unsigned())
            .collect()
    }

    fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

/// Converts through the processor's own instruction where it has one.
fn extend_from_f16(values: &mut Vec<f32>, bytes: &[u8]) {
    let bits: Vec<u16> = numbers::<2>(bytes).map(u16::from_le_bytes).collect();
    values.extend(bits.reinterpret_cast::<f16>().to_f32_vec());
}

fn numbers<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> + '_ {
    bytes.chunks_exact(N).filter_map(|chunk| chunk.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_err_by_half_a_step_of_their_channel() {
        let mut layout = Layout::default();
        layout.push("text.embedding", &[3, 5]);
        layout.push("head.weight", &[5, 4]);
        layout.push("head.bias", &[4]);
        let values: Vec<f32> =
            (0..layout.len()).map(|i| ((i * 7919 + 13) % 101) as f32 / 101.0 - 0.5).collect();
        let tensors = layout.tensors().iter().map(|spec| (spec, &values[spec.range()]));
        let file = write("w", tensors).unwrap();
        let back = read("w", &file, Arc::new(layout.clone())).unwrap().values;
        for (a, b) in values.iter().zip(&back) {
            assert!((a - b).abs() <= 0.5 / 127.0 / 2.0 + 1e-6, "{a} and {b}");
        }
        // What was written once is written the same again.
        let tensors = layout.tensors().iter().map(|spec| (spec, &back[spec.range()]));
        let again = read("w", &write("w", tensors).unwrap(), Arc::new(layout)).unwrap().values;
        assert!(back.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn a_missing_scale_is_named() {
        let mut layout = Layout::default();
        layout.push("a.weight", &[2, 2]);
        let bytes = [1_u8, 2, 3, 4];
        let view = TensorView::new(Dtype::I8, vec![2, 2], &bytes).unwrap();
        let file = safetensors::serialize([("a.weight", view)], None).unwrap();
        let error = read("w", &file, Arc::new(layout)).unwrap_err().to_string();
        assert!(error.contains("a.weight.scale"), "{error}");
    }
}
