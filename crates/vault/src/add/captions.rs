//! Notes for pictures, from a table.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use pmirs_wire::limits;

use crate::VaultError;

/// The longest table that is read, in bytes.
const MAX_TABLE: u64 = 256 << 20;

/// The longest caption that is stored with an item, in bytes.
const MAX_CAPTION: usize = limits::SEALED_META / 2;

/// The longest note that is kept, in bytes.
const MAX_NOTE: usize = 16 << 10;

/// Notes by file.
#[derive(Debug, Default)]
pub(super) struct Captions {
    by_image: HashMap<String, Vec<String>>,
    used: Mutex<HashSet<String>>,
}

impl Captions {
    /// Reads a table with tab-separated columns `image` and `caption` or `notes` under a header.
    pub(super) fn read(path: &Path) -> Result<Self, VaultError> {
        let about = std::fs::metadata(path).map_err(|error| VaultError::file(path, &error))?;
        if !about.is_file() || about.len() > MAX_TABLE {
            return Err(VaultError::file(path, &"a table of captions is a file of at most 256 MiB"));
        }
        let at = |line, reason: String| VaultError::Captions { path: path.to_owned(), line, reason };
        let mut table = csv::ReaderBuilder::new()
            .delimiter(b'\t')
            .quoting(false)
            .flexible(true)
            .from_path(path)
            .map_err(|error| VaultError::file(path, &error))?;
        let header = table.headers().map_err(|error| at(1, error.to_string()))?.clone();
        let column = |names: &[&str]| header.iter().position(|name| names.contains(&name.trim()));
        let image = column(&["image"]).ok_or_else(|| at(1, "there is no column 'image'".to_owned()))?;
        let note = column(&["caption", "notes"])
            .ok_or_else(|| at(1, "there is no column 'caption' or 'notes'".to_owned()))?;

        let mut by_image: HashMap<String, Vec<String>> = HashMap::new();
        for row in table.records() {
            let row =
                row.map_err(|error| at(error.position().map_or(0, csv::Position::line), error.to_string()))?;
            let line = row.position().map_or(0, csv::Position::line);
            let image = row.get(image).ok_or_else(|| at(line, "there is no image".to_owned()))?;
            // A row may end before its note: it has none.
            let text = row.get(note).unwrap_or_default().trim();
            if text.len() > MAX_NOTE {
                return Err(at(line, format!("the note is longer than {MAX_NOTE} bytes")));
            }
            if !text.is_empty() {
                by_image.entry(image.trim().to_owned()).or_default().push(text.to_owned());
            }
        }
        Ok(Self { by_image, used: Mutex::default() })
    }

    /// The notes for a file, by its name below the added folder or by its last part alone.
    pub(super) fn of(&self, name: &str) -> Option<&[String]> {
        let last = name.rsplit('/').next().unwrap_or(name);
        let (key, notes) = self.by_image.get_key_value(name).or_else(|| self.by_image.get_key_value(last))?;
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        Some(notes)
    }

    /// A file's notes as its item stores them.
    pub(super) fn stored(notes: &[String]) -> Option<String> {
        let caption = notes.join("\n");
        let caption = caption.get(..caption.floor_char_boundary(MAX_CAPTION)).unwrap_or_default();
        (!caption.is_empty()).then(|| caption.to_owned())
    }

    /// How many files had notes but were not there.
    pub(super) fn unused(&self) -> u64 {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).len();
        (self.by_image.len() - used) as u64
    }
}
