//! `pmirs model use`: for new collections, and for those that go over to it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use pmirs_encoder::Encoder;
use pmirs_vault::{Collection, CollectionInfo, ReembedReport, Role, Vault};
use serde::Serialize;

use super::adopt::adopt;
use super::list::name;
use super::models;
use crate::cli::{Global, ModelUse};
use crate::command::jobs;
use crate::exit::Exit;
use crate::models::{Choice, Models};
use crate::output::{Answer, BOLD, DIM, GOOD, Output, count, plain};
use crate::progress::Bar;
use crate::report::Failure;
use crate::session;

/// A model that is here, and opened.
struct Chosen {
    /// What `--model` takes.
    name: String,
    encoder: Arc<Encoder>,
    /// The folder whose pack was taken into this home.
    copy_of: Option<PathBuf>,
}

pub fn run(args: &ModelUse, global: &Global, output: Output) -> Result<(), Failure> {
    let models = models()?;
    let chosen = find(&models, args)?;
    if args.collection.is_empty() {
        models.choose(&chosen.name)?;
    }
    if args.collection.is_empty() && !args.all {
        let version = chosen.encoder.info().version.clone();
        return output.answer(&Used { model: chosen.name, version, copy_of: chosen.copy_of });
    }
    let vault = session::open(global)?;
    let going = go_over(&vault, args, &chosen.encoder)?;
    if args.wait {
        return wait(&vault, &chosen, &going, output);
    }
    let collections: Vec<String> = going.iter().map(|info| info.name.clone()).collect();
    let mut arguments = vec!["model", "use", "--wait"];
    for collection in &collections {
        arguments.extend(["--collection", collection]);
    }
    arguments.extend(["--", &chosen.name]);
    let job = if collections.is_empty() { None } else { Some(jobs::begin(global, &arguments)?) };
    let Chosen { name, encoder, copy_of } = chosen;
    let version = encoder.info().version.clone();
    output.answer(&GoingOver { model: name, version, copy_of, new_collections: args.all, collections, job })
}

/// The model that was named, as one of this home.
fn find(models: &Models, args: &ModelUse) -> Result<Chosen, Failure> {
    let found = models.find(&args.pack)?;
    // A folder that an earlier version left where it lay: collections that were made with it need it later, too.
    if let Ok(Choice::Folder(before)) = models.chosen()
        && let Err(failure) = adopt(models, &before)
    {
        Output::warn(format_args!("the model used until now stays where it is: {}", failure.error()));
    }
    let (choice, copy_of) = match found {
        Choice::Folder(folder) => (Choice::Named(adopt(models, &folder)?), Some(folder)),
        here => (here, None),
    };
    // A pack that does not open is not chosen.
    let encoder = models.open(&choice)?;
    Ok(Chosen { name: name(&choice), encoder, copy_of })
}

/// Has collections go over to a model, as their owner signs, and gives back those whose items are to be moved.
fn go_over(vault: &Vault, args: &ModelUse, encoder: &Encoder) -> Result<Vec<CollectionInfo>, Failure> {
    let mut going = Vec::new();
    for name in &args.collection {
        let collection = vault.collection(name)?;
        collection.use_model(encoder)?;
        going.push(vault.collection(name)?.info());
    }
    if !args.all {
        return Ok(going);
    }
    for info in vault.collections()?.readable.into_iter().filter(|info| info.role == Role::Owner) {
        // By its identifier: others may have collections of the same name.
        let went = vault.collection(&info.id.to_string()).and_then(|it| it.use_model(encoder).map(|_| it));
        match went {
            Ok(collection) => going.push(collection.info()),
            Err(error) => Output::warn(format_args!(
                "{} keeps its model: {}",
                plain(&info.name),
                plain(&error.to_string())
            )),
        }
    }
    Ok(going)
}

#[derive(Serialize)]
struct Used {
    model: String,
    version: String,
    /// The folder whose pack was taken into this home.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_of: Option<PathBuf>,
}

