//! SentencePiece vocabularies as `tokenizer.json` holds them: Unigram (SigLIP, T5) and BPE over characters
//! (SigLIP 2, Gemma).
//!
//! A text is cleaned, normalised, blanks become a visible mark, and each marked word is cut into the pieces that
//! are likeliest together (Unigram, by Viterbi's algorithm) or that merges build up (BPE). What has no piece is
//! spelled in byte tokens where the vocabulary has those, and is one unknown token otherwise.

use std::collections::HashMap;

use super::normalise::{Clean, Step};

/// Longest text that is looked at, in bytes: a few times what the longest context has room for.
const MAX_TEXT_BYTES: usize = 16 << 10;
/// The same where words are not cut apart and merging is quadratic.
const MAX_MERGED_BYTES: usize = 2 << 10;
/// How much less likely than the least likely piece an unknown character is (`sentencepiece`'s constant).
const UNKNOWN_PENALTY: f64 = 10.0;

/// A SentencePiece vocabulary with what happens to a text before and after it.
#[derive(Clone)]
pub struct Pieces {
    pub(super) clean: Clean,
    pub(super) steps: Vec<Step>,
    pub(super) marks: Marks,
    pub(super) model: Model,
    /// Tokens of the 256 bytes, where the vocabulary has them.
    pub(super) bytes: Option<Vec<u32>>,
    pub(super) unknown: Option<u32>,
    /// Tokens before and after a text.
    pub(super) start: Vec<u32>,
    pub(super) end: Vec<u32>,
    pub(super) size: usize,
}

/// What becomes of blanks.
#[derive(Clone)]
pub(super) struct Marks {
    /// Stands for a blank; `None` where the normalizer has dealt with blanks.
    pub(super) mark: Option<char>,
    /// Whether a text that does not begin with the mark is given one.
    pub(super) prefix: bool,
    /// Whether no piece reaches over a mark.
    pub(super) split: bool,
    /// Whether white space only separates words.
    pub(super) drop_space: bool,
}

#[derive(Clone)]
pub(super) enum Model {
    Unigram(Unigram),
    Merges(Merges),
}

/// Pieces with their log-probabilities.
#[derive(Clone)]
pub(super) struct Unigram {
    pub(super) pieces: HashMap<Box<str>, (u32, f64)>,
    /// Length of the longest piece in bytes.
    pub(super) longest: usize,
    pub(super) least: f64,
}

/// Characters, and merges of two pieces by rank.
#[derive(Clone)]
pub(super) struct Merges {
    pub(super) ids: HashMap<Box<str>, u32>,
    pub(super) merges: HashMap<(u32, u32), (u32, u32)>,
}

/// A piece of a text: its token, or the characters that have none.
enum Cut<'a> {
    Token(u32),
    Unknown(&'a str),
}

impl Pieces {
    /// Token ids of a text, at most `context_length` with those around it. A longer text loses its tail, never
    /// its end token. Not padded.
    pub fn encode(&self, text: &str, context_length: usize) -> Vec<u32> {
        let around = self.start.len() + self.end.len();
        let room = context_length.saturating_sub(around);
        let mut ids = self.start.clone();
        ids.extend(self.body(text).into_iter().take(room));
        ids.extend(&self.end);
        ids.truncate(context_length);
        ids
    }

    fn body(&self, text: &str) -> Vec<u32> {
        let mut text = self.clean.apply(up_to(text, MAX_TEXT_BYTES));
        for step in &self.steps {
            text = step.apply(&text);
        }
        let mut ids = Vec::new();
        for word in self.words(up_to(&text, MAX_TEXT_BYTES)) {
            let cuts = match &self.model {
                Model::Unigram(unigram) => unigram.cut(&word),
                Model::Merges(merges) => merges.cut(up_to(&word, MAX_MERGED_BYTES)),
            };
            for cut in cuts {
                match (cut, &self.bytes) {
                    (Cut::Token(id), _) => ids.push(id),
                    (Cut::Unknown(text), Some(tokens)) => {
                        ids.extend(text.bytes().filter_map(|byte| tokens.get(usize::from(byte))));
                    }
                    (Cut::Unknown(_), None) => ids.extend(self.unknown),
                }
            }
        }
        ids
    }

