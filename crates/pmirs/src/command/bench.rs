//! `pmirs bench scan|search|add|encode|veil|load|split|split-encode|tree|aggregate`.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use pmirs_lab::bench::{
    self, AddReport, AggregateReport, AggregateSettings, BenchError, EncodeReport, LoadReport, ScanReport,
    SearchReport, ServedReport, SplitEncodeReport, SplitPhase, SplitReport, SplitSize, TreeReport,
    TreeSettings, VeilReport,
};

use super::model;
use crate::cli::{
    Bench, BenchAdd, BenchAggregate, BenchEncode, BenchLoad, BenchScan, BenchSearch, BenchSplit,
    BenchSplitEncode, BenchTree, BenchVeil, LinkArg,
};
use crate::exit::Exit;
use crate::output::{Answer, BOLD, DIM, Output, bytes, count, plain};
use crate::progress;
use crate::report::Failure;

/// Seed of drawn vectors, so that a figure can be printed again.
const SEED: u64 = 1;

pub fn run(command: &Bench, output: Output) -> Result<(), Failure> {
    match command {
        Bench::Scan(args) => scan(args, output),
        Bench::Search(args) => search(args, output),
        Bench::Add(args) => add(args, output),
        Bench::Encode(args) => encode(args, output),
        Bench::Veil(args) => veil(args, output),
        Bench::Load(args) => load(args, output),
        Bench::Split(args) => split(args, output),
        Bench::SplitEncode(args) => split_encode(args, output),
        Bench::Tree(args) => tree(args, output),
        Bench::Aggregate(args) => aggregate(args, output),
    }
}

impl Answer for ScanReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { rows, dim, threads, kernel, ms, rows_per_s, gb_per_s, read_gb_per_s, ratio } = self;
        writeln!(
            out,
            "{BOLD}{ms:.3} ms{BOLD:#} for one query over {rows} x {dim} int8, {threads} thread(s), {kernel}"
        )?;
        writeln!(out, "  {:.1} million rows/s", rows_per_s / 1e6)?;
        writeln!(
            out,
            "  {gb_per_s:.1} GB/s, {:.0}% of the {read_gb_per_s:.1} GB/s that this machine reads",
            ratio * 100.0
        )
    }
}

/// The largest matrix that `bench scan` makes.
const MOST_BYTES: usize = 16 << 30;

fn scan(args: &BenchScan, output: Output) -> Result<(), Failure> {
    if args.rows.saturating_mul(args.dim) > MOST_BYTES {
        let error = format!("{} x {} bytes are more than 16 GiB", args.rows, args.dim);
        return Err(Failure::new(Exit::Usage, error, "measure with fewer rows"));
    }
    let report = bench::scan(args.rows, args.dim, args.threads, SEED).map_err(|error| unfit(&error))?;
    output.answer(&report)
}

impl Answer for SearchReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { p50_ms, p95_ms, breakdown_ms: it, items, protection, embeddings, searches, .. } = self;
        writeln!(out, "{BOLD}p50 {p50_ms:.2} ms, p95 {p95_ms:.2} ms{BOLD:#} over {searches} searches")?;
        writeln!(out, "  {DIM}{items} {embeddings} embeddings, {protection}, loopback, warm{DIM:#}")?;
        let parts = [
            ("encode", it.encode),
            ("veil", it.veil),
            ("seal", it.seal),
            ("network", it.network),
            ("score", it.score),
            ("open", it.open),
            ("re-rank", it.rerank),
        ];
        parts.iter().try_for_each(|(part, ms)| writeln!(out, "  {part:<8} {ms:>7.3} ms"))?;
        writeln!(
            out,
            "  {:.0} candidates opened; {:.1}% of the answers proven exact",
            self.candidates,
            self.exact * 100.0
        )
    }
}

fn search(args: &BenchSearch, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    output.answer(&bench::search(&encoder, args.items, args.protection.into(), args.folder.as_deref())?)
}

