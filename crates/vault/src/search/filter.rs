//! Which items may be found at all: by tags, kind and date.
//!
//! Tags, kinds and dates are sealed with the rest of an item's metadata and compared here, after it was opened.
//! At `veiled` the server may be asked to rank only items with certain tags, by keyed tokens that it can compare
//! and not read; dates are compared here alone.

use pmirs_crypto::TokenKey;
use pmirs_wire::sealed::{ItemKind, ItemMeta};
use pmirs_wire::{FilterToken, limits};

use crate::tag;

/// What an item must be to be found. The default admits everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Tags that it must have, all of them.
    pub tags: Vec<String>,
    /// What it must be.
    pub kind: Option<ItemKind>,
    /// Its date in milliseconds since 1970 must be this or later.
    pub after_ms: Option<u64>,
    /// Its date must be earlier than this.
    pub before_ms: Option<u64>,
}

impl Filter {
    /// Whether everything passes.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the server can do a part of it.
    pub(super) fn has_tokens(&self) -> bool {
        self.kind.is_some() || !self.tags.is_empty()
    }

    /// What the server may compare in an epoch. Tags beyond what it takes are compared here alone.
    pub(super) fn tokens(&self, key: &TokenKey) -> Vec<FilterToken> {
        let mut tokens = tag::tokens(key, &self.tags, self.kind);
        tokens.truncate(limits::TOKENS);
        tokens
    }

    /// Whether an item passes.
    pub fn admits(&self, meta: &ItemMeta) -> bool {
        let date = meta.date_ms.unwrap_or(meta.added_ms);
        self.tags.iter().all(|tag| meta.tags.contains(tag))
            && self.kind.is_none_or(|kind| meta.kind == kind)
            && self.after_ms.is_none_or(|after| date >= after)
            && self.before_ms.is_none_or(|before| date < before)
    }
}
