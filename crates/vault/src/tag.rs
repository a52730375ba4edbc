//! Words that people attach to items, and the tokens that filters find them by.
//!
//! Tags are sealed with the rest of an item's metadata. At `veiled` the server gets, for each tag and for the kind
//! of the item, a token under the epoch's key: it can tell equal ones apart from others, count them, and see which
//! come together, and nothing else. Whoever held an epoch's key can test guesses against the tokens of that epoch.

use pmirs_crypto::TokenKey;
use pmirs_wire::sealed::{ItemKind, ItemMeta};
use pmirs_wire::{FilterToken, ItemId, limits};

use crate::VaultError;
use crate::add::upload::BATCH_ITEMS;
use crate::collection::{Collection, Replaced};

/// Tags of one item; its kind takes a token as well.
const MOST_TAGS: usize = limits::TOKENS - 1;
/// Characters of a tag.
const LONGEST_TAG: usize = 100;

impl Collection<'_> {
    /// Attaches tags to items and takes others away; says how many items changed. The items are sealed anew, under
    /// the latest epoch.
    ///
    /// # Errors
    /// When a tag is not one, there is no such item, the role does not allow it, or the cloud fails.
    pub fn tag(&self, items: &[ItemId], add: &[String], remove: &[String]) -> Result<u64, VaultError> {
        add.iter().chain(remove).try_for_each(|tag| check(tag))?;
        let mut changed = 0;
        let mut items = items.to_vec();
        while !items.is_empty() {
            let batch = items.split_off(items.len().saturating_sub(BATCH_ITEMS));
            let mut resealed = Vec::with_capacity(batch.len());
            for item in batch {
                let mut differs = false;
                let new = self.reseal_with(item, |meta| {
                    let before = meta.tags.clone();
                    meta.tags.retain(|tag| !remove.contains(tag));
                    meta.tags.extend(add.iter().cloned());
                    meta.tags.sort();
                    meta.tags.dedup();
                    differs = meta.tags != before;
                    match meta.tags.len() {
                        count if count > MOST_TAGS => Err(VaultError::Tag {
                            tag: format!("{count} tags"),
                            reason: "an item has at most 63",
                        }),
                        _ => Ok(()),
                    }
                })?;
                match new {
                    Some(new) if differs => resealed.push(new),
                    Some(_) => {}
                    None => return Err(VaultError::NoItem(item.to_string())),
                }
            }
            let Replaced { replaced, overtaken } = self.replace(resealed)?;
            changed += replaced;
            // Somebody else changed these meanwhile; what they did must stay.
            items.extend(overtaken);
        }
        Ok(changed)
    }
}

fn check(tag: &str) -> Result<(), VaultError> {
    let refuse = |reason| Err(VaultError::Tag { tag: tag.to_owned(), reason });
    if tag.trim() != tag || tag.is_empty() {
        return refuse("it is empty, or begins or ends with a blank");
    }
    if tag.chars().count() > LONGEST_TAG {
        return refuse("it is longer than 100 characters");
    }
    if tag.chars().any(char::is_control) {
        return refuse("it holds a control character");
    }
    Ok(())
}

/// The tokens of an item, as the server wants them: in order, each once.
pub(crate) fn tokens_of(key: &TokenKey, meta: &ItemMeta) -> Vec<FilterToken> {
    tokens(key, &meta.tags, Some(meta.kind))
}

/// The tokens of these tags and this kind.
pub(crate) fn tokens(key: &TokenKey, tags: &[String], kind: Option<ItemKind>) -> Vec<FilterToken> {
    let kind = kind.map(|kind| FilterToken(key.tag(b"kind", kind.name().as_bytes())));
    let mut tokens: Vec<FilterToken> =
        tags.iter().map(|tag| FilterToken(key.tag(b"tag", tag.as_bytes()))).chain(kind).collect();
    tokens.sort();
    tokens.dedup();
    tokens
}