impl Answer for AddReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { images_per_s, encoder_images_per_s, ratio, images, protection } = self;
        writeln!(
            out,
            "{BOLD}{images_per_s:.1} images/s{BOLD:#} into a {protection} collection, {images} images"
        )?;
        writeln!(
            out,
            "  {:.0}% of the {encoder_images_per_s:.1} images/s of decode, resize and encode alone",
            ratio * 100.0
        )
    }
}

fn add(args: &BenchAdd, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    output.answer(&bench::add(&encoder, args.protection.into(), args.folder.as_deref())?)
}

impl Answer for EncodeReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { image_ms, text_ms, threads, model } = self;
        writeln!(
            out,
            "{BOLD}{image_ms:.2} ms{BOLD:#} for a picture, {BOLD}{text_ms:.2} ms{BOLD:#} for a sentence"
        )?;
        writeln!(out, "  {}, {}, one at a time", plain(model), count(*threads, "thread"))
    }
}

fn encode(args: &BenchEncode, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    output.answer(&bench::encode(&encoder, threads)?)
}

impl Answer for VeilReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { dim, veiled_dim, us_per_vector, us_per_query, setup_ms } = self;
        writeln!(
            out,
            "{BOLD}{us_per_vector:.2} µs{BOLD:#} to veil a document of {dim} numbers into {veiled_dim}"
        )?;
        writeln!(out, "  {us_per_query:.2} µs for a query, {setup_ms:.2} ms to derive the veil from its key")
    }
}

fn veil(args: &BenchVeil, output: Output) -> Result<(), Failure> {
    output.answer(&bench::veil(args.dim).map_err(|error| unfit(&error))?)
}

impl Answer for LoadReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { requests_per_s, p50_ms, p95_ms, p99_ms, errors, clients, items, .. } = self;
        let clients = count(*clients, "client");
        writeln!(
            out,
            "{BOLD}{requests_per_s:.0} searches/s{BOLD:#} by {clients} over {items} items, loopback"
        )?;
        writeln!(
            out,
            "  p50 {p50_ms:.2} ms, p95 {p95_ms:.2} ms, p99 {p99_ms:.2} ms; {}",
            count(*errors, "error")
        )?;
        let Some(scaling) = &self.scaling else { return Ok(()) };
        writeln!(
            out,
            "  two threads {:.2} times one: {:.1} and {:.1} searches/s over {} rows, in process",
            scaling.ratio, scaling.two_threads_per_s, scaling.one_thread_per_s, scaling.rows
        )
    }
}

/// Rows that show whether scans wait for each other.
const SCALING_ROWS: usize = 1_000_000;

fn load(args: &BenchLoad, output: Output) -> Result<(), Failure> {
    let time = Duration::from_secs(args.seconds as u64);
    let mut report = bench::load(args.clients, time, args.items)?;
    if args.scaling {
        report.scaling = Some(bench::scaling(SCALING_ROWS)?);
    }
    output.answer(&report)
}

impl Answer for SplitReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { rows, dim, k, queries, link, ms, best_ms, rounds, recall, scan_ms, read_ms, .. } = self;
        let queries = if *queries == 1 { "one query".to_owned() } else { format!("{queries} queries") };
        writeln!(
            out,
            "{BOLD}{ms:.1} ms{BOLD:#} for the best {k} of {rows} x {dim}, {queries}, three parties, {link} \
             (quickest {best_ms:.1} ms)"
        )?;
        for SplitPhase { name, ms, rounds, .. } in &self.phases {
            writeln!(out, "  {name:<8} {ms:8.1} ms, {}", count(*rounds as usize, "round"))?;
        }
        let (sent, memory) = (bytes(self.bytes_sent_per_party), bytes(self.memory_bytes_per_party));
        writeln!(
            out,
            "  {rounds} rounds, {sent} sent by a party, {memory} of shares at each, recall {recall:.3}"
        )?;
        writeln!(
            out,
            "  three scans {scan_ms:.1} ms; reading the same bytes {read_ms:.1} ms, {:.0}% of the memory's speed",
            100.0 * read_ms / scan_ms
        )
    }
}

