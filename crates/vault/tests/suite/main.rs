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

use pmirs_vault::{AddOptions, AddReport, Collection, Quiet, Role, Vault};
use world::World;

/// Adds a folder, quietly.
fn add(collection: &Collection<'_>, folder: &Path) -> AddReport {
    collection.add(&[folder.to_owned()], &AddOptions::default(), &Quiet).unwrap()
}

/// Where the world's person keeps their identity.
fn home(world: &World) -> PathBuf {
    world.folder.path().join("home")
}

/// The world's person and somebody else get to know each other's keys.
fn meet(world: &World, other: &Vault, name: &str) {
    world.vault.add_contact(name).unwrap();
    other.add_contact("owner").unwrap();
}

/// Shares a collection of the world's person with somebody, who accepts.
fn share(world: &World, collection: &str, with: &Vault, name: &str, role: Role) {
    meet(world, with, name);
    world.vault.collection(collection).unwrap().share(name, role).unwrap();
    with.accept(collection).unwrap();
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
