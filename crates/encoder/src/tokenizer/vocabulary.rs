//! Reading vocabularies: OpenAI's `vocab.json` with `merges.txt`, Hugging Face's `tokenizer.json`, and a bare
//! merge list (`*.bpe`), which is enough to rebuild CLIP's numbering.
//!
//! CLIP numbers its tokens by rule: 256 bytes in a fixed order, the same 256 at the end of a word, the merges
//! in rank order, start, end. A `*.bpe` file holds the merges alone, after a header one line for each: the two
//! tokens that it joins. So a subset of the vocabulary (with ids close to zero) is a shorter file of the same
//! form, and because no string is ever looked up, reading ten thousand merges takes under a millisecond.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

use serde::Deserialize;

use super::{Clean, Merges, Pieces, Tokenizer, Vocabulary};
use crate::{Pack, PackError, TokenizerError};

/// Marks the last symbol of a word.
const END_OF_WORD: &str = "</w>";
const START_OF_TEXT: &str = "<|startoftext|>";
const END_OF_TEXT: &str = "<|endoftext|>";

/// First line of a `*.bpe` file: names the format and its version.
const BPE_HEADER: &str = "#pmirs-bpe 1";

/// Tokens that are one byte, inside a word and at its end; merges are numbered after them.
const BYTE_TOKENS: u32 = 512;

/// More tokens than this are refused: several times the largest vocabulary in use.
const MAX_TOKENS: usize = 1 << 20;

impl Vocabulary {
    /// Reads the vocabulary that a pack names, after checking the files' digests.
    ///
    /// # Errors
    /// When a file is missing, altered, malformed, or of a kind that is not known.
    pub fn open(pack: &Pack) -> Result<Self, crate::EncoderError> {
        let spec = &pack.manifest().text;
        match spec.tokenizer.iter().find(|file| file.ends_with("tokenizer.json")) {
            Some(file) => {
                let json = String::from_utf8(pack.read(file)?.into_owned());
                let json = json.map_err(|error| malformed(file, error.to_string()))?;
                Ok(Self::from_tokenizer_json(&json, spec.clean)?)
            }
            None => Ok(Self::Bytes(spec.clean, Tokenizer::open(pack)?)),
        }
    }

    /// Hugging Face's `tokenizer.json`, of CLIP's kind or of a SentencePiece kind; `clean` is what the model's
    /// reference does to a text before.
    ///
    /// # Errors
    /// [`TokenizerError::Unsupported`] naming the field when it is another kind of tokenizer.
    pub fn from_tokenizer_json(json: &str, clean: Clean) -> Result<Self, TokenizerError> {
        let HuggingFace::<'_, Kind> { model, .. } =
            serde_json::from_str(json).map_err(|error| malformed("tokenizer.json", error.to_string()))?;
        let sentence_pieces = match model.kind.as_deref() {
            Some("Unigram") => true,
            Some("BPE") => model.end_of_word_suffix.unwrap_or_default().is_empty(),
            _ => false,
        };
        if sentence_pieces {
            return Pieces::from_tokenizer_json(json, clean).map(Self::Pieces);
        }
        Tokenizer::from_tokenizer_json(json).map(|tokenizer| Self::Bytes(clean, tokenizer))
    }
}

impl Tokenizer {
    /// Reads the vocabulary that a pack names, after checking the files' digests.
    ///
    /// # Errors
    /// When a file is missing, altered, malformed, or of a kind that is not CLIP's.
    pub fn open(pack: &Pack) -> Result<Self, crate::EncoderError> {
        let files = &pack.manifest().text.tokenizer;
        let text = |name: &str| -> Result<String, crate::EncoderError> {
            let bytes = pack.read(name)?.into_owned();
            Ok(String::from_utf8(bytes).map_err(|error| malformed(name, error.to_string()))?)
        };
        let find = |suffix: &str| files.iter().find(|file| file.ends_with(suffix));
        if let Some(file) = find(".bpe") {
            return Ok(Self::from_bpe(file, &text(file)?)?);
        }
        if let (Some(vocab), Some(merges)) = (find("vocab.json"), find("merges.txt")) {
            return Ok(Self::from_vocab_and_merges(&text(vocab)?, &text(merges)?)?);
        }
        if let Some(file) = find("tokenizer.json") {
            return Ok(Self::from_tokenizer_json(&text(file)?)?);
        }
        Err(PackError::Field {
            field: "text.tokenizer".into(),
            problem: format!(
                "is {files:?}, expected a .bpe file, vocab.json + merges.txt, or tokenizer.json"
            ),
        }
        .into())
    }

    /// OpenAI's pair of files.
    ///
    /// # Errors
    /// When one is malformed, or they do not belong together.
    pub fn from_vocab_and_merges(vocab: &str, merges: &str) -> Result<Self, TokenizerError> {
        let ids: Ids<'_> =
            serde_json::from_str(vocab).map_err(|error| malformed("vocab.json", error.to_string()))?;
        let lines = merges.lines().filter(|line| !line.starts_with("#version") && !line.is_empty());
        let pairs = lines.map(|line| split_pair("merges.txt", line)).collect::<Result<Vec<_>, _>>()?;
        Self::build("vocab.json", &ids, &pairs)
    }

