//! The data folder: its lock and the party's keys.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use pmirs_crypto::{PartyKey, ServerKey};
use pmirs_wire::Digest;
use pmirs_wire::split::PartyEntry;

use crate::clock;
use crate::error::Error;
use crate::store::file::{private, private_folder, write_whole};

/// Collections.
pub(crate) const COLLECTIONS: &str = "collections";
const LOCK: &str = "lock";
/// `version(1) ‖ PartyKey(32) ‖ ServerKey(33)`
const KEYS: &str = "party.key";
const VERSION: u8 = 1;

/// Who a party is: what it signs with, and what orders are sealed to.
pub(crate) struct Keys {
    pub(crate) signing: PartyKey,
    pub(crate) sealing: ServerKey,
}

impl Keys {
    fn generate() -> Self {
        let mut rng = clock::system_rng();
        Self { signing: PartyKey::generate(&mut rng), sealing: ServerKey::generate(&mut rng) }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
        let (signing, sealing) = rest.split_first_chunk()?;
        Some(Self { signing: PartyKey::from_secret(signing), sealing: ServerKey::from_bytes(sealing).ok()? })
    }

    fn expose(&self) -> Vec<u8> {
        [&[VERSION], self.signing.expose_secret().as_slice(), &self.sealing.expose()].concat()
    }
}

/// The entry of a folder's party for the file of parties; its keys are made here if they are not there.
///
/// # Errors
/// When the folder cannot be read or written, or its key file is not one.
pub fn describe(data: &Path, name: &str, url: &str, peer: &str) -> Result<PartyEntry, Error> {
    private_folder(data)?;
    let keys = keys(data)?;
    Ok(PartyEntry {
        name: name.to_owned(),
        url: url.to_owned(),
        peer: peer.to_owned(),
        signs: Digest(keys.signing.public().to_bytes()),
        seals: Digest(keys.sealing.public().fingerprint()),
    })
}

/// Makes the folder, readable by its owner alone, and takes it for this process until the file is dropped.
pub(crate) fn take(data: &Path) -> Result<File, Error> {
    private_folder(&data.join(COLLECTIONS))?;
    let path = data.join(LOCK);
    let lock = private().create(true).truncate(false).write(true).open(&path).map_err(Error::file(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: data.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::File { path, source }),
    }
}

/// Reads the party's keys, or makes them on the first start. Where there are collections already, the two others and all
/// clients pin them, so missing ones are not made anew.
pub(crate) fn keys(data: &Path) -> Result<Keys, Error> {
    let path = data.join(KEYS);
    match fs::read(&path) {
        Ok(bytes) => Keys::from_bytes(&bytes).ok_or_else(|| Error::damaged(&path, "it is no key file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_empty(&data.join(COLLECTIONS)) => {
            let keys = Keys::generate();
            write_whole(data, KEYS, &keys.expose())?;
            Ok(keys)
        }
        Err(source) => Err(Error::File { path, source }),
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}
