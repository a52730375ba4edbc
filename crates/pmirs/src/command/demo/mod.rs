//! `pmirs demo`: everything once, on this machine alone.
//!
//! A cloud in this process, an identity, a veiled and a sealed collection, every file added to both, a few
//! searches, a second person who searches what is shared until it is taken back, what the cloud holds of one item, and
//! who learns what.

mod albums;
mod guest;
mod stage;
mod stored;
mod together;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pmirs_vault::{AddOptions, Answer, Collection, Cutoff, Protection, Query, SearchOptions};
use serde::Serialize;

use super::search::ms;
use super::serve::runtime;
use crate::cli::Demo;
use crate::exit::Exit;
use crate::gallery;
use crate::learns;
use crate::output::{BOLD, DIM, GOOD, Output, bytes, count, plain, quoted};
use crate::progress::Bar;
use crate::report::Failure;
use guest::SharingRow;
use stage::Stage;

/// Hits that a search asks for.
const K: usize = 5;
/// Hits that are shown to a person.
const SHOWN: usize = 3;

/// Asked of the drawn gallery.
const GALLERY_QUERIES: [&str; 6] = [
    "the sun sets over the ocean",
    "a brown dog on the grass",
    "a red car",
    "a pizza",
    "fixing a bicycle",
    "a birthday party for children",
];
/// Asked of a person's own pictures.
const FOLDER_QUERIES: [&str; 5] = [
    "a dog running on the grass",
    "people at the beach",
    "food on a table",
    "a street in a city",
    "mountains and snow",
];

/// What `--json` prints: an interface that other programs rely on.
#[derive(Serialize)]
struct Report {
    items: u64,
    collections: Vec<CollectionRow>,
    searches: Vec<SearchRow>,
    sharing: Vec<SharingRow>,
}

#[derive(Serialize)]
struct CollectionRow {
    name: String,
    protection: Protection,
}

#[derive(Serialize)]
struct SearchRow {
    protection: Protection,
    query: String,
    ms: f64,
    hits: Vec<HitRow>,
}

#[derive(Serialize)]
struct HitRow {
    name: String,
    score: f32,
}

pub fn run(args: &Demo, output: Output) -> Result<(), Failure> {
    if args.federated {
        return together::run(output);
    }
    if let Some(folder) = &args.folder {
        folder_is_there(folder)?;
    }
    let stage = Stage::set(args.keep.as_deref())?;
    let report = perform(&stage, args, output)?;
    if output.json() {
        Output::object(&report)?;
    }
    if args.keep.is_some() {
        stay(&stage, output)?;
    }
    stage.strike()
}

fn perform(stage: &Stage, args: &Demo, output: Output) -> Result<Report, Failure> {
    let vault = stage.vault();
    output.say(|out| {
        writeln!(out, "{BOLD}A cloud of its own{BOLD:#}  {}, in this process", stage.url())?;
        writeln!(
            out,
            "{BOLD}An identity{BOLD:#}         {DIM}{}{DIM:#}\n",
            vault.public_identity().safety_words()
        )
    })?;
    let folder = match &args.folder {
        Some(folder) => folder.clone(),
        None => draw(stage, output)?,
    };
    let [veiled, sealed] = [Protection::Veiled, Protection::Sealed];
    let collections =
        [vault.create_collection(veiled.name(), veiled)?, vault.create_collection(sealed.name(), sealed)?];
    let items = fill(&collections, &folder, output)?;
    let queries = queries(args);
    let searches = search(&collections, &queries, output)?;
    let shown = queries.first().map_or("", String::as_str);
    let sharing = guest::visit(stage, &collections, shown, output)?;
    show_stored(stage, &collections, output)?;
    explain_levels(output)?;

    let collections = collections.iter().map(Collection::info);
    let collections = collections.map(|info| CollectionRow { name: info.name, protection: info.protection });
    Ok(Report { items, collections: collections.collect(), searches, sharing })
}

fn queries(args: &Demo) -> Vec<String> {
    if !args.query.is_empty() {
        return args.query.clone();
    }
    let built_in: &[&str] = if args.folder.is_some() { &FOLDER_QUERIES } else { &GALLERY_QUERIES };
    built_in.iter().map(|words| (*words).to_owned()).collect()
}

fn folder_is_there(folder: &Path) -> Result<(), Failure> {
    let found = std::fs::metadata(folder).map_err(|error| Failure::file(folder, "read", &error))?;
    if found.is_dir() {
        return Ok(());
    }
    let hint = "name the folder that holds it";
    Err(Failure::new(Exit::Usage, format!("{} is not a folder", folder.display()), hint))
}

fn draw(stage: &Stage, output: Output) -> Result<PathBuf, Failure> {
    let folder = stage.gallery()?;
    let drawn = gallery::write(&folder)?;
    output.say(|out| writeln!(out, "Drew {drawn} pictures and notes into {}.", folder.display()))?;
    Ok(folder)
}

