//! SentencePiece's precompiled character map: a double-array trie of source texts over replacement texts.
//!
//! The form is that of `sentencepiece`'s `normalizer.cc` over Yata's `darts-clone`: four bytes with the trie's
//! length, the trie's 32-bit units, then the replacements, each ended by a zero byte. Bytes of a stranger: every
//! index is looked up, none is trusted.

use data_encoding::BASE64;

use super::normalise::unsupported;
use crate::TokenizerError;

#[derive(Clone)]
pub(super) struct CharsMap {
    units: Vec<u32>,
    replacements: Vec<u8>,
}

impl CharsMap {
    pub(super) fn parse(encoded: &str) -> Result<Self, TokenizerError> {
        let refused =
            |reason: &str| unsupported("precompiled_charsmap", reason.to_owned(), "a trie in base64");
        let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| refused("not base64"))?;
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| refused("too short"))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (trie, replacements) = rest.split_at_checked(length).ok_or_else(|| refused("cut off"))?;
        let units = trie.as_chunks::<4>().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        Ok(Self { units, replacements: replacements.to_vec() })
    }

    /// Replaces, from left to right, the longest source text that begins at each place.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (length, replacement) = match self.longest(rest) {
                Some((length, to)) if rest.is_char_boundary(length) && length > 0 => (length, self.text(to)),
                _ => (first.len_utf8(), None),
            };
            let (here, after) = rest.split_at(length);
            replaced.push_str(replacement.unwrap_or(here));
            rest = after;
        }
        replaced
    }

    /// Length of the longest source that `text` begins with, and where its replacement starts.
    fn longest(&self, text: &str) -> Option<(usize, usize)> {
        let offset = |unit: u32| ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        let mut node = offset(*self.units.first()?);
        let mut found = None;
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            node ^= usize::from(byte);
            let Some(&unit) = self.units.get(node) else { break };
            if unit & ((1 << 31) | 0xFF) != u32::from(byte) {
                break;
            }
            node ^= offset(unit);
            if unit & (1 << 8) != 0
                && let Some(leaf) = self.units.get(node)
            {
                found = Some((at + 1, (leaf & 0x7FFF_FFFF) as usize));
            }
        }
        found
    }

    fn text(&self, from: usize) -> Option<&str> {
        let rest = self.replacements.get(from..)?;
        let length = rest.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(rest.get(..length)?).ok()
    }
}