impl Answer for Used {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "New collections use {BOLD}{}{BOLD:#} {}.", plain(&self.model), plain(&self.version))?;
        copied(out, self.copy_of.as_ref())?;
        writeln!(
            out,
            "  {DIM}those that exist keep theirs; --collection NAME or --all has them go over to it{DIM:#}"
        )
    }
}

fn copied(out: &mut dyn Write, from: Option<&PathBuf>) -> io::Result<()> {
    let Some(folder) = from else { return Ok(()) };
    writeln!(out, "  {DIM}this home keeps its own copy of {}{DIM:#}", plain(&folder.to_string_lossy()))
}

#[derive(Serialize)]
struct GoingOver {
    model: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_of: Option<PathBuf>,
    /// Whether new collections use it from now on.
    new_collections: bool,
    /// Those that go over to it.
    collections: Vec<String>,
    /// The job that moves their items.
    job: Option<u64>,
}

impl Answer for GoingOver {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let (model, version) = (plain(&self.model), plain(&self.version));
        if self.new_collections {
            writeln!(out, "New collections use {BOLD}{model}{BOLD:#} {version}.")?;
        }
        copied(out, self.copy_of.as_ref())?;
        for collection in &self.collections {
            writeln!(out, "{GOOD}{} goes over to {model} {version}{GOOD:#}.", plain(collection))?;
        }
        match self.job {
            Some(job) => writeln!(
                out,
                "Job {job} moves the items in the background, and searches rank by the new model meanwhile; `pmirs jobs` shows \
                 how far it is."
            ),
            None => writeln!(out, "No collection is yours to have go over."),
        }
    }
}

#[derive(Serialize)]
struct WentOver {
    model: String,
    version: String,
    collections: Vec<Went>,
}

/// What moving one collection's items did.
#[derive(Serialize)]
struct Went {
    collection: String,
    moved: u64,
    left: Vec<Left>,
    given_up: Vec<String>,
    /// Whether items may still be of earlier models.
    moving: bool,
    seconds: f64,
}

/// An item that the new model cannot take.
#[derive(Serialize)]
struct Left {
    item: String,
    reason: String,
}

impl Answer for WentOver {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        for Went { collection, moved, left, moving, seconds, .. } in &self.collections {
            let (items, collection) = (count(*moved as usize, "item"), plain(collection));
            writeln!(
                out,
                "{GOOD}Embedded {items} anew{GOOD:#}: {collection} is of {} {} {DIM}({seconds:.1} s){DIM:#}.",
                plain(&self.model),
                plain(&self.version)
            )?;
            for Left { item, reason } in left {
                writeln!(out, "  left as it is: {item}  {}", plain(reason))?;
            }
            if *moving && left.is_empty() {
                writeln!(
                    out,
                    "  {DIM}an owner's `pmirs model use` tells the members that all is moved{DIM:#}"
                )?;
            }
        }
        Ok(())
    }
}

fn wait(vault: &Vault, chosen: &Chosen, going: &[CollectionInfo], output: Output) -> Result<(), Failure> {
    let bar = Bar::new(output);
    let mut collections = Vec::with_capacity(going.len());
    for info in going {
        let collection: Collection<'_> = vault.collection(&info.id.to_string())?;
        let ReembedReport { moved, left, given_up, elapsed, .. } = collection.reembed(&bar)?;
        let left = left.into_iter().map(|(item, reason)| Left { item: item.to_string(), reason });
        collections.push(Went {
            collection: info.name.clone(),
            moved,
            left: left.collect(),
            given_up,
            moving: !collection.info().moving_from.is_empty(),
            seconds: elapsed.as_secs_f64(),
        });
    }
    let left: usize = collections.iter().map(|went| went.left.len()).sum();
    let (model, version) = (chosen.name.clone(), chosen.encoder.info().version.clone());
    output.answer(&WentOver { model, version, collections })?;
    if left == 0 {
        return Ok(());
    }
    let error = format!("{} could not be embedded anew and keep the earlier model", count(left, "item"));
    Err(Failure::new(Exit::Integrity, error, "`pmirs verify NAME` says what is wrong with them").answered())
}
