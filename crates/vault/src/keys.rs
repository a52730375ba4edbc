//! The keys of one collection, by epoch, and what they open.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use pmirs_crypto::{CollectionKey, EpochKeys, GrantContext, Identity, Kind, Place, PublicIdentity, grant};
use pmirs_veil::{Jitter, Veil, VeilParams};
use pmirs_wire::collection::{CollectionRecord, EpochGrant};
use pmirs_wire::sealed::{CollectionHeader, ItemMeta, StoredEmbedding, VeilSettings};
use pmirs_wire::{Bytes, CollectionId, ItemId, Message, decode, limits};

use crate::VaultError;
use crate::history::State;

/// Keys of all live epochs that this member was granted.
pub(crate) struct CollectionKeys {
    collection: CollectionId,
    epochs: BTreeMap<u32, EpochState>,
}

struct EpochState {
    /// What grants hand on.
    key: CollectionKey,
    keys: EpochKeys,
    /// Drawn on first use: it costs milliseconds that `get` and `status` need not pay.
    veil: OnceLock<Veil>,
}

impl CollectionKeys {
    /// Opens a member's grants: those that the collection's history pins, all of them and no others.
    pub(crate) fn open(
        identity: &Identity,
        record: &CollectionRecord,
        state: &State,
    ) -> Result<Self, VaultError> {
        let mut epochs = BTreeMap::new();
        for wrapped in &record.grants {
            let key = open_grant(identity, record.id, wrapped, state)?;
            let keys = key.epoch_keys(&record.id.0, wrapped.epoch);
            epochs.insert(wrapped.epoch, EpochState { key, keys, veil: OnceLock::new() });
        }
        if let Some(missing) = state.grants.keys().find(|epoch| !epochs.contains_key(epoch)) {
            return Err(altered_collection(
                record.id,
                "grants",
                &format_args!("the one for epoch {missing} is missing"),
            ));
        }
        if epochs.is_empty() {
            return Err(altered_collection(record.id, "grants", &"there is none"));
        }
        Ok(Self { collection: record.id, epochs })
    }

    /// The epoch that new items belong to.
    pub(crate) fn current_epoch(&self) -> u32 {
        self.epochs.last_key_value().map_or(0, |(&epoch, _)| epoch)
    }

    /// All live epochs, oldest first.
    pub(crate) fn epochs(&self) -> impl Iterator<Item = u32> {
        self.epochs.keys().copied()
    }

    /// An epoch's key itself, to be granted to somebody else.
    pub(crate) fn key(&self, epoch: u32) -> Result<&CollectionKey, VaultError> {
        self.state(epoch).map(|state| &state.key)
    }

    pub(crate) fn epoch(&self, epoch: u32) -> Result<&EpochKeys, VaultError> {
        self.state(epoch).map(|state| &state.keys)
    }

    /// The veil of an epoch.
    pub(crate) fn veil(&self, epoch: u32, header: &CollectionHeader) -> Result<&Veil, VaultError> {
        let state = self.state(epoch)?;
        if let Some(veil) = state.veil.get() {
            return Ok(veil);
        }
        let settings = header
            .veil
            .as_ref()
            .ok_or_else(|| VaultError::Internal("a veil was asked of a sealed collection".to_owned()))?;
        let params = veil_params(header.dim, settings);
        let veil = Veil::new(params, &mut state.keys.veil.rng())?;
        Ok(state.veil.get_or_init(|| veil))
    }

    /// Opens and decodes an item's metadata.
    pub(crate) fn open_meta(&self, item: ItemId, epoch: u32, sealed: &[u8]) -> Result<ItemMeta, VaultError> {
        self.open_record(item, epoch, Kind::ItemMeta, "metadata", sealed)
    }

    /// Opens and decodes an item's embedding of dimension `dim`, or of any where that is not known.
    pub(crate) fn open_embedding(
        &self,
        item: ItemId,
        epoch: u32,
        sealed: &[u8],
        dim: impl Into<Option<u32>>,
    ) -> Result<Vec<f32>, VaultError> {
        let field = "embedding";
        let stored: StoredEmbedding = self.open_record(item, epoch, Kind::ItemEmbedding, field, sealed)?;
        let dim = dim.into().map_or(stored.values.0.len() / 2, |dim| dim as usize);
        stored
            .to_vector(dim)
            .ok_or_else(|| altered_item(item, field, &format!("it has not {dim} components")))
    }

    /// Opens an item's content.
    pub(crate) fn open_content(
        &self,
        item: ItemId,
        epoch: u32,
        sealed: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let place = self.place(item, epoch, Kind::ItemContent);
        let field = "content";
        self.epoch_of(item, epoch)?.content.open(&place, sealed).map_err(|e| altered_item(item, field, &e))
    }

    pub(crate) fn place(&self, item: ItemId, epoch: u32, kind: Kind) -> Place {
        Place { collection: self.collection.0, item: item.0, epoch, kind }
    }

    fn open_record<M: Message>(
        &self,
        item: ItemId,
        epoch: u32,
        kind: Kind,
        field: &'static str,
        sealed: &[u8],
    ) -> Result<M, VaultError> {
        let place = self.place(item, epoch, kind);
        let keys = self.epoch_of(item, epoch)?;
        let plain = keys.metadata.open(&place, sealed).map_err(|error| altered_item(item, field, &error))?;
        decode(&plain).map_err(|error| altered_item(item, field, &error))
    }

    /// The keys of an item's epoch: the server names it, so an unknown one is the server's doing.
    fn epoch_of(&self, item: ItemId, epoch: u32) -> Result<&EpochKeys, VaultError> {
        self.epoch(epoch).map_err(|error| altered_item(item, "epoch", &error))
    }

