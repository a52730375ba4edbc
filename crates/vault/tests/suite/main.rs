//! The client library against a real server on loopback, honest or not.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may panic, and so may what only tests use"
)]

mod adopt;
mod cheat;
#[path = "../../../party/tests/client/mod.rs"]
#[expect(dead_code, reason = "shared with tests that use more of it")]
mod client;
mod duties;
mod index;
mod journey;
mod liar;
mod packs;
mod sharing;
mod split;
mod split_faults;
mod split_members;
mod split_model;
mod tamper;
mod three;
mod withheld;
#[path = "../world/mod.rs"]
mod world;

use std::path::{Path, PathBuf};

use pmirs_crypto::Argon2Params;
use pmirs_vault::{AddOptions, AddReport, Collection, LoginOptions, Quiet, Role, Vault};
use world::{PASSPHRASE, World};

/// Adds a folder, quietly.
fn add(collection: &Collection<'_>, folder: &Path) -> AddReport {
    collection.add(&[folder.to_owned()], &AddOptions::default(), &Quiet).unwrap()
}

/// Where the world's person keeps their identity.
fn home(world: &World) -> PathBuf {
    world.folder.path().join("home")
}

impl World {
    /// One more person, with a name and a home of their own, logged in to the same cloud.
    pub fn person(&self, name: &str) -> Vault {
        let home = self.folder.path().join(name);
        let (vault, _) = Vault::create_with(&home, PASSPHRASE, &Argon2Params::insecure_fast()).unwrap();
        let options = LoginOptions {
            invite: Some(self.cloud.invite().unwrap()),
            name: Some(name.to_owned()),
            ..LoginOptions::default()
        };
        vault.login(self.cloud.url(), &options).unwrap();
        vault
    }
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