    /// The words of a normalised text, with their marks.
    fn words(&self, text: &str) -> Vec<String> {
        let sections: Vec<&str> =
            if self.marks.drop_space { text.split_whitespace().collect() } else { vec![text] };
        let Some(mark) = self.marks.mark else { return sections.into_iter().map(str::to_owned).collect() };
        let mut words = Vec::new();
        for section in sections {
            let mut marked = section.replace(' ', mark.encode_utf8(&mut [0; 4]));
            if self.marks.prefix && !marked.is_empty() && !marked.starts_with(mark) {
                marked.insert(0, mark);
            }
            if !self.marks.split {
                words.push(marked);
                continue;
            }
            for c in marked.chars() {
                match words.last_mut() {
                    Some(word) if c != mark => String::push(word, c),
                    _ => words.push(c.to_string()),
                }
            }
        }
        words
    }
}

impl Unigram {
    /// The likeliest cut of a word: for every place the best way there, from left to right, then back from the
    /// end. The first of equals wins, as in the reference.
    fn cut<'a>(&self, word: &'a str) -> Vec<Cut<'a>> {
        #[derive(Clone, Copy)]
        struct Way {
            score: f64,
            from: usize,
            token: Option<u32>,
        }
        let mut ways: Vec<Option<Way>> = vec![None; word.len() + 1];
        let improve = |slot: Option<&mut Option<Way>>, way: Way| {
            if let Some(slot) = slot
                && slot.is_none_or(|known| way.score > known.score)
            {
                *slot = Some(way);
            }
        };
        for (from, first) in word.char_indices() {
            let so_far = ways.get(from).copied().flatten().map_or(0.0, |way| way.score);
            let rest = word.get(from..).unwrap_or_default();
            let mut whole = false;
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            for length in ends.take_while(|&length| length <= self.longest) {
                if let Some(&(token, score)) = rest.get(..length).and_then(|piece| self.pieces.get(piece)) {
                    let way = Way { score: so_far + score, from, token: Some(token) };
                    improve(ways.get_mut(from + length), way);
                    whole |= length == first.len_utf8();
                }
            }
            if !whole {
                let way = Way { score: so_far + self.least - UNKNOWN_PENALTY, from, token: None };
                improve(ways.get_mut(from + first.len_utf8()), way);
            }
        }
        let mut cuts = Vec::new();
        let mut to = word.len();
        let mut unknown_to = None;
        while to > 0 {
            let Some(way) = ways.get(to).copied().flatten() else { break };
            if way.token.is_none() {
                unknown_to.get_or_insert(to);
            }
            // Neighbouring unknown characters are one.
            if let Some(until) = unknown_to.filter(|_| way.token.is_some()) {
                cuts.push(Cut::Unknown(word.get(to..until).unwrap_or_default()));
                unknown_to = None;
            }
            cuts.extend(way.token.map(Cut::Token));
            to = way.from;
        }
        cuts.extend(unknown_to.map(|until| Cut::Unknown(word.get(..until).unwrap_or_default())));
        cuts.reverse();
        cuts
    }
}

impl Merges {
    /// Applies merges, best rank first, leftmost first among equals.
    fn cut<'a>(&self, word: &'a str) -> Vec<Cut<'a>> {
        let mut cuts: Vec<Cut<'a>> = Vec::new();
        for (at, c) in word.char_indices() {
            let text = word.get(at..at + c.len_utf8()).unwrap_or_default();
            cuts.push(self.ids.get(text).map_or(Cut::Unknown(text), |&id| Cut::Token(id)));
        }
        while let Some((at, merged)) = self.best(&cuts) {
            cuts.splice(at..at + 2, [Cut::Token(merged)]);
        }
        cuts
    }

    fn best(&self, cuts: &[Cut<'_>]) -> Option<(usize, u32)> {
        let pairs = cuts.iter().zip(cuts.iter().skip(1)).enumerate();
        let known = pairs.filter_map(|(at, pair)| match pair {
            (Cut::Token(left), Cut::Token(right)) => {
                self.merges.get(&(*left, *right)).map(|&(rank, merged)| (rank, at, merged))
            }
            _ => None,
        });
        known.min().map(|(_, at, merged)| (at, merged))
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pieces({} tokens)", self.size)
    }
}

/// The longest beginning of at most `most` bytes that ends between characters.
fn up_to(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
