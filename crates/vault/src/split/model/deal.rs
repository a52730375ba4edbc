//! The owner's side: a model's weights to three servers, in pieces, each on all three or on none.

use pmirs_crypto::{Dealt, sha256};
use pmirs_encoder::compact::layers::{self, FRACTION, RELU_BITS, Shapes};
use pmirs_encoder::{Encoder, EncoderError};
use pmirs_mpc::network::fixed;
use pmirs_wire::collection::Role;
use pmirs_wire::split::{Action, Batch, Member, ModelFile, ModelManifest, Parts, Statement};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, ItemId, encode, limits};

use super::super::ask::{OfThree, Parties, is_conflict, pause, pinned};
use super::super::members::ATTEMPTS;
use super::super::rows::parts_of;
use crate::collection::model_name;
use crate::progress::Progress;
use crate::{Vault, VaultError, fresh};

/// Rows of one batch.
const BATCH: usize = limits::SPLIT_WORDS / limits::SPLIT_MODEL_ROW;

/// A model that lies at the three as a whole.
pub(super) struct Shared {
    pub(super) id: CollectionId,
    pub(super) name: String,
    pub(super) weights: usize,
}

pub(super) fn share(
    vault: &Vault,
    parties: &Parties,
    encoder: &Encoder,
    progress: &dyn Progress,
) -> Result<Shared, VaultError> {
    let weights = weights_of(encoder)?;
    if weights.len() > limits::SPLIT_MODEL_WEIGHTS {
        let reason = format!("{} weights, three servers take {}", weights.len(), limits::SPLIT_MODEL_WEIGHTS);
        return Err(EncoderError::Engine { tower: "image", reason }.into());
    }
    let name = model_name(encoder);
    let id = id_of(parties, AccountId(vault.public_identity().fingerprint()), &name);
    let manifest = Bytes(encode(&manifest(vault, encoder, &name, &weights)?)?);
    let digest = Digest(sha256(&manifest.0));
    parties.found_model(vault, id, &name, digest)?;
    // One that lost its store, or was away too long to catch up, gets its shares from the two others.
    for place in parties.in_need(id)? {
        parties.repair(id, place)?;
    }
    parties.describe(id, digest, &manifest)?;

    let rows = (2 * weights.len()).div_ceil(limits::SPLIT_MODEL_ROW);
    progress.start("sharing", Some(rows as u64));
    let mut attempts = 0;
    loop {
        let state = parties.state(id)?;
        let done = (state.rows as usize).min(rows);
        if done == rows {
            break;
        }
        let count = BATCH.min(rows - done);
        let dealt = piece(&weights, done, count)?;
        let add = (done..done + count).map(|number| ItemId((number as u128).to_be_bytes())).collect();
        let batch = Batch { base: state.version, add, remove: Vec::new() };
        match parties.change_by(id, batch, pinned(&dealt)?) {
            Ok(_) => progress.advance(count as u64),
            // Another run of the same, or one of the three that missed the first's word.
            Err(error) if is_conflict(&error) && attempts < ATTEMPTS => {
                attempts += 1;
                parties.meet(id)?;
                pause(attempts)?;
            }
            Err(error) => return Err(error),
        }
    }
    progress.finish();
    Ok(Shared { id, name, weights: weights.len() })
}

/// What the three call a model: the same for the same owner, name and version, so that a second attempt finds the first.
pub(super) fn id_of(parties: &Parties, owner: AccountId, name: &str) -> CollectionId {
    let label = b"pmirs/split/model/v1\0".as_slice();
    let hash = sha256(&[label, &parties.trio().0, &owner.0, name.as_bytes()].concat());
    let (half, _) = hash.as_chunks::<16>();
    CollectionId(half.first().copied().unwrap_or_default())
}

/// All weights in fixed point: the image tower's in the order of its nodes, then the text tower's.
fn weights_of(encoder: &Encoder) -> Result<Vec<u64>, VaultError> {
    let towers = [layers::image(encoder.pack())?, layers::text(encoder.pack())?];
    let weights = towers.iter().flat_map(|tower| tower.weights.iter().map(|node| fixed(node, FRACTION)));
    Ok(weights.flatten().collect())
}

fn manifest(
    vault: &Vault,
    encoder: &Encoder,
    name: &str,
    weights: &[u64],
) -> Result<ModelManifest, VaultError> {
    let pack = encoder.pack();
    let Shapes { image, text } = Shapes::of(pack.manifest()).map_err(EncoderError::from)?;
    let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let own = vault.identity().keyed_digest("model weights", &sha256(&bytes));
    let public = pack.public_part().map_err(EncoderError::from)?;
    let file = |(name, content)| ModelFile { name, content: Bytes(content) };
    Ok(ModelManifest {
        name: name.to_owned(),
        fraction: FRACTION,
        relu_bits: RELU_BITS as u32,
        image,
        text,
        weights: Digest(own),
        card: public.card,
        files: public.files.into_iter().map(file).collect(),
    })
}

/// Rows of weights, dealt; zeros fill the last one.
fn piece(weights: &[u64], row: usize, count: usize) -> Result<OfThree<Parts>, VaultError> {
    let of_row = limits::SPLIT_MODEL_ROW / 2;
    let mut values: Vec<u64> = weights.iter().skip(row * of_row).take(count * of_row).copied().collect();
    values.resize(count * of_row, 0);
    deal_wide(&values)
}

/// The parts of the three of words of 64 bits.
pub(super) fn deal_wide(values: &[u64]) -> Result<OfThree<Parts>, VaultError> {
    let mut rng = fresh::rng()?;
    let dealt = Dealt::wide(&mut rng, values);
    Ok(parts_of(&mut rng, &dealt))
}

impl Parties {
    /// Makes the model's store at those of the three that lack it.
    fn found_model(
        &self,
        vault: &Vault,
        id: CollectionId,
        name: &str,
        digest: Digest,
    ) -> Result<(), VaultError> {
        let listed = self.models()?;
        let there: Vec<_> = listed.iter().flatten().filter(|entry| entry.model == id).collect();
        if there.iter().any(|entry| entry.manifest != digest) {
            return Err(VaultError::OtherWeights(name.to_owned()));
        }
        if there.len() == listed.len() {
            return Ok(());
        }
        let public = vault.public_identity();
        let account = AccountId(public.fingerprint());
        let statement = Statement {
            collection: id,
            number: 0,
            previous: Digest([0; 32]),
            trio: self.trio(),
            dim: limits::SPLIT_MODEL_ROW as u32,
            author: account,
            members: vec![Member { account, identity: Bytes(public.to_bytes()), role: Role::Owner }],
            model: Some(digest),
        };
        for (place, entries) in listed.iter().enumerate() {
            if entries.iter().all(|entry| entry.model != id) {
                self.found_at(place, &statement, &vault.identity())?;
            }
        }
        Ok(())
    }

    /// Hands the manifest to all three; to those that have it that is nothing new.
    pub(super) fn describe(
        &self,
        model: CollectionId,
        digest: Digest,
        manifest: &Bytes,
    ) -> Result<(), VaultError> {
        let order = self.order(model, Action::Describe { manifest: digest })?;
        self.ask_all(&order, [(); 3].map(|()| manifest.clone())).map(drop)
    }
}
