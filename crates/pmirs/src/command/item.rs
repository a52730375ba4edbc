//! `pmirs get` and `pmirs rm`: single items, by identifier or the start of one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pmirs_vault::{Collection, ItemId};
use serde::Serialize;

use crate::cli::{Get, Global, Rm, Tag};
use crate::exit::Exit;
use crate::output::{Answer, Output, bytes, count, plain};
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Got {
    item: String,
    name: String,
    kind: &'static str,
    bytes: u64,
    caption: Option<String>,
    path: String,
}

impl Answer for Got {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Wrote {} ({}).", plain(&self.path), bytes(self.bytes))
    }
}

pub fn get(args: &Get, global: &Global, output: Output) -> Result<(), Failure> {
    let to_stdout = args.output.as_deref() == Some(Path::new("-"));
    if to_stdout && output.json() {
        return Err(Failure::new(
            Exit::Usage,
            "--json and `-o -` both want standard output",
            "write to a file",
        ));
    }
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    let item = resolve(&collection, &args.item)?;
    let (meta, content) = collection.get(item)?;
    if to_stdout {
        let mut out = io::stdout().lock();
        return out.write_all(&content).and_then(|()| out.flush()).map_err(|error| Failure::print(&error));
    }
    let path = match &args.output {
        Some(path) => path.clone(),
        None => own_name(&meta.name)?,
    };
    write(&path, &content, args.force)?;
    output.answer(&Got {
        item: item.to_string(),
        name: meta.name,
        kind: meta.kind.name(),
        bytes: content.len() as u64,
        caption: meta.caption,
        path: path.display().to_string(),
    })
}

/// The last part of the name that the item was added under: a name from elsewhere must not choose a folder.
fn own_name(name: &str) -> Result<PathBuf, Failure> {
    Path::new(name).file_name().map(PathBuf::from).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            format!("the item's name '{name}' is not a file name"),
            "name a file with -o FILE",
        )
    })
}

fn write(path: &Path, content: &[u8], force: bool) -> Result<(), Failure> {
    let opened = if force {
        fs::File::create(path)
    } else {
        OpenOptions::new().write(true).create_new(true).open(path)
    };
    match opened.and_then(|mut file| file.write_all(content)) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::new(
            Exit::Exists,
            format!("{} exists already", path.display()),
            "name another file with -o FILE, or overwrite it with --force",
        )),
        Err(error) => Err(Failure::file(path, "write", &error)),
    }
}

#[derive(Serialize)]
struct Removed {
    removed: u64,
}

impl Answer for Removed {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Removed {}.", count(self.removed as usize, "item"))
    }
}

pub fn rm(args: &Rm, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    let items = args.items.iter().map(|start| resolve(&collection, start)).collect::<Result<Vec<_>, _>>()?;
    let removed = collection.remove(&items)?;
    output.answer(&Removed { removed })
}

#[derive(Serialize)]
struct Tagged {
    changed: u64,
}

impl Answer for Tagged {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Changed {}.", count(self.changed as usize, "item"))
    }
}

pub fn tag(args: &Tag, global: &Global, output: Output) -> Result<(), Failure> {
    let vault = session::open(global)?;
    let collection = vault.collection(&args.collection)?;
    let items = args.items.iter().map(|start| resolve(&collection, start)).collect::<Result<Vec<_>, _>>()?;
    output.answer(&Tagged { changed: collection.tag(&items, &args.add, &args.remove)? })
}

/// The one item whose identifier starts so.
fn resolve(collection: &Collection<'_>, start: &str) -> Result<ItemId, Failure> {
    if let Ok(item) = start.parse() {
        return Ok(item);
    }
    let start = start.to_lowercase();
    let known = collection.items()?;
    let matching =
        known.iter().map(|summary| summary.item).filter(|item| item.to_string().starts_with(&start));
    match one(matching) {
        Ok(Some(item)) => Ok(item),
        Ok(None) => Err(Failure::new(
            Exit::NotFound,
            format!("there is no item '{}' in this collection", plain(&start)),
            "`pmirs collection show NAME` lists its items",
        )),
        Err(()) => Err(Failure::new(
            Exit::Usage,
            format!("several items start with '{}'", plain(&start)),
            "give more characters of the identifier",
        )),
    }
}

/// Nothing, the only one, or an error when there are several.
fn one<T>(mut values: impl Iterator<Item = T>) -> Result<Option<T>, ()> {
    let first = values.next();
    if values.next().is_some() { Err(()) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_from_elsewhere_chooses_no_folder() {
        assert_eq!(own_name("holiday/../../etc/passwd").unwrap(), Path::new("passwd"));
        assert_eq!(own_name("..").unwrap_err().exit(), Exit::Usage);
    }

    #[test]
    fn files_are_not_overwritten_by_accident() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"first", false).unwrap();
        assert_eq!(write(&path, b"second", false).unwrap_err().exit(), Exit::Exists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        write(&path, b"second", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
    }
}