impl Answer for ServedReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { rows, dim, k, queries, ms, best_ms, rounds, recall, added_per_s, .. } = self;
        let queries = if *queries == 1 { "one query".to_owned() } else { format!("{queries} queries") };
        writeln!(
            out,
            "{BOLD}{ms:.1} ms{BOLD:#} for the best {k} of {rows} x {dim}, {queries}, three processes over TCP and TLS \
             (quickest {best_ms:.1} ms)"
        )?;
        let [sent, memory, peak, shares] = [
            self.bytes_sent_per_party,
            self.memory_bytes_per_party,
            self.peak_bytes_per_party,
            self.share_bytes_per_party,
        ]
        .map(bytes);
        writeln!(out, "  {rounds} rounds, {sent} sent by a party, recall {recall:.3}")?;
        writeln!(out, "  {memory} of memory at each (at most {peak}), {shares} of it shares")?;
        writeln!(out, "  {added_per_s:.0} rows added a second")
    }
}

/// The largest shares of all three parties that `bench split` makes.
const MOST_SHARES: usize = 16 << 30;

fn split(args: &BenchSplit, output: Output) -> Result<(), Failure> {
    if args.rows.saturating_mul(args.dim).saturating_mul(3 * 2 * size_of::<u32>()) > MOST_SHARES {
        let error = format!("the shares of {} x {} are more than 16 GiB", args.rows, args.dim);
        return Err(Failure::new(Exit::Usage, error, "measure with fewer rows"));
    }
    let size = SplitSize { rows: args.rows, dim: args.dim, k: args.k, queries: args.queries };
    if args.link == LinkArg::Tcp {
        let program = std::env::current_exe().map_err(|error| unfit(&error))?;
        return output.answer(&bench::split_served(&program, size, SEED)?);
    }
    output.answer(&bench::split(size, args.link == LinkArg::Wan, SEED).map_err(|error| unfit(&error))?)
}

impl Answer for SplitEncodeReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { ms, best_ms, rounds, bytes_sent_per_party, cosine, text, .. } = self;
        writeln!(
            out,
            "{BOLD}{ms:.0} ms{BOLD:#} for a picture through {} in shares, {best_ms:.0} ms at best",
            plain(&self.model)
        )?;
        let sent = bytes(*bytes_sent_per_party);
        writeln!(out, "  {sent} sent by each party, {rounds} rounds, {}", self.link)?;
        writeln!(
            out,
            "  cosine {cosine:.6} at least, over {} ({})",
            count(self.pictures, "picture"),
            self.source
        )?;
        writeln!(
            out,
            "  {:.0} ms for a sentence of any length, {} sent, {} rounds, cosine {:.6}",
            text.ms,
            bytes(text.bytes_sent_per_party),
            text.rounds,
            text.cosine
        )?;
        writeln!(out, "  {} of weights at each party", bytes(self.weights_bytes_per_party))
    }
}

fn split_encode(args: &BenchSplitEncode, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(Some(&args.model))?;
    let distant = args.link == LinkArg::Wan;
    output.answer(&bench::split_encode(&encoder, args.pictures.as_deref(), args.count, distant)?)
}

