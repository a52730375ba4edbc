//! The file of parties: three tables `[[party]]`, the same for all three and for their clients.

use std::path::Path;

use pmirs_crypto::sha256;
use pmirs_mpc::Role;
use pmirs_wire::Digest;
use pmirs_wire::split::{PartyEntry, Trio};

use crate::error::Error;
use crate::store::file::write_whole;

const MOST_BYTES: u64 = 64 << 10;

/// Reads a file of parties.
///
/// # Errors
/// When it cannot be read, is no such file, or its three entries do not fit together.
pub fn read_parties(path: &Path) -> Result<Trio, Error> {
    let wrong = |detail: String| Error::Parties { path: path.to_owned(), detail };
    let length = std::fs::metadata(path).map_err(Error::file(path))?.len();
    if length > MOST_BYTES {
        return Err(wrong(format!("{length} bytes, the limit is {MOST_BYTES}")));
    }
    let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
    let trio: Trio = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    match trio.fault() {
        Some(fault) => Err(wrong(fault)),
        None => Ok(trio),
    }
}

/// Writes a file of parties.
///
/// # Errors
/// When it cannot be written.
pub fn write_parties(path: &Path, trio: &Trio) -> Result<(), Error> {
    let text = toml::to_string(trio)
        .map_err(|error| Error::Parties { path: path.to_owned(), detail: error.to_string() })?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    write_whole(folder, &name, text.as_bytes())
}

/// What orders and statements pin.
pub(crate) fn digest(trio: &Trio) -> Digest {
    Digest(sha256(&trio.pinned_bytes()))
}

/// The entry of one of the three.
pub(crate) fn entry(trio: &Trio, role: Role) -> &PartyEntry {
    let [first, second, third] = &trio.parties;
    match role {
        Role::First => first,
        Role::Second => second,
        Role::Third => third,
    }
}

/// Which of the three has this key.
pub(crate) fn role_of(trio: &Trio, signs: &Digest) -> Option<Role> {
    Role::ALL.into_iter().find(|role| entry(trio, *role).signs == *signs)
}
