//! Starting a federation: a charter is written and signed, and the coordinator gets it with the model's numbers.

use pmirs_crypto::{PublicIdentity, Signature};
use pmirs_federated::chain::Chain;
use pmirs_federated::charter::{Charter, Terms};
use pmirs_federated::model::Manifest;
use pmirs_wire::federation::{FederationRow, NewFederation};
use pmirs_wire::{Bytes, Digest, encode};
use rand_core::Rng;

use super::fault;
use super::state::Folder;
use crate::{Vault, VaultError, fresh};

/// What an owner decides.
pub struct Founding {
    /// What people call it.
    pub name: String,
    /// The model pack that training starts from, in words.
    pub base: String,
    /// What of it trains, in words.
    pub part: String,
    /// The tensors that train.
    pub manifest: Manifest,
    /// Their numbers.
    pub weights: Vec<f32>,
    /// Who trains.
    pub members: Vec<PublicIdentity>,
    /// How.
    pub terms: Terms,
}

impl Vault {
    /// The federations at this home's cloud that it owns or is a member of.
    ///
    /// # Errors
    /// When the cloud cannot be asked.
    pub fn federations(&self) -> Result<Vec<FederationRow>, VaultError> {
        self.remote()?.federations()
    }

    /// Starts a federation at this home's cloud. The coordinator gets named tensors of numbers, and no pack.
    ///
    /// # Errors
    /// [`VaultError::Terms`] for terms that no round can be run by; when the cloud refuses.
    pub fn start_federation(&self, founding: Founding) -> Result<Chain, VaultError> {
        let Founding { name, base, part, manifest, weights, members, terms } = founding;
        let remote = self.remote()?;
        let wrong = |error: pmirs_federated::Error| VaultError::Terms {
            federation: name.clone(),
            reason: error.to_string(),
        };
        let coordinator = remote.coordinator()?.identity;
        let coordinator = PublicIdentity::from_bytes(&coordinator.0).map_err(|error| {
            VaultError::BadAnswer { request: "GET /v1/coordinator".into(), reason: error.to_string() }
        })?;
        let mut nonce = [0; 32];
        fresh::rng()?.fill_bytes(&mut nonce);
        let charter = Charter {
            name: name.clone(),
            nonce: Digest(nonce),
            owner: Digest(self.public_identity().fingerprint()),
            coordinator: Digest(coordinator.fingerprint()),
            base,
            part,
            model: manifest.digest(&weights).map_err(wrong)?,
            manifest,
            members: members.iter().map(|member| Bytes(member.to_bytes())).collect(),
            terms,
        };
        let Signature(signature) = charter.sign(&self.identity()).map_err(wrong)?;
        let chain = Chain::begin(charter, coordinator).map_err(wrong)?;
        let charter = Bytes(encode(chain.charter())?);
        let started =
            remote.start_federation(&NewFederation { charter, signature: Bytes(signature.to_vec()) })?;
        if started.charter.0 != encode(chain.charter())? {
            return Err(fault(&chain, &"the coordinator keeps another charter than it was given"));
        }
        Folder::of(self, chain.id()).write("charter", &started)?;
        let numbers: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
        remote.send_pieces(chain.id(), "model", chain.model(), &numbers)?;
        Ok(chain)
    }
}
