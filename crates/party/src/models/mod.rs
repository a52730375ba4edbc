//! Models of which this party holds shares of the weights: what is public of them, and the weights readied for products.
//!
//! A model is a store as that of a collection, whose statements name the digest of a manifest. The manifest lies beside the
//! shares, and is looked at once; weights are readied once for each version of them.

mod described;
mod orders;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pmirs_mpc::network::{Network, SharedWeights};
use pmirs_mpc::{Error, Shares};
use pmirs_wire::split::{ModelTower, Version};
use pmirs_wire::{CollectionId, Digest};

pub(crate) use self::described::Described;
pub(crate) use self::orders::{carry_out, check_batch, fits, list};
use crate::refusal::Refusal;
use crate::store::{Collection, Matrix};

/// All that was looked at since the start.
#[derive(Default)]
pub(crate) struct Models {
    known: Mutex<HashMap<CollectionId, Known>>,
}

#[derive(Default, Clone)]
struct Known {
    described: Option<(Digest, Arc<Described>)>,
    ready: Option<(Version, Arc<Ready>)>,
}

impl Models {
    /// What is public of a model; read from the disk the first time.
    pub(crate) fn described(&self, model: &Collection) -> Result<Arc<Described>, Refusal> {
        let (id, digest) = (model.header().collection, digest_of(model)?);
        let known = self.map().get(&id).and_then(|known| known.described.clone());
        if let Some((_, described)) = known.filter(|(of, _)| *of == digest) {
            return Ok(described);
        }
        let bytes = model.manifest()?.ok_or_else(lacking)?;
        let described = Arc::new(Described::read(&bytes, &digest)?);
        self.map().entry(id).or_default().described = Some((digest, Arc::clone(&described)));
        Ok(described)
    }

    /// The weights of a model as they are at this version, readied for products.
    pub(crate) fn ready(&self, model: &Collection, described: &Described) -> Result<Arc<Ready>, Refusal> {
        let (id, version) = (model.header().collection, model.version());
        let known = self.map().get(&id).and_then(|known| known.ready.clone());
        if let Some((_, ready)) = known.filter(|(of, _)| *of == version) {
            return Ok(ready);
        }
        if model.items().len() != described.rows() {
            let (got, expected) = (model.items().len(), described.rows());
            return Err(Refusal::conflict(format!(
                "the model is not whole yet: {got} of {expected} pieces; whoever shared it does so again"
            )));
        }
        let ready = Ready::of(model.matrix(), described).map_err(|error| Refusal::internal(&error))?;
        let ready = Arc::new(ready);
        self.map().entry(id).or_default().ready = Some((version, Arc::clone(&ready)));
        Ok(ready)
    }

    /// Lets go of a model that was deleted, or replaced.
    pub(crate) fn forget(&self, id: &CollectionId) {
        self.map().remove(id);
    }

    fn map(&self) -> MutexGuard<'_, HashMap<CollectionId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The manifest that a model's statements name.
pub(crate) fn digest_of(model: &Collection) -> Result<Digest, Refusal> {
    model.members.model().ok_or_else(|| Refusal::bad("it is a collection, and no model"))
}

/// This party has the shares, and not what is public of them.
fn lacking() -> Refusal {
    Refusal::new(
        pmirs_wire::problem::ProblemKind::Conflict,
        "this server lacks the model's manifest: hand it over with a describe order",
    )
}

/// The weights of both towers, node by node.
pub(crate) struct Ready {
    image: Vec<SharedWeights>,
    text: Vec<SharedWeights>,
}

impl Ready {
    /// Cuts the rows: first the image tower's weights in the order of its nodes, then the text tower's; zeros fill the last
    /// row.
    fn of(matrix: &Matrix, described: &Described) -> Result<Self, Error> {
        let mut words = (wide(&matrix.own), wide(&matrix.next));
        let mut tower = |network: &Network| {
            let node = |sizes: [usize; 2]| {
                let count = sizes.iter().sum();
                let shares = Shares::new(
                    words.0.by_ref().take(count).collect(),
                    words.1.by_ref().take(count).collect(),
                )?;
                SharedWeights::new(&shares, sizes, network.fraction())
            };
            network.weights().into_iter().map(node).collect::<Result<Vec<_>, Error>>()
        };
        let image = tower(described.network(ModelTower::Image))?;
        let text = tower(described.network(ModelTower::Text))?;
        Ok(Self { image, text })
    }

    pub(crate) fn weights(&self, tower: ModelTower) -> &[SharedWeights] {
        match tower {
            ModelTower::Image => &self.image,
            ModelTower::Text => &self.text,
        }
    }
}

/// Pairs of words, the low one first, as one each.
pub(crate) fn wide(words: &[u32]) -> impl Iterator<Item = u64> {
    words.as_chunks().0.iter().map(|[low, high]| u64::from(*low) | u64::from(*high) << 32)
}

/// The same the other way round.
pub(crate) fn narrow(values: &[u64]) -> Vec<u32> {
    values.iter().flat_map(|value| [*value as u32, (value >> 32) as u32]).collect()
}