    fn state(&self, epoch: u32) -> Result<&EpochState, VaultError> {
        self.epochs.get(&epoch).ok_or_else(|| {
            altered_collection(self.collection, "epoch", &format!("there is no epoch {epoch}"))
        })
    }
}

/// Anybody can make a grant that opens, so only the one that a member with the right signed for counts.
fn open_grant(
    identity: &Identity,
    collection: CollectionId,
    wrapped: &EpochGrant,
    state: &State,
) -> Result<CollectionKey, VaultError> {
    let altered = |error: &dyn std::fmt::Display| altered_collection(collection, "grant", error);
    let epoch = wrapped.epoch;
    let pinned = state
        .grants
        .get(&epoch)
        .ok_or_else(|| altered(&format_args!("the history grants nothing for epoch {epoch}")))?;
    let offered = (pmirs_crypto::sha256(&wrapped.grant.0), &wrapped.granter, wrapped.role);
    if offered != (pinned.digest.0, &pinned.granter, pinned.role) {
        return Err(altered(&format_args!("the one for epoch {epoch} is not what the history says")));
    }
    let granter = PublicIdentity::from_bytes(&wrapped.granter.0).map_err(|error| altered(&error))?;
    let context = GrantContext { collection: collection.0, epoch, role: wrapped.role as u8 };
    grant::open(identity, &granter, &wrapped.grant.0, &context).map_err(|error| altered(&error))
}

/// Where a collection's name and settings are sealed for: under the first epoch's key, whatever the latest is.
pub(crate) fn header_place(collection: CollectionId) -> Place {
    Place { collection: collection.0, item: [0; 16], epoch: 0, kind: Kind::CollectionHeader }
}

/// Opens a collection's name and settings, and checks what the server says beside them.
pub(crate) fn open_header(
    keys: &CollectionKeys,
    record: &CollectionRecord,
    state: &State,
) -> Result<CollectionHeader, VaultError> {
    let altered = |error: &dyn std::fmt::Display| altered_collection(record.id, "header", error);
    if pmirs_crypto::sha256(&record.header.0) != state.header.0 {
        return Err(altered(&"it is not the one that the signed log names"));
    }
    let place = header_place(record.id);
    let plain = keys.epoch(0)?.metadata.open(&place, &record.header.0).map_err(|error| altered(&error))?;
    let header: CollectionHeader = decode(&plain).map_err(|error| altered(&error))?;
    let veiled_dim = header.veil.as_ref().map_or(0, |veil| veil_params(header.dim, veil).veiled_dim());
    if header.dim as usize > limits::VEILED_DIM || veiled_dim > limits::VEILED_DIM {
        return Err(altered_collection(
            record.id,
            "dimension",
            &format_args!("it is over {}", limits::VEILED_DIM),
        ));
    }
    if record.veiled_dim as usize != veiled_dim {
        return Err(altered_collection(record.id, "veiled dimension", &"the header has another"));
    }
    if (record.protection == crate::Protection::Veiled) != header.veil.is_some() {
        return Err(altered_collection(record.id, "protection", &"the header has another"));
    }
    if (record.protection == crate::Protection::Split) != header.parties.is_some() {
        return Err(altered_collection(record.id, "protection", &"the header has another"));
    }
    if header.earlier.len() > limits::EARLIER_MODELS {
        let got = header.earlier.len();
        return Err(altered(&format_args!(
            "it names {got} earlier models, at most {}",
            limits::EARLIER_MODELS
        )));
    }
    // Where others score embeddings, all have one length.
    let others = header.earlier.iter().map(|earlier| earlier.dim);
    if record.protection != crate::Protection::Sealed && others.into_iter().any(|dim| dim != header.dim) {
        return Err(altered(&"its models have embeddings of different lengths"));
    }
    Ok(header)
}

/// The veil's parameters from a collection's settings.
pub(crate) fn veil_params(dim: u32, settings: &VeilSettings) -> VeilParams {
    VeilParams {
        dim: dim as usize,
        noise_dim: settings.noise_dim as usize,
        blocks: settings.blocks as usize,
        condition: settings.condition,
        noise_energy: settings.noise_energy,
        shuffle: settings.shuffle,
        jitter: Jitter { scale: settings.jitter_scale, shift: settings.jitter_shift },
    }
}

/// The settings that [`veil_params`] reads back.
pub(crate) fn veil_settings(params: &VeilParams) -> VeilSettings {
    VeilSettings {
        noise_dim: params.noise_dim as u32,
        blocks: params.blocks as u32,
        condition: params.condition,
        noise_energy: params.noise_energy,
        shuffle: params.shuffle,
        jitter_scale: params.jitter.scale,
        jitter_shift: params.jitter.shift,
    }
}

/// The digest that metadata holds of a veiled vector: its scale, then its values.
pub(crate) fn veiled_digest(scale: f32, values: &Bytes) -> pmirs_wire::Digest {
    pmirs_wire::Digest(pmirs_crypto::sha256(&[&scale.to_le_bytes(), values.as_ref()].concat()))
}

pub(crate) fn altered_item(item: ItemId, field: &'static str, reason: &dyn std::fmt::Display) -> VaultError {
    VaultError::Altered { what: format!("item {item}"), field, reason: reason.to_string() }
}

pub(crate) fn altered_collection(
    collection: CollectionId,
    field: &'static str,
    reason: &dyn std::fmt::Display,
) -> VaultError {
    VaultError::Altered { what: format!("collection {collection}"), field, reason: reason.to_string() }
}
