//! What may be known of a model whose weights are secret: the manifest without the digests of weights, and the vocabulary.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Pack, PackManifest, Place};
use crate::PackError;

/// Stands where a digest of weights was: with it, anyone could test guesses of them.
const WITHHELD: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A model without its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPart {
    /// `model.toml`, with zeros where it pins weights.
    pub card: String,
    /// Names and contents of the vocabulary's files.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Pack {
    /// What users of this model need if somebody else evaluates its towers.
    ///
    /// # Errors
    /// When a file of the vocabulary is missing or altered.
    pub fn public_part(&self) -> Result<PublicPart, PackError> {
        let mut manifest: PackManifest = self.manifest.clone();
        let vocabulary = manifest.text.tokenizer.clone();
        let used = |file: &String| {
            let weights = manifest.image.weights.iter().chain(&manifest.text.weights);
            vocabulary.contains(file) || weights.clone().any(|it| it == file)
        };
        let mut pins: BTreeMap<String, String> = manifest
            .sha256
            .iter()
            .filter(|(file, _)| used(file))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        for (file, digest) in &mut pins {
            if !vocabulary.contains(file) {
                WITHHELD.clone_into(digest);
            }
        }
        manifest.sha256 = pins;
        let files = vocabulary.into_iter().map(|file| {
            let content = self.read(&file)?.into_owned();
            Ok((file, content))
        });
        Ok(PublicPart { card: manifest.to_toml()?, files: files.collect::<Result<_, PackError>>()? })
    }

    /// The pack of such a part. Its weights cannot be read.
    ///
    /// # Errors
    /// When the card is no `model.toml`, naming the field.
    pub fn from_public_part(
        card: &str,
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Self, PackError> {
        let place = Place::Memory(Arc::new(files.into_iter().collect()));
        Ok(Self { manifest: PackManifest::parse(card)?, digest: None, place })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Encoder, PackError};

    #[test]
    fn a_public_part_has_the_vocabulary_and_nothing_of_the_weights() {
        let encoder = Encoder::builtin("compact-lite").unwrap();
        let part = encoder.pack().public_part().unwrap();
        let manifest = encoder.pack().manifest();
        for weights in [&manifest.image.weights[0], &manifest.text.weights[0]] {
            assert!(!part.card.contains(&manifest.sha256[weights]), "{weights} is pinned");
        }
        let thin = super::Pack::from_public_part(&part.card, part.files).unwrap();
        let words = crate::Vocabulary::open(&thin).unwrap().encode("a dog on a beach", 20);
        assert_eq!(words, encoder.tokenizer().unwrap().encode("a dog on a beach", 20));
        assert!(matches!(thin.read(&manifest.image.weights[0]), Err(PackError::Missing { .. })));
    }
}
