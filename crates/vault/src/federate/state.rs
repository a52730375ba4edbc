//! What a member keeps of a federation: a folder of files, each written whole, forced to the disk and renamed into place.
//!
//! ```text
//! federations/<name>/charter     charter, signature, owner, coordinator: as they were consented to
//!                    records     the chain, as far as it was checked
//!                    consent     what was agreed
//!                    state       the register and the member's progress in its round, sealed
//!                    message-7   its message of a step: on the disk before it is sent, and sent again after a crash
//!                    words       the update that is to be masked, sealed
//!                    model       the present model
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pmirs_crypto::{LocalKey, sha256};
use pmirs_wire::federation::RoundRecord;
use pmirs_wire::{Bytes, Digest, Message, decode, encode};
use serde::{Deserialize, Serialize};

use crate::{Vault, VaultError, fresh};

/// The folder of a home with all its federations.
const FOLDER: &str = "federations";
/// The longest message is an upload.
const MAX_UPLOAD: usize = 4 * pmirs_federated::plan::MAX_WEIGHTS + 4096;

/// Where a member stands, and what it must not do again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The round's name.
    pub(super) round: Digest,
    /// Its number, and which try at it.
    pub(super) number: u32,
    pub(super) attempt: u32,
    /// The step of the message that is kept.
    pub(super) step: u8,
    /// SHA-256 of it.
    pub(super) message: Digest,
    /// Shares for this round's number went out: from then on no other try of it is joined.
    pub(super) revealed: bool,
    /// The state of the round, secret; nothing after the last step.
    pub(super) progress: Option<Bytes>,
}

impl Message for Kept {
    const NAME: &'static str = "a member's state";
    const MAX_BYTES: usize = 5 << 20;
}

/// All records that were checked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptRecords {
    pub(super) records: Vec<RoundRecord>,
}

impl Message for KeptRecords {
    const NAME: &'static str = "kept records";
    const MAX_BYTES: usize = 256 << 20;
}

/// The words of one round.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptWords {
    round: Digest,
    words: Bytes,
}

impl Message for KeptWords {
    const NAME: &'static str = "kept words";
    const MAX_BYTES: usize = MAX_UPLOAD;
}

/// A federation's folder in a home.
pub(super) struct Folder {
    path: PathBuf,
    key: LocalKey,
}

impl Folder {
    /// The folder of a federation, whether it is there or not.
    pub(super) fn of(vault: &Vault, id: Digest) -> Self {
        let path = vault.local().beside(FOLDER).join(id.to_string());
        Self { path, key: vault.identity().local_key("federations v1") }
    }

