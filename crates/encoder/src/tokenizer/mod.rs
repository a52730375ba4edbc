//! Sentence to token ids: CLIP's byte-level byte-pair encoding ([`Tokenizer`]), and SentencePiece vocabularies
//! ([`Pieces`]). [`Vocabulary`] is whichever of them a pack has.
//!
//! Our own few hundred lines rather than the `tokenizers` crate: that one brings a regex engine, a C library
//! by default and some forty crates, takes about 100 ms to read CLIP's 49,408 tokens, and what CLIP needs of
//! it is one loop. Ids are checked against the reference in the tests.

mod charsmap;
mod clean;
mod normalise;
mod pieces;
mod pieces_file;
mod vocabulary;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub use normalise::Clean;
pub use pieces::Pieces;

/// Longest word, in bytes, that is encoded whole; what follows in a longer one is dropped. Merging is
/// quadratic in the word's length, and no context has room for so many tokens.
const MAX_WORD_BYTES: usize = 512;

/// The vocabulary of a pack.
#[derive(Clone, Debug)]
pub enum Vocabulary {
    /// CLIP's, and what the model's reference does to a text before it.
    Bytes(Clean, Tokenizer),
    /// SentencePiece: SigLIP's, SigLIP 2's.
    Pieces(Pieces),
}

impl Vocabulary {
    /// Token ids of a sentence with its start and end tokens, at most `context_length` in all. A longer
    /// sentence loses its tail, never its end token. Not padded.
    pub fn encode(&self, text: &str, context_length: usize) -> Vec<u32> {
        match self {
            Self::Bytes(Clean::None, tokenizer) => tokenizer.encode(text, context_length),
            Self::Bytes(clean, tokenizer) => tokenizer.encode(&clean.apply(text), context_length),
            Self::Pieces(pieces) => pieces.encode(text, context_length),
        }
    }

    /// Number of tokens; every id is below it.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(_, tokenizer) => tokenizer.len(),
            Self::Pieces(pieces) => pieces.size,
        }
    }

    /// Whether there are no tokens at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The token that ends every sequence, where there is one.
    pub fn end(&self) -> Option<u32> {
        match self {
            Self::Bytes(_, tokenizer) => Some(tokenizer.end()),
            Self::Pieces(pieces) => pieces.end.last().copied(),
        }
    }
}

/// A byte-pair vocabulary with CLIP's conventions: words end in a marked symbol (`</w>`), a sequence starts
/// and ends with a special token.
#[derive(Clone)]
pub struct Tokenizer {
    /// Token of each byte inside a word.
    inner: Vec<u32>,
    /// Token of each byte at the end of a word.
    last: Vec<u32>,
    /// For two neighbouring tokens: the rank of their merge (lower goes first) and the merged token.
    merges: Merges,
    /// Merge list in rank order, as pairs of token ids.
    ranked: Vec<(u32, u32)>,
    start: u32,
    end: u32,
    size: usize,
}

type Merges = HashMap<(u32, u32), (u32, u32), BuildHasherDefault<PairHasher>>;

impl Tokenizer {
    /// Token ids of a sentence: start token, words, end token, at most `context_length` in all. A longer
    /// sentence loses its tail, never its end token. Not padded.
    ///
    /// The text is composed (NFC), lower-cased and split at white space as CLIP's reference does. Special
    /// tokens written out in it (`<|endoftext|>`) are plain text here: a note must not end itself.
    pub fn encode(&self, text: &str, context_length: usize) -> Vec<u32> {
        let room = context_length.saturating_sub(1).max(1);
        let mut ids = Vec::with_capacity(room.min(64) + 1);
        ids.push(self.start);
        let cleaned = clean::clean(text);
        let mut symbols = Vec::new();
        for word in clean::words(&cleaned) {
            if ids.len() >= room {
                break;
            }
            self.encode_word(word.as_bytes(), &mut symbols);
            ids.extend_from_slice(&symbols);
        }
        ids.truncate(room);
        ids.push(self.end);
        ids
    }

    /// Number of tokens; every id is below it.
    pub fn len(&self) -> usize {
        self.size
    }

    /// Whether there are no tokens at all; there always are.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// The token that starts every sequence.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// The token that ends every sequence. Pooling takes the position of the *first* one.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Applies merges to one word, best rank first, leftmost first among equals.
    fn encode_word(&self, word: &[u8], symbols: &mut Vec<u32>) {
        symbols.clear();
        let word = word.get(..word.len().min(MAX_WORD_BYTES)).unwrap_or(word);
        let Some((last, body)) = word.split_last() else { return };
        symbols.extend(body.iter().filter_map(|&byte| self.inner.get(usize::from(byte))));
        symbols.extend(self.last.get(usize::from(*last)));
        while let Some((at, merged)) = self.best_merge(symbols) {
            symbols.splice(at..at + 2, [merged]);
        }
    }

    fn best_merge(&self, symbols: &[u32]) -> Option<(usize, u32)> {
        let pairs = symbols.iter().zip(symbols.iter().skip(1)).enumerate();
        let known = pairs.filter_map(|(at, (&left, &right))| {
            self.merges.get(&(left, right)).map(|&(rank, merged)| (rank, at, merged))
        });
        known.min().map(|(_, at, merged)| (at, merged))
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.size)
    }
}

/// Hashes a pair of token ids by one multiplication. The default hasher resists chosen keys, which is not
/// needed: the table comes from the pinned vocabulary, and looking a pair up cannot grow it.
#[derive(Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        let mixed = (self.0.rotate_left(32) ^ u64::from(value)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 29);
    }
}
