//! A model as named tensors of numbers: all that this crate, and a coordinator, knows of one.

use pmirs_wire::{Digest, Message};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::message::digest;
use crate::plan::MAX_WEIGHTS;

/// One tensor's name and shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    /// Its name in the model pack.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<u32>,
}

impl Tensor {
    /// Numbers in it.
    pub fn len(&self) -> usize {
        self.shape.iter().map(|side| *side as usize).fold(1, usize::saturating_mul)
    }

    /// Whether a side is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The tensors that train, in the order in which their numbers lie one behind the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The tensors.
    pub tensors: Vec<Tensor>,
}

impl Message for Manifest {
    const NAME: &'static str = "manifest";
    const MAX_BYTES: usize = 256 << 10;
}

impl Manifest {
    /// Numbers in all tensors together.
    pub fn weights(&self) -> usize {
        self.tensors.iter().map(Tensor::len).fold(0, usize::saturating_add)
    }

    /// The numbers of one tensor.
    pub fn part<'a>(&self, weights: &'a [f32], name: &str) -> Option<&'a [f32]> {
        let mut start = 0_usize;
        for tensor in &self.tensors {
            let end = start.checked_add(tensor.len())?;
            if tensor.name == name {
                return weights.get(start..end);
            }
            start = end;
        }
        None
    }

    /// A digest over manifest and weights: what a round names as the model that it starts from.
    ///
    /// # Errors
    /// For weights that the manifest does not describe.
    pub fn digest(&self, weights: &[f32]) -> Result<Digest, Error> {
        let expected = self.weights();
        if weights.len() != expected || expected > MAX_WEIGHTS {
            return Err(Error::Length { what: "the model", expected, got: weights.len() });
        }
        let numbers: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        Ok(digest("model", &[&pmirs_wire::encode(self)?, &numbers]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_no_memory_holds_have_no_part_and_no_digest() {
        let tensor = |name: &str, side: u32| Tensor { name: name.into(), shape: vec![side; 4] };
        let manifest =
            Manifest { tensors: vec![tensor("a", u32::MAX), tensor("b", u32::MAX), tensor("c", 1)] };
        for name in ["a", "b", "c", "d"] {
            assert_eq!(manifest.part(&[1.0; 8], name), None, "{name}");
        }
        assert!(matches!(manifest.digest(&[1.0; 8]), Err(Error::Length { .. })));
    }
}
