//! `pmirs model split|unsplit`: a model's weights in shares at three servers.

use std::io::{self, Write};
use std::path::Path;

use pmirs_party::read_parties;
use pmirs_vault::SplitModel;
use serde::Serialize;

use crate::cli::{Global, ModelSplit, ModelUnsplit};
use crate::confirm;
use crate::exit::Exit;
use crate::output::{Answer, BOLD, DIM, Output, count, plain};
use crate::progress::Bar;
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Split {
    /// Name and version, as collections name it.
    model: String,
    id: String,
    weights: u64,
    /// Who may use it beside oneself.
    users: Vec<String>,
}

impl Answer for Split {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { model, weights, users, .. } = self;
        writeln!(out, "{BOLD}{}{BOLD:#}: {weights} weights lie in shares at the three", plain(model))?;
        match users.as_slice() {
            [] => writeln!(out, "  {DIM}for you alone; --for NAME lends it to a contact{DIM:#}"),
            users => {
                let names: Vec<_> = users.iter().map(|name| plain(name)).collect();
                writeln!(
                    out,
                    "  {DIM}for you and {}: {}{DIM:#}",
                    count(users.len(), "other"),
                    names.join(", ")
                )
            }
        }
    }
}

pub fn split(args: &ModelSplit, global: &Global, output: Output) -> Result<(), Failure> {
    let encoder = super::encoder(Some(&args.model))?;
    let parties = read_parties(&args.parties)?;
    let vault = session::open(global)?;
    let SplitModel { id, name, weights, mut users } =
        vault.split_model(&encoder, &parties, &Bar::new(output))?;
    if !args.lend.is_empty() || !args.not_for.is_empty() {
        users = vault.lend_model(&name, &parties, &args.lend, &args.not_for)?;
    }
    output.answer(&Split { model: name, id: id.to_string(), weights, users })
}

#[derive(Serialize)]
struct Unsplit {
    removed: String,
}

impl Answer for Unsplit {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "The three erased their shares of {}", plain(&self.removed))
    }
}

pub fn unsplit(args: &ModelUnsplit, global: &Global, output: Output) -> Result<(), Failure> {
    let name = name_of(&args.model);
    let parties = read_parties(&args.parties)?;
    let question = format_args!("Erase the shares of {name} at all three? Whoever uses it cannot any more.");
    if !args.yes && !confirm::yes(question, "the model's shares shall go", "add --yes to erase them")? {
        let error = "nothing was erased";
        return Err(Failure::new(Exit::Failure, error, "type the whole word `yes` to erase them"));
    }
    session::open(global)?.remove_split_model(&name, &parties)?;
    output.answer(&Unsplit { removed: name })
}

/// Name and version of a model that is at hand; or else what was typed is that.
fn name_of(model: &Path) -> String {
    let typed = || model.to_string_lossy().into_owned();
    super::encoder(Some(model))
        .map_or_else(|_| typed(), |encoder| format!("{} {}", encoder.info().name, encoder.info().version))
}
