use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use pmirs_encoder::{Encoder, Limits, Picture, Prepared};
use pmirs_vault::{AddOptions, Protection, Quiet};
use serde::Serialize;

use super::BenchError;
use super::pictures::{draw_pictures, pictures_below};
use super::stopwatch::seconds_of;
use crate::world::World;

/// Pictures drawn where no folder is given.
const DRAWN: usize = 192;
/// Pictures taken of a folder at most.
const MOST: usize = 400;
/// Runs of each side, taking turns.
const TURNS: usize = 3;
/// Pictures that the encoder takes at once, as `add` does.
const BATCH: usize = 16;

/// How fast `add` is, and how fast it could be at most.
#[derive(Debug, Clone, Serialize)]
pub struct AddReport {
    /// Pictures a second from files to the cloud's disk.
    pub images_per_s: f64,
    /// Pictures a second through decode, resize and encode alone: same files, same threads.
    pub encoder_images_per_s: f64,
    /// The first over the second.
    pub ratio: f64,
    /// Pictures in one run.
    pub images: usize,
    /// The collection's protection level.
    pub protection: &'static str,
}

/// Measures `add` into a fresh collection against the encoder alone, in turns.
///
/// # Errors
/// When a picture cannot be read, or any part of the system fails.
pub fn add(
    encoder: &Arc<Encoder>,
    protection: Protection,
    photographs: Option<&Path>,
) -> Result<AddReport, BenchError> {
    let world = World::new(encoder)?;
    let paths = match photographs {
        Some(folder) => pictures_below(folder, MOST)?,
        None => draw_pictures(&world.folder.path().join("pictures"), DRAWN)?,
    };
    if let (Some(folder), true) = (photographs, paths.is_empty()) {
        return Err(BenchError::TooFew { folder: folder.to_owned(), got: 0, needed: 1 });
    }
    // The image tower is read on its first use, which belongs to neither side.
    encode_alone(encoder, paths.get(..BATCH.min(paths.len())).unwrap_or_default())?;

    let mut alone = Vec::new();
    let mut whole = Vec::new();
    for turn in 0..TURNS {
        let mut outcome = Ok(());
        alone.push(seconds_of(|| outcome = encode_alone(encoder, &paths)));
        outcome?;
        let collection = world.vault.create_collection(&format!("turn {turn}"), protection)?;
        let mut outcome = Ok(());
        whole.push(seconds_of(|| {
            outcome = collection.add(&paths, &AddOptions::default(), &Quiet).map(drop);
        }));
        outcome?;
    }
    let images = paths.len();
    let per_second = |mut seconds: Vec<f64>| {
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).map_or(0.0, |middle| images as f64 / middle)
    };
    let (images_per_s, encoder_images_per_s) = (per_second(whole), per_second(alone));
    let ratio = images_per_s / encoder_images_per_s;
    Ok(AddReport { images_per_s, encoder_images_per_s, ratio, images, protection: protection.name() })
}

/// Decode and resize on as many threads as `add` has, encode in batches: the pipeline's first stages alone.
fn encode_alone(encoder: &Encoder, paths: &[PathBuf]) -> Result<(), BenchError> {
    let loaders = thread::available_parallelism().map_or(2, usize::from);
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::sync_channel::<Result<Prepared, BenchError>>(2 * BATCH);
    thread::scope(|scope| {
        for _ in 0..loaders {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send(prepare(encoder, path)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        // Dropping the receiver on an error lets the loaders end.
        let receiver = receiver;
        while let Ok(first) = receiver.recv() {
            let batch: Vec<Prepared> = std::iter::once(first)
                .chain(receiver.try_iter().take(BATCH - 1))
                .collect::<Result<_, BenchError>>()?;
            encoder.embed_prepared(&batch)?;
        }
        Ok(())
    })
}

fn prepare(encoder: &Encoder, path: &Path) -> Result<Prepared, BenchError> {
    let bytes = std::fs::read(path).map_err(|error| BenchError::file(path, &error))?;
    let picture =
        Picture::decode(&bytes, &Limits::default()).map_err(|error| BenchError::file(path, &error))?;
    Ok(encoder.preprocess(&picture)?)
}
