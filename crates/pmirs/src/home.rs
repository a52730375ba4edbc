//! The folder with the identity and local caches.

use std::path::PathBuf;

use etcetera::BaseStrategy;

use crate::cli::Global;
use crate::exit::Exit;
use crate::report::Failure;

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
