//! What is kept on this machine between commands, encrypted at rest.
//!
//! Two kinds of rows: small settings sealed under a key derived from the identity (the server's address, its
//! pinned key, the session), and collections' records exactly as the cloud holds them, sealed under the
//! collection's own keys. Names of rows are not secret; a stolen disk shows how many items there are.

mod contacts;
mod history;
mod privacy;
mod records;
mod settings;
mod trees;
mod vectors;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pmirs_crypto::{Identity, LocalKey};
use rusqlite::Connection;

use crate::VaultError;

pub(crate) use contacts::StoredContact;
pub(crate) use history::Followed;
pub(crate) use records::LocalRecord;
pub(crate) use settings::{Account, KnownCollection, OwnDevice};
pub(crate) use vectors::MadeHere;

/// Written to the file's header; another number means another layout. Layout n is made from n - 1 by
/// `SCHEMAS[n - 1]`.
const SCHEMA_VERSION: i32 = SCHEMAS.len() as i32;

const SCHEMAS: [&str; 5] = [FIRST, SHARED, DIGESTS, ROWS, MADE_HERE];

const FIRST: &str = "
    CREATE TABLE setting (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE synced (collection BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE record (
        collection BLOB NOT NULL,
        item BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        meta BLOB NOT NULL,
        embedding BLOB NOT NULL,
        PRIMARY KEY (collection, item)
    ) STRICT, WITHOUT ROWID;
";

/// What came with shared collections: logs as they were followed, and people.
const SHARED: &str = "
    CREATE TABLE history (
        collection BLOB PRIMARY KEY,
        number INTEGER NOT NULL,
        state BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE entry (
        collection BLOB NOT NULL,
        number INTEGER NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (collection, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE leaf (
        collection BLOB NOT NULL,
        item BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (collection, item)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE contact (name TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

/// Records with what the log must pin of them. They are a copy of what the cloud has, and are fetched again.
const DIGESTS: &str = "
    DROP TABLE record;
    DELETE FROM synced;
    CREATE TABLE record (
        collection BLOB NOT NULL,
        item BLOB NOT NULL,
        epoch INTEGER NOT NULL,
        meta BLOB NOT NULL,
        embedding BLOB NOT NULL,
        digest BLOB NOT NULL,
        PRIMARY KEY (collection, item)
    ) STRICT, WITHOUT ROWID;
";

/// Which item has which row at the three servers of a split collection; they tell anybody who may search.
const ROWS: &str = "
    CREATE TABLE split_rows (
        collection BLOB PRIMARY KEY,
        version BLOB NOT NULL,
        items BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Embeddings that searches made while a collection goes over to another model. Models are named by digests.
const MADE_HERE: &str = "
    CREATE TABLE made_here (
        collection BLOB NOT NULL,
        model BLOB NOT NULL,
        item BLOB NOT NULL,
        of BLOB NOT NULL,
        sealed BLOB NOT NULL,
        PRIMARY KEY (collection, model, item)
    ) STRICT, WITHOUT ROWID;
";

/// The local store: one SQLite file in the home.
pub(crate) struct Local {
    path: PathBuf,
    connection: Mutex<Connection>,
    key: LocalKey,
}

impl Local {
    /// Opens the store of `home`, or makes it.
    pub(crate) fn open(home: &Path, identity: &Identity) -> Result<Self, VaultError> {
        let path = home.join("local.db");
        let connection = connect(&path).map_err(|error| damaged(&path, &error))?;
        Ok(Self { path, connection: Mutex::new(connection), key: identity.local_key("local store v1") })
    }

    /// A file of this home beside the store.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// A panic of another thread cannot leave a statement half done, so a poisoned lock is taken all the same.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self, reason: &dyn std::fmt::Display) -> VaultError {
        damaged(&self.path, reason)
    }
}

fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> VaultError {
    VaultError::Local { path: path.to_owned(), reason: reason.to_string() }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // What was followed is what a server that goes back is caught by, so a power cut must not take it.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found = transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0))?;
    let Some(missing) = usize::try_from(found).ok().and_then(|found| SCHEMAS.get(found..)) else {
        let reason = format!("it has layout {found}, this program knows {SCHEMA_VERSION}");
        return Err(rusqlite::Error::InvalidParameterName(reason));
    };
    for schema in missing {
        transaction.execute_batch(schema)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(connection)
}