/// Adds every file of the folder to both collections, and says how many items each has.
fn fill(collections: &[Collection<'_>; 2], folder: &Path, output: Output) -> Result<u64, Failure> {
    let mut items = 0;
    for collection in collections {
        let report = collection.add(&[folder.to_owned()], &AddOptions::default(), &Bar::new(output))?;
        items = report.added + report.present;
        let level = collection.info().protection;
        let rate = report.added as f64 / report.elapsed.as_secs_f64().max(1e-9);
        output.say(|out| {
            let (added, size) = (count(items as usize, "item"), bytes(report.bytes));
            writeln!(
                out,
                "{GOOD}Encrypted and added{GOOD:#} {added} ({size}) to {level} {DIM}{rate:.0} items/s{DIM:#}"
            )
        })?;
        for skipped in &report.skipped {
            Output::warn(format_args!(
                "skipped {}: {}",
                plain(&skipped.path.display().to_string()),
                plain(&skipped.reason)
            ));
        }
    }
    if items == 0 {
        let hint = "name a folder with JPEG, PNG, WebP, GIF, BMP, TIFF, TXT or MD files";
        return Err(Failure::new(
            Exit::Usage,
            format!("{} holds no picture or text", folder.display()),
            hint,
        ));
    }
    Ok(items)
}

/// Asks every query at both levels. What is loaded on first use is loaded before, so that the times are those
/// of a search.
fn search(
    collections: &[Collection<'_>; 2],
    queries: &[String],
    output: Output,
) -> Result<Vec<SearchRow>, Failure> {
    let options = SearchOptions { k: K, cutoff: Cutoff::None, ..SearchOptions::default() };
    for collection in collections {
        collection.search(&Query::text("warming up"), &options)?;
    }
    let mut searches = Vec::new();
    for query in queries {
        output.say(|out| writeln!(out, "\n{BOLD}\"{}\"{BOLD:#}", plain(query)))?;
        for collection in collections {
            let answer = collection.search(&Query::text(query), &options)?;
            let row = SearchRow::new(collection.info().protection, query, answer);
            output.say(|out| row.print(out))?;
            searches.push(row);
        }
    }
    Ok(searches)
}

impl SearchRow {
    fn new(protection: Protection, query: &str, answer: Answer) -> Self {
        let hits = answer.hits.into_iter().map(|hit| HitRow { name: hit.meta.name, score: hit.score });
        Self { protection, query: query.to_owned(), ms: ms(answer.breakdown.total), hits: hits.collect() }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "  {:<7}{DIM}{:>6.1} ms{DIM:#}", self.protection, self.ms)?;
        for HitRow { name, score } in self.hits.iter().take(SHOWN) {
            write!(out, "   {score:.2} {GOOD}{}{GOOD:#}", plain(name))?;
        }
        writeln!(out)
    }
}

/// Shows every field that the cloud holds of one item, so that a person sees that it is unreadable.
fn show_stored(stage: &Stage, collections: &[Collection<'_>; 2], output: Output) -> Result<(), Failure> {
    let [veiled, _] = collections;
    let items = veiled.items()?;
    let Some(summary) = items.iter().find(|summary| summary.meta.pixels.is_some()).or(items.first()) else {
        return Ok(());
    };
    let fields = stored::fields_of(&stage.cloud_data(), summary.item)?;
    output.say(|out| {
        writeln!(
            out,
            "\n{BOLD}What the cloud stored for {}{BOLD:#} {DIM}(veiled){DIM:#}",
            plain(&summary.meta.name)
        )?;
        stored::print(&fields, out)
    })
}

fn explain_levels(output: Output) -> Result<(), Failure> {
    output.say(|out| {
        writeln!(out, "\n{BOLD}Who learns what{BOLD:#}\n")?;
        learns::TABLE.iter().try_for_each(|row| writeln!(out, "{row}\n"))
    })
}

/// Leaves the cloud running, and says how to go on from another terminal.
fn stay(stage: &Stage, output: Output) -> Result<(), Failure> {
    let shown = |path: &Path| quoted(&path.display().to_string());
    let text = format!(
        "The cloud runs until Ctrl-C. In another terminal:\n\n  export PMIRS_HOME={}\n  pmirs unlock --passphrase-file {}\n  \
         pmirs search veiled a picture of the sky\n\nTo start it again later:\n\n  pmirs serve --data {} --listen {}\n\n\
         Everything lies in {}; delete that folder to forget it all.",
        shown(&stage.home()),
        shown(&stage.passphrase_file()),
        shown(&stage.cloud_data()),
        stage.address(),
        shown(stage.root()),
    );
    if output.json() {
        output.note(&text);
    }
    output.say(|out| writeln!(out, "{text}"))?;
    runtime()?.block_on(pmirs_cloud::shutdown_signal());
    Ok(())
}
