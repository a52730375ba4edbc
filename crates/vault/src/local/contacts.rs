//! People whose keys were pinned, sealed under the identity's local key.

use pmirs_wire::{Bytes, Message, decode, encode};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

use super::Local;
use crate::{VaultError, fresh};

/// A person as this home knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredContact {
    /// The address of the cloud where they have the name.
    pub(crate) url: String,
    /// The encoded public identity that was pinned.
    pub(crate) identity: Bytes,
    /// Whether the safety words were compared.
    pub(crate) verified: bool,
    /// When it was pinned, in milliseconds since 1970.
    pub(crate) since_ms: u64,
}

impl Message for StoredContact {
    const NAME: &'static str = "contact";
    const MAX_BYTES: usize = 16 << 10;
}

impl Local {
    pub(crate) fn contact(&self, name: &str) -> Result<Option<StoredContact>, VaultError> {
        let sealed: Option<Vec<u8>> = self
            .connection()
            .query_row("SELECT sealed FROM contact WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(|error| self.damaged(&error))?;
        sealed.map(|sealed| self.open_contact(name, &sealed)).transpose()
    }

    /// Every contact, by name.
    pub(crate) fn contacts(&self) -> Result<Vec<(String, StoredContact)>, VaultError> {
        let read = || -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
            self.connection()
                .prepare("SELECT name, sealed FROM contact ORDER BY name")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        };
        let rows = read().map_err(|error| self.damaged(&error))?;
        rows.into_iter()
            .map(|(name, sealed)| self.open_contact(&name, &sealed).map(|contact| (name, contact)))
            .collect()
    }

    pub(crate) fn set_contact(&self, name: &str, contact: &StoredContact) -> Result<(), VaultError> {
        let sealed = self.key.seal(&mut fresh::rng()?, &label(name), &encode(contact)?);
        self.connection()
            .execute("INSERT OR REPLACE INTO contact (name, sealed) VALUES (?1, ?2)", (name, sealed))
            .map(drop)
            .map_err(|error| self.damaged(&error))
    }

    /// Forgets a contact; `false` where there was none.
    pub(crate) fn remove_contact(&self, name: &str) -> Result<bool, VaultError> {
        self.connection()
            .execute("DELETE FROM contact WHERE name = ?1", [name])
            .map(|count| count > 0)
            .map_err(|error| self.damaged(&error))
    }

    fn open_contact(&self, name: &str, sealed: &[u8]) -> Result<StoredContact, VaultError> {
        let plain = self.key.open(&label(name), sealed).map_err(|error| self.damaged(&error))?;
        decode(&plain).map_err(|error| self.damaged(&error))
    }
}

fn label(name: &str) -> Vec<u8> {
    [b"contact ".as_slice(), name.as_bytes()].concat()
}
