use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pmirs_crypto::Prg;
use pmirs_encoder::{Encoder, Limits, Picture};
use pmirs_index::{Tree, TreeShape};
use pmirs_mpc::bench::three_parties;
use pmirs_mpc::{Found, Party, Role, Rows, Shares, Unmasked, deal, width_of_differences};
use pmirs_vault::add::caption_rows;
use rayon::prelude::*;
use serde::Serialize;

use super::BenchError;
use super::pictures::pictures_below;

/// Rows that a search finds.
const K: usize = 10;
/// Of so many pictures one is kept out of the tree, to be looked for.
const KEPT_OUT: usize = 11;
/// Pictures decoded and encoded, and sentences encoded, together.
const BATCH: usize = 64;
/// How often each way of searching is timed, each with another query; the median counts.
const RUNS: usize = 9;
/// Steps of a coordinate at the split level.
const STEPS: f32 = 1000.0;
/// Seed of what is drawn, so that a figure can be printed again.
const SEED: u64 = 1;

/// How a tree is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TreeSettings {
    /// Rows of a cell, on average.
    pub rows_per_cell: usize,
    /// How much of the cells a search touches.
    pub share: f64,
}

/// Searches through a tree of real embeddings, against the scan of all rows.
#[derive(Debug, Clone, Serialize)]
pub struct TreeReport {
    /// Pictures in the tree.
    pub rows: usize,
    /// Cells.
    pub cells: usize,
    /// Places in each.
    pub capacity: usize,
    /// The fullest holds so many rows.
    pub fullest: usize,
    /// Cells that a search touches.
    pub probes: usize,
    /// Of all padded slots, the share that it touches.
    pub touched: f64,
    /// Of the scan's ten best for a caption, the share that the tree finds; nothing without captions.
    pub recall_of_captions: Option<f64>,
    /// The same for pictures that are not in the tree.
    pub recall_of_pictures: f64,
    /// Captions that were looked for.
    pub captions: usize,
    /// Pictures that were looked for.
    pub pictures: usize,
    /// How long the tree grew, in milliseconds.
    pub grow_ms: f64,
    /// A search by three parties through the tree.
    pub tree: Spent,
    /// The same over all rows.
    pub scan: Spent,
    /// Shuffling all cells, before the first search and after each period.
    pub shuffle: Spent,
}

/// What three parties on three threads of this process took.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Spent {
    /// Median, in milliseconds.
    pub ms: f64,
    /// Rounds of messages.
    pub rounds: u32,
    /// Bytes that a party sends, on average over the three.
    pub bytes_sent_per_party: u64,
}

