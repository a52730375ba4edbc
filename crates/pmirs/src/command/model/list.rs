//! `pmirs model list|remove`: the models of this home.

use std::fs;
use std::io::{self, Write};

use pmirs_encoder::{Encoder, EncoderError};
use serde::Serialize;

use super::info::kind;
use super::models;
use crate::cli::ModelRemove;
use crate::exit::Exit;
use crate::models::{Choice, check_name};
use crate::output::{Answer, BOLD, DIM, Output, bytes, plain};
use crate::report::Failure;

#[derive(Serialize)]
struct List {
    models: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    /// What `--model` takes.
    name: String,
    version: Option<String>,
    kind: Option<&'static str>,
    dim: Option<usize>,
    bytes: Option<u64>,
    /// Whether new collections, and commands that name no model, use it.
    default: bool,
    /// Why it does not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Answer for List {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for Row { name, version, dim, bytes: size, default, error, .. } in &self.models {
            let mark = if *default { "*" } else { " " };
            let version = plain(version.as_deref().unwrap_or("-"));
            match (dim, size, error) {
                (Some(dim), Some(size), _) => writeln!(
                    out,
                    "{mark} {BOLD}{:<24}{BOLD:#} {version:<14} {dim:>5} numbers  {:>9}",
                    plain(name),
                    bytes(*size)
                )?,
                (.., error) => {
                    let reason = error.as_deref().unwrap_or("does not open");
                    writeln!(out, "{mark} {BOLD}{:<24}{BOLD:#} {}", plain(name), plain(reason))?;
                }
            }
        }
        writeln!(out, "{DIM}* is used for new collections and where no model is named{DIM:#}")
    }
}

/// The built-in models, those of this home, and a folder if one is in use.
pub fn list(output: Output) -> Result<(), Failure> {
    let models = models()?;
    let chosen = models.chosen()?;
    let mut choices: Vec<Choice> = Encoder::builtin_names().map(Choice::BuiltIn).collect();
    choices.extend(models.names()?.into_iter().map(Choice::Named));
    if !choices.contains(&chosen) {
        choices.push(chosen.clone());
    }
    let rows = choices.into_iter().map(|choice| {
        let default = choice == chosen;
        let opened = models.open(&choice);
        match (&opened, opened.as_ref().map(|encoder| encoder.pack().bytes())) {
            (Ok(encoder), Ok(Ok(size))) => row(&choice, encoder, size, default),
            (Ok(_), Ok(Err(error))) => broken(&choice, &EncoderError::from(error).to_string(), default),
            (opened, _) => {
                let reason = opened.as_ref().err().map(Failure::error).unwrap_or_default();
                broken(&choice, reason, default)
            }
        }
    });
    output.answer(&List { models: rows.collect() })
}

fn row(choice: &Choice, encoder: &Encoder, size: u64, default: bool) -> Row {
    let info = encoder.info();
    Row {
        name: name(choice),
        version: Some(info.version.clone()),
        kind: Some(kind(info.kind)),
        dim: Some(info.dim),
        bytes: Some(size),
        default,
        error: None,
    }
}

fn broken(choice: &Choice, reason: &str, default: bool) -> Row {
    let error = Some(reason.to_owned());
    Row { name: name(choice), version: None, kind: None, dim: None, bytes: None, default, error }
}

/// What a model is called in lists.
pub(super) fn name(choice: &Choice) -> String {
    match choice {
        Choice::BuiltIn(name) => (*name).to_owned(),
        Choice::Named(name) => name.clone(),
        Choice::Folder(folder) => folder.display().to_string(),
    }
}

#[derive(Serialize)]
struct Removed {
    removed: String,
}

impl Answer for Removed {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "Removed the model {BOLD}{}{BOLD:#}.", plain(&self.removed))
    }
}

pub fn remove(args: &ModelRemove, output: Output) -> Result<(), Failure> {
    let models = models()?;
    check_name(&args.name)?;
    if models.chosen()? == Choice::Named(args.name.clone()) {
        let error = format!("the model {} is in use", args.name);
        return Err(Failure::new(
            Exit::Usage,
            error,
            "choose another first, such as `pmirs model use compact`",
        ));
    }
    let place = models.place(&args.name);
    fs::remove_dir_all(&place).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let error = format!("there is no model named '{}'", args.name);
            Failure::new(Exit::NotFound, error, "`pmirs model list` shows the ones you have")
        }
        _ => Failure::file(&place, "remove", &error),
    })?;
    output.answer(&Removed { removed: args.name.clone() })
}