    /// Hugging Face's single file, when it holds CLIP's byte-pair model.
    ///
    /// # Errors
    /// [`TokenizerError::Unsupported`] naming the field when it is another kind of tokenizer.
    pub fn from_tokenizer_json(json: &str) -> Result<Self, TokenizerError> {
        const FILE: &str = "tokenizer.json";
        let broken = |error: serde_json::Error| malformed(FILE, error.to_string());
        let unsupported = |field, got: Option<&str>, expected| TokenizerError::Unsupported {
            file: FILE.into(),
            field,
            got: got.unwrap_or("absent").into(),
            expected,
        };
        // First the kind alone: other kinds shape the rest differently.
        let HuggingFace::<'_, Kind> { model, .. } = serde_json::from_str(json).map_err(broken)?;
        if model.kind.as_deref() != Some("BPE") {
            return Err(unsupported("model.type", model.kind.as_deref(), "BPE"));
        }
        if model.end_of_word_suffix.as_deref() != Some(END_OF_WORD) {
            return Err(unsupported(
                "model.end_of_word_suffix",
                model.end_of_word_suffix.as_deref(),
                END_OF_WORD,
            ));
        }
        let file: HuggingFace<'_, Model<'_>> = serde_json::from_str(json).map_err(broken)?;
        let mut ids = file.model.vocab;
        ids.extend(file.added_tokens.into_iter().map(|token| (token.content, token.id)));
        let pairs = file.model.merges.iter().map(Merge::pair).collect::<Result<Vec<_>, _>>()?;
        Self::build(FILE, &ids, &pairs)
    }

    /// A `*.bpe` merge list; `file` names it in errors.
    ///
    /// # Errors
    /// When the header is not the known one or a line is not two tokens that exist by then.
    pub fn from_bpe(file: &str, text: &str) -> Result<Self, TokenizerError> {
        let mut lines = text.lines();
        let header = lines.next().unwrap_or_default();
        if header != BPE_HEADER {
            return Err(malformed(file, format!("the first line is {header:?}, expected {BPE_HEADER:?}")));
        }
        let parse = |(line, merged): (&str, u32)| {
            let pair =
                line.split_once(' ').and_then(|(left, right)| left.parse().ok().zip(right.parse().ok()));
            let known = pair.filter(|&(left, right)| left < merged && right < merged);
            known.ok_or_else(|| malformed(file, format!("{line:?} is not two tokens below {merged}")))
        };
        let limit = MAX_TOKENS - BYTE_TOKENS as usize;
        let ranked = lines.zip(BYTE_TOKENS..).take(limit).map(parse).collect::<Result<Vec<_>, _>>()?;
        check_count(file, BYTE_TOKENS as usize + ranked.len() + 2)?;
        Ok(Self::by_rule(ranked))
    }

    /// This vocabulary as the text of a `*.bpe` file, which numbers the tokens by CLIP's rule.
    pub fn to_bpe(&self) -> String {
        write_bpe(&self.renumbered(|_| true))
    }

    /// The vocabulary that keeps `wanted` tokens, every token that they are merged from, and all bytes (so
    /// that any text still has tokens); numbered by CLIP's rule. A word whose token is kept is encoded to
    /// exactly that token: the merges that lead to it are all there, in their old order.
    #[must_use]
    pub fn subset(&self, wanted: &[u32]) -> Self {
        let mut keep: HashSet<u32> = wanted.iter().copied().collect();
        for pair @ (left, right) in self.ranked.iter().rev() {
            if self.merges.get(pair).is_some_and(|(_, merged)| keep.contains(merged)) {
                keep.extend([left, right]);
            }
        }
        Self::by_rule(self.renumbered(|merged| keep.contains(&merged)))
    }

    /// The merges whose result `keep` wants, between tokens numbered by CLIP's rule.
    fn renumbered(&self, keep: impl Fn(u32) -> bool) -> Vec<(u32, u32)> {
        let mut new_id = HashMap::with_capacity(self.size);
        for (position, (byte, _)) in (0..).zip(byte_symbols()) {
            let of = |table: &[u32]| table.get(usize::from(byte)).copied();
            new_id.extend(of(&self.inner).map(|id| (id, position)));
            new_id.extend(of(&self.last).map(|id| (id, 256 + position)));
        }
        let mut ranked = Vec::new();
        for pair @ (left, right) in &self.ranked {
            let merged = self.merges.get(pair).map(|(_, merged)| *merged).filter(|merged| keep(*merged));
            if let (Some(merged), Some(&left), Some(&right)) = (merged, new_id.get(left), new_id.get(right)) {
                new_id.insert(merged, BYTE_TOKENS + ranked.len() as u32);
                ranked.push((left, right));
            }
        }
        ranked
    }

