//! `pmirs search`: by words or by a picture.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use pmirs_encoder::{Limits, Picture};
use pmirs_vault::{
    AllFound, Answer as Found, Audit, Breakdown, Cutoff, Filter, Hit, Index, IndexUse, ItemKind, Moving,
    Query, SearchOptions, Vault,
};
use serde::Serialize;

use super::add::encode_where;
use crate::cli::{CutoffArg, EncoderArg, FilterArgs, Global, IndexArg, KindArg, Search};
use crate::exit::Exit;
use crate::output::{Answer, DIM, GOOD, Output, count, plain};
use crate::report::Failure;
use crate::session;

#[derive(Serialize)]
struct Outcome {
    hits: Vec<Row>,
    exact: bool,
    ms: f64,
    breakdown_ms: Milliseconds,
    /// Where the collection goes over to another model.
    #[serde(skip_serializing_if = "Option::is_none")]
    moving: Option<MovingRow>,
    /// What was looked at, where it was not every item.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<IndexRow>,
    /// Whether only some items could be found at all.
    #[serde(skip)]
    filtered: bool,
    /// Whether it was checked that nothing was left out.
    #[serde(skip)]
    whole: bool,
}

/// What a search through an index touched.
#[derive(Serialize)]
struct IndexRow {
    touched_cells: u32,
    cells: u32,
    later_items: u64,
    shuffled: bool,
}

impl From<IndexUse> for IndexRow {
    fn from(used: IndexUse) -> Self {
        Self {
            touched_cells: used.touched,
            cells: used.cells,
            later_items: used.others,
            shuffled: used.shuffled,
        }
    }
}

/// One hit as people and programs see it.
#[derive(Serialize)]
struct Row {
    item: String,
    name: String,
    score: f32,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<String>,
}

impl From<Hit> for Row {
    fn from(hit: Hit) -> Self {
        Self {
            item: hit.item.to_string(),
            name: hit.meta.name,
            score: hit.score,
            kind: hit.meta.kind.name(),
            caption: hit.meta.caption,
        }
    }
}

/// What ranking by one model took, where items are of several.
#[derive(Serialize)]
struct MovingRow {
    ranked_by: String,
    looked_at: usize,
    fetched: usize,
    /// How many items are expected to be missing; nothing where that is not known.
    missing: Option<f64>,
}

impl From<Moving> for MovingRow {
    fn from(Moving { ranked_by, looked_at, fetched, missing }: Moving) -> Self {
        Self { ranked_by, looked_at, fetched, missing: missing.is_finite().then_some(missing) }
    }
}

/// Where the time of one search went.
#[derive(Serialize)]
struct Milliseconds {
    encode: f64,
    veil: f64,
    seal: f64,
    network: f64,
    score: f64,
    open: f64,
    anew: f64,
    rerank: f64,
}

impl From<Breakdown> for Milliseconds {
    fn from(it: Breakdown) -> Self {
        Self {
            encode: ms(it.encode),
            veil: ms(it.veil),
            seal: ms(it.seal),
            network: ms(it.network),
            score: ms(it.score),
            open: ms(it.open),
            anew: ms(it.anew),
            rerank: ms(it.rerank),
        }
    }
}

/// Milliseconds, to the microsecond.
pub fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl Answer for Outcome {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = self.hits.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).clamp(8, 48);
        for (place, Row { item, name, score, kind, caption }) in self.hits.iter().enumerate() {
            let short = item.get(..12).unwrap_or(item);
            let caption = caption.as_deref().map(plain).unwrap_or_default();
            writeln!(
                out,
                "{:>3}  {score:.3}  {GOOD}{:<width$}{GOOD:#}  {kind:<5}  {DIM}{short}  {caption}{DIM:#}",
                place + 1,
                plain(name)
            )?;
        }
        let found = match (self.hits.len(), self.filtered) {
            (0, false) => {
                "Nothing is similar enough; `--cutoff none` shows the nearest items anyway".to_owned()
            }
            (0, true) => {
                "Nothing that passes the filter is similar enough; `--cutoff none` shows the nearest of it"
                    .to_owned()
            }
            (hits, _) => count(hits, "hit"),
        };
        if let Some(MovingRow { ranked_by, looked_at, fetched, .. }) = &self.moving {
            let looked_at = count(*looked_at, "item");
            let ranked_by = plain(ranked_by);
            writeln!(
                out,
                "{DIM}ranked by {ranked_by}; {looked_at} of an earlier model ranked too, {fetched} of them fetched{DIM:#}"
            )?;
        }
        let settled = self.moving.as_ref().and_then(|it| it.missing).is_some_and(|missing| missing <= 0.05);
        let sure = match (self.exact, self.whole) {
            (false, _) if self.index.is_some() => "",
            (false, _) if settled => "; what is not moved yet hardly holds a better one",
            (false, _) => "; not proven to be the best",
            (true, true) => "; every other item was checked",
            (true, false) => "",
        };
        writeln!(out, "{DIM}{found}, {:.1} ms{sure}{DIM:#}", self.ms)?;
        match &self.index {
            Some(IndexRow { touched_cells, cells, .. }) if !self.exact => writeln!(
                out,
                "{DIM}Approximate: {touched_cells} of {cells} cells were looked at; without --index, every item is{DIM:#}"
            ),
            _ => Ok(()),
        }
    }
}

