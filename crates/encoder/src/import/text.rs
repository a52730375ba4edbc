//! What the files around a model say about its texts: context, filler, cleaning, end token.

use serde_json::Value;

use super::ImportError;
use super::config::{ClipConfig, Json, MAX_CONTEXT};
use super::layout::Layout;
use crate::Vocabulary;
use crate::pack::Pooling;
use crate::tokenizer::Clean;

/// How a text becomes a text tower's input.
pub(super) struct TextSettings {
    pub(super) context_length: usize,
    pub(super) pad: u32,
    pub(super) clean: Clean,
}

/// `tokenizer` is `tokenizer.json`, where the model has one; `fixed` the length that the graph demands.
pub(super) fn text_settings(
    layout: &Layout,
    tokenizer: Option<&Json>,
    fixed: Option<usize>,
    pooling: Pooling,
) -> Result<TextSettings, ImportError> {
    let context_length = match fixed {
        Some(length) => length,
        None => declared_context(layout)?,
    };
    let pad = match (pad(layout, tokenizer)?, pooling) {
        (Some(pad), _) => pad,
        // A causal tower that pools the end token never looks at what follows it.
        (None, Pooling::FirstEnd) => 0,
        (None, Pooling::Fixed) => {
            let expected = "pad_token in tokenizer_config.json, or padding in tokenizer.json";
            return Err(ImportError::Missing { what: "filler of short texts", expected });
        }
    };
    Ok(TextSettings { context_length, pad, clean: clean(layout, tokenizer)? })
}

fn declared_context(layout: &Layout) -> Result<usize, ImportError> {
    let in_config = [
        "text_config.max_position_embeddings",
        "text_cfg.context_length",
        "model_cfg.text_cfg.context_length",
    ];
    for path in in_config {
        if let Some(config) = &layout.config
            && let Some(length) = config.number(path, MAX_CONTEXT)?
        {
            return Ok(length);
        }
    }
    // Some files give a number beyond all bounds here, for "no limit".
    let length = layout.tokenizer_config.as_ref().and_then(|config| config.get("model_max_length")?.as_u64());
    length.filter(|length| *length <= MAX_CONTEXT as u64).map(|length| length as usize).ok_or(
        ImportError::Missing {
            what: "context length",
            expected: "text_config.max_position_embeddings in config.json",
        },
    )
}

fn pad(layout: &Layout, tokenizer: Option<&Json>) -> Result<Option<u32>, ImportError> {
    if let Some(config) = &layout.tokenizer_config {
        if let Some(side) = config.get("padding_side")
            && side.as_str() != Some("right")
        {
            return Err(config.odd("padding_side", side, "right"));
        }
        // The token itself, or an object around it
        let path = if config.get("pad_token.content").is_some() { "pad_token.content" } else { "pad_token" };
        let named = config.text(path)?;
        if let (Some(name), Some(tokenizer)) = (named, tokenizer) {
            let id = token_id(tokenizer, name);
            let token = config.get("pad_token").unwrap_or(&Value::Null);
            return id.map(Some).ok_or_else(|| config.odd("pad_token", token, "a token of tokenizer.json"));
        }
    }
    let id = |json: Option<&Json>, path: &str| json?.get(path)?.as_u64();
    let id =
        id(tokenizer, "padding.pad_id").or_else(|| id(layout.config.as_ref(), "text_config.pad_token_id"));
    Ok(id.and_then(|id| u32::try_from(id).ok()))
}

fn token_id(tokenizer: &Json, name: &str) -> Option<u32> {
    let added = tokenizer.get("added_tokens").and_then(Value::as_array).into_iter().flatten();
    let added = added
        .filter(|token| token.get("content").and_then(Value::as_str) == Some(name))
        .find_map(|token| token.get("id")?.as_u64());
    let id = added.or_else(|| match tokenizer.get("model.vocab")? {
        Value::Object(ids) => ids.get(name)?.as_u64(),
        Value::Array(pieces) => {
            let at = pieces.iter().position(|piece| piece.get(0).and_then(Value::as_str) == Some(name));
            at.map(|at| at as u64)
        }
        _ => None,
    });
    id.and_then(|id| u32::try_from(id).ok())
}

/// What the reference does to a text before its vocabulary sees it, which `tokenizer.json` does not say.
fn clean<'a>(layout: &'a Layout, tokenizer: Option<&'a Json>) -> Result<Clean, ImportError> {
    for path in ["text_cfg.tokenizer_kwargs.clean", "model_cfg.text_cfg.tokenizer_kwargs.clean"] {
        let Some(config) = &layout.config else { continue };
        match config.get(path) {
            None => {}
            Some(value) => match value.as_str() {
                Some("canonicalize") => return Ok(Clean::Canonicalize),
                Some("lower") => return Ok(Clean::Lower),
                Some("whitespace") => return Ok(Clean::None),
                _ => return Err(config.odd(path, value, "canonicalize, lower or whitespace")),
            },
        }
    }
    let words = |json: Option<&'a Json>, path: &str| json.map_or(Ok(None), |json| json.text(path));
    let class = words(layout.tokenizer_config.as_ref(), "tokenizer_class")?;
    let family = words(layout.config.as_ref(), "model_type")?.unwrap_or_default();
    let kind = words(tokenizer, "model.type")?;
    Ok(match class {
        Some("SiglipTokenizer") => Clean::Siglip,
        Some("Siglip2Tokenizer") => Clean::Lower,
        // SigLIP 2 was trained on lower case, and its files name Gemma's tokenizer, which keeps the case.
        _ if family.starts_with("siglip") && kind == Some("BPE") => Clean::Lower,
        _ if family.starts_with("siglip") => Clean::Siglip,
        _ => Clean::None,
    })
}

/// The end token that a Hugging Face `config.json` names must be the vocabulary's: there, vectors are pooled.
///
/// Files from before the field meant anything say 2, and their models take the place of the highest token, which
/// is the same place only where no token is above the end token.
pub(super) fn check_end(
    config: &Json,
    clip: &ClipConfig,
    vocabulary: &Vocabulary,
) -> Result<(), ImportError> {
    const LEGACY: u32 = 2;
    let eos = clip.text.eos_token_id;
    let end = vocabulary.end();
    let holds = if eos == LEGACY {
        end.map(|end| end as usize + 1) == Some(clip.text.vocab_size)
    } else {
        end == Some(eos)
    };
    if holds {
        return Ok(());
    }
    let end = end.map_or_else(|| "none".to_owned(), |end| end.to_string());
    let expected = format!("the vocabulary's end token, {end}");
    Err(config.odd("text_config.eos_token_id", &eos.into(), &expected))
}
