//! What an append says by itself.

use pmirs_crypto::{Context, PublicIdentity, Signature, entry_hash, leaf_digest, sha256};
use pmirs_wire::item::NewItem;
use pmirs_wire::log::{Action, Append, Entry, Leaf, Payload, SignedEntry};
use pmirs_wire::{AccountId, Bytes, CollectionId, Digest, decode, encode, limits};

use crate::check;
use crate::clock::now_ms;
use crate::config::Limits;
use crate::refusal::Refusal;

/// An entry that its author signed for this collection, with the payload that it pins.
pub(super) struct Claim<'a> {
    pub(super) entry: Entry,
    pub(super) signed: &'a SignedEntry,
    pub(super) hash: Digest,
    /// Of `Add` and `Replace`, in the entry's order.
    pub(super) items: &'a [NewItem],
    /// Of `Share`, `Revoke` and `Rotate`, in the entry's order.
    pub(super) grants: &'a [Bytes],
    /// Of `Settings`.
    pub(super) header: &'a [u8],
}

impl<'a> Claim<'a> {
    pub(super) fn read(
        append: &'a Append,
        collection: &CollectionId,
        account: &AccountId,
        identity: &PublicIdentity,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let signed = &append.entry;
        let entry: Entry =
            decode(&signed.entry.0).map_err(|error| Refusal::bad(format!("entry: {error}")))?;
        // One entry has one encoding, whatever else a decoder lets pass.
        if encode(&entry).ok().as_ref() != Some(&signed.entry.0) {
            return Err(Refusal::bad("entry is not in its shortest encoding"));
        }
        if entry.collection != *collection {
            return Err(Refusal::bad("entry.collection is another collection"));
        }
        if entry.author != *account {
            return Err(Refusal::bad("entry.author is somebody else"));
        }
        let signature = check::exactly("signature", &signed.signature.0)?;
        identity
            .verify(Context::Change, &signed.entry.0, &Signature(signature))
            .map_err(|_| Refusal::bad("signature does not fit the entry and its author"))?;
        let skew = limits.clock_skew;
        if u128::from(entry.at_ms.abs_diff(now_ms())) > skew.as_millis() {
            let most = skew.as_secs();
            return Err(Refusal::bad(format!("entry.at_ms is off the server's clock by more than {most} s")));
        }
        let hash = Digest(entry_hash(&signed.entry.0, &signature));
        let mut claim = Self { entry, signed, hash, items: &[], grants: &[], header: &[] };
        claim.take_payload(&append.payload)?;
        Ok(claim)
    }

    fn take_payload(&mut self, payload: &'a Payload) -> Result<(), Refusal> {
        match (&self.entry.action, payload) {
            (Action::Add { items: leaves } | Action::Replace { items: leaves }, Payload::Items(items)) => {
                same_items(leaves, items)?;
                self.items = items;
            }
            (Action::Share { grants: pinned, .. }, Payload::Grants(grants)) => {
                same_grants(pinned.iter().map(|(_, digest)| digest), grants)?;
                self.grants = grants;
            }
            (
                Action::Revoke { grants: pinned, .. } | Action::Rotate { grants: pinned },
                Payload::Grants(grants),
            ) => {
                same_grants(pinned.iter().map(|(_, digest)| digest), grants)?;
                self.grants = grants;
            }
            (Action::Settings { header: pinned }, Payload::Header(header)) => {
                check::sealed("payload.header", &header.0, limits::SEALED_HEADER)?;
                if *pinned != Digest(sha256(&header.0)) {
                    return Err(Refusal::bad("payload.header is not what the entry pins"));
                }
                self.header = &header.0;
            }
            (
                Action::Create { .. }
                | Action::Remove { .. }
                | Action::Accept
                | Action::Leave
                | Action::Retire { .. },
                Payload::Nothing,
            ) => {}
            (action, _) => {
                return Err(Refusal::bad(format!("payload is not what belongs to '{}'", action.name())));
            }
        }
        Ok(())
    }
}

fn same_items(leaves: &[Leaf], items: &[NewItem]) -> Result<(), Refusal> {
    same_count(leaves.len(), items.len())?;
    for (i, (leaf, item)) in leaves.iter().zip(items).enumerate() {
        let digest = leaf_digest(&item.item.0, item.epoch, &item.meta.0, &item.embedding.0);
        if (leaf.item, leaf.epoch, leaf.digest) != (item.item, item.epoch, Digest(digest)) {
            return Err(Refusal::bad(format!("payload.items[{i}] is not what the entry pins")));
        }
    }
    Ok(())
}

fn same_grants<'a>(
    pinned: impl ExactSizeIterator<Item = &'a Digest>,
    grants: &[Bytes],
) -> Result<(), Refusal> {
    same_count(pinned.len(), grants.len())?;
    if grants.len() > limits::MEMBERS {
        let (got, most) = (grants.len(), limits::MEMBERS);
        return Err(Refusal::too_large(format!("payload.grants has {got} grants, the limit is {most}")));
    }
    for (i, (digest, grant)) in pinned.zip(grants).enumerate() {
        check::sealed(&format!("payload.grants[{i}]"), &grant.0, limits::GRANT)?;
        if *digest != Digest(sha256(&grant.0)) {
            return Err(Refusal::bad(format!("payload.grants[{i}] is not what the entry pins")));
        }
    }
    Ok(())
}

fn same_count(pinned: usize, got: usize) -> Result<(), Refusal> {
    if pinned == got {
        return Ok(());
    }
    Err(Refusal::bad(format!("payload has {got} parts, the entry pins {pinned}")))
}
