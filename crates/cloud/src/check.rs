//! Every field of every request against its range; the refusal names the field and the range.

use std::collections::HashSet;

use pmirs_crypto::PublicIdentity;
use pmirs_wire::collection::{NewCollection, Protection, Role};
use pmirs_wire::item::{NewItem, RemoveItems, VeiledVector};
use pmirs_wire::search::Search;
use pmirs_wire::{CollectionId, DeviceId, Digest, FilterToken, ItemId, limits};

use crate::refusal::Refusal;
use crate::storage::Membership;

type Checked<T = ()> = Result<T, Refusal>;

/// A collection's identifier in a path. What is none is as absent as what is unknown.
pub(crate) fn collection_id(text: &str) -> Checked<CollectionId> {
    text.parse().map_err(|_| Refusal::not_found("collection"))
}

/// An item's identifier in a path.
pub(crate) fn item_id(text: &str) -> Checked<ItemId> {
    text.parse().map_err(|_| Refusal::not_found("item"))
}

/// A device's identifier in a path.
pub(crate) fn device_id(text: &str) -> Checked<DeviceId> {
    text.parse().map_err(|_| Refusal::not_found("device"))
}

/// A federation's or a model's digest in a path.
pub(crate) fn digest(what: &str, text: &str) -> Checked<Digest> {
    text.parse().map_err(|_| Refusal::not_found(what))
}

/// Exactly `N` bytes.
pub(crate) fn exactly<const N: usize>(field: &str, bytes: &[u8]) -> Checked<[u8; N]> {
    bytes.try_into().map_err(|_| Refusal::bad(format!("{field} has {} bytes, expected {N}", bytes.len())))
}

/// A new collection by the account with this identity.
pub(crate) fn new_collection(new: &NewCollection, creator: &PublicIdentity) -> Checked {
    sealed("header", &new.header.0, limits::SEALED_HEADER)?;
    match (new.protection, new.veiled_dim as usize) {
        (Protection::Sealed | Protection::Split, 0) | (Protection::Veiled, 1..=limits::VEILED_DIM) => {}
        (level @ (Protection::Sealed | Protection::Split), got) => {
            return Err(Refusal::bad(format!("veiled_dim is {got}, expected 0 at protection {level}")));
        }
        (Protection::Veiled, got) => {
            return Err(Refusal::bad(format!("veiled_dim is {got}, expected 1 to {}", limits::VEILED_DIM)));
        }
    }
    let grant = &new.grant;
    sealed("grant.grant", &grant.grant.0, limits::GRANT)?;
    if grant.epoch != 0 {
        return Err(Refusal::bad(format!("grant.epoch is {}, expected 0", grant.epoch)));
    }
    if grant.role != Role::Owner {
        return Err(Refusal::bad("grant.role: the creator's is owner"));
    }
    if grant.granter.0 != creator.to_bytes() {
        return Err(Refusal::bad("grant.granter is not the creator's identity"));
    }
    Ok(())
}

/// A member's role against the least that is wanted.
pub(crate) fn role(role: Role, accepted: bool, least: Role) -> Checked {
    if !accepted {
        return Err(Refusal::forbidden("the collection was shared with you: accept it first"));
    }
    if role < least {
        return Err(Refusal::forbidden(match least {
            Role::Owner => "only an owner of the collection may do this",
            _ => "a reader of the collection may not change it",
        }));
    }
    Ok(())
}

/// A batch of additions to a collection by a member.
pub(crate) fn new_items(new: &[NewItem], membership: &Membership) -> Checked {
    batch(new.iter().map(|item| item.item))?;
    let items = || new.iter().enumerate();
    items().try_for_each(|(i, item)| new_item(&format!("items[{i}]"), item, membership))
}