/// Measures a tree over the pictures below these folders, looked for by captions and by pictures that it does not hold.
///
/// # Errors
/// When files cannot be read, there are too few pictures, or the encoder fails.
pub fn tree(
    encoder: &Encoder,
    folders: &[PathBuf],
    captions: Option<&Path>,
    settings: TreeSettings,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<TreeReport, BenchError> {
    let mut paths = Vec::new();
    for folder in folders {
        paths.extend(pictures_below(folder, usize::MAX)?);
    }
    if paths.len() < KEPT_OUT * 2 {
        let folder = folders.first().cloned().unwrap_or_default();
        return Err(BenchError::TooFew { folder, got: paths.len(), needed: KEPT_OUT * 2 });
    }
    let vectors = pictures(encoder, &paths, watch)?;
    let sentences = captions.map(|table| sentences(encoder, table)).transpose()?.unwrap_or_default();
    measure(&vectors, &sentences, settings).map_err(|error| BenchError::asked("a tree", &error))
}

/// The same over embeddings.
fn measure(
    vectors: &[Vec<f32>],
    sentences: &[Vec<f32>],
    settings: TreeSettings,
) -> Result<TreeReport, Box<dyn std::error::Error>> {
    let kept_out = |at: usize| at % KEPT_OUT == KEPT_OUT / 2;
    let pick = |out: bool| -> Vec<Vec<f32>> {
        vectors.iter().enumerate().filter(|(at, _)| kept_out(*at) == out).map(|(_, it)| it.clone()).collect()
    };
    let (rows, queries) = (pick(false), pick(true));
    let started = Instant::now();
    let shape = TreeShape { mean: settings.rows_per_cell, ..TreeShape::default() };
    let tree = Tree::grow(&rows, shape, SEED)?;
    let grow_ms = started.elapsed().as_secs_f64() * 1e3;
    let cells = tree.cells().len();
    let probes = ((cells as f64 * settings.share).floor() as usize).clamp(1, cells);
    let timed = if sentences.is_empty() { &queries } else { sentences };
    let dealt = Dealt::of(&tree, &rows);
    let query = |run: usize| timed.get(run * timed.len() / RUNS).map_or(&[][..], Vec::as_slice);
    Ok(TreeReport {
        rows: rows.len(),
        cells,
        capacity: tree.capacity(),
        fullest: tree.cells().iter().map(Vec::len).max().unwrap_or(0),
        probes,
        touched: probes as f64 / cells as f64,
        recall_of_captions: (!sentences.is_empty()).then(|| recall(&tree, &rows, sentences, probes)),
        recall_of_pictures: recall(&tree, &rows, &queries, probes),
        captions: sentences.len(),
        pictures: queries.len(),
        grow_ms,
        tree: median(|run| dealt.search_tree(query(run), probes))?,
        scan: median(|run| dealt.search_all(query(run)))?,
        shuffle: median(|_| dealt.shuffle())?,
    })
}

/// Of the best rows for each query, the share that lies in the cells that a search touches.
fn recall(tree: &Tree, rows: &[Vec<f32>], queries: &[Vec<f32>], probes: usize) -> f64 {
    let found: usize = queries
        .par_iter()
        .map(|query| {
            let all: Vec<u32> = (0..rows.len() as u32).collect();
            let near = tree.nearest(query, probes);
            let near: Vec<u32> =
                near.iter().filter_map(|&cell| tree.cells().get(cell)).flatten().copied().collect();
            let (truth, found) = (best(rows, query, all), best(rows, query, near));
            truth.iter().filter(|row| found.contains(row)).count()
        })
        .sum();
    found as f64 / (K.min(rows.len()) * queries.len()).max(1) as f64
}

fn best(rows: &[Vec<f32>], query: &[f32], mut among: Vec<u32>) -> Vec<u32> {
    let score = |row: u32| -> f32 {
        rows.get(row as usize).map_or(f32::MIN, |values| values.iter().zip(query).map(|(a, b)| a * b).sum())
    };
    let mut scored: Vec<(f32, u32)> = among.drain(..).map(|row| (score(row), row)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.into_iter().take(K).map(|(_, row)| row).collect()
}

/// A tree and all rows, dealt to three parties.
struct Dealt {
    dim: usize,
    cells: usize,
    capacity: usize,
    centroids: OfThree,
    places: OfThree,
    numbers: OfThree,
    voids: OfThree,
    rows: OfThree,
}

/// What each party holds of some words.
struct OfThree([Shares<u32>; 3]);

impl OfThree {
    fn deal(rng: &mut Prg, words: &[u32]) -> Self {
        Self(deal(rng, words))
    }

    fn of(&self, party: &Party) -> &Shares<u32> {
        let [first, second, third] = &self.0;
        match party.role() {
            Role::First => first,
            Role::Second => second,
            Role::Third => third,
        }
    }
}

fn quantised(vector: &[f32]) -> impl Iterator<Item = u32> {
    vector.iter().map(|x| ((x * STEPS).round() as i32).cast_unsigned())
}

fn rng() -> Prg {
    Prg::new(&[SEED as u8; 32], b"bench tree")
}

impl Dealt {
    fn of(tree: &Tree, rows: &[Vec<f32>]) -> Self {
        let (dim, capacity) = (tree.dim(), tree.capacity());
        let mut rng = rng();
        let (mut places, mut numbers, mut voids) = (Vec::new(), Vec::new(), Vec::new());
        for cell in tree.cells() {
            places
                .extend(cell.iter().filter_map(|&row| rows.get(row as usize)).flat_map(|row| quantised(row)));
            places.resize(places.len() + (capacity - cell.len()) * dim, 0);
            numbers.extend(cell.iter().map(|row| row + 1));
            numbers.resize(numbers.len() + capacity - cell.len(), 0);
            voids.extend((0..capacity).map(|at| u32::from(at >= cell.len())));
        }
        let flat =
            |vectors: &[Vec<f32>]| -> Vec<u32> { vectors.iter().flat_map(|it| quantised(it)).collect() };
        Self {
            dim,
            cells: tree.cells().len(),
            capacity,
            centroids: OfThree::deal(&mut rng, &flat(tree.centroids())),
            places: OfThree::deal(&mut rng, &places),
            numbers: OfThree::deal(&mut rng, &numbers),
            voids: OfThree::deal(&mut rng, &voids),
            rows: OfThree::deal(&mut rng, &flat(rows)),
        }
    }

    /// No score of two vectors of unit length in steps is larger.
    fn largest(&self) -> u32 {
        let length = STEPS + (self.dim as f32).sqrt() / 2.0 + 1.0;
        (length * length).ceil() as u32
    }

    /// What a session of the three servers does once the cells have slots.
    fn search_tree(&self, query: &[f32], probes: usize) -> Result<Spent, pmirs_mpc::Error> {
        let query = OfThree::deal(&mut rng(), &quantised(query).collect::<Vec<_>>());
        let beyond = 2 * self.largest() + 1;
        run(|party| {
            let query = std::slice::from_ref(query.of(party));
            let (centroids, places) = (self.centroids.of(party), self.places.of(party));
            let centroids = Rows::new(centroids.own(), centroids.next(), self.dim)?;
            let scores = centroids.inner_products(query)?;
            let width = width_of_differences(self.largest());
            let touched = party.open_best(scores, probes, width)?.remove(0);
            let mut scores: Option<Unmasked<u32>> = None;
            let cell = self.capacity * self.dim;
            for &slot in &touched {
                let range = slot as usize * cell..(slot as usize + 1) * cell;
                let own = places.own().get(range.clone()).unwrap_or_default();
                let next = places.next().get(range).unwrap_or_default();
                for part in Rows::new(own, next, self.dim)?.inner_products(query)? {
                    match &mut scores {
                        Some(scores) => scores.append(part),
                        None => scores = Some(part),
                    }
                }
            }
            let capacity = self.capacity as u32;
            let places: Vec<u32> =
                touched.iter().flat_map(|slot| (0..capacity).map(move |at| slot * capacity + at)).collect();
            let Some(mut scores) = scores else { return Ok(()) };
            scores.add_shares(&self.voids.of(party).gathered(&places)?.scaled(beyond.wrapping_neg()))?;
            let numbers = Unmasked::of_shares(&self.numbers.of(party).gathered(&places)?);
            party.top_k_carrying(&[vec![scores, numbers]], 4 * K, width_of_differences(beyond)).map(drop)
        })
    }

    fn search_all(&self, query: &[f32]) -> Result<Spent, pmirs_mpc::Error> {
        let query = OfThree::deal(&mut rng(), &quantised(query).collect::<Vec<_>>());
        run(|party| {
            let rows = self.rows.of(party);
            let rows = Rows::new(rows.own(), rows.next(), self.dim)?;
            let scores = rows.inner_products(std::slice::from_ref(query.of(party)))?;
            let found: Vec<Found> = party.top_k(scores, 4 * K, width_of_differences(self.largest()))?;
            drop(found);
            Ok(())
        })
    }

    fn shuffle(&self) -> Result<Spent, pmirs_mpc::Error> {
        run(|party| {
            for column in [&self.places, &self.centroids, &self.numbers, &self.voids] {
                party.shuffle_blocks(column.of(party), self.cells)?;
            }
            Ok(())
        })
    }
}

/// Runs a protocol of three parties and counts.
fn run(
    protocol: impl Fn(&mut Party) -> Result<(), pmirs_mpc::Error> + Sync,
) -> Result<Spent, pmirs_mpc::Error> {
    let started = Instant::now();
    let traffic = three_parties(&mut rng(), |party| protocol(party).map(|()| party.traffic()))?;
    let ms = millis(started.elapsed());
    let sent: u64 = traffic.iter().map(|party| party.sent).sum();
    Ok(Spent { ms, rounds: traffic[0].rounds, bytes_sent_per_party: sent / 3 })
}

fn median<E>(mut run: impl FnMut(usize) -> Result<Spent, E>) -> Result<Spent, E> {
    let mut spent = (0..RUNS).map(&mut run).collect::<Result<Vec<_>, E>>()?;
    spent.sort_by(|a, b| a.ms.total_cmp(&b.ms));
    Ok(spent.get(RUNS / 2).copied().unwrap_or_default())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn pictures(
    encoder: &Encoder,
    paths: &[PathBuf],
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Vec<f32>>, BenchError> {
    let mut vectors = Vec::with_capacity(paths.len());
    for batch in paths.chunks(BATCH) {
        let prepared = batch
            .par_iter()
            .map(|path| {
                let bytes = std::fs::read(path).map_err(|error| BenchError::file(path, &error))?;
                let picture = Picture::decode(&bytes, &Limits::default());
                let picture = picture.map_err(|error| BenchError::file(path, &error))?;
                Ok(encoder.preprocess(&picture)?)
            })
            .collect::<Result<Vec<_>, BenchError>>()?;
        vectors.extend(
            encoder.embed_prepared(&prepared)?.into_iter().map(pmirs_encoder::Embedding::into_values),
        );
        watch(vectors.len(), paths.len());
    }
    Ok(vectors)
}

fn sentences(encoder: &Encoder, table: &Path) -> Result<Vec<Vec<f32>>, BenchError> {
    let rows = caption_rows(table).map_err(|error| BenchError::file(table, &error))?;
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let mut vectors = Vec::with_capacity(texts.len());
    for batch in texts.chunks(BATCH) {
        vectors.extend(encoder.embed_texts(batch)?.into_iter().map(pmirs_encoder::Embedding::into_values));
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use rand::RngExt;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_tree_of_drawn_vectors_is_measured() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let mut vector = || {
            let values: Vec<f32> = (0..12).map(|_| rng.random_range(-1.0..1.0)).collect();
            let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
            values.into_iter().map(|x| x / length).collect::<Vec<f32>>()
        };
        let (vectors, sentences): (Vec<_>, Vec<_>) =
            ((0..330).map(|_| vector()).collect(), (0..20).map(|_| vector()).collect());
        let all = TreeSettings { rows_per_cell: 20, share: 1.0 };
        let report = measure(&vectors, &sentences, all).unwrap();
        assert_eq!((report.rows, report.cells, report.capacity), (300, 15, 25));
        assert_eq!(
            (report.recall_of_captions, report.recall_of_pictures),
            (Some(1.0), 1.0),
            "all cells hold all"
        );
        let some = measure(&vectors, &sentences, TreeSettings { share: 0.2, ..all }).unwrap();
        assert_eq!((some.probes, some.touched), (3, 0.2));
        assert!(some.recall_of_pictures > 0.3 && some.recall_of_pictures < 1.0);
        assert!(some.tree.rounds > some.scan.rounds && some.shuffle.rounds == 12);
        assert!(some.tree.bytes_sent_per_party < some.scan.bytes_sent_per_party);
    }
}