impl Answer for TreeReport {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { rows, cells, capacity, probes, touched, captions, pictures, grow_ms, .. } = self;
        let recall = self.recall_of_pictures;
        writeln!(
            out,
            "{BOLD}recall {recall:.4}{BOLD:#} of the ten best for {}",
            count(*pictures, "picture")
        )?;
        if let Some(recall) = self.recall_of_captions {
            writeln!(
                out,
                "{BOLD}recall {recall:.4}{BOLD:#} of the ten best for {}",
                count(*captions, "caption")
            )?;
        }
        writeln!(
            out,
            "  {probes} of {cells} cells touched ({:.1}% of the padded slots), {capacity} places in each, {rows} rows, grown in \
             {grow_ms:.0} ms",
            100.0 * touched
        )?;
        for (what, spent) in [("index", self.tree), ("scan", self.scan), ("shuffle", self.shuffle)] {
            let (rounds, sent) = (count(spent.rounds as usize, "round"), bytes(spent.bytes_sent_per_party));
            writeln!(out, "  {what:<8} {:8.1} ms, {rounds}, {sent} sent by a party", spent.ms)?;
        }
        Ok(())
    }
}

fn tree(args: &BenchTree, output: Output) -> Result<(), Failure> {
    let encoder = model::encoder(args.model.as_deref())?;
    let settings = TreeSettings { rows_per_cell: args.rows_per_cell, share: args.share };
    let bar = progress::steps(output, 0);
    let mut watch = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let report = bench::tree(&encoder, &args.folders, args.captions.as_deref(), settings, &mut watch)?;
    bar.finish_and_clear();
    output.answer(&report)
}

impl Answer for Aggregated {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let AggregateReport { server_s, client_s, bytes_per_client, neighbours, threshold, .. } =
            &self.report;
        let Self { clients, weights, .. } = self;
        writeln!(
            out,
            "{BOLD}{server_s:.2} s{BOLD:#} of the server for {clients} members with {weights} weights each"
        )?;
        let raw = *bytes_per_client as f64 / (4 * weights) as f64;
        let sent = bytes(*bytes_per_client as u64);
        writeln!(out, "  {client_s:.3} s of a member, who sends {sent}: {raw:.3} times the raw vector")?;
        writeln!(out, "  {neighbours} neighbours each, {threshold} shares give a secret back")
    }
}

#[derive(serde::Serialize)]
struct Aggregated {
    clients: usize,
    weights: usize,
    #[serde(flatten)]
    report: AggregateReport,
}

fn aggregate(args: &BenchAggregate, output: Output) -> Result<(), Failure> {
    let settings = AggregateSettings {
        clients: args.clients as u32,
        weights: args.weights as u32,
        dropouts: args.dropouts,
        corrupt: args.corrupt,
    };
    let begin = Instant::now();
    let now = || begin.elapsed().as_secs_f64();
    let report = bench::aggregate(&settings, [SEED as u8; 32], now).map_err(|error| unfit(&error))?;
    output.answer(&Aggregated { clients: args.clients, weights: args.weights, report })
}

fn unfit(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, error, "choose other sizes; `pmirs bench --help` lists the options")
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Vault(error) => error.into(),
            BenchError::Cloud(error) => error.into(),
            BenchError::Encoder(error) => error.into(),
            BenchError::File { ref path, .. } if !path.exists() => {
                Self::new(Exit::NotFound, &error, "check the path for a typing mistake")
            }
            BenchError::File { .. } => {
                Self::new(Exit::Failure, &error, "name a folder with readable pictures")
            }
            BenchError::Split(_) => {
                Self::new(Exit::Failure, &error, "`pmirs model info` shows whether the model pack is whole")
            }
            BenchError::Asked { .. } | BenchError::Encode(_) | BenchError::Database(_) => {
                Self::new(Exit::Failure, &error, "try again; `pmirs bench load --help` lists the options")
            }
            BenchError::Party(_) => Self::new(
                Exit::Failure,
                &error,
                "try again; PMIRS_LOG=info says on standard error what the three do",
            ),
            BenchError::Threads(_) => Self::new(Exit::Failure, &error, "ask for fewer with --threads"),
            BenchError::TooFew { .. } => {
                Self::new(Exit::Usage, &error, "name another folder, or fewer items")
            }
        }
    }
}
