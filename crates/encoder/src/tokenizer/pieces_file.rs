//! Reading `tokenizer.json` of the SentencePiece kinds.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use super::normalise::{Clean, Described, steps, unsupported};
use super::pieces::{Marks, Merges, Model, Pieces, Unigram};
use super::vocabulary::{Merge, check_count, malformed};
use crate::TokenizerError;

const FILE: &str = "tokenizer.json";

/// Longest piece in bytes: what no vocabulary reaches, and what bounds the work per character.
const MAX_PIECE_BYTES: usize = 256;

#[derive(Deserialize)]
struct File<'a> {
    #[serde(borrow)]
    model: FileModel<'a>,
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    normalizer: Option<Described>,
    #[serde(default)]
    pre_tokenizer: Option<PreTokenizer>,
    #[serde(default)]
    post_processor: Option<PostProcessor>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum FileModel<'a> {
    Unigram {
        #[serde(default)]
        unk_id: Option<u32>,
        #[serde(borrow)]
        vocab: Vec<(Cow<'a, str>, f64)>,
        #[serde(default)]
        byte_fallback: bool,
    },
    #[serde(rename = "BPE")]
    Bpe {
        #[serde(borrow)]
        vocab: HashMap<Cow<'a, str>, u32>,
        #[serde(borrow)]
        merges: Vec<Merge<'a>>,
        #[serde(default)]
        unk_token: Option<String>,
        #[serde(default)]
        byte_fallback: bool,
    },
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct PreTokenizer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    pretokenizers: Vec<PreTokenizer>,
    #[serde(default)]
    replacement: Option<char>,
    #[serde(default)]
    prepend_scheme: Option<String>,
    #[serde(default)]
    add_prefix_space: Option<bool>,
    #[serde(default)]
    split: Option<bool>,
    #[serde(default)]
    pattern: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct PostProcessor {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    processors: Vec<PostProcessor>,
    #[serde(default)]
    single: Vec<Slot>,
    #[serde(default)]
    special_tokens: HashMap<String, SpecialToken>,
}

#[derive(Deserialize)]
enum Slot {
    Sequence {},
    SpecialToken { id: String },
}

#[derive(Deserialize)]
struct SpecialToken {
    ids: Vec<u32>,
}

impl Pieces {
    /// Reads a `tokenizer.json` that holds a Unigram model, or BPE over characters.
    ///
    /// # Errors
    /// [`TokenizerError`] naming the field that this code does not know; nothing is skipped in silence.
    pub fn from_tokenizer_json(json: &str, clean: Clean) -> Result<Self, TokenizerError> {
        let file: File<'_> =
            serde_json::from_str(json).map_err(|error| malformed(FILE, error.to_string()))?;
        let special: Vec<&Added> = file.added_tokens.iter().filter(|token| token.special).collect();
        let is_special = |id: u32| special.iter().any(|token| token.id == id);
        let highest = file.added_tokens.iter().map(|token| token.id).max().unwrap_or(0);
        let (model, bytes, unknown, size) = match file.model {
            FileModel::Unigram { unk_id, vocab, byte_fallback } => {
                let find = |text: &str| {
                    vocab.iter().zip(0u32..).find(|((piece, _), _)| piece == text).map(|(_, id)| id)
                };
                let bytes = byte_fallback.then(|| byte_tokens(find)).transpose()?;
                let size = vocab.len().max(highest as usize + 1);
                (Model::Unigram(unigram(&vocab, is_special)?), bytes, unk_id, size)
            }
            FileModel::Bpe { vocab, merges, unk_token, byte_fallback } => {
                let bytes =
                    byte_fallback.then(|| byte_tokens(|text| vocab.get(text).copied())).transpose()?;
                let unknown = unk_token.and_then(|token| vocab.get(token.as_str()).copied());
                let highest = vocab.values().copied().max().unwrap_or(0).max(highest);
                check_count(FILE, highest as usize + 1)?;
                (Model::Merges(merged(&vocab, &merges, is_special)?), bytes, unknown, highest as usize + 1)
            }
        };
        check_count(FILE, size)?;
        if unknown.is_some_and(|id| id as usize >= size) {
            return Err(malformed(FILE, "the unknown token is none of the tokens".into()));
        }
        let mut normalisation = Vec::new();
        file.normalizer.map_or(Ok(()), |described| steps(described, &mut normalisation))?;
        let (start, end) = around(file.post_processor, size)?;
        Ok(Self {
            clean,
            steps: normalisation,
            marks: marks(file.pre_tokenizer)?,
            model,
            bytes,
            unknown,
            start,
            end,
            size,
        })
    }
}

/// Special tokens are left out: written in a text, they are plain text.
fn unigram(vocab: &[(Cow<'_, str>, f64)], special: impl Fn(u32) -> bool) -> Result<Unigram, TokenizerError> {
    check_count(FILE, vocab.len())?;
    if let Some((piece, score)) = vocab.iter().find(|(_, score)| !score.is_finite()) {
        return Err(malformed(FILE, format!("the piece {piece:?} has the score {score}")));
    }
    let least = vocab.iter().map(|(_, score)| *score).fold(f64::INFINITY, f64::min);
    let mut pieces: HashMap<Box<str>, (u32, f64)> = HashMap::with_capacity(vocab.len());
    for ((piece, score), id) in vocab.iter().zip(0u32..) {
        if !piece.is_empty() && piece.len() <= MAX_PIECE_BYTES && !special(id) {
            pieces.entry(piece.as_ref().into()).or_insert((id, *score));
        }
    }
    let longest = pieces.keys().map(|piece| piece.len()).max().unwrap_or(0);
    Ok(Unigram { pieces, longest, least })
}

fn merged(
    vocab: &HashMap<Cow<'_, str>, u32>,
    merges: &[Merge<'_>],
    special: impl Fn(u32) -> bool,
) -> Result<Merges, TokenizerError> {
    let id = |symbol: &str| {
        let found = vocab.get(symbol).copied();
        found.ok_or_else(|| malformed(FILE, format!("no token {symbol:?}")))
    };
    let mut ranked = HashMap::with_capacity(merges.len());
    for (merge, rank) in merges.iter().zip(0u32..) {
        let (left, right) = merge.pair()?;
        let whole = id(&[left, right].concat())?;
        ranked.entry((id(left)?, id(right)?)).or_insert((rank, whole));
    }
    let ids = vocab.iter().filter(|(_, id)| !special(**id));
    Ok(Merges { ids: ids.map(|(symbol, &id)| (symbol.as_ref().into(), id)).collect(), merges: ranked })
}

/// The tokens `<0x00>` to `<0xFF>`.
fn byte_tokens(find: impl Fn(&str) -> Option<u32>) -> Result<Vec<u32>, TokenizerError> {
    let token = |byte: u8| {
        let name = format!("<0x{byte:02X}>");
        find(&name).ok_or_else(|| malformed(FILE, format!("byte_fallback, but no token {name}")))
    };
    (0..=255).map(token).collect()
}

fn marks(pre_tokenizer: Option<PreTokenizer>) -> Result<Marks, TokenizerError> {
    let mut marks = Marks { mark: None, prefix: false, split: false, drop_space: false };
    let Some(outer) = pre_tokenizer else { return Ok(marks) };
    let parts = if outer.kind == "Sequence" { outer.pretokenizers } else { vec![outer] };
    for part in parts {
        match part.kind.as_str() {
            "WhitespaceSplit" if marks.mark.is_none() => marks.drop_space = true,
            "Metaspace" if marks.mark.is_none() => {
                marks.mark = Some(part.replacement.unwrap_or('\u{2581}'));
                marks.split = part.split.unwrap_or(true);
                // "first" and "always" differ only after a special token, and there are none in a text here.
                marks.prefix = match part.prepend_scheme.as_deref() {
                    Some("always" | "first") => true,
                    Some("never") => false,
                    None => part.add_prefix_space.unwrap_or(true),
                    Some(other) => {
                        let expected = "always, first or never";
                        return Err(unsupported("pre_tokenizer.prepend_scheme", other.into(), expected));
                    }
                };
            }
            // Gemma's: splits at blanks, of which its normalizer has left none.
            "Split" if part.pattern == Some(serde_json::json!({ "String": " " })) => {}
            _ => return Err(unsupported("pre_tokenizer.type", part.kind, "Metaspace or WhitespaceSplit")),
        }
    }
    Ok(marks)
}

/// The tokens that a template puts before and after a text.
fn around(post: Option<PostProcessor>, size: usize) -> Result<(Vec<u32>, Vec<u32>), TokenizerError> {
    let (mut start, mut end, mut text_seen) = (Vec::new(), Vec::new(), false);
    let Some(outer) = post else { return Ok((start, end)) };
    let parts = if outer.kind == "Sequence" { outer.processors } else { vec![outer] };
    for part in parts {
        if part.kind != "TemplateProcessing" {
            return Err(unsupported("post_processor.type", part.kind, "TemplateProcessing"));
        }
        for slot in part.single {
            let Slot::SpecialToken { id } = slot else {
                text_seen = true;
                continue;
            };
            let token = part.special_tokens.get(&id).filter(|token| token.ids.len() <= 8);
            let token = token.ok_or_else(|| malformed(FILE, format!("the template names {id:?}")))?;
            if let Some(&odd) = token.ids.iter().find(|&&id| id as usize >= size) {
                return Err(malformed(FILE, format!("the template puts token {odd}, which is none")));
            }
            if text_seen { &mut end } else { &mut start }.extend(&token.ids);
        }
    }
    if start.len() + end.len() > 8 {
        return Err(malformed(FILE, "the template adds more than 8 tokens".into()));
    }
    Ok((start, end))
}
