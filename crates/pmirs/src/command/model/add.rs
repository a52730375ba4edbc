//! `pmirs model add`: what somebody published becomes a pack of this home.

use std::io::{self, Write};
use std::path::PathBuf;

use pmirs_encoder::Encoder;
use pmirs_encoder::import::{ImportOptions, import};
use pmirs_encoder::pack::MANIFEST;
use serde::Serialize;

use super::adopt::{copy, name_of_folder};
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
    let info = models.make(&name, |draft| {
        let bar = steps(output, 0);
        bar.set_message("reading, converting and measuring");
        match args.sources.as_slice() {
            [folder] if folder.join(MANIFEST).is_file() => copy(folder, draft)?,
            sources => {
                let options = ImportOptions {
                    name: name.clone(),
                    licence: args.licence.clone(),
                    origin: "pmirs model add".into(),
                    calibrate: args.calibrate.clone(),
                };
                import(sources, &options, draft)?;
            }
        }
        bar.finish_and_clear();
        Info::of(&Encoder::open(draft)?)
    })?;
    output.answer(&Added { model: name, info })
}

/// A single folder gives its name.
fn name_of(sources: &[PathBuf]) -> Result<String, Failure> {
    let name = match sources {
        [folder] if folder.is_dir() => name_of_folder(folder),
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
