//! Which model at the three is meant, and what is public of it. No server is believed alone: all must name the same
//! manifest, and a manifest is what has that digest.

use std::collections::BTreeSet;

use pmirs_crypto::sha256;
use pmirs_wire::split::{Action, Answer, ModelEntry};
use pmirs_wire::{AccountId, Bytes, CollectionId};

use super::super::ask::{OfThree, Parties, is_conflict};
use super::super::lies;
use crate::{Vault, VaultError};

/// A model that somebody looks for.
pub(super) struct Wanted {
    /// Name and version.
    model: String,
    /// Whose it may be: a stranger could lend anyone a model of any name.
    owners: BTreeSet<AccountId>,
}

impl Wanted {
    /// One of this person's own.
    pub(super) fn own(vault: &Vault, model: &str) -> Self {
        let me = AccountId(vault.public_identity().fingerprint());
        Self { model: model.to_owned(), owners: BTreeSet::from([me]) }
    }

    /// One of this person's own, or of a contact's.
    pub(super) fn of(vault: &Vault, model: &str) -> Result<Self, VaultError> {
        let mut wanted = Self::own(vault, model);
        wanted.trust(vault.contacts()?.into_iter().map(|contact| contact.account));
        Ok(wanted)
    }

    /// Or of one of these.
    pub(super) fn trust(&mut self, owners: impl IntoIterator<Item = AccountId>) {
        self.owners.extend(owners);
    }

    fn is(&self, entry: &ModelEntry) -> bool {
        entry.name.as_ref() == Some(&self.model) && entry.owners.iter().any(|it| self.owners.contains(it))
    }
}

/// The model, as all three list it.
pub(super) fn find(vault: &Vault, parties: &Parties, wanted: &Wanted) -> Result<ModelEntry, VaultError> {
    let listed = parties.models()?;
    let mut fitting: Vec<&ModelEntry> = listed.iter().flatten().filter(|entry| wanted.is(entry)).collect();
    fitting.sort_by_key(|entry| entry.model);
    fitting.dedup_by_key(|entry| entry.model);
    let me = AccountId(vault.public_identity().fingerprint());
    let found = match fitting.as_slice() {
        [] => return Err(VaultError::NoModel(wanted.model.clone())),
        [one] => *one,
        // One's own comes before what others lend.
        several => match several.iter().filter(|entry| entry.owners.contains(&me)).collect::<Vec<_>>()[..] {
            [own] => own,
            _ => return Err(VaultError::Ambiguous(wanted.model.clone())),
        },
    };
    for (place, entries) in listed.iter().enumerate() {
        let Some(entry) = entries.iter().find(|entry| entry.model == found.model) else {
            return Err(VaultError::PartyLacks { party: parties.name(place).to_owned() });
        };
        if entry.manifest != found.manifest {
            let reason = format_args!("it holds another model under the name {}", wanted.model);
            return Err(lies(parties.name(place), reason));
        }
    }
    Ok(found.clone())
}

impl Parties {
    /// The models that each of the three lets this person use.
    pub(super) fn models(&self) -> Result<OfThree<Vec<ModelEntry>>, VaultError> {
        let order = self.order(CollectionId([0; 16]), Action::Models)?;
        let [first, second, third] = self.ask_all(&order, [const { Bytes(Vec::new()) }; 3])?;
        let read = |place: usize, answer| match answer {
            Answer::Models(entries) => Ok(entries),
            _ => Err(lies(self.name(place), "it answers with something else than models")),
        };
        Ok([read(0, first)?, read(1, second)?, read(2, third)?])
    }

    /// What is public of a model, from the first of the three that has it.
    pub(super) fn manifest(&self, entry: &ModelEntry) -> Result<Bytes, VaultError> {
        let mut lacking = None;
        for place in 0..3 {
            let order = self.order(entry.model, Action::Manifest)?;
            match self.ask(place, &order, Bytes(Vec::new()), None) {
                Ok(Answer::Manifest(manifest)) if sha256(&manifest.0) == entry.manifest.0 => {
                    return Ok(manifest);
                }
                Ok(_) => return Err(lies(self.name(place), "its manifest is not the one that it names")),
                Err(error) if is_conflict(&error) => lacking = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(lacking.unwrap_or(VaultError::Busy))
    }
}
