//! A pack that lies elsewhere becomes one of this home.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pmirs_encoder::pack::{MANIFEST, PackManifest};
use pmirs_encoder::{Encoder, EncoderError, Pack};

use crate::exit::Exit;
use crate::models::{Models, check_name};
use crate::output::quoted;
use crate::report::Failure;

/// Copies a pack into this home and gives back its name there, so that what is made with it outlives the folder and
/// the choice of another model. One that is here already is not copied again.
pub(super) fn adopt(models: &Models, folder: &Path) -> Result<String, Failure> {
    let manifest = pinned(&Pack::open(folder).map_err(EncoderError::from)?);
    let same = |name: &String| Pack::open(&models.place(name)).is_ok_and(|here| pinned(&here) == manifest);
    if let Some(name) = models.names()?.into_iter().find(same) {
        return Ok(name);
    }
    // Other weights in a folder of the same name, or a name that the project keeps for itself
    let versioned = plain_name(&format!("{}-{}", manifest.name, manifest.version));
    let free = |name: &String| check_name(name).is_ok() && !models.place(name).exists();
    let Some(name) = [name_of_folder(folder), Some(versioned)].into_iter().flatten().find(free) else {
        let folder = folder.display();
        let error = format!("{folder} suggests no name that another model does not have already");
        let hint = format!(
            "choose one with `pmirs model add {} --name NAME`, then `pmirs model use NAME`",
            quoted(&folder.to_string())
        );
        return Err(Failure::new(Exit::Exists, error, hint));
    };
    models.make(&name, |draft| {
        copy(folder, draft)?;
        // A pack that does not open is not taken over.
        Ok(Encoder::open(draft).map(drop)?)
    })?;
    Ok(name)
}

/// Takes over a folder that is a pack already, after checking every file of it. Files that no tower names stay
/// behind: only named ones are known to have plain names.
pub(super) fn copy(folder: &Path, to: &Path) -> Result<(), Failure> {
    let pack = Pack::open(folder).map_err(EncoderError::from)?;
    let write = |file: &str, bytes: &[u8]| {
        let path = to.join(file);
        fs::write(&path, bytes).map_err(|error| Failure::file(&path, "write", &error))
    };
    let manifest = pinned(&pack);
    for file in manifest.sha256.keys() {
        write(file, &pack.read(file).map_err(EncoderError::from)?)?;
    }
    write(MANIFEST, manifest.to_toml().map_err(EncoderError::from)?.as_bytes())
}

/// What a pack's manifest says about the files that a tower names.
fn pinned(pack: &Pack) -> PackManifest {
    let mut manifest = pack.manifest().clone();
    let named: BTreeSet<String> = manifest.files().map(str::to_owned).collect();
    manifest.sha256.retain(|file, _| named.contains(file));
    manifest
}

/// The name of a model that comes from this folder.
pub(super) fn name_of_folder(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    Some(plain_name(folder.file_name()?.to_str()?))
}

fn plain_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
    name.to_lowercase().chars().map(plain).collect()
}
