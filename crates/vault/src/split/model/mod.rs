//! A model at three servers, of whose weights each holds shares: its owner deals them, and whoever the owner lends it to
//! encodes with it, without any weight on their machine.
//!
//! A model is a store of its own at the three, and is governed as a collection is: its owner signs who may use it. What a
//! user needs beside the weights, the preprocessing, the vocabulary and the cutoffs, is the manifest, whose digest the
//! owner's statements name and all three servers must agree on. With it the user's program is the ordinary encoder, but for
//! the two towers, which the three evaluate.

mod deal;
mod find;
mod towers;

use std::sync::Arc;

use pmirs_encoder::Encoder;
use pmirs_wire::collection::Role;
use pmirs_wire::split::{Member, Trio};
use pmirs_wire::{AccountId, Bytes, CollectionId};

use self::find::Wanted;
use super::ask::Parties;
use crate::collection::{Collection, model_name};
use crate::progress::Progress;
use crate::{Vault, VaultError};

/// A model whose weights lie in shares at three servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitModel {
    /// What the three call it.
    pub id: CollectionId,
    /// Name and version, as collections name the model of their embeddings.
    pub name: String,
    /// Weights and biases of both towers.
    pub weights: u64,
    /// Those who may use it beside its owner: their names among this person's contacts, or their accounts.
    pub users: Vec<String>,
}

impl Vault {
    /// Shares the weights of a model with three servers, none of which learns any of them. Done again, it goes on where it
    /// ended, and does nothing where nothing is missing.
    ///
    /// # Errors
    /// When the model is none of a compact network, other weights of the same name lie there already
    /// ([`VaultError::OtherWeights`]), or one of the three is away or refuses.
    pub fn split_model(
        &self,
        encoder: &Encoder,
        parties: &Trio,
        progress: &dyn Progress,
    ) -> Result<SplitModel, VaultError> {
        let parties = Parties::connect(parties, self.identity())?;
        let model = deal::share(self, &parties, encoder, progress)?;
        let users = self.users_of(&parties, model.id)?;
        Ok(SplitModel { id: model.id, name: model.name, weights: model.weights as u64, users })
    }

    /// Lets contacts use a model of this person's, or no longer; who is named nowhere keeps what they had.
    ///
    /// # Errors
    /// When there is no such model of this person's at the three, or somebody is no contact.
    pub fn lend_model(
        &self,
        model: &str,
        parties: &Trio,
        to: &[String],
        no_longer: &[String],
    ) -> Result<Vec<String>, VaultError> {
        let parties = Parties::connect(parties, self.identity())?;
        let entry = find::find(self, &parties, &Wanted::own(self, model))?;
        let known = parties.membership(entry.model)?;
        let mut members = known.statement.members.clone();
        for name in no_longer {
            let account = AccountId(self.contact_identity(name)?.fingerprint());
            members.retain(|member| member.account != account);
        }
        for name in to {
            let identity = self.contact_identity(name)?;
            let account = AccountId(identity.fingerprint());
            if members.iter().all(|member| member.account != account) {
                members.push(Member { account, identity: Bytes(identity.to_bytes()), role: Role::Reader });
            }
        }
        members.sort_by_key(|member| member.account);
        if members != known.statement.members {
            parties.tell_members(&known, members, &self.identity())?;
        }
        self.users_of(&parties, entry.model)
    }

    /// Has the three erase their shares of a model of this person's.
    ///
    /// # Errors
    /// When there is no such model of this person's at the three, or one of them is away.
    pub fn remove_split_model(&self, model: &str, parties: &Trio) -> Result<(), VaultError> {
        let parties = Parties::connect(parties, self.identity())?;
        // One of the three may have erased it before another one was away.
        let id = deal::id_of(&parties, AccountId(self.public_identity().fingerprint()), model);
        match find::find(self, &parties, &Wanted::own(self, model)) {
            Ok(_) | Err(VaultError::PartyLacks { .. }) => parties.delete(id),
            Err(error) => Err(error),
        }
    }

    /// An encoder without any weights here: the three servers evaluate its towers. The model must be this person's or a
    /// contact's.
    ///
    /// # Errors
    /// [`VaultError::NoModel`] where this person may use none of this name; when the three disagree about it.
    pub fn remote_encoder(&self, model: &str, parties: &Trio) -> Result<Arc<Encoder>, VaultError> {
        let parties = Arc::new(Parties::connect(parties, self.identity())?);
        towers::open(self, &parties, &Wanted::of(self, model)?)
    }

    fn users_of(&self, parties: &Parties, model: CollectionId) -> Result<Vec<String>, VaultError> {
        let contacts = self.contacts()?;
        let known = parties.membership(model)?;
        let users = known.statement.members.iter().filter(|member| member.role != Role::Owner);
        let named = users.map(|member| {
            let contact = contacts.iter().find(|contact| contact.account == member.account);
            contact.map_or_else(|| member.account.to_string(), |contact| contact.name.clone())
        });
        Ok(named.collect())
    }
}

impl Collection<'_> {
    /// Has three servers encode what this collection is given from now on: pictures and words leave this machine as shares,
    /// and no model is needed here. Without `parties`, the servers that hold the collection do it. The model must be this
    /// person's, a contact's, or of one of the collection's owners.
    ///
    /// # Errors
    /// [`VaultError::NoModel`] where this person may use none of the collection's model; when the three disagree about it,
    /// or none are named.
    pub fn encode_remotely(&self, parties: Option<&Trio>) -> Result<(), VaultError> {
        let parties = match parties {
            Some(trio) => Arc::new(Parties::connect(trio, self.vault.identity())?),
            None if self.header.parties.is_some() => self.parties()?,
            None => {
                let reason = "this collection is searched by none: name those that hold the model".to_owned();
                return Err(VaultError::Parties(reason));
            }
        };
        let models = self.models();
        let current = models.current();
        let mut wanted = Wanted::of(self.vault, &current.name)?;
        wanted.trust(self.members()?.into_iter().filter(|it| it.role == Role::Owner).map(|it| it.account));
        let encoder = towers::open(self.vault, &parties, &wanted)?;
        if model_name(&encoder) != current.name || encoder.info().dim != current.dim as usize {
            return Err(VaultError::OtherModel {
                collection: current.name.clone(),
                digest: current.digest.map(|digest| digest.to_string()).unwrap_or_default(),
                encoder: model_name(&encoder),
            });
        }
        self.vault.prefer_encoder(encoder);
        Ok(())
    }
}
