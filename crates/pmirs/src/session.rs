//! Opening the home: with the seed that an agent holds, or else with the passphrase.

use std::path::{Path, PathBuf};

use pmirs_vault::{IdentitySeed, Vault, VaultError};
use zeroize::Zeroizing;

use crate::agent;
use crate::cli::Global;
use crate::home;
use crate::job;
use crate::models::{Choice, Models};
use crate::output::Output;
use crate::report::Failure;
use crate::secret;

/// Opens the vault. Argon2id is paid only when no agent holds the seed, and then one is started.
pub fn open(global: &Global) -> Result<Vault, Failure> {
    let home = home::folder(global)?;
    let seed = seed(global, &home)?;
    let vault = Vault::open(&home, &seed)?;
    lend_models(&vault, &Models::of(&home))?;
    Ok(vault)
}

/// The model in use goes to new collections; every other one of this home to collections that were made with it.
fn lend_models(vault: &Vault, models: &Models) -> Result<(), Failure> {
    // Collections of other models must stay within reach when this one is gone.
    match models.chosen().and_then(|choice| models.open(&choice)) {
        Ok(encoder) => {
            vault.use_encoder(encoder);
        }
        Err(failure) => {
            Output::warn(format_args!("{}; the built-in model takes its place", failure.error()));
        }
    }
    for name in models.names()? {
        match models.open(&Choice::Named(name.clone())) {
            Ok(encoder) => drop(vault.offer_encoder(encoder)),
            Err(_) => Output::warn(format_args!("the model {name} does not open: `pmirs model info {name}`")),
        }
    }
    Ok(())
}

/// Opens the vault if that takes no question: an agent holds the seed, or the passphrase stands somewhere.
pub fn open_silently(global: &Global) -> Result<Option<Vault>, Failure> {
    let home = home::folder(global)?;
    if held(&home).is_some() || secret::passphrase_is_given(global.passphrase_file.as_deref()) {
        return open(global).map(Some);
    }
    Ok(None)
}

/// The identity's seed itself, to be handed to another device of the same person.
pub fn seed(global: &Global, home: &Path) -> Result<IdentitySeed, Failure> {
    job::seed().or_else(|| held(home)).map_or_else(|| unlock(global, home), Ok)
}

/// Asks for the passphrase, opens the identity, and starts an agent that keeps the seed for a while.
pub fn unlock(global: &Global, home: &Path) -> Result<IdentitySeed, Failure> {
    if !Vault::exists(home) {
        return Err(VaultError::NoIdentity(PathBuf::from(home)).into());
    }
    let passphrase = secret::passphrase(global.passphrase_file.as_deref())?;
    let seed = Vault::unlock(home, &passphrase)?;
    if let Err(error) = agent::start(home, &Zeroizing::new(*seed.expose_secret())) {
        Output::warn(format_args!("no agent holds the identity ({error}); the next command asks again"));
    }
    Ok(seed)
}

fn held(home: &Path) -> Option<IdentitySeed> {
    agent::seed(home).map(|seed| IdentitySeed::from_secret(&seed))
}
