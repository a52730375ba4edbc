//! Text to words, as CLIP's reference tokenizer does before byte-pair encoding.
//!
//! The reference is `CLIPTokenizerFast`: NFC, white space collapsed, lower case, then the pattern
//! `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`. The pattern is three character classes and
//! seven suffixes, so a loop over characters replaces the regex.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

const SUFFIXES: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// NFC, then lower case. White space needs no collapsing: [`words`] skips it.
pub(super) fn clean(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let composed = match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        _ => Cow::Owned(text.nfc().collect()),
    };
    // Character by character, as the reference: no special rule for a final sigma.
    composed.chars().flat_map(char::to_lowercase).collect()
}

/// The words of a cleaned text, in order.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(char::is_whitespace);
        let (word, tail) = rest.split_at(word_len(rest)?);
        rest = tail;
        Some(word)
    })
}

/// Length in bytes of the word that `text` starts with; `None` at the end.
fn word_len(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    if let Some(suffix) = SUFFIXES.iter().find(|suffix| text.starts_with(**suffix)) {
        return Some(suffix.len());
    }
    let class = Class::of(first);
    if class == Class::Number {
        return Some(first.len_utf8());
    }
    Some(text.find(|c| Class::of(c) != class).unwrap_or(text.len()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

impl Class {
    fn of(c: char) -> Self {
        if c.is_ascii_alphabetic() {
            return Self::Letter;
        }
        if c.is_whitespace() {
            return Self::Space;
        }
        match c.general_category_group() {
            GeneralCategoryGroup::Letter => Self::Letter,
            GeneralCategoryGroup::Number => Self::Number,
            _ => Self::Other,
        }
    }
}