fn new_item(at: &str, item: &NewItem, membership: &Membership) -> Checked {
    sealed(&format!("{at}.meta"), &item.meta.0, limits::SEALED_META)?;
    sealed(&format!("{at}.embedding"), &item.embedding.0, limits::SEALED_EMBEDDING)?;
    sealed(&format!("{at}.content"), &item.content.0, limits::SEALED_CONTENT)?;
    epoch(&format!("{at}.epoch"), item.epoch, membership)?;
    tokens(&format!("{at}.tokens"), &item.tokens)?;
    let level = membership.protection;
    if level != Protection::Veiled && !item.tokens.is_empty() {
        return Err(Refusal::bad(format!("{at}.tokens have no place in a {level} collection")));
    }
    let field = format!("{at}.veiled");
    match (&item.veiled, level) {
        (Some(vector), Protection::Veiled) => veiled(&field, vector, membership),
        (None, Protection::Sealed | Protection::Split) => Ok(()),
        (None, Protection::Veiled) => Err(Refusal::bad(format!("{field} is missing in a veiled collection"))),
        (Some(_), Protection::Sealed | Protection::Split) => {
            Err(Refusal::bad(format!("{field} has no place in a {level} collection")))
        }
    }
}

/// A batch of removals.
pub(crate) fn removal(remove: &RemoveItems) -> Checked {
    batch(remove.items.iter().copied())
}

/// A search in a collection by a member.
pub(crate) fn search(search: &Search, membership: &Membership) -> Checked {
    if membership.protection != Protection::Veiled {
        let level = membership.protection;
        return Err(Refusal::bad(format!(
            "the server can search veiled collections only; this one is {level}"
        )));
    }
    epoch("epoch", search.epoch, membership)?;
    veiled("query", &search.query, membership)?;
    tokens("filter", &search.filter)?;
    if !(1..=limits::CANDIDATES as u32).contains(&search.count) {
        let (got, most) = (search.count, limits::CANDIDATES);
        return Err(Refusal::bad(format!("count is {got}, expected 1 to {most}")));
    }
    let last = u64::from(search.skip) + u64::from(search.count);
    if last > limits::SEARCH_DEPTH as u64 {
        return Err(Refusal::bad(format!(
            "skip + count is {last}, expected at most {}",
            limits::SEARCH_DEPTH
        )));
    }
    Ok(())
}

/// Each once and in one order, so that equal sets have equal encodings.
fn tokens(field: &str, tokens: &[FilterToken]) -> Checked {
    let (got, most) = (tokens.len(), limits::TOKENS);
    if got > most {
        return Err(Refusal::too_large(format!("{field} has {got} tokens, the limit is {most}")));
    }
    if !tokens.is_sorted_by(|a, b| a < b) {
        return Err(Refusal::bad(format!("{field} is not in ascending order, each token once")));
    }
    Ok(())
}

fn epoch(field: &str, epoch: u32, membership: &Membership) -> Checked {
    if membership.epochs.contains(&epoch) {
        return Ok(());
    }
    Err(Refusal::bad(format!("{field} is {epoch}, an epoch that you have no grant for")))
}

fn veiled(field: &str, vector: &VeiledVector, membership: &Membership) -> Checked {
    let scale = vector.scale;
    if !(scale > 0.0 && scale <= pmirs_index::MAX_SCALE) {
        let most = pmirs_index::MAX_SCALE;
        return Err(Refusal::bad(format!("{field}.scale is {scale}, expected above 0 and at most {most:e}")));
    }
    let (got, expected) = (vector.values.0.len(), membership.veiled_dim);
    if got != expected as usize {
        return Err(Refusal::bad(format!("{field}.values has {got} coordinates, expected {expected}")));
    }
    Ok(())
}

/// Something sealed: never empty, since sealing adds bytes, and within its limit.
pub(crate) fn sealed(field: &str, bytes: &[u8], limit: usize) -> Checked {
    match bytes.len() {
        0 => Err(Refusal::bad(format!("{field} is empty"))),
        got if got > limit => {
            Err(Refusal::too_large(format!("{field} has {got} bytes, the limit is {limit}")))
        }
        _ => Ok(()),
    }
}

/// A batch of items, each once.
pub(crate) fn batch(items: impl ExactSizeIterator<Item = ItemId>) -> Checked {
    let got = items.len();
    if got == 0 {
        return Err(Refusal::bad("items is empty"));
    }
    if got > limits::BATCH_ITEMS {
        return Err(Refusal::too_large(format!(
            "items has {got} items, the limit is {}",
            limits::BATCH_ITEMS
        )));
    }
    let mut seen = HashSet::with_capacity(got);
    for (i, item) in items.enumerate() {
        if !seen.insert(item) {
            return Err(Refusal::bad(format!("items[{i}].item is in the batch twice")));
        }
    }
    Ok(())
}
