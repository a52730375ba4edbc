//! A cloud on loopback and one person logged in to it, in a folder that vanishes.

use std::path::PathBuf;
use std::sync::Arc;

use pmirs_cloud::{Config, Embedded};
use pmirs_crypto::Argon2Params;
use pmirs_encoder::Encoder;
use pmirs_vault::{LoginOptions, Vault};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) vault: Vault,
    /// Kept alive as long as the vault asks it.
    _cloud: Embedded,
}

/// Why there is no world.
pub(crate) enum WorldError {
    Folder { path: PathBuf, reason: String },
    Cloud(pmirs_cloud::Error),
    Vault(pmirs_vault::VaultError),
}

impl World {
    pub(crate) fn new(encoder: &Arc<Encoder>) -> Result<Self, WorldError> {
        let folder = tempfile::tempdir()
            .map_err(|error| WorldError::Folder { path: std::env::temp_dir(), reason: error.to_string() })?;
        let cloud =
            Embedded::start(Config::loopback(folder.path().join("cloud"))).map_err(WorldError::Cloud)?;
        let cost = Argon2Params::insecure_fast();
        let (vault, _words) = Vault::create_with(&folder.path().join("home"), "passphrase", &cost)
            .map_err(WorldError::Vault)?;
        vault.use_encoder(encoder.clone());
        let options = LoginOptions { invite: cloud.first_invite(), ..LoginOptions::default() };
        vault.login(cloud.url(), &options).map_err(WorldError::Vault)?;
        Ok(Self { folder, vault, _cloud: cloud })
    }
}
