//! Where a simulation stands after a round, on the disk.

use std::io::Write as _;
use std::path::Path;

use pmirs_federated::optimiser::Optimiser;
use pmirs_federated::plan::Noise;
use pmirs_wire::{Digest, Message};
use serde::{Deserialize, Serialize};

use super::{Row, SimulateError};

/// Everything that a round changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    /// What it belongs to: model, examples, setting.
    pub(super) of: Digest,
    pub(super) weights: Vec<f32>,
    pub(super) optimiser: Optimiser,
    pub(super) noise: Noise,
    pub(super) rows: Vec<Row>,
}

impl Message for Saved {
    const NAME: &'static str = "simulation";
    const MAX_BYTES: usize = 2 << 30;
}

/// The digest that a run's state is kept under.
pub(super) fn digest(manifest: &Digest, setting: &impl std::fmt::Debug) -> Digest {
    Digest(pmirs_crypto::sha256(format!("v1 {manifest:?} {setting:?}").as_bytes()))
}

/// What a file holds, if it belongs to this run.
pub(super) fn read(path: &Path, of: &Digest) -> Option<Saved> {
    let saved: Saved = pmirs_wire::decode(&std::fs::read(path).ok()?).ok()?;
    (saved.of == *of).then_some(saved)
}

impl Saved {
    pub(super) fn write(&self, path: &Path) -> Result<(), SimulateError> {
        let bytes = pmirs_wire::encode(self).map_err(|error| SimulateError::file(path, &error))?;
        write(path, &bytes)
    }
}

/// Whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), SimulateError> {
    let failed = |error: std::io::Error| SimulateError::file(path, &error);
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}
