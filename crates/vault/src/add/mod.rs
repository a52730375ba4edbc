//! Adding files: from a folder to sealed items at the cloud.
//!
//! ```text
//! walk ──paths──▶ load ×n ──sources──▶ encode ──embedded──▶ protect ──sealed──▶ upload
//!                 read, digest,        batches of           veil and seal       batches, each
//!                 decode, resize       pictures             everything          on disk or not
//! ```
//!
//! Each stage runs on its own threads with a bounded queue behind it, so that encoder, cipher and network
//! work at once and memory stays bounded. What the cloud acknowledged is there; what it did not is added by
//! the next run, which skips contents that the collection has.

pub(crate) mod again;
mod captions;
pub(crate) mod dicom;
mod encode;
mod import;
mod load;
mod pipeline;
pub(crate) mod protect;
pub(crate) mod upload;
mod walk;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pmirs_encoder::Encoder;
use pmirs_wire::{Digest, ItemId};

use crate::VaultError;
use crate::collection::{Collection, ItemSummary, model_name};
use crate::progress::Progress;
use captions::Captions;

pub use captions::{CaptionRow, caption_rows};
pub use import::Import;
pub(crate) use import::import;

/// What may be told about the files to add.
#[derive(Debug, Clone, Default)]
pub struct AddOptions {
    /// Notes for files: a table with tab-separated columns `image` and `caption` (or `notes`) under a header.
    /// `image` is a file's name or its path below the added folder.
    pub captions: Option<PathBuf>,
}

/// A file that was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

/// What adding did.
#[derive(Debug, Clone, Default)]
pub struct AddReport {
    /// The earlier model that embedded what was added, where this machine lacks the collection's current one.
    pub earlier_model: Option<String>,
    /// Items that the cloud acknowledged.
    pub added: u64,
    /// Of these, items that took the place of the same content with another caption.
    pub replaced: u64,
    /// Files whose content is in the collection already.
    pub present: u64,
    /// Files that could not be added.
    pub skipped: Vec<Skipped>,
    /// Files that are neither pictures nor texts.
    pub ignored: u64,
    /// Captions for which there was no file.
    pub unused_captions: u64,
    /// Plain bytes of the added contents.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// What a collection has, by content and name: together they are one item.
type Known = HashMap<(Digest, String), Vec<Present>>;

/// An item that is there already.
struct Present {
    item: ItemId,
    caption: Option<String>,
}

pub(crate) fn add(
    collection: &Collection<'_>,
    paths: &[PathBuf],
    options: &AddOptions,
    progress: &dyn Progress,
) -> Result<AddReport, VaultError> {
    let started = Instant::now();
    let encoder = encoder(collection)?;
    let captions = options.captions.as_deref().map(Captions::read).transpose()?.unwrap_or_default();
    let walk = walk::walk(paths)?;
    let present = present(collection)?;

    progress.start("adding", Some(walk.files.len() as u64));
    let outcome = pipeline::run(collection, &encoder, &walk.files, &captions, present, progress)?;
    // What was acknowledged is remembered, so that a server that forgets it later is noticed. Where this fails,
    // the next command asks again.
    let _ = collection.sync();
    progress.finish();
    collection.level(progress)?;
    let mut skipped = walk.unreadable;
    skipped.extend(outcome.skipped);
    skipped.sort_by(|a, b| a.path.cmp(&b.path));
    let model = model_name(&encoder);
    Ok(AddReport {
        earlier_model: (collection.models().current().name != model).then_some(model),
        added: outcome.added,
        replaced: outcome.replaced,
        present: outcome.present,
        skipped,
        ignored: walk.ignored,
        unused_captions: captions.unused(),
        bytes: outcome.bytes,
        elapsed: started.elapsed(),
    })
}

/// The model to embed with: the collection's current one, or while it goes over to that, whichever earlier one is at
/// hand. Whoever has the current one moves the items later.
fn encoder(collection: &Collection<'_>) -> Result<Arc<Encoder>, VaultError> {
    collection.history().follow(&collection.remote, collection.vault.local())?;
    collection.renew_keys(&mut collection.history())?;
    let models = collection.models();
    let current = collection.vault.encoder_of(models.current());
    current.or_else(|missing| {
        let mut earlier = models.earlier().iter().filter_map(|it| collection.vault.encoder_of(it).ok());
        earlier.next().ok_or(missing)
    })
}

/// The contents that the collection has, from the cloud's records followed to their end.
fn present(collection: &Collection<'_>) -> Result<Known, VaultError> {
    let mut known = Known::new();
    for ItemSummary { item, meta } in collection.items()? {
        known.entry((meta.content, meta.name)).or_default().push(Present { item, caption: meta.caption });
    }
    Ok(known)
}
