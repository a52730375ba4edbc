//! Settings sealed under the identity's local key.

use pmirs_wire::account::Session;
use pmirs_wire::split::Trio;
use pmirs_wire::{Bytes, CollectionId, Digest, Message, decode, encode};
use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};

use super::Local;
use crate::{VaultError, fresh};

/// Which cloud this home uses, with the key that was pinned for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// The server's address.
    pub(crate) url: String,
    /// A PEM file with the authorities to trust for it.
    pub(crate) ca: Option<String>,
    /// The server's public key.
    pub(crate) server_key: Bytes,
}

impl Message for Account {
    const NAME: &'static str = "account setting";
    const MAX_BYTES: usize = 16 << 10;
}

/// This home's own key at its cloud.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OwnDevice {
    /// The secret of the device's key.
    pub(crate) key: Bytes,
    /// The fingerprint of the cloud's key: each cloud knows a device by a key of its own.
    pub(crate) server: Digest,
}

impl Message for OwnDevice {
    const NAME: &'static str = "device setting";
    const MAX_BYTES: usize = 256;
}

/// A collection that this person has a part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownCollection {
    /// Its name.
    pub(crate) name: String,
    /// The fingerprint of its cloud's key.
    pub(crate) server: Digest,
}

impl Message for KnownCollection {
    const NAME: &'static str = "known collection";
    const MAX_BYTES: usize = 16 << 10;
}

/// Which members of a split collection its three servers are known to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Levelled {
    /// Their digest.
    members: Digest,
}

impl Message for Levelled {
    const NAME: &'static str = "members at three servers";
    const MAX_BYTES: usize = 256;
}

const COLLECTION: &str = "collection ";
const DEVICE: &str = "device";
const ACCOUNT: &str = "account";
const SESSION: &str = "session";

impl Local {
    pub(crate) fn account(&self) -> Result<Option<Account>, VaultError> {
        self.setting(ACCOUNT)
    }

    pub(crate) fn set_account(&self, account: &Account) -> Result<(), VaultError> {
        self.set(ACCOUNT, account)
    }

    /// The last session; a damaged one counts as none, since a new one costs one request.
    pub(crate) fn session(&self) -> Option<Session> {
        self.setting(SESSION).ok().flatten()
    }

    pub(crate) fn set_session(&self, session: &Session) -> Result<(), VaultError> {
        self.set(SESSION, session)
    }

    pub(crate) fn device(&self) -> Result<Option<OwnDevice>, VaultError> {
        self.setting(DEVICE)
    }

    pub(crate) fn set_device(&self, device: &OwnDevice) -> Result<(), VaultError> {
        self.set(DEVICE, device)
    }

    /// Where three servers are now, if they moved.
    pub(crate) fn moved_parties(&self, trio: Digest) -> Result<Option<Trio>, VaultError> {
        self.setting(&format!("parties {trio}"))
    }

    /// Remembers where three servers are now.
    pub(crate) fn remember_parties(&self, trio: Digest, parties: &Trio) -> Result<(), VaultError> {
        self.set(&format!("parties {trio}"), parties)
    }

    /// The members that the three servers of a collection were seen to know, with fresh shares, by their digest.
    pub(crate) fn levelled(&self, id: CollectionId) -> Result<Option<Digest>, VaultError> {
        Ok(self.setting::<Levelled>(&members(id))?.map(|Levelled { members }| members))
    }

    /// Remembers that they do.
    pub(crate) fn remember_levelled(&self, id: CollectionId, digest: &Digest) -> Result<(), VaultError> {
        self.set(&members(id), &Levelled { members: *digest })
    }

    /// Remembers that there is such a collection, so that a server that hides it later is noticed.
    pub(crate) fn remember(&self, id: CollectionId, known: &KnownCollection) -> Result<(), VaultError> {
        let name = collection(id);
        if self.setting(&name)?.as_ref() == Some(known) { Ok(()) } else { self.set(&name, known) }
    }

    /// Collections that were remembered.
    pub(crate) fn known_collections(&self) -> Result<Vec<(CollectionId, KnownCollection)>, VaultError> {
        let read = || -> rusqlite::Result<Vec<String>> {
            self.connection()
                .prepare("SELECT name FROM setting WHERE name GLOB ?1 ORDER BY name")?
                .query_map([format!("{COLLECTION}*")], |row| row.get(0))?
                .collect()
        };
        let mut known = Vec::new();
        for name in read().map_err(|error| self.damaged(&error))? {
            let id = name.strip_prefix(COLLECTION).and_then(|id| id.parse().ok());
            if let Some((id, collection)) = id.zip(self.setting(&name)?) {
                known.push((id, collection));
            }
        }
        Ok(known)
    }

    /// Forgets the account: its address, session and device, and everything that came from its cloud. What was let out
    /// for others to learn from stays let out, so that what is remembered of it stays as well.
    pub(crate) fn forget_account(&self) -> Result<(), VaultError> {
        let tables = [
            "setting WHERE name NOT GLOB 'privacy *'",
            "record",
            "synced",
            "history",
            "entry",
            "leaf",
            "contact",
            "split_rows",
            "made_here",
        ];
        self.connection()
            .execute_batch(&format!(
                "BEGIN IMMEDIATE; {} COMMIT; VACUUM;",
                tables.map(|table| format!("DELETE FROM {table};")).concat()
            ))
            .map_err(|error| self.damaged(&error))
    }

    pub(super) fn setting<M: Message>(&self, name: &str) -> Result<Option<M>, VaultError> {
        let sealed: Option<Vec<u8>> = self
            .connection()
            .query_row("SELECT sealed FROM setting WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(|error| self.damaged(&error))?;
        let Some(sealed) = sealed else { return Ok(None) };
        let plain = self.key.open(name.as_bytes(), &sealed).map_err(|error| self.damaged(&error))?;
        decode(&plain).map(Some).map_err(|error| self.damaged(&error))
    }

    pub(super) fn unset(&self, name: &str) -> Result<(), VaultError> {
        self.connection()
            .execute("DELETE FROM setting WHERE name = ?1", [name])
            .map(drop)
            .map_err(|error| self.damaged(&error))
    }

    pub(super) fn set<M: Message>(&self, name: &str, value: &M) -> Result<(), VaultError> {
        let sealed = self.key.seal(&mut fresh::rng()?, name.as_bytes(), &encode(value)?);
        self.connection()
            .execute("INSERT OR REPLACE INTO setting (name, sealed) VALUES (?1, ?2)", (name, sealed))
            .map(drop)
            .map_err(|error| self.damaged(&error))
    }
}

/// The name of a collection's row.
pub(super) fn collection(id: CollectionId) -> String {
    format!("{COLLECTION}{id}")
}

/// The name of the row with its members at three servers.
pub(super) fn members(id: CollectionId) -> String {
    format!("members {id}")
}
