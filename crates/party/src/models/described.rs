//! A manifest that was checked: it is what the statements name, and its networks are of a size that this party takes.

use pmirs_crypto::sha256;
use pmirs_mpc::network::Network;
use pmirs_wire::split::{ModelManifest, ModelTower};
use pmirs_wire::{Digest, decode, limits};

use crate::refusal::Refusal;

/// What is public of a model. There is no other way to make one.
pub(crate) struct Described {
    name: String,
    image: Network,
    text: Network,
}

impl Described {
    /// Reads a manifest.
    pub(crate) fn read(bytes: &[u8], expected: &Digest) -> Result<Self, Refusal> {
        if sha256(bytes) != expected.0 {
            return Err(Refusal::bad("manifest: it is not the one that the model's statements name"));
        }
        let manifest: ModelManifest = decode(bytes).map_err(|error| Refusal::bad(error.to_string()))?;
        let ModelManifest { name, fraction, relu_bits, image, text, .. } = manifest;
        let odd = |error: pmirs_mpc::Error| Refusal::bad(format!("manifest: {error}"));
        let relu_bits = relu_bits as usize;
        let described = Self {
            name,
            image: image.network(fraction, relu_bits).map_err(odd)?,
            text: text.network_of_any_length(fraction, relu_bits).map_err(odd)?,
        };
        described.check()?;
        Ok(described)
    }

    /// Whether it asks for more than a party gives.
    fn check(&self) -> Result<(), Refusal> {
        let within = |what: &str, got: usize, most: usize| {
            if got <= most {
                return Ok(());
            }
            Err(Refusal::bad(format!("manifest: {got} {what}, the limit is {most}")))
        };
        within("bytes of a name", self.name.len(), limits::NAME)?;
        within("weights", self.parameters(), limits::SPLIT_MODEL_WEIGHTS)?;
        for network in [&self.image, &self.text] {
            within("values at once", network.largest(), limits::SPLIT_MODEL_VALUES)?;
            within("values that enter", network.input().len(), limits::SPLIT_WORDS / 2)?;
            within("multiply-adds", network.multiply_adds(), limits::SPLIT_MODEL_WORK)?;
        }
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn network(&self, tower: ModelTower) -> &Network {
        match tower {
            ModelTower::Image => &self.image,
            ModelTower::Text => &self.text,
        }
    }

    /// Rows that hold all weights.
    pub(crate) fn rows(&self) -> usize {
        (2 * self.parameters()).div_ceil(limits::SPLIT_MODEL_ROW)
    }

    fn parameters(&self) -> usize {
        self.image.parameters().saturating_add(self.text.parameters())
    }
}
