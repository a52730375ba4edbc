//! The folder with the identity and local caches.

use std::path::PathBuf;
use std::sync::OnceLock;

use etcetera::BaseStrategy;

use crate::cli::Global;
use crate::exit::Exit;
use crate::report::Failure;

/// The home of this run, for commands that take no global options but look for models by name.
static SETTLED: OnceLock<PathBuf> = OnceLock::new();

/// Remembers the home of this run. Where none is known, no models are.
pub fn settle(global: &Global) {
    if let Ok(home) = folder(global) {
        // A run has one command line.
        let _ = SETTLED.set(home);
    }
}

/// The home of this run, where one is known.
pub fn settled() -> Option<&'static PathBuf> {
    SETTLED.get()
}

/// Where it is: `--home`, `PMIRS_HOME`, or the system's place for application data.
pub fn folder(global: &Global) -> Result<PathBuf, Failure> {
    if let Some(home) = &global.home {
        return Ok(home.clone());
    }
    etcetera::choose_base_strategy().map(|places| places.data_dir().join("pmirs")).map_err(|_| {
        Failure::new(
            Exit::Failure,
            "the user's home folder is not known",
            "name one with --home DIR or PMIRS_HOME",
        )
    })
}
