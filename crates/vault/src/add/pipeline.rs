//! The stages, each on its own threads, with bounded queues between them.
//!
//! A stage ends when the one before it has ended and its queue is empty. When a later stage fails, its queue
//! closes and the earlier ones stop at their next send: nothing waits for ever, and what was acknowledged
//! stays.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use pmirs_encoder::Encoder;
use pmirs_wire::ItemId;
use pmirs_wire::item::NewItem;

use super::captions::Captions;
use super::encode::{self, Embedded};
use super::load::{Loaded, Loader, Source};
use super::upload::Batch;
use super::walk::File;
use super::{Known, Skipped, protect};
use crate::collection::{Collection, model_name};
use crate::progress::Progress;
use crate::{VaultError, fresh};

/// What the stages did together.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) added: u64,
    pub(super) replaced: u64,
    pub(super) present: u64,
    pub(super) bytes: u64,
    pub(super) skipped: Vec<Skipped>,
}

/// An item on its way.
struct Sealed {
    item: NewItem,
    /// Plain bytes of its content.
    plain: u64,
    /// Items to remove once it is there.
    replaces: Vec<ItemId>,
}

/// What all stages tell.
struct Ledger<'a> {
    outcome: Mutex<Outcome>,
    progress: &'a dyn Progress,
}

pub(super) fn run(
    collection: &Collection<'_>,
    encoder: &Encoder,
    files: &[File],
    captions: &Captions,
    present: Known,
    progress: &dyn Progress,
) -> Result<Outcome, VaultError> {
    let model = &model_name(encoder);
    let ledger = Ledger { outcome: Mutex::default(), progress };
    let loader = Loader { encoder, captions, known: Mutex::new(present) };
    let loaders = thread::available_parallelism().map_or(2, usize::from);
    let (path_in, path_out) = bounded::<&File>(loaders);
    let (source_in, source_out) = bounded(2 * encode::BATCH);
    let (embedded_in, embedded_out) = bounded(encode::BATCH);
    let (sealed_in, sealed_out) = bounded(encode::BATCH);

    thread::scope(|scope| {
        let (loader, ledger) = (&loader, &ledger);
        // Each stage owns its ends of the queues, so that they close when it ends.
        let loading: Vec<_> = (0..loaders)
            .map(|_| {
                let (paths, sources) = (path_out.clone(), source_in.clone());
                scope.spawn(move || load(loader, &paths, &sources, ledger))
            })
            .collect();
        drop((path_out, source_in));
        let encoding = scope.spawn(move || encode(encoder, &source_out, &embedded_in, ledger));
        let protecting = scope.spawn(move || protect(collection, model, &embedded_out, &sealed_in));
        let uploading = scope.spawn(move || upload(collection, model, &sealed_out, ledger));
        for file in files {
            // The loaders end early only when a later stage failed; that error is reported below.
            if path_in.send(file).is_err() {
                break;
            }
        }
        drop(path_in);
        // The upload's error comes first: it is why the stage before it stopped.
        let uploaded = join(uploading).flatten();
        let protected = join(protecting).flatten();
        let encoded = join(encoding);
        let loaded: Vec<_> = loading.into_iter().map(join).collect();
        uploaded.and(protected).and(encoded).and_then(|()| loaded.into_iter().collect::<Result<(), _>>())
    })?;
    Ok(ledger.outcome.into_inner().unwrap_or_else(PoisonError::into_inner))
}

impl Ledger<'_> {
    fn note(&self, change: impl FnOnce(&mut Outcome)) {
        change(&mut self.outcome.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn skip(&self, file: &File, reason: String) {
        self.progress.skipped(&file.path, &reason);
        self.progress.advance(1);
        self.note(|outcome| outcome.skipped.push(Skipped { path: file.path.clone(), reason }));
    }
}

fn load(loader: &Loader<'_>, paths: &Receiver<&File>, sources: &Sender<Source>, ledger: &Ledger<'_>) {
    for file in paths {
        match loader.load(file) {
            Loaded::Source(source) => {
                if sources.send(*source).is_err() {
                    return;
                }
            }
            Loaded::Present => {
                ledger.progress.advance(1);
                ledger.note(|outcome| outcome.present += 1);
            }
            Loaded::Broken(reason) => ledger.skip(file, reason),
        }
    }
}

/// Takes what has gathered, up to a batch: full batches under load, no waiting without.
fn encode(encoder: &Encoder, sources: &Receiver<Source>, embedded: &Sender<Embedded>, ledger: &Ledger<'_>) {
    while let Ok(first) = sources.recv() {
        let batch: Vec<Source> =
            std::iter::once(first).chain(sources.try_iter().take(encode::BATCH - 1)).collect();
        for result in encode::embed(encoder, batch) {
            match result {
                Ok(one) => {
                    if embedded.send(one).is_err() {
                        return;
                    }
                }
                Err(failed) => ledger.skip(&failed.file, failed.reason),
            }
        }
    }
}

fn protect(
    collection: &Collection<'_>,
    model: &str,
    embedded: &Receiver<Embedded>,
    sealed: &Sender<Sealed>,
) -> Result<(), VaultError> {
    let mut rng = fresh::rng()?;
    for mut one in embedded {
        let plain = one.source.content.len() as u64;
        let replaces = std::mem::take(&mut one.source.replaces);
        if sealed
            .send(Sealed { item: protect::protect(collection, model, one, &mut rng)?, plain, replaces })
            .is_err()
        {
            break;
        }
    }
    Ok(())
}

/// Sends whenever a batch is full or nothing more waits.
fn upload(
    collection: &Collection<'_>,
    model: &str,
    sealed: &Receiver<Sealed>,
    ledger: &Ledger<'_>,
) -> Result<(), VaultError> {
    let mut batch = Batch::of(model);
    while let Ok(first) = sealed.recv() {
        let mut replaced = Vec::new();
        let mut next = Some(first);
        while let Some(Sealed { item, plain, replaces }) = next {
            batch.push(item, plain);
            replaced.extend(replaces);
            next = if batch.is_full() { None } else { sealed.try_recv().ok() };
        }
        let acknowledged = batch.send(collection)?;
        // The old ones go when the new ones are on the cloud's disk.
        if !replaced.is_empty() {
            collection.remove(&replaced)?;
        }
        ledger.progress.advance(acknowledged.items);
        ledger.note(|outcome| {
            outcome.added += acknowledged.items;
            outcome.replaced += replaced.len() as u64;
            outcome.bytes += acknowledged.bytes;
        });
    }
    Ok(())
}

/// A stage that panics is our own bug, but no reason to take the caller down with it.
fn join<T>(handle: thread::ScopedJoinHandle<'_, T>) -> Result<T, VaultError> {
    handle.join().map_err(|_| VaultError::Internal("a stage of adding panicked".to_owned()))
}
