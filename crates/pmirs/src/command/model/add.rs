//! `pmirs model add`: what somebody published becomes a pack of this home.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pmirs_encoder::import::{ImportOptions, import};
use pmirs_encoder::pack::MANIFEST;
use pmirs_encoder::{Encoder, EncoderError, Pack};
use serde::Serialize;

use super::info::Info;
use super::models;
use crate::cli::ModelAdd;
use crate::exit::Exit;
use crate::models::check_name;
use crate::output::{Answer, BOLD, Output, plain, quoted};
use crate::progress::steps;
use crate::report::Failure;

#[derive(Serialize)]
struct Added {
    /// What `--model` takes.
    model: String,
    #[serde(flatten)]
    info: Info,
}

impl Answer for Added {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Added the model {BOLD}{}{BOLD:#}:\n", plain(&self.model))?;
        self.info.print(out)?;
        writeln!(out, "\nNext: pmirs model use {}", quoted(&self.model))
    }
}

pub fn add(args: &ModelAdd, output: Output) -> Result<(), Failure> {
    let models = models()?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(&args.sources)?,
    };
    check_name(&name)?;
    let place = models.place(&name);
    if place.exists() {
        let error = format!("a model named {name} is there already");
        let hint = format!("choose another with --name, or remove it with `pmirs model remove {name}`");
        return Err(Failure::new(Exit::Exists, error, hint));
    }
    fs::create_dir_all(models.folder()).map_err(|error| Failure::file(models.folder(), "write", &error))?;
    // Made beside its place, and moved there whole; what fails leaves nothing behind.
    let draft = tempfile::Builder::new().prefix(".adding-").tempdir_in(models.folder());
    let draft = draft.map_err(|error| Failure::file(models.folder(), "write", &error))?;
    let bar = steps(output, 0);
    bar.set_message("reading, converting and measuring");
    match args.sources.as_slice() {
        [folder] if folder.join(MANIFEST).is_file() => copy(folder, draft.path())?,
        sources => {
            let options = ImportOptions {
                name: name.clone(),
                licence: args.licence.clone(),
                origin: "pmirs model add".into(),
                calibrate: args.calibrate.clone(),
            };
            import(sources, &options, draft.path())?;
        }
    }
    bar.finish_and_clear();
    let info = Info::of(&Encoder::open(draft.path())?)?;
    fs::rename(draft.path(), &place).map_err(|error| Failure::file(&place, "write", &error))?;
    // Moved, so that there is nothing left to remove.
    drop(draft.keep());
    output.answer(&Added { model: name, info })
}

/// Takes over a folder that is a pack already, after checking every file of it. Files that no tower names stay
/// behind: only named ones are known to have plain names.
fn copy(folder: &Path, to: &Path) -> Result<(), Failure> {
    let pack = Pack::open(folder).map_err(EncoderError::from)?;
    let write = |file: &str, bytes: &[u8]| {
        let path = to.join(file);
        fs::write(&path, bytes).map_err(|error| Failure::file(&path, "write", &error))
    };
    let mut manifest = pack.manifest().clone();
    let named = [&manifest.image.weights, &manifest.text.weights, &manifest.text.tokenizer];
    let named: BTreeSet<String> = named.into_iter().flatten().cloned().collect();
    for file in &named {
        write(file, &pack.read(file).map_err(EncoderError::from)?)?;
    }
    manifest.sha256.retain(|file, _| named.contains(file));
    write(MANIFEST, manifest.to_toml().map_err(EncoderError::from)?.as_bytes())
}

/// A single folder gives its name.
fn name_of(sources: &[PathBuf]) -> Result<String, Failure> {
    let name = match sources {
        [folder] if folder.is_dir() => folder.canonicalize().ok().and_then(|folder| {
            let name = folder.file_name()?.to_str()?;
            let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
            Some(name.to_lowercase().chars().map(plain).collect())
        }),
        [missing] if !missing.exists() => {
            let error = format!("{} does not exist", missing.display());
            return Err(Failure::new(Exit::NotFound, error, "check the path for a typing mistake"));
        }
        _ => None,
    };
    name.ok_or_else(|| {
        let error = "these files do not say what to call the model";
        Failure::new(Exit::Usage, error, "choose a name with --name")
    })
}
