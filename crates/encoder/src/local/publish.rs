//! From trained weights to a pack.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use super::error::LocalError;
use super::learner::Learner;
use crate::Pack;
use crate::pack::{LineageSpec, MANIFEST, hex, sha256_hex};

/// What a pack says about where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The new pack's name.
    pub name: String,
    /// How it came to be, to be shown.
    pub origin: String,
}

impl Learner {
    /// Writes a pack with these weights into the folder `out`, which must exist. The same weights give the same files,
    /// on whichever machine; the version names them.
    ///
    /// Means and "no match" cutoffs stay the parent's: members' pictures are not measured for the sake of a pack.
    ///
    /// # Errors
    /// For weights of another length or such that are not finite; when a file cannot be read or written.
    pub fn publish(&self, weights: &[f32], out: &Path, provenance: &Provenance) -> Result<Pack, LocalError> {
        self.check(weights)?;
        let pack = self.pack();
        let written = self.task().files(pack, weights)?;
        let mut manifest = pack.manifest().clone();
        let parent = &pack.manifest().version;
        manifest.lineage = Some(LineageSpec {
            parent: format!("{} {parent}", manifest.name),
            parent_digest: hex(&pack.digest().unwrap_or_default()),
            part: self.part().to_string(),
        });
        manifest.name.clone_from(&provenance.name);
        manifest.origin.clone_from(&provenance.origin);
        manifest.adapter = written.adapter.or(manifest.adapter);
        manifest.scores.logit_scale = written.logit_scale.or(manifest.scores.logit_scale);
        let mut pins = String::new();
        for (name, bytes) in &written.files {
            let digest = sha256_hex(bytes);
            pins.push_str(&digest);
            manifest.sha256.insert(name.clone(), digest);
        }
        // Other weights are another model: their vectors must never meet.
        let base = parent.split_once('+').map_or(parent.as_str(), |(base, _)| base);
        let digest: String = sha256_hex(pins.as_bytes()).chars().take(12).collect();
        manifest.version = format!("{base}+{digest}");
        let named: std::collections::BTreeSet<String> = manifest.files().map(str::to_owned).collect();
        manifest.sha256.retain(|file, _| named.contains(file));

        for file in &named {
            let new = written.files.iter().find(|(name, _)| name == file);
            match new {
                Some((_, bytes)) => write(&out.join(file), bytes)?,
                None => write(&out.join(file), &pack.read(file)?)?,
            }
        }
        // Last, so that a pack without it is none.
        write(&out.join(MANIFEST), manifest.to_toml()?.as_bytes())?;
        Ok(Pack::open(out)?)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    let failed = |source| LocalError::Write { path: path.to_path_buf(), source };
    let mut file = File::create(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}
