//! The vocabulary, and sentences as training shows them.

use std::collections::HashMap;
use std::path::Path;

use rand::RngExt as _;
use rand_core::Rng;

use super::TrainError;
use super::corpus::{Corpus, PHRASES, read_text};
use crate::Tokenizer;

/// Fewer uses than this, and a word is learned by its parts, which is how unknown words will be read.
const FEWEST_USES: usize = 3;

/// CLIP's full vocabulary, below `models/clip_tokenizer`.
pub(crate) fn clip_tokenizer(models: &Path) -> Result<Tokenizer, TrainError> {
    let folder = models.join("clip_tokenizer");
    let vocab = read_text(&folder.join("vocab.json"))?;
    let merges = read_text(&folder.join("merges.txt"))?;
    Ok(Tokenizer::from_vocab_and_merges(&vocab, &merges)?)
}

/// CLIP's vocabulary cut down to the words that training uses, and to `common` frequent words beside those.
pub(crate) fn choose(full: &Tokenizer, corpus: &Corpus, common: u32) -> Tokenizer {
    let mut uses: HashMap<u32, usize> = HashMap::new();
    let mut count = |text: &str, weight: usize| {
        for token in inside(&full.encode(text, usize::MAX)) {
            *uses.entry(*token).or_default() += weight;
        }
    };
    for sentence in corpus.sentences() {
        count(&sentence, 1);
    }
    for name in corpus.class_names() {
        // Names count twice, so that those of two lists stay whole words.
        count(name, 2);
    }
    let mut wanted: Vec<u32> =
        uses.into_iter().filter(|(_, uses)| *uses >= FEWEST_USES).map(|(token, _)| token).collect();
    // Merges are numbered by how frequent they were in CLIP's own text.
    wanted.extend(512..512 + common);
    wanted.sort_unstable();
    full.subset(&wanted)
}

/// Tokens without the start and the end token.
pub(crate) fn inside(ids: &[u32]) -> &[u32] {
    ids.get(1..ids.len().saturating_sub(1)).unwrap_or_default()
}

/// A caption as someone might type it: whole, without its full stop, or a part of it.
pub(crate) fn caption(text: &str, rng: &mut impl Rng) -> String {
    if rng.random_bool(0.4) {
        return text.to_owned();
    }
    let words: Vec<&str> =
        text.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)).collect();
    let partial = words.len() > 4 && rng.random_bool(0.2);
    let length = if partial { rng.random_range(3..words.len()) } else { words.len() };
    let start = rng.random_range(0..=words.len() - length);
    words.get(start..start + length).unwrap_or_default().join(" ")
}

/// A class name in one of the phrases; in the plural as often as `plurals` says, since folders and queries often are.
pub(crate) fn phrase(name: &str, plurals: f32, rng: &mut impl Rng) -> String {
    let phrase = PHRASES.get(rng.random_range(0..PHRASES.len())).copied().unwrap_or("{}");
    if plurals > 0.0 && rng.random::<f32>() < plurals {
        phrase.replace("{}", &plural(name))
    } else {
        phrase.replace("{}", name)
    }
}

/// The regular English plural of a name's last word.
pub(crate) fn plural(name: &str) -> String {
    if let Some(stem) = name.strip_suffix("man").filter(|stem| !stem.ends_with("hu")) {
        return format!("{stem}men");
    }
    let stem = name.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match stem {
        Some(stem) => format!("{stem}ies"),
        None if ["s", "x", "z", "ch", "sh"].iter().any(|end| name.ends_with(end)) => format!("{name}es"),
        None => format!("{name}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals() {
        for (one, many) in [
            ("daisy", "daisies"),
            ("sunflower", "sunflowers"),
            ("soccer ball", "soccer balls"),
            ("wrench", "wrenches"),
            ("fireman", "firemen"),
            ("toy", "toys"),
        ] {
            assert_eq!(plural(one), many);
        }
    }
}