    /// The names of all federations of a home.
    pub(super) fn all(vault: &Vault) -> Result<Vec<Digest>, VaultError> {
        let folder = vault.local().beside(FOLDER);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(VaultError::file(&folder, &error)),
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| VaultError::file(&folder, &error))?;
            all.extend(entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()));
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the federation for this process until the file is dropped: two at once would answer twice.
    pub(super) fn take(&self) -> Result<File, VaultError> {
        self.make()?;
        let path = self.path.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|error| VaultError::file(&path, &error))?;
        lock.try_lock()
            .map_err(|_| VaultError::file(&path, &"another process takes part with this home already"))?;
        Ok(lock)
    }

    /// A message that is kept as it is.
    pub(super) fn read<M: Message>(&self, name: &str) -> Result<Option<M>, VaultError> {
        let Some(bytes) = self.load(name, M::MAX_BYTES)? else { return Ok(None) };
        decode(&bytes).map(Some).map_err(|error| VaultError::file(&self.path.join(name), &error))
    }

    /// Keeps one.
    pub(super) fn write<M: Message>(&self, name: &str, message: &M) -> Result<(), VaultError> {
        self.store(name, &encode(message)?)
    }

    /// Where the member stands, and its message; nothing before its first. A message without its state was never sent.
    pub(super) fn state(&self) -> Result<Option<(Kept, Vec<u8>)>, VaultError> {
        let Some(kept) = self.open::<Kept>("state")? else { return Ok(None) };
        let message = self.load(&message(kept.step), MAX_UPLOAD)?.unwrap_or_default();
        // Another one is that of another try, which was kept without its state, and never sent.
        let message = if Digest(sha256(&message)) == kept.message { message } else { Vec::new() };
        Ok(Some((kept, message)))
    }

    /// Keeps a message and the state that it leads to, before the message is sent.
    pub(super) fn keep(&self, kept: &Kept, message: &[u8]) -> Result<(), VaultError> {
        self.store(&self::message(kept.step), message)?;
        self.seal("state", kept)
    }

    /// The words of a round, if they were kept.
    pub(super) fn words(&self, round: Digest) -> Result<Option<Vec<u32>>, VaultError> {
        let kept = self.open::<KeptWords>("words")?.filter(|kept| kept.round == round);
        Ok(kept.map(|kept| kept.words.0.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()))
    }

    /// Keeps them.
    pub(super) fn keep_words(&self, round: Digest, words: &[u32]) -> Result<(), VaultError> {
        let words = Bytes(words.iter().flat_map(|word| word.to_le_bytes()).collect());
        self.seal("words", &KeptWords { round, words })
    }

    /// A model's numbers as they lie on the wire, if there are any.
    pub(super) fn model(&self) -> Result<Option<Vec<u8>>, VaultError> {
        self.load("model", MAX_UPLOAD)
    }

    /// Keeps them.
    pub(super) fn keep_model(&self, bytes: &[u8]) -> Result<(), VaultError> {
        self.store("model", bytes)
    }

    fn seal<M: Message>(&self, name: &str, message: &M) -> Result<(), VaultError> {
        let plain = zeroize::Zeroizing::new(encode(message)?);
        self.store(name, &self.key.seal(&mut fresh::rng()?, self.label(name).as_bytes(), &plain))
    }

    fn open<M: Message>(&self, name: &str) -> Result<Option<M>, VaultError> {
        let Some(sealed) = self.load(name, M::MAX_BYTES + 1024)? else { return Ok(None) };
        let damaged = |reason: &dyn std::fmt::Display| VaultError::file(&self.path.join(name), reason);
        let plain = self.key.open(self.label(name).as_bytes(), &sealed).map_err(|error| damaged(&error))?;
        decode(&plain).map(Some).map_err(|error| damaged(&error))
    }

    /// Nothing sealed for one federation is taken for another's.
    fn label(&self, name: &str) -> String {
        let federation = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("federation {federation} {name}")
    }

    fn load(&self, name: &str, most: usize) -> Result<Option<Vec<u8>>, VaultError> {
        let path = self.path.join(name);
        let too_long = |got: u64| VaultError::file(&path, &format!("{got} bytes, expected at most {most}"));
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(VaultError::file(&path, &error)),
            Ok(about) if about.len() > most as u64 => return Err(too_long(about.len())),
            Ok(_) => {}
        }
        fs::read(&path).map(Some).map_err(|error| VaultError::file(&path, &error))
    }

    fn store(&self, name: &str, bytes: &[u8]) -> Result<(), VaultError> {
        self.make()?;
        let (path, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let write = || -> io::Result<()> {
            let mut file = private(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().map_err(|error| VaultError::file(&path, &error))
    }

    fn make(&self) -> Result<(), VaultError> {
        fs::create_dir_all(&self.path).map_err(|error| VaultError::file(&self.path, &error))
    }
}

/// The file of a step's message.
fn message(step: u8) -> String {
    format!("message-{step}")
}

/// A file that only its owner reads.
fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(step: u8, message: &[u8]) -> Kept {
        let (round, progress) = (Digest([1; 32]), Some(Bytes(b"secret shares".to_vec())));
        let message = Digest(sha256(message));
        Kept { round, number: 0, attempt: 0, step, message, revealed: false, progress }
    }

    #[test]
    fn state_and_message_come_back_together_and_secrets_are_sealed() {
        let home = tempfile::tempdir().unwrap();
        let key = LocalKey::from_secret(&[7; 32]);
        let folder = Folder { path: home.path().join("federations").join(Digest([9; 32]).to_string()), key };
        assert!(folder.state().unwrap().is_none());
        folder.keep(&kept(1, b"advert"), b"advert").unwrap();
        assert_eq!(folder.state().unwrap().unwrap(), (kept(1, b"advert"), b"advert".to_vec()));
        // A message that was kept without its state was never sent; the one before is still there.
        folder.store("message-5", b"shares").unwrap();
        assert_eq!(folder.state().unwrap().unwrap().1, b"advert");
        // Of another try with the same step.
        folder.store("message-1", b"another").unwrap();
        assert_eq!(folder.state().unwrap().unwrap().1, b"");

        folder.keep_words(Digest([1; 32]), &[1, u32::MAX]).unwrap();
        assert_eq!(folder.words(Digest([1; 32])).unwrap().unwrap(), [1, u32::MAX]);
        assert!(folder.words(Digest([2; 32])).unwrap().is_none(), "of another round");
        let sealed = fs::read(folder.path().join("state")).unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        // Sealed for this federation's file alone.
        fs::copy(folder.path().join("words"), folder.path().join("state")).unwrap();
        assert!(folder.state().is_err());
    }
}
