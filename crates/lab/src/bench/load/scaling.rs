//! Whether two searches at a time are twice one: scans must wait for memory and processors, not for locks.

use std::path::Path;
use std::time::Instant;

use pmirs_crypto::ResponseOpener;
use pmirs_wire::envelope::InnerResponse;
use pmirs_wire::search::Candidates;
use pmirs_wire::{decode, encode};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use rusqlite::{Connection, params};
use serde::Serialize;

use super::BenchError;
use super::server::{DIM, Filled, bytes, fresh, query};

/// Items that can be found; all other rows are filling, with scores so low that no answer names them.
const REAL: usize = 2_000;
const FILLING_SCALE: f64 = 1e-9;
/// Searches of each thread in a turn, and turns of one thread and of two.
const SEARCHES: usize = 12;
const TURNS: usize = 5;

/// Pre-sealed searches against one collection, without a network, each scored on one thread.
#[derive(Debug, Clone, Serialize)]
pub struct ScalingReport {
    /// Rows of the collection.
    pub rows: usize,
    /// Searches per second of one thread: the median of its turns.
    pub one_thread_per_s: f64,
    /// Of two threads together.
    pub two_threads_per_s: f64,
    /// `two_threads_per_s / one_thread_per_s`: 2 where neither waits for the other.
    pub ratio: f64,
}

/// Measures one thread against two, in turns, over `rows` rows (2,000 at least).
///
/// # Errors
/// When the server cannot be started or filled, or a search is not answered.
pub fn scaling(rows: usize) -> Result<ScalingReport, BenchError> {
    let rows = rows.max(REAL);
    let world = Filled::start(REAL)?.again(|folder| pad(folder, rows - REAL))?;
    // The first search reads the matrix.
    let found = world.connect()?.search(&query(0))?;
    if found.rows != rows as u64 {
        return Err(BenchError::asked("search", &format!("{} rows were scored, not {rows}", found.rows)));
    }
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        one.push(turn(&world, 1)?);
        two.push(turn(&world, 2)?);
    }
    let (one, two) = (median(one), median(two));
    Ok(ScalingReport { rows, one_thread_per_s: one, two_threads_per_s: two, ratio: two / one })
}

/// Searches per second of so many threads together. Sealing is done before, opening after.
fn turn(world: &Filled, threads: usize) -> Result<f64, BenchError> {
    let mut shares = (0..threads).map(|_| sealed(world)).collect::<Result<Vec<_>, _>>()?;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for share in &mut shares {
            scope.spawn(move || {
                for sent in share {
                    sent.answer = Some(world.cloud.answer(std::mem::take(&mut sent.sealed)));
                }
            });
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    for sent in shares.into_iter().flatten() {
        sent.check()?;
    }
    Ok((threads * SEARCHES) as f64 / seconds)
}

/// A request, and what came of it.
struct Sent {
    sealed: Vec<u8>,
    opener: ResponseOpener,
    answer: Option<(u16, Vec<u8>)>,
}

fn sealed(world: &Filled) -> Result<Vec<Sent>, BenchError> {
    let (asker, mut rng) = (world.connect()?, fresh()?);
    (0..SEARCHES)
        .map(|number| {
            let request = encode(&asker.request(&query(number as u64))?)?;
            let (sealed, opener) = world.key.seal_request(&mut rng, &request);
            Ok(Sent { sealed, opener, answer: None })
        })
        .collect()
}

impl Sent {
    fn check(self) -> Result<(), BenchError> {
        let failed = |detail: &dyn std::fmt::Display| BenchError::asked("search", detail);
        let (status, answer) = self.answer.ok_or_else(|| failed(&"no answer"))?;
        if status != 200 {
            return Err(failed(&format!("status {status}")));
        }
        let opened = self.opener.open(&answer).map_err(|error| failed(&error))?;
        let inner: InnerResponse = decode(&opened).map_err(|error| failed(&error))?;
        if inner.status != 200 {
            return Err(failed(&format!("status {}", inner.status)));
        }
        decode::<Candidates>(&inner.body.0).map(drop).map_err(|error| failed(&error))
    }
}

/// Rows behind the server's back: it ranks them, and never finds them.
fn pad(folder: &Path, rows: usize) -> Result<(), BenchError> {
    let mut database = Connection::open(folder.join("cloud/cloud.db"))?;
    database.pragma_update(None, "foreign_keys", false)?;
    let (place, last): (i64, i64) =
        database.query_row("SELECT place, max(row) FROM veiled", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let transaction = database.transaction()?;
    {
        let mut insert = transaction
            .prepare("INSERT INTO veiled (place, epoch, row, scale, dims) VALUES (?1, 0, ?2, ?3, ?4)")?;
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for row in 1..=rows as i64 {
            insert.execute(params![place, last + row, FILLING_SCALE, bytes(&mut rng, DIM)])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_of_threads_are_measured_over_all_rows() {
        let report = scaling(6_000).unwrap();
        assert_eq!(report.rows, 6_000);
        assert!(report.one_thread_per_s > 0.0 && report.two_threads_per_s > 0.0);
        assert!((report.ratio - report.two_threads_per_s / report.one_thread_per_s).abs() < 1e-9);
    }
}
