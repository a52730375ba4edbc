//! From the weights that a federation agreed on to a pack.

use std::path::Path;

use pmirs_encoder::Pack;
use pmirs_encoder::local::{Learner, LocalError, Part};

pub use pmirs_encoder::local::Provenance;

/// Writes the pack that these weights of a part make of `pack` into the folder `out`, which must exist: the same bytes
/// on every member's machine, its version named after them, its lineage naming the parent.
///
/// # Errors
/// When the model has no such part; for weights of another length or such that are not finite; when a file cannot be
/// read or written.
pub fn publish(
    pack: &Pack,
    part: Part,
    weights: &[f32],
    out: &Path,
    provenance: &Provenance,
) -> Result<Pack, LocalError> {
    Learner::open(pack, part)?.publish(weights, out, provenance)
}
