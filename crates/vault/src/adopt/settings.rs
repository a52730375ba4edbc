//! The entries of the log that begin and end a move.

use pmirs_encoder::Encoder;
use pmirs_wire::collection::{Protection, Role};
use pmirs_wire::log::{Action, Entry, Payload};
use pmirs_wire::sealed::CollectionHeader;
use pmirs_wire::{Bytes, Digest, ItemId, encode};
use rayon::prelude::*;

use crate::collection::{Collection, Model, Models, header_place, same_settings};
use crate::history::{Change, State};
use crate::{VaultError, fresh};

/// How often settings are signed anew because others changed the collection meanwhile.
const ATTEMPTS: usize = 16;

/// What to make of a collection's settings at a state; nothing where they stay.
type Next<'a> = dyn FnMut(Option<&State>) -> Result<Option<CollectionHeader>, VaultError> + 'a;

impl Collection<'_> {
    /// Goes over to the model that `encoder` runs, as an owner: from now on searches rank by it, and what is added is
    /// embedded by it. Items that are there are of the earlier model until [`Collection::reembed`] moves them. Says
    /// whether anything changed: `false` where it is the collection's model already.
    ///
    /// # Errors
    /// [`VaultError::OtherDimension`] where servers score the embeddings and theirs have another length,
    /// [`VaultError::OtherPack`] where the collection's model of this name and version has other files; when the
    /// role does not allow it, or the cloud fails.
    pub fn use_model(&self, encoder: &Encoder) -> Result<bool, VaultError> {
        self.renew()?;
        if self.is_current(encoder)? {
            return Ok(false);
        }
        self.scored_alike(encoder)?;
        self.only_owners()?;
        // What the new model makes must not be under a veil that hides the old one's, to which a server could compare it.
        let items = self.history().state().map_or(0, |state| state.items);
        if self.record.protection == Protection::Veiled && items > 0 {
            self.rotate()?;
        }
        for _ in 0..ATTEMPTS {
            let models = self.models();
            if self.is_current(encoder)? {
                return Ok(true);
            }
            let signed = self.settle(&models, &mut |state| {
                let (epoch, empty) = state.map_or((0, true), |state| (state.epoch, state.items == 0));
                models.header_with(&Model::of(encoder, epoch), empty, &self.header).map(Some)
            });
            match signed {
                Ok(Some(_)) => {
                    self.renew()?;
                    return Ok(true);
                }
                Ok(None) => {}
                // Another owner changed the settings.
                Err(VaultError::NewModel) => self.renew()?,
                Err(error) => return Err(error),
            }
        }
        Err(VaultError::Busy)
    }

    /// Gives up the earlier models, as an owner, where no item is of them any more; says which these were.
    pub(super) fn give_up_earlier(&self) -> Result<Vec<String>, VaultError> {
        for _ in 0..ATTEMPTS {
            let models = self.models();
            if !models.is_moving() || !self.is_owner() {
                return Ok(Vec::new());
            }
            self.sync()?;
            let stood = self.history().number();
            if self.models() != models {
                continue;
            }
            if !self.stale(models.current())?.is_empty() {
                return Ok(Vec::new());
            }
            // What was added since then may be of an earlier model: it is looked at again.
            let alone = models.header_alone(&self.header);
            let signed = self.settle(&models, &mut |state| {
                Ok((state.map(|state| state.number) == stood).then(|| alone.clone()))
            });
            match signed {
                Ok(Some(_)) => {
                    self.renew()?;
                    return Ok(models.earlier().iter().map(|model| model.name.clone()).collect());
                }
                Ok(None) => {}
                Err(VaultError::NewModel) => self.renew()?,
                Err(error) => return Err(error),
            }
        }
        Err(VaultError::Busy)
    }

    /// Items of other models than this one, as far as the local store was brought up.
    pub(super) fn stale(&self, model: &Model) -> Result<Vec<ItemId>, VaultError> {
        let keys = self.keys();
        let of = |record: crate::local::LocalRecord| {
            let meta = keys.open_meta(record.item, record.epoch, &record.meta.0)?;
            Ok((meta.model != model.name).then_some(record.item))
        };
        self.local_records()?.into_par_iter().map(of).filter_map(Result::transpose).collect()
    }

    /// Follows the log, and takes the keys and settings that it names.
    pub(super) fn renew(&self) -> Result<(), VaultError> {
        let mut history = self.history();
        history.follow(&self.remote, self.vault.local())?;
        self.renew_keys(&mut history)
    }

    fn is_current(&self, encoder: &Encoder) -> Result<bool, VaultError> {
        let models = self.models();
        let (model, current) = (Model::of(encoder, 0), models.current());
        if model.name != current.name {
            return Ok(false);
        }
        match (current.digest, model.digest) {
            (Some(collection), Some(here)) if collection != here => Err(VaultError::OtherPack {
                model: model.name,
                collection: collection.to_string(),
                here: here.to_string(),
            }),
            _ => Ok(true),
        }
    }

    /// Where servers score embeddings, all of them have one length.
    fn scored_alike(&self, encoder: &Encoder) -> Result<(), VaultError> {
        let Model { name, dim, .. } = Model::of(encoder, 0);
        if self.record.protection == Protection::Sealed || dim == self.header.dim {
            return Ok(());
        }
        Err(VaultError::OtherDimension {
            protection: self.record.protection,
            model: name,
            got: dim,
            expected: self.header.dim,
        })
    }

    fn only_owners(&self) -> Result<(), VaultError> {
        if self.is_owner() {
            return Ok(());
        }
        let role = self.info().role;
        let reason = format!("a {role} may not have it go over to another model");
        Err(VaultError::NotAllowed { action: "settings", reason })
    }

    fn is_owner(&self) -> bool {
        let me = self.remote.account();
        let history = self.history();
        history.state().and_then(|state| state.members.get(&me)).is_some_and(|it| it.role == Role::Owner)
    }

    /// Signs what `next` makes of the settings, if anything, in the place of those that `models` were read from.
    fn settle(&self, models: &Models, next: &mut Next<'_>) -> Result<Option<Entry>, VaultError> {
        let mut rng = fresh::rng()?;
        let keys = self.keys();
        let change: &mut Change<'_> = &mut |state, _| {
            same_settings(state, models)?;
            let Some(header) = next(state)? else { return Ok(None) };
            let place = header_place(self.record.id);
            let sealed = keys.epoch(0)?.metadata.seal(&mut rng, &place, &encode(&header)?);
            let action = Action::Settings { header: Digest(pmirs_crypto::sha256(&sealed)) };
            Ok(Some((action, Payload::Header(Bytes(sealed)))))
        };
        self.change(change)
    }
}
