//! `pmirs model add|list|info|use|remove|split|unsplit|distill`.

mod add;
mod adopt;
mod choose;
mod info;
mod list;
mod split;

use std::path::Path;
use std::sync::Arc;

use pmirs_encoder::Encoder;

use super::distill;
use crate::cli::{Global, Model};
use crate::exit::Exit;
use crate::home;
use crate::models::{BUILT_IN, Models, built_in};
use crate::output::Output;
use crate::report::Failure;

pub fn run(command: &Model, global: &Global, output: Output) -> Result<(), Failure> {
    match command {
        Model::Add(args) => add::add(args, output),
        Model::List => list::list(output),
        Model::Info(args) => info::info(args, output),
        Model::Use(args) => choose::run(args, global, output),
        Model::Remove(args) => list::remove(args, output),
        Model::Split(args) => split::split(args, global, output),
        Model::Unsplit(args) => split::unsplit(args, global, output),
        Model::Distill(args) => distill::run(args, output),
    }
}

/// The model that somebody named, by its name or folder; or else the one in use.
pub fn encoder(named: Option<&Path>) -> Result<Arc<Encoder>, Failure> {
    let Some(home) = home::settled() else {
        // Without a home there are no names and no choice.
        let built_in = named.map_or(Some(BUILT_IN), |named| built_in(named.to_str()?));
        return Ok(Arc::new(match (built_in, named) {
            (None, Some(folder)) => Encoder::open(folder)?,
            (name, _) => Encoder::builtin(name.unwrap_or(BUILT_IN))?,
        }));
    };
    let models = Models::of(home);
    let choice = named.map_or_else(|| models.chosen(), |named| models.find(named))?;
    models.open(&choice)
}

/// The models of this home.
fn models() -> Result<Models, Failure> {
    let unknown = || {
        let error = "the user's home folder is not known";
        Failure::new(Exit::Failure, error, "name one with --home DIR or PMIRS_HOME")
    };
    home::settled().map(|home| Models::of(home)).ok_or_else(unknown)
}
