//! One file to something that the encoder takes.

use std::fs::File as FsFile;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pmirs_encoder::{Encoder, Limits, Picture, Prepared};
use pmirs_wire::sealed::ItemKind;
use pmirs_wire::{Digest, ItemId, limits};

use super::captions::Captions;
use super::walk::File;
use super::{Known, Present, dicom};

/// The longest text that is embedded; the whole of it is stored all the same.
const EMBEDDED_TEXT: usize = 64 << 10;

/// Words in one embedded passage: about what a text tower's context holds.
const PASSAGE_WORDS: usize = 40;

/// A file, loaded.
pub(super) struct Source {
    pub(super) file: File,
    pub(super) content: Vec<u8>,
    pub(super) digest: Digest,
    pub(super) date_ms: Option<u64>,
    pub(super) tags: Vec<String>,
    pub(super) captions: Vec<String>,
    /// Items of the same content and name with another caption, which this one takes the place of.
    pub(super) replaces: Vec<ItemId>,
    pub(super) form: Form,
}

/// What of it the encoder takes.
pub(super) enum Form {
    Picture { prepared: Prepared, pixels: (u32, u32) },
    Text { passages: Vec<String> },
}

/// What came of a file.
pub(super) enum Loaded {
    Source(Box<Source>),
    Present,
    Broken(String),
}

/// What loaders share.
pub(super) struct Loader<'a> {
    pub(super) encoder: &'a Encoder,
    pub(super) captions: &'a Captions,
    /// Contents in the collection, and with no items those on their way there.
    pub(super) known: Mutex<Known>,
}

impl Loader<'_> {
    pub(super) fn load(&self, file: &File) -> Loaded {
        match self.try_load(file) {
            Ok(Some(source)) => Loaded::Source(Box::new(source)),
            Ok(None) => Loaded::Present,
            Err(reason) => Loaded::Broken(reason),
        }
    }

    fn try_load(&self, file: &File) -> Result<Option<Source>, String> {
        let (file, content, tags) = stripped(file.clone(), read(file)?)?;
        let digest = Digest(pmirs_crypto::sha256(&content));
        let key = (digest, file.name.clone());
        let captions = self.captions.of(&file.name).map(<[String]>::to_vec).unwrap_or_default();
        let wanted = Captions::stored(&captions);
        let as_wanted = |items: &Vec<Present>| {
            wanted.is_none() || items.is_empty() || items.iter().any(|item| item.caption == wanted)
        };
        if self.known().get(&key).is_some_and(as_wanted) {
            return Ok(None);
        }
        let form = Form::of(self.encoder, file.kind, &content)?;
        let replaces = match self.known().insert(key, Vec::new()) {
            // Another thread has the same content under the same name.
            Some(items) if items.is_empty() => return Ok(None),
            items => items.into_iter().flatten().map(|item| item.item).collect(),
        };
        // The date of a medical picture is the patient's.
        let date_ms = if tags.is_none() { modified_ms(&file.path) } else { None };
        let tags = tags.unwrap_or_default();
        Ok(Some(Source { file, content, digest, date_ms, tags, captions, replaces, form }))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Form {
    /// What a model takes of a content.
    pub(super) fn of(encoder: &Encoder, kind: ItemKind, content: &[u8]) -> Result<Self, String> {
        match kind {
            ItemKind::Image => {
                let picture =
                    Picture::decode(content, &Limits::default()).map_err(|error| error.to_string())?;
                let prepared = encoder.preprocess(&picture).map_err(|error| error.to_string())?;
                Ok(Self::Picture { prepared, pixels: (picture.width(), picture.height()) })
            }
            ItemKind::Text => text(content),
        }
    }
}

/// A file, its content, and its tags where it is a medical picture.
type Stripped = (File, Vec<u8>, Option<Vec<String>>);

/// A file as it may be stored: of a medical picture only what is to be seen, as PNG, and a few tags.
fn stripped(mut file: File, content: Vec<u8>) -> Result<Stripped, String> {
    if file.media_type != dicom::MEDIA_TYPE {
        return Ok((file, content, None));
    }
    let dicom::Extract { picture, tags } = dicom::extract(&content)?;
    file.name.push_str(".png");
    file.media_type = "image/png";
    let content = picture.to_png().map_err(|error| error.to_string())?;
    Ok((file, content, Some(tags)))
}

/// Reads a file up to the limit; its size is not believed, since it may grow while it is read.
fn read(file: &File) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    let limit = limits::ITEM_CONTENT as u64;
    FsFile::open(&file.path)
        .and_then(|opened| opened.take(limit + 1).read_to_end(&mut content))
        .map_err(|error| error.to_string())?;
    match content.len() as u64 {
        0 => Err("the file is empty".to_owned()),
        size if size > limit => Err(format!("the file is larger than {} MiB", limit >> 20)),
        _ => Ok(content),
    }
}

/// When the file was last written; nothing where the system does not say.
fn modified_ms(path: &std::path::Path) -> Option<u64> {
    let modified = path.metadata().and_then(|about| about.modified()).ok()?;
    Some(modified.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis() as u64)
}

fn text(content: &[u8]) -> Result<Form, String> {
    let text = std::str::from_utf8(content).map_err(|error| format!("not UTF-8 text: {error}"))?;
    let start = text.get(..text.floor_char_boundary(EMBEDDED_TEXT)).unwrap_or(text);
    let passages = passages(start);
    if passages.is_empty() {
        return Err("the text holds no words".to_owned());
    }
    Ok(Form::Text { passages })
}

/// Splits a text into passages of whole sentences, each short enough for the encoder's context.
pub(super) fn passages(text: &str) -> Vec<String> {
    let mut passages = Vec::new();
    let mut passage: Vec<&str> = Vec::new();
    for word in text.split_whitespace() {
        passage.push(word);
        let sentence_ends = word.ends_with(['.', '!', '?']) && passage.len() >= PASSAGE_WORDS / 2;
        if sentence_ends || passage.len() == PASSAGE_WORDS {
            passages.push(passage.join(" "));
            passage.clear();
        }
    }
    if !passage.is_empty() {
        passages.push(passage.join(" "));
    }
    passages.retain(|passage| passage.chars().any(char::is_alphanumeric));
    passages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_end_with_sentences_where_they_can() {
        let text = format!("{} end. next one begins here", "word ".repeat(25));
        let passages = passages(&text);
        assert_eq!(passages.len(), 2);
        assert!(passages[0].ends_with("end."));
        assert_eq!(passages[1], "next one begins here");
    }

    #[test]
    fn passages_are_short_and_lose_nothing() {
        let text = "a b c ".repeat(200);
        let passages = passages(&text);
        assert!(passages.iter().all(|p| p.split(' ').count() <= PASSAGE_WORDS));
        assert_eq!(passages.join(" "), text.trim());
        assert!(super::passages(" \n\t ... ").is_empty());
    }
}
