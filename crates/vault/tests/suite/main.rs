//! The client library against a real server on loopback, honest or not.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

mod cheat;
mod duties;
mod journey;
mod sharing;
mod tamper;
#[path = "../world/mod.rs"]
mod world;

use std::path::{Path, PathBuf};

use pmirs_vault::{AddOptions, AddReport, Collection, Quiet};
use world::World;

/// Adds a folder, quietly.
fn add(collection: &Collection<'_>, folder: &Path) -> AddReport {
    collection.add(&[folder.to_owned()], &AddOptions::default(), &Quiet).unwrap()
}

/// Where the world's person keeps their identity.
fn home(world: &World) -> PathBuf {
    world.folder.path().join("home")
}

/// Copies a folder with everything below it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
