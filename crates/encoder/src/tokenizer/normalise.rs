//! What happens to a text before a sentence-piece vocabulary sees it.
//!
//! Two things may ask for changes: the model's reference implementation ([`Clean`], which no `tokenizer.json`
//! mentions), and the `normalizer` of `tokenizer.json` ([`Step`]). Regular expressions are accepted in the few
//! spellings that converters write; another one is an error that quotes it, because guessing would shift ids.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::charsmap::CharsMap;
use crate::TokenizerError;

/// What the reference implementation of a model does to a text before tokenizing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clean {
    /// Nothing beyond what the vocabulary itself asks for.
    #[default]
    None,
    /// Lower case.
    Lower,
    /// Hugging Face's `SiglipTokenizer`: lower case, ASCII punctuation dropped, white space collapsed.
    Siglip,
    /// `open_clip`'s `canonicalize`: the same, after each `_` became a blank.
    Canonicalize,
}

impl Clean {
    pub(super) fn apply(self, text: &str) -> String {
        match self {
            Self::None => text.to_owned(),
            Self::Lower => text.to_lowercase(),
            Self::Siglip => collapse(&without_punctuation(&text.to_lowercase())),
            Self::Canonicalize => collapse(&without_punctuation(&text.replace('_', " ")).to_lowercase()),
        }
    }
}

/// One step of a `normalizer`.
#[derive(Clone)]
pub(super) enum Step {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
    Lower,
    Strip {
        left: bool,
        right: bool,
    },
    Prepend(String),
    /// A literal text for another.
    Replace(String, String),
    /// Every run of white space for one text.
    ReplaceSpace(String),
    /// Every run of at least two blanks for one text.
    ReplaceBlanks(String),
    /// Every ASCII punctuation mark for a text.
    ReplacePunctuation(String),
    CharsMap(CharsMap),
}

impl Step {
    pub(super) fn apply(&self, text: &str) -> String {
        match self {
            Self::Nfc => text.nfc().collect(),
            Self::Nfd => text.nfd().collect(),
            Self::Nfkc => text.nfkc().collect(),
            Self::Nfkd => text.nfkd().collect(),
            Self::Lower => text.to_lowercase(),
            Self::Strip { left, right } => {
                let text = if *left { text.trim_start() } else { text };
                (if *right { text.trim_end() } else { text }).to_owned()
            }
            Self::Prepend(_) if text.is_empty() => String::new(),
            Self::Prepend(prefix) => format!("{prefix}{text}"),
            Self::Replace(from, to) => text.replace(from.as_str(), to),
            Self::ReplaceSpace(to) => replace_runs(text, char::is_whitespace, 1, to),
            Self::ReplaceBlanks(to) => replace_runs(text, |c| c == ' ', 2, to),
            Self::ReplacePunctuation(to) => {
                let shown = |c: char| if c.is_ascii_punctuation() { to.clone() } else { c.to_string() };
                text.chars().map(shown).collect()
            }
            Self::CharsMap(map) => map.apply(text),
        }
    }
}

/// The shape of a `normalizer` in `tokenizer.json`; fields that a type does not have stay empty.
#[derive(Deserialize)]
pub(super) struct Described {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    normalizers: Vec<Described>,
    #[serde(default)]
    strip_left: bool,
    #[serde(default)]
    strip_right: bool,
    #[serde(default)]
    prepend: String,
    #[serde(default)]
    pattern: Option<Pattern>,
    #[serde(default)]
    content: String,
    #[serde(default)]
    precompiled_charsmap: Option<String>,
}

#[derive(Deserialize)]
pub(super) enum Pattern {
    String(String),
    Regex(String),
}

/// The steps of a `normalizer`, in order.
pub(super) fn steps(described: Described, steps: &mut Vec<Step>) -> Result<(), TokenizerError> {
    let Described { kind, normalizers, strip_left, strip_right, prepend, pattern, content, .. } = described;
    steps.push(match kind.as_str() {
        "Sequence" => return normalizers.into_iter().try_for_each(|inner| self::steps(inner, steps)),
        "NFC" => Step::Nfc,
        "NFD" => Step::Nfd,
        "NFKC" => Step::Nfkc,
        "NFKD" => Step::Nfkd,
        "Lowercase" => Step::Lower,
        "Strip" => Step::Strip { left: strip_left, right: strip_right },
        "Prepend" => Step::Prepend(prepend),
        "Replace" => replacement(pattern, content)?,
        "Precompiled" => match described.precompiled_charsmap {
            Some(encoded) if !encoded.is_empty() => Step::CharsMap(CharsMap::parse(&encoded)?),
            _ => return Ok(()),
        },
        _ => return Err(unsupported("normalizer.type", kind, "a known normalizer")),
    });
    Ok(())
}

fn replacement(pattern: Option<Pattern>, content: String) -> Result<Step, TokenizerError> {
    match pattern {
        Some(Pattern::String(from)) if !from.is_empty() => Ok(Step::Replace(from, content)),
        Some(Pattern::Regex(regex)) => match regex.as_str() {
            r"\s+" => Ok(Step::ReplaceSpace(content)),
            " {2,}" => Ok(Step::ReplaceBlanks(content)),
            _ if is_punctuation_class(&regex) => Ok(Step::ReplacePunctuation(content)),
            _ => Err(unsupported(
                "normalizer.pattern",
                regex,
                r"`\s+`, ` {2,}` or the class of ASCII punctuation",
            )),
        },
        _ => Err(unsupported("normalizer.pattern", "absent".into(), "a text or a regular expression")),
    }
}

/// `[...]` with every ASCII punctuation mark and nothing else, whichever of them are escaped.
fn is_punctuation_class(regex: &str) -> bool {
    let Some(inside) = regex.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    let mut named: Vec<char> = Vec::new();
    let mut characters = inside.chars();
    while let Some(c) = characters.next() {
        named.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    let all = (0u8..128).map(char::from).filter(char::is_ascii_punctuation);
    named.iter().all(char::is_ascii_punctuation) && all.into_iter().all(|mark| named.contains(&mark))
}

fn without_punctuation(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_punctuation()).collect()
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Replaces each run of at least `least` characters of one kind.
fn replace_runs(text: &str, of_kind: impl Fn(char) -> bool, least: usize, to: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let plain = rest.find(&of_kind).unwrap_or(rest.len());
        let (before, run_on) = rest.split_at(plain);
        let (run, after) = run_on.split_at(run_on.find(|c| !of_kind(c)).unwrap_or(run_on.len()));
        replaced.push_str(before);
        replaced.push_str(if run.chars().count() >= least { to } else { run });
        rest = after;
    }
    replaced
}

pub(super) fn unsupported(field: &'static str, got: String, expected: &'static str) -> TokenizerError {
    TokenizerError::Unsupported { file: "tokenizer.json".into(), field, got, expected }
}
