//! What the demonstration plays on: folders, a cloud in this process, and an identity that is logged in to
//! it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{process, thread};

use pmirs_cloud::{Config, Embedded};
use pmirs_crypto::{Argon2Params, Token};
use pmirs_vault::{LoginOptions, Vault};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::command::serve::runtime;
use crate::exit::Exit;
use crate::report::Failure;
use crate::secret;

/// What shells expect of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Who owns the collections.
pub const HOST: &str = "anna";
/// With whom they are shared.
pub const GUEST: &str = "ben";

/// The running demonstration.
pub struct Stage {
    root: PathBuf,
    /// Removed at the end, unless the person keeps the folder.
    temporary: Option<TempDir>,
    cloud: Embedded,
    vault: Vault,
    /// Whether the homes must be fit to be used later.
    kept: bool,
    passphrase: Zeroizing<String>,
}

impl Stage {
    /// Builds everything in `keep`, or in a folder that is removed at the end.
    pub fn set(keep: Option<&Path>) -> Result<Self, Failure> {
        let temporary = if keep.is_some() { None } else { Some(temporary()?) };
        let root = match (keep, &temporary) {
            (Some(dir), _) => new_folder(dir)?,
            (None, Some(dir)) => dir.path().to_owned(),
            (None, None) => PathBuf::new(),
        };
        if temporary.is_some() {
            forget_at_interrupt(root.clone())?;
        }
        let cloud = Embedded::start(Config::loopback(root.join("cloud")))?;
        let kept = keep.is_some();
        let passphrase = passphrase(&root, kept)?;
        let vault = identity(&home(&root), &passphrase, kept)?;
        let name = Some(HOST.to_owned());
        let invite = cloud.first_invite();
        vault.login(cloud.url(), &LoginOptions { invite, name, ..LoginOptions::default() })?;
        Ok(Self { root, temporary, cloud, vault, kept, passphrase })
    }

    pub fn url(&self) -> &str {
        self.cloud.url()
    }

    pub fn address(&self) -> SocketAddr {
        self.cloud.local_addr()
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Another person, with an account of their own and the same passphrase.
    pub fn guest(&self, name: &str) -> Result<Vault, Failure> {
        let guest = identity(&self.root.join(name), &self.passphrase, self.kept)?;
        let options = LoginOptions {
            invite: Some(self.vault.invite()?),
            name: Some(name.to_owned()),
            ..LoginOptions::default()
        };
        guest.login(self.cloud.url(), &options)?;
        Ok(guest)
    }

    /// The folder that holds everything.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The cloud's data folder.
    pub fn cloud_data(&self) -> PathBuf {
        self.root.join("cloud")
    }

    pub fn home(&self) -> PathBuf {
        home(&self.root)
    }

    pub fn passphrase_file(&self) -> PathBuf {
        passphrase_file(&self.root)
    }

    /// An empty folder for the drawn gallery.
    pub fn gallery(&self) -> Result<PathBuf, Failure> {
        let folder = self.root.join("gallery");
        fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, "make", &error))?;
        Ok(folder)
    }

    /// Stops the cloud and, unless the person keeps the folder, removes every trace.
    pub fn strike(self) -> Result<(), Failure> {
        self.cloud.stop()?;
        match self.temporary {
            Some(dir) => {
                let path = dir.path().to_owned();
                dir.close().map_err(|error| Failure::file(&path, "remove", &error))
            }
            None => Ok(()),
        }
    }
}

fn home(root: &Path) -> PathBuf {
    root.join("home")
}

fn passphrase_file(root: &Path) -> PathBuf {
    root.join("passphrase")
}

fn temporary() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("pmirs-demo-").tempdir().map_err(|error| {
        Failure::new(
            Exit::Failure,
            format!("cannot make a temporary folder: {error}"),
            "name a folder with --keep DIR",
        )
    })
}

/// Ctrl-C ends the demonstration at any point; nothing may stay behind then either.
fn forget_at_interrupt(root: PathBuf) -> Result<(), Failure> {
    let runtime = runtime()?;
    thread::spawn(move || {
        runtime.block_on(pmirs_cloud::shutdown_signal());
        // There is nobody left to tell when it fails: the person has asked to end.
        let _ = fs::remove_dir_all(&root);
        process::exit(INTERRUPTED);
    });
    Ok(())
}

/// A folder of the demonstration's own: what is there already is not touched.
fn new_folder(dir: &Path) -> Result<PathBuf, Failure> {
    let used = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        let error = format!("{} is not empty", dir.display());
        return Err(Failure::new(Exit::Exists, error, "name a new folder with --keep DIR"));
    }
    fs::create_dir_all(dir).map_err(|error| Failure::file(dir, "make", &error))?;
    fs::canonicalize(dir).map_err(|error| Failure::file(dir, "read", &error))
}

/// A random passphrase; of one that is needed later, a note is left.
fn passphrase(root: &Path, kept: bool) -> Result<Zeroizing<String>, Failure> {
    let passphrase = Token::generate(&mut UnwrapErr(SysRng)).to_text();
    if kept {
        secret::keep(&passphrase_file(root), &passphrase)?;
    }
    Ok(passphrase)
}

/// An identity; only one that is kept needs a passphrase that is costly to guess.
fn identity(home: &Path, passphrase: &str, kept: bool) -> Result<Vault, Failure> {
    let cost = if kept { Argon2Params::recommended() } else { Argon2Params::insecure_fast() };
    Ok(Vault::create_with(home, passphrase, &cost)?.0)
}
