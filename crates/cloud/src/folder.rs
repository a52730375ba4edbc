//! The data folder: its lock, the server's key, the first invite.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pmirs_crypto::{Identity, IdentitySeed, ServerKey, Token};
use pmirs_wire::account::Invite;
use pmirs_wire::{Bytes, Digest};
use zeroize::Zeroizing;

use crate::clock;
use crate::error::Error;
use crate::storage::Store;

/// Content blobs.
pub(crate) const CONTENT: &str = "content";
/// Numbers of models that federations train.
pub(crate) const MODELS: &str = "models";
/// Pieces of models and masked updates that are not whole yet.
pub(crate) const STAGING: &str = "staging";
/// The seed of the identity that signs what rounds of a federation gave.
pub(crate) const COORDINATOR: &str = "coordinator.key";
/// Held by the running server.
pub(crate) const LOCK: &str = "lock";
/// The private key that requests are sealed to.
pub(crate) const SERVER_KEY: &str = "server.key";
/// The invite of the first account, until it is spent.
pub(crate) const FIRST_INVITE: &str = "first-invite";

/// Makes the folder, readable by its owner alone, and takes it for this process until the file is dropped.
pub(crate) fn take(data: &Path) -> Result<File, Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data).map_err(Error::file(data))?;
    let path = data.join(LOCK);
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::file(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: data.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::File { path, source }),
    }
}

/// Reads the server's key, or makes one on the first start. Where there are accounts already, their clients pin
/// the key, so a missing one is not made anew.
pub(crate) fn server_key(data: &Path, has_accounts: bool) -> Result<ServerKey, Error> {
    let path = data.join(SERVER_KEY);
    match fs::read(&path) {
        Ok(bytes) => ServerKey::from_bytes(&bytes)
            .map_err(|error| Error::ServerKey { path, detail: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !has_accounts => {
            let key = ServerKey::generate(&mut clock::system_rng());
            write_private(data, SERVER_KEY, &key.expose())?;
            Ok(key)
        }
        Err(source) => Err(Error::File { path, source }),
    }
}

/// Reads the identity that signs what rounds of a federation gave, or makes one. Members pin it, so where there is a
/// federation a missing one is not made anew.
pub(crate) fn coordinator(data: &Path, has_federations: bool) -> Result<Identity, Error> {
    let path = data.join(COORDINATOR);
    let detail = |bytes: &[u8]| format!("{} bytes, expected 32", bytes.len());
    match fs::read(&path).map(Zeroizing::new) {
        Ok(bytes) => match bytes.as_slice().try_into() {
            Ok(seed) => Ok(Identity::from_seed(&IdentitySeed::from_secret(seed))),
            Err(_) => Err(Error::ServerKey { detail: detail(&bytes), path }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound && !has_federations => {
            let seed = IdentitySeed::generate(&mut clock::system_rng());
            write_private(data, COORDINATOR, seed.expose_secret())?;
            Ok(Identity::from_seed(&seed))
        }
        Err(source) => Err(Error::File { path, source }),
    }
}

/// Makes an invite that one new account can spend; the store keeps only the hash of its code.
pub(crate) fn new_invite(store: &dyn Store, server: Digest) -> Result<Invite, Error> {
    let code = Token::generate(&mut clock::system_rng());
    store.add_invite(&code.hash(), clock::now_ms())?;
    Ok(Invite { server, code: Bytes(code.expose_secret().to_vec()) })
}

/// The file with the first account's invite.
pub(crate) struct FirstInvite {
    path: PathBuf,
}

impl FirstInvite {
    /// The file of this folder.
    pub(crate) fn of(data: &Path) -> Self {
        Self { path: data.join(FIRST_INVITE) }
    }

    /// The invite of a server without accounts, the same one at every start; nothing once there is an account.
    pub(crate) fn prepare(
        &self,
        data: &Path,
        store: &dyn Store,
        server: Digest,
    ) -> Result<Option<Invite>, Error> {
        if store.accounts()? > 0 {
            self.spent().map_err(Error::file(&self.path))?;
            return Ok(None);
        }
        if let Some(invite) = self.read()
            && invite.server == server
            && let Ok(code) = <&[u8; 32]>::try_from(invite.code.0.as_slice())
            && store.invite_is_open(&Token::from_secret(code).hash())?
        {
            return Ok(Some(invite));
        }
        let invite = new_invite(store, server)?;
        let text = invite
            .to_text()
            .map_err(|error| Error::File { path: self.path.clone(), source: io::Error::other(error) })?;
        write_private(data, FIRST_INVITE, text.as_bytes())?;
        Ok(Some(invite))
    }

    /// The invite, if it is still there.
    pub(crate) fn read(&self) -> Option<Invite> {
        Invite::from_text(&fs::read_to_string(&self.path).ok()?).ok()
    }

    /// Removes the file: there is an account now.
    pub(crate) fn spent(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Writes a file that only its owner reads, whole or not at all.
fn write_private(data: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let (path, half) = (data.join(name), data.join(format!("{name}.new")));
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half, &path)?;
        File::open(data)?.sync_all()
    };
    write().map_err(Error::file(&path))
}
