//! Pictures with captions to learn from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use pmirs_encoder::{Limits, Picture};
use pmirs_wire::sealed::ItemKind;

use crate::add::{CaptionRow, caption_rows};
use crate::{Collection, VaultError};

/// A picture and what is said about it.
#[derive(Clone)]
pub struct Pair {
    /// Which picture: a path as the table names it, or an item's identifier.
    pub name: String,
    /// Where it is.
    pub sight: Sight,
    /// One or more captions.
    pub captions: Vec<String>,
}

/// Where a picture is.
#[derive(Clone)]
pub enum Sight {
    /// In a file that is read when it is needed.
    File(PathBuf),
    /// A file's bytes.
    Bytes(Vec<u8>),
    /// Decoded.
    Picture(Picture),
}

impl Pair {
    /// The picture.
    ///
    /// # Errors
    /// When it cannot be read or decoded, naming it.
    pub fn picture(&self) -> Result<Picture, VaultError> {
        let decode = |bytes: &[u8]| {
            Picture::decode(bytes, &Limits::default())
                .map_err(|error| VaultError::file(Path::new(&self.name), &error))
        };
        match &self.sight {
            Sight::File(path) => {
                decode(&std::fs::read(path).map_err(|error| VaultError::file(path, &error))?)
            }
            Sight::Bytes(bytes) => decode(bytes),
            Sight::Picture(picture) => Ok(picture.clone()),
        }
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pair({} captions, redacted)", self.captions.len())
    }
}

/// The pairs of a table of captions ([`caption_rows`]); pictures are relative to its folder or to `images/` in it. In
/// the order in which pictures first appear.
///
/// # Errors
/// When the table cannot be read, or names a picture that is not there.
pub fn from_table(table: &Path) -> Result<Vec<Pair>, VaultError> {
    let folder = table.parent().unwrap_or(Path::new(""));
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut pairs: Vec<Pair> = Vec::new();
    for CaptionRow { line, image, text } in caption_rows(table)? {
        if text.is_empty() {
            continue;
        }
        let next = pairs.len();
        let at = *places.entry(image.clone()).or_insert(next);
        if at == next {
            let path = [folder.join(&image), folder.join("images").join(&image)];
            let path = path.into_iter().find(|path| path.is_file()).ok_or_else(|| VaultError::Captions {
                path: table.to_owned(),
                line,
                reason: format!("there is no image '{image}'"),
            })?;
            pairs.push(Pair { name: image, sight: Sight::File(path), captions: Vec::new() });
        }
        if let Some(pair) = pairs.get_mut(at) {
            pair.captions.push(text);
        }
    }
    Ok(pairs)
}

/// The pairs of a collection: its pictures that have a note, one caption a line. Each is fetched when it is asked for.
///
/// # Errors
/// When the collection's items cannot be listed; each pair's own, when it cannot be fetched.
pub fn from_collection<'a>(
    collection: &'a Collection<'_>,
) -> Result<impl Iterator<Item = Result<Pair, VaultError>> + use<'a>, VaultError> {
    let items = collection.items()?;
    let noted = items.into_iter().filter(|it| it.meta.kind == ItemKind::Image && it.meta.caption.is_some());
    Ok(noted.map(move |summary| {
        let (meta, content) = collection.get(summary.item)?;
        let noted = meta.caption.unwrap_or_default();
        let captions = noted.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        Ok(Pair { name: summary.item.to_string(), sight: Sight::Bytes(content), captions })
    }))
}
