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

/// A row of a table of captions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptionRow {
    /// Where it stands, counted from 1.
    pub line: u64,
    /// The picture, as the table names it.
    pub image: String,
    /// What is said about it; empty where the row ends before.
    pub text: String,
}

/// Reads a table with tab-separated columns `image` and `caption` or `notes` under a header. Other columns and blank
/// lines are passed over.
///
/// # Errors
/// When the file cannot be read or is longer than 256 MiB; naming the line, when a column is missing, a text is not
/// UTF-8 or longer than 16 KiB.
pub fn caption_rows(path: &Path) -> Result<Vec<CaptionRow>, VaultError> {
    let about = std::fs::metadata(path).map_err(|error| VaultError::file(path, &error))?;
    if !about.is_file() || about.len() > MAX_TABLE {
        return Err(VaultError::file(path, &"a table of captions is a file of at most 256 MiB"));
    }
    let bytes = std::fs::read(path).map_err(|error| VaultError::file(path, &error))?;
    // Some programs begin a file with a mark of its byte order.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let at =
        |line, reason: &str| VaultError::Captions { path: path.to_owned(), line, reason: reason.to_owned() };
    let columns = |(line, bytes)| {
        let text = std::str::from_utf8(bytes).map_err(|error| at(line, &error.to_string()))?;
        Ok::<Vec<&str>, VaultError>(text.split('\t').map(str::trim).collect())
    };
    let mut lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let header = lines.next().map(columns).transpose()?.unwrap_or_default();
    let place = |names: &[&str]| header.iter().position(|column| names.contains(column));
    let image = place(&["image"]).ok_or_else(|| at(1, "there is no column 'image'"))?;
    let text =
        place(&["caption", "notes"]).ok_or_else(|| at(1, "there is no column 'caption' or 'notes'"))?;

    let mut rows = Vec::new();
    for (line, bytes) in lines {
        let columns = columns((line, bytes))?;
        if columns.iter().all(|column| column.is_empty()) {
            continue;
        }
        let column = |place: usize| columns.get(place).copied().unwrap_or_default().to_owned();
        let row = CaptionRow { line, image: column(image), text: column(text) };
        if row.image.is_empty() {
            return Err(at(line, "there is no image"));
        }
        if row.text.len() > MAX_NOTE {
            return Err(at(line, &format!("the note is longer than {MAX_NOTE} bytes")));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Notes by file.
#[derive(Debug, Default)]
pub(super) struct Captions {
    by_image: HashMap<String, Vec<String>>,
    used: Mutex<HashSet<String>>,
}

impl Captions {
    /// Reads a table as [`caption_rows`] does.
    pub(super) fn read(path: &Path) -> Result<Self, VaultError> {
        let mut by_image: HashMap<String, Vec<String>> = HashMap::new();
        for CaptionRow { image, text, .. } in caption_rows(path)? {
            // A row may end before its note: it has none.
            if !text.is_empty() {
                by_image.entry(image).or_default().push(text);
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

    /// The notes again that [`Captions::stored`] joined: a row of a table is one line.
    pub(super) fn parted(caption: Option<&str>) -> Vec<String> {
        caption.into_iter().flat_map(|caption| caption.split('\n')).map(str::to_owned).collect()
    }

    /// How many files had notes but were not there.
    pub(super) fn unused(&self) -> u64 {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).len();
        (self.by_image.len() - used) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_as_programs_write_them_are_read_and_a_bad_row_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.tsv");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            caption_rows(&path)
        };
        let table = b"\xef\xbb\xbfid\timage\tnotes\r\n1\ta.jpg\tsays \"hello\"\r\n\r\n2\tb.jpg";
        let row = |line, image: &str, text: &str| CaptionRow { line, image: image.into(), text: text.into() };
        assert_eq!(read(table).unwrap(), [row(2, "a.jpg", "says \"hello\""), row(4, "b.jpg", "")]);

        let long = format!("image\tcaption\n\n\na.jpg\t{}\n", "x".repeat(MAX_NOTE + 1));
        for (bytes, told) in [
            (&b""[..], "line 1: there is no column 'image'"),
            (b"image\ttext\n", "line 1: there is no column 'caption' or 'notes'"),
            (b"image\tcaption\n\n\tno name\n", "line 3: there is no image"),
            (b"image\tcaption\na.jpg\tok\nb.jpg\t\xff\n", "line 3: invalid utf-8"),
            (long.as_bytes(), "line 4: the note is longer"),
        ] {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
