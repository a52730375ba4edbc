//! Making a change: signed at the present head, sent, and signed anew where somebody else was faster.

use std::time::Duration;

use pmirs_crypto::{Context, Identity, leaf_digest};
use pmirs_wire::item::NewItem;
use pmirs_wire::log::{Action, Append, Entry, Leaf, Payload, SignedEntry};
use pmirs_wire::problem::ProblemKind;
use pmirs_wire::{Bytes, Digest, encode};
use rand_core::Rng as _;

use super::follow::History;
use super::rules::{self, Leaves, State};
use crate::local::Local;
use crate::remote::Remote;
use crate::{VaultError, fresh};

/// How often a change is signed anew before its author gives up.
const ATTEMPTS: u32 = 64;
/// The longest wait between two attempts.
const LONGEST_WAIT_MS: u64 = 100;

/// What to do to a collection as it stands, if anything.
pub(crate) type Change<'a> =
    dyn FnMut(Option<&State>, &Leaves) -> Result<Option<(Action, Payload)>, VaultError> + 'a;

impl History {
    /// Appends what `change` makes of the collection as it stands; it is called again whenever somebody else
    /// was faster, and may find that nothing is left to do. When this returns, the change is on the cloud's disk
    /// and part of the history.
    ///
    /// # Errors
    /// [`VaultError::NotAllowed`] where the log's rules forbid it, whatever `change` gives, or when the cloud
    /// fails.
    pub(crate) fn append(
        &mut self,
        identity: &Identity,
        remote: &Remote,
        local: &Local,
        change: &mut Change<'_>,
    ) -> Result<Option<Entry>, VaultError> {
        let mut rng = fresh::rng()?;
        for attempt in 0..ATTEMPTS {
            self.leaves(local)?;
            let leaves = self.leaves.get_or_insert_default();
            let Some((action, payload)) = change(self.state.as_ref(), leaves)? else { return Ok(None) };
            let (signed, entry, hash) = self.sign(identity, local, action)?;
            let append = Append { entry: signed, payload };
            let refused = match remote.append(self.collection, &append) {
                Ok(head) => {
                    if head.hash != hash {
                        return Err(self.altered("head", &"the server answers with another entry's"));
                    }
                    self.take(std::slice::from_ref(&append.entry), local)?;
                    // Another process of this home may have been shown something else in its place.
                    if local.entry_hash(self.collection, entry.number)? != Some(hash) {
                        return Err(self.forked(entry.number, "the server took one entry and shows another"));
                    }
                    return Ok(Some(entry));
                }
                Err(error) => error,
            };
            // Somebody was faster; or the answer was lost, and nobody knows whether the entry is there.
            let unsure = matches!(refused, VaultError::Unreachable { .. });
            if !unsure && refused.refusal() != Some(ProblemKind::Conflict) {
                return Err(refused);
            }
            let stood = self.number();
            self.follow(remote, local)?;
            if local.entry_hash(self.collection, entry.number)? == Some(hash) {
                return Ok(Some(entry));
            }
            if unsure || self.number() == stood {
                return Err(refused);
            }
            let most = LONGEST_WAIT_MS.min(1 << attempt.min(16));
            std::thread::sleep(Duration::from_millis(rng.next_u64() % most));
        }
        Err(VaultError::Busy)
    }

    /// The entry that does this next. It is held to the rules before anybody sees it.
    fn sign(
        &mut self,
        identity: &Identity,
        local: &Local,
        action: Action,
    ) -> Result<(SignedEntry, Entry, Digest), VaultError> {
        let (collection, me) = (self.collection, self.me);
        self.leaves(local)?;
        let state = self.state.clone();
        let starts = matches!(action, Action::Revoke { .. } | Action::Rotate { .. });
        let leaves = self.leaves(local)?;
        let (items, root) = leaves.after(&action);
        let entry = Entry {
            collection,
            number: state.as_ref().map_or(0, |state| state.number + 1),
            previous: state.as_ref().map_or(Digest([0; 32]), |state| state.hash),
            epoch: state.as_ref().map_or(0, |state| state.epoch) + u32::from(starts),
            author: me,
            at_ms: fresh::now_ms(),
            action,
            items,
            root,
        };
        let bytes = encode(&entry)?;
        let signature = identity.sign(Context::Change, &bytes);
        let signed = SignedEntry { entry: Bytes(bytes), signature: Bytes(signature.0.to_vec()) };
        let (after, entry) = rules::next(&me, collection, state.as_ref(), leaves, &signed)
            .map_err(|reason| VaultError::NotAllowed { action: entry.action.name(), reason })?;
        Ok((signed, entry, after.hash))
    }
}

/// What the log pins of sealed items.
pub(crate) fn digests(items: &[NewItem]) -> Vec<Leaf> {
    let leaf = |new: &NewItem| Leaf {
        item: new.item,
        epoch: new.epoch,
        digest: Digest(leaf_digest(&new.item.0, new.epoch, &new.meta.0, &new.embedding.0)),
    };
    items.iter().map(leaf).collect()
}
