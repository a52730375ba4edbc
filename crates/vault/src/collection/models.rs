//! Which models a collection's items are embedded with.
//!
//! The sealed settings name the current one, and those before it that items may still be of; the signed log pins the
//! settings, so that a server can neither name a model nor go back to an earlier one unnoticed.

use pmirs_encoder::Encoder;
use pmirs_wire::sealed::{CollectionHeader, EarlierModel};
use pmirs_wire::{Digest, limits};

use crate::VaultError;

/// A model as a collection knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Model {
    /// Name and version.
    pub(crate) name: String,
    /// Numbers in one of its embeddings.
    pub(crate) dim: u32,
    /// SHA-256 of its pack, where the settings say it.
    pub(crate) digest: Option<Digest>,
    /// The epoch from which on items may be of it.
    pub(crate) since: u32,
}

impl Model {
    /// The model that an encoder runs, for a collection that is in this epoch.
    pub(crate) fn of(encoder: &Encoder, since: u32) -> Self {
        Self {
            name: model_name(encoder),
            dim: encoder.info().dim as u32,
            digest: encoder.pack().digest().map(Digest),
            since,
        }
    }

    /// What embeddings of it are kept by on this machine.
    pub(crate) fn key(&self) -> Digest {
        let digest = self.digest.map_or([0; 32], |digest| digest.0);
        Digest(pmirs_crypto::sha256(&[self.name.as_bytes(), digest.as_slice()].concat()))
    }
}

/// How a collection names the model that its embeddings come from.
pub(crate) fn model_name(encoder: &Encoder) -> String {
    format!("{} {}", encoder.info().name, encoder.info().version)
}

/// The models of a collection, as of its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Models {
    /// SHA-256 of the sealed settings that say so.
    pub(crate) settings: Digest,
    current: Model,
    earlier: Vec<Model>,
}

impl Models {
    /// What opened settings say; `settings` is the digest of the sealed ones.
    pub(crate) fn of(header: &CollectionHeader, settings: Digest) -> Self {
        let CollectionHeader { model, dim, digest, since, earlier, .. } = header;
        let earlier = earlier.iter().map(|it| Model {
            name: it.model.clone(),
            dim: it.dim,
            digest: it.digest,
            since: it.since,
        });
        Self {
            settings,
            current: Model { name: model.clone(), dim: *dim, digest: *digest, since: *since },
            earlier: earlier.collect(),
        }
    }

    /// The one that new items are embedded with.
    pub(crate) fn current(&self) -> &Model {
        &self.current
    }

    /// Those that items may still be of, the latest first.
    pub(crate) fn earlier(&self) -> &[Model] {
        &self.earlier
    }

    /// All of them, the current one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Model> {
        std::iter::once(&self.current).chain(&self.earlier)
    }

    /// Whether items may be of other models than the current one.
    pub(crate) fn is_moving(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// Numbers in an embedding of this model, where it is one of the collection's.
    pub(crate) fn dim_of(&self, name: &str) -> Option<u32> {
        self.all().find(|model| model.name == name).map(|model| model.dim)
    }

    /// The settings that go over to `next`, in the place of `header`, whose other fields stay. Where the collection is
    /// empty there is nothing to go over from.
    ///
    /// # Errors
    /// [`VaultError::ManyModels`] where it is on its way from too many models already.
    pub(crate) fn header_with(
        &self,
        next: &Model,
        empty: bool,
        header: &CollectionHeader,
    ) -> Result<CollectionHeader, VaultError> {
        let before = self.all().find(|model| model.name == next.name);
        let since = before.map_or(next.since, |before| before.since);
        let left: Vec<EarlierModel> =
            self.all().filter(|model| model.name != next.name && !empty).map(earlier).collect();
        if left.len() > limits::EARLIER_MODELS {
            return Err(VaultError::ManyModels(left.len() - 1));
        }
        let (model, dim, digest) = (next.name.clone(), next.dim, next.digest);
        Ok(CollectionHeader { model, dim, digest, since, earlier: left, ..header.clone() })
    }

    /// The settings of a collection whose items are all of the current model.
    pub(crate) fn header_alone(&self, header: &CollectionHeader) -> CollectionHeader {
        let Model { name, dim, digest, since } = self.current.clone();
        CollectionHeader { model: name, dim, digest, since, earlier: Vec::new(), ..header.clone() }
    }
}

fn earlier(model: &Model) -> EarlierModel {
    let Model { name, dim, digest, since } = model.clone();
    EarlierModel { model: name, dim, digest, since }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(model: &str) -> CollectionHeader {
        CollectionHeader {
            name: "album".into(),
            created_ms: 1,
            model: model.into(),
            dim: 4,
            digest: None,
            since: 0,
            earlier: Vec::new(),
            veil: None,
            parties: None,
        }
    }

    fn model(name: &str, since: u32) -> Model {
        Model { name: name.into(), dim: 4, digest: Some(Digest([since as u8; 32])), since }
    }

    #[test]
    fn a_collection_goes_on_and_back_and_forgets_what_it_left() {
        let first = header("a 1");
        let settings = Digest([0; 32]);
        let models = Models::of(&first, settings);
        assert!(!models.is_moving());
        let second = models.header_with(&model("b 1", 2), false, &first).unwrap();
        let models = Models::of(&second, settings);
        assert_eq!(
            models.all().map(|it| (it.name.as_str(), it.since)).collect::<Vec<_>>(),
            [("b 1", 2), ("a 1", 0)]
        );
        // Back again: it is known since when items may be of it.
        let third = models.header_with(&model("a 1", 5), false, &second).unwrap();
        let back = Models::of(&third, settings);
        assert_eq!(
            back.all().map(|it| (it.name.as_str(), it.since)).collect::<Vec<_>>(),
            [("a 1", 0), ("b 1", 2)]
        );
        assert!(!Models::of(&models.header_alone(&second), settings).is_moving());
        assert!(
            !Models::of(&models.header_with(&model("c 1", 3), true, &second).unwrap(), settings).is_moving()
        );
        assert_eq!((models.dim_of("a 1"), models.dim_of("c 1")), (Some(4), None));
    }

    #[test]
    fn there_is_an_end_to_models_that_a_collection_is_on_its_way_from() {
        let mut now = header("m 0");
        for step in 1..=limits::EARLIER_MODELS {
            let models = Models::of(&now, Digest([0; 32]));
            now = models.header_with(&model(&format!("m {step}"), 0), false, &now).unwrap();
        }
        let models = Models::of(&now, Digest([0; 32]));
        let refused = models.header_with(&model("one more", 0), false, &now);
        assert!(matches!(refused, Err(VaultError::ManyModels(limits::EARLIER_MODELS))), "{refused:?}");
    }
}