    /// Numbers the tokens by CLIP's rule.
    fn by_rule(ranked: Vec<(u32, u32)>) -> Self {
        let (mut inner, mut last) = (vec![0; 256], vec![0; 256]);
        for (position, (byte, _)) in (0..).zip(byte_symbols()) {
            let slots = (inner.get_mut(usize::from(byte)), last.get_mut(usize::from(byte)));
            if let (Some(inner), Some(last)) = slots {
                (*inner, *last) = (position, 256 + position);
            }
        }
        let mut merges = Merges::with_capacity_and_hasher(ranked.len(), BuildHasherDefault::default());
        for (&pair, rank) in ranked.iter().zip(0..) {
            merges.entry(pair).or_insert((rank, BYTE_TOKENS + rank));
        }
        let start = BYTE_TOKENS + ranked.len() as u32;
        Self { inner, last, merges, ranked, start, end: start + 1, size: start as usize + 2 }
    }

    fn build(file: &str, ids: &Ids<'_>, pairs: &[(&str, &str)]) -> Result<Self, TokenizerError> {
        check_count(file, ids.len())?;
        let id = |symbol: &str| {
            let found = ids.get(symbol).copied();
            found.ok_or_else(|| malformed(file, format!("no token {symbol:?}")))
        };
        let (mut inner, mut last) = (vec![0; 256], vec![0; 256]);
        for (byte, symbol) in byte_symbols() {
            let slots = (inner.get_mut(usize::from(byte)), last.get_mut(usize::from(byte)));
            if let (Some(inner), Some(last)) = slots {
                *inner = id(symbol.encode_utf8(&mut [0; 4]))?;
                *last = id(&format!("{symbol}{END_OF_WORD}"))?;
            }
        }
        let mut merges = Merges::with_capacity_and_hasher(pairs.len(), BuildHasherDefault::default());
        let mut ranked = Vec::with_capacity(pairs.len());
        let mut merged_name = String::new();
        for (&(left, right), rank) in pairs.iter().zip(0..) {
            merged_name.clear();
            merged_name.extend([left, right]);
            let pair = (id(left)?, id(right)?);
            merges.entry(pair).or_insert((rank, id(&merged_name)?));
            ranked.push(pair);
        }
        let highest = ids.values().copied().max().unwrap_or(0);
        let (start, end) = (id(START_OF_TEXT)?, id(END_OF_TEXT)?);
        Ok(Self { inner, last, merges, ranked, start, end, size: highest as usize + 1 })
    }
}

type Ids<'a> = HashMap<Cow<'a, str>, u32>;

/// The parts of `tokenizer.json` that decide which tokens come out.
#[derive(Deserialize)]
struct HuggingFace<'a, M> {
    model: M,
    #[serde(borrow, default)]
    added_tokens: Vec<AddedToken<'a>>,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: Option<String>,
    end_of_word_suffix: Option<String>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow, default)]
    vocab: Ids<'a>,
    #[serde(borrow, default)]
    merges: Vec<Merge<'a>>,
}

#[derive(Deserialize)]
struct AddedToken<'a> {
    id: u32,
    #[serde(borrow)]
    content: Cow<'a, str>,
}

/// Older files write a merge as one string, newer ones as two.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Merge<'a> {
    Line(#[serde(borrow)] Cow<'a, str>),
    Pair(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>),
}

impl Merge<'_> {
    pub(super) fn pair(&self) -> Result<(&str, &str), TokenizerError> {
        match self {
            Self::Line(line) => split_pair("tokenizer.json", line),
            Self::Pair(left, right) => Ok((left, right)),
        }
    }
}

fn split_pair<'a>(file: &str, line: &'a str) -> Result<(&'a str, &'a str), TokenizerError> {
    let pair = line.split_once(' ').filter(|(left, right)| !left.is_empty() && !right.is_empty());
    pair.ok_or_else(|| malformed(file, format!("{line:?} is not a merge of two symbols")))
}

fn write_bpe(ranked: &[(u32, u32)]) -> String {
    let mut text = format!("{BPE_HEADER}\n");
    for (left, right) in ranked {
        text.extend([&left.to_string(), " ", &right.to_string(), "\n"]);
    }
    text
}

pub(super) fn check_count(file: &str, tokens: usize) -> Result<(), TokenizerError> {
    if tokens > MAX_TOKENS {
        return Err(malformed(file, format!("{tokens} tokens, more than {MAX_TOKENS}")));
    }
    Ok(())
}

pub(super) fn malformed(file: &str, reason: String) -> TokenizerError {
    TokenizerError::Malformed { file: file.into(), reason }
}

/// Every byte with the printable character that stands for it, in the order of CLIP's ids (from GPT-2):
/// bytes that print come first and stand for themselves, the others follow as U+0100 and up.
fn byte_symbols() -> impl Iterator<Item = (u8, char)> {
    let prints = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let printing = (0..=255).filter(prints).map(|byte| (byte, char::from(byte)));
    let others = (0..=255).filter(move |byte| !prints(byte)).zip('\u{100}'..);
    printing.chain(others)
}