pub fn run(args: &Search, global: &Global, output: Output) -> Result<(), Failure> {
    let (collection, words) = match (&args.collection, args.all) {
        (Some(first), true) => (None, [std::slice::from_ref(first), args.words.as_slice()].concat()),
        (collection, _) => (collection.as_ref(), args.words.clone()),
    };
    let query = match &args.image {
        Some(_) if !words.is_empty() => {
            return Err(Failure::new(
                Exit::Usage,
                "both words and a picture were given",
                "look for one of the two",
            ));
        }
        Some(path) => Query::Image(picture(path)?),
        None => Query::text(words.join(" ")),
    };
    if args.verify && args.index == IndexArg::Tree {
        return Err(Failure::new(
            Exit::Usage,
            "nobody can check that a search through an index left out nothing: it may",
            "leave --index away, and every item is looked at",
        ));
    }
    let vault = session::open(global)?;
    let filter = Filter::from(&args.filter);
    let filtered = !filter.is_open();
    let options = SearchOptions {
        k: args.k.into(),
        cutoff: args.cutoff.into(),
        filter,
        audit: if args.verify { Audit::All } else { Audit::default() },
        index: args.index.into(),
    };
    if collection.is_none() && args.encoder.encoder == EncoderArg::Remote {
        let error = "each collection has a model of its own, which the three must hold";
        return Err(Failure::new(Exit::Usage, error, "name one collection with --encoder remote"));
    }
    let Some(collection) = collection else { return all(&vault, &query, &options, output) };
    let collection = vault.collection(collection)?;
    encode_where(&collection, &args.encoder)?;
    let Found { hits, exact, used, warnings, moving, breakdown, .. } = collection.search(&query, &options)?;
    for warning in warnings {
        Output::warn(plain(&warning));
    }
    let hits = hits.into_iter().map(Row::from).collect();
    output.answer(&Outcome {
        hits,
        exact,
        ms: ms(breakdown.total),
        breakdown_ms: breakdown.into(),
        moving: moving.map(MovingRow::from),
        index: used.map(IndexRow::from),
        filtered,
        whole: args.verify,
    })
}

/// What every collection answers together.
#[derive(Serialize)]
struct AllOutcome {
    hits: Vec<NamedRow>,
    exact: bool,
    ms: f64,
    /// Collections that did not answer.
    failed: Vec<String>,
}

#[derive(Serialize)]
struct NamedRow {
    collection: String,
    #[serde(flatten)]
    row: Row,
}

impl Answer for AllOutcome {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = self.hits.iter().map(|hit| hit.collection.chars().count()).max().unwrap_or(0).min(24);
        for (place, NamedRow { collection, row }) in self.hits.iter().enumerate() {
            let short = row.item.get(..12).unwrap_or(&row.item);
            writeln!(
                out,
                "{:>3}  {:.3}  {:<width$}  {GOOD}{}{GOOD:#}  {:<5}  {DIM}{short}{DIM:#}",
                place + 1,
                row.score,
                plain(collection),
                plain(&row.name),
                row.kind,
            )?;
        }
        let sure = if self.exact { "" } else { "; not proven to be the best" };
        writeln!(out, "{DIM}{}, {:.1} ms{sure}{DIM:#}", count(self.hits.len(), "hit"), self.ms)
    }
}

fn all(vault: &Vault, query: &Query, options: &SearchOptions, output: Output) -> Result<(), Failure> {
    let AllFound { hits, exact, warnings, failed, elapsed } = vault.search_all(query, options)?;
    for warning in warnings {
        Output::warn(plain(&warning));
    }
    let mut names = Vec::with_capacity(failed.len());
    let mut first = None;
    for (name, error) in failed {
        Output::warn(format_args!("{} was not searched: {}", plain(&name), plain(&error.to_string())));
        names.push(name);
        first.get_or_insert(error);
    }
    let hits: Vec<NamedRow> =
        hits.into_iter().map(|(collection, hit)| NamedRow { collection, row: Row::from(hit) }).collect();
    match first {
        Some(error) if hits.is_empty() => Err(error.into()),
        _ => output.answer(&AllOutcome { hits, exact, ms: ms(elapsed), failed: names }),
    }
}

impl From<CutoffArg> for Cutoff {
    fn from(cutoff: CutoffArg) -> Self {
        match cutoff {
            CutoffArg::Auto => Self::Calibrated,
            CutoffArg::None => Self::None,
            CutoffArg::Score(score) => Self::At(score),
        }
    }
}

impl From<IndexArg> for Index {
    fn from(index: IndexArg) -> Self {
        match index {
            IndexArg::Scan => Self::Scan,
            IndexArg::Tree => Self::Tree,
        }
    }
}

impl From<&FilterArgs> for Filter {
    fn from(args: &FilterArgs) -> Self {
        let kind = args.kind.map(|kind| match kind {
            KindArg::Image => ItemKind::Image,
            KindArg::Text => ItemKind::Text,
        });
        Self {
            tags: args.tags.clone(),
            kind,
            after_ms: args.after.map(|moment| moment.ms),
            before_ms: args.before.map(|moment| moment.ms),
        }
    }
}

/// Reads and decodes a picture, within limits.
pub fn picture(path: &Path) -> Result<Picture, Failure> {
    let limits = Limits::default();
    let about = fs::metadata(path).map_err(|error| Failure::file(path, "read", &error))?;
    let size = about.len();
    let bad = |error: &dyn std::fmt::Display| {
        let formats = "pictures are JPEG, PNG, WebP, GIF, BMP or TIFF";
        Failure::new(Exit::Usage, format!("{}: {error}", path.display()), formats)
    };
    if !about.is_file() {
        return Err(bad(&"not a file"));
    }
    if size > limits.bytes {
        return Err(bad(&format_args!("the file is larger than {} bytes", limits.bytes)));
    }
    let bytes = fs::read(path).map_err(|error| Failure::file(path, "read", &error))?;
    Picture::decode(&bytes, &limits).map_err(|error| bad(&error))
}
