//! Everything that a server stored, field by field, with what each field is declared to hold.

use std::fs;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::error::Error;
use crate::folder;
use crate::storage::{DATABASE_FILE, StorageError};

/// What the bytes of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A number, time, size or role that the server must know: part of what every level tells it.
    Public,
    /// Random bytes that name something.
    Identifier,
    /// A public key.
    PublicKey,
    /// SHA-256 of a secret with full entropy, or of what is sealed or signed.
    Hash,
    /// Signed by a person: who did what to which items and members, and no word of what they show.
    Signed,
    /// A name that a person chose to be found by.
    ChosenName,
    /// Authenticated ciphertext under a collection's keys.
    Sealed,
    /// A collection key wrapped for a member.
    Grant,
    /// Part of an obfuscated embedding.
    Veiled,
    /// Keyed tags of exact fields: which items share a value shows, the value does not.
    Token,
    /// What the rounds of a federation carry: what members signed and sealed to each other, masked sums, the model that they
    /// make, and the records of it.
    Federated,
    /// A secret of the server itself, which opens nothing of any user's.
    ServerSecret,
}

/// One stored field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredField {
    /// The table, or `files` for what lies beside the database.
    pub table: &'static str,
    /// Which row: its number in the table, or the file's path within the data folder.
    pub row: String,
    /// The column, or `content` or `file`.
    pub column: &'static str,
    /// What it is declared to hold.
    pub class: Class,
    /// What it does hold; numbers as decimal text.
    pub bytes: Vec<u8>,
}

/// Reads every field that the server of this folder stored; the server may be running.
///
/// # Errors
///
/// A folder that cannot be read, and anything in it that is not declared here: no byte goes unseen.
pub fn inspect(data: &Path) -> Result<Vec<StoredField>, Error> {
    let mut fields = Vec::new();
    let database = open(&data.join(DATABASE_FILE))?;
    every_column_is_declared(&database)?;
    for (table, columns) in TABLES {
        read_table(&database, table, columns, &mut fields)?;
    }
    read_files(data, &mut fields)?;
    Ok(fields)
}

type Columns = &'static [(&'static str, Class)];

/// Every table with every column.
const TABLES: &[(&str, Columns)] = &[
    (
        "accounts",
        &[
            ("id", Class::Identifier),
            ("identity", Class::PublicKey),
            ("created_ms", Class::Public),
            ("name", Class::ChosenName),
            ("admin", Class::Public),
        ],
    ),
    (
        "devices",
        &[
            ("id", Class::Identifier),
            ("account", Class::Identifier),
            ("key", Class::PublicKey),
            ("certificate", Class::Signed),
            ("created_ms", Class::Public),
            ("revoked_ms", Class::Public),
        ],
    ),
    ("invites", &[("code", Class::Hash), ("created_ms", Class::Public), ("spent_by", Class::Identifier)]),
    (
        "sessions",
        &[
            ("token", Class::Hash),
            ("account", Class::Identifier),
            ("expires_ms", Class::Public),
            ("device", Class::Identifier),
        ],
    ),
    (
        "collections",
        &[
            ("place", Class::Public),
            ("id", Class::Identifier),
            ("owner", Class::Identifier),
            ("protection", Class::Public),
            ("veiled_dim", Class::Public),
            ("header", Class::Sealed),
            ("created_ms", Class::Public),
            ("items", Class::Public),
            ("bytes", Class::Public),
            ("seq", Class::Public),
            ("epoch", Class::Public),
            ("accesses", Class::Public),
        ],
    ),
    (
        "members",
        &[
            ("place", Class::Public),
            ("member", Class::Identifier),
            ("role", Class::Public),
            ("accepted", Class::Public),
            ("since_number", Class::Public),
        ],
    ),
    (
        "log",
        &[
            ("place", Class::Public),
            ("number", Class::Public),
            ("entry", Class::Signed),
            ("signature", Class::Signed),
            ("hash", Class::Hash),
        ],
    ),
    (
        "accesses",
        &[
            ("place", Class::Public),
            ("number", Class::Public),
            ("at_ms", Class::Public),
            ("account", Class::Identifier),
            ("item", Class::Identifier),
            ("sent_ms", Class::Public),
            ("signature", Class::Signed),
        ],
    ),
    (
        "grants",
        &[
            ("place", Class::Public),
            ("member", Class::Identifier),
            ("epoch", Class::Public),
            ("role", Class::Public),
            ("granter", Class::PublicKey),
            ("wrapped_key", Class::Grant),
        ],
    ),
    (
        "items",
        &[
            ("row", Class::Public),
            ("place", Class::Public),
            ("item", Class::Identifier),
            ("epoch", Class::Public),
            ("seq", Class::Public),
            ("blob", Class::Identifier),
            ("content_len", Class::Public),
            ("meta", Class::Sealed),
            ("embedding", Class::Sealed),
            ("leaf", Class::Hash),
        ],
    ),
    (
        "veiled",
        &[
            ("place", Class::Public),
            ("epoch", Class::Public),
            ("row", Class::Public),
            ("scale", Class::Veiled),
            ("dims", Class::Veiled),
            ("tokens", Class::Token),
        ],
    ),
    (
        "federations",
        &[
            ("place", Class::Public),
            ("id", Class::Hash),
            ("owner", Class::Identifier),
            ("name", Class::ChosenName),
            ("charter", Class::Signed),
            ("signature", Class::Signed),
            ("created_ms", Class::Public),
            ("phase", Class::Public),
            ("number", Class::Public),
            ("attempt", Class::Public),
            ("step", Class::Public),
            ("deadline_ms", Class::Public),
            ("reason", Class::Federated),
            ("weights", Class::Identifier),
            ("optimiser", Class::Identifier),
            ("sum", Class::Identifier),
        ],
    ),
    (
        "federation_members",
        &[("place", Class::Public), ("member", Class::Public), ("account", Class::Identifier)],
    ),
    (
        "federation_messages",
        &[
            ("place", Class::Public),
            ("step", Class::Public),
            ("member", Class::Public),
            ("frame", Class::Federated),
        ],
    ),
    (
        "federation_records",
        &[
            ("place", Class::Public),
            ("number", Class::Public),
            ("record", Class::Federated),
            ("signature", Class::Federated),
        ],
    ),
    ("removed", &[("place", Class::Public), ("seq", Class::Public), ("item", Class::Identifier)]),
    // SQLite's own: the highest number that each table has used.
    ("sqlite_sequence", &[("name", Class::Public), ("seq", Class::Public)]),
];

fn open(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|error| StorageError::from(error).into())
}

fn every_column_is_declared(database: &Connection) -> Result<(), Error> {
    let undeclared = |place: String| Err(Error::Undeclared { place });
    let query = "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
                 WHERE m.type = 'table'";
    let mut statement = database.prepare(query).map_err(StorageError::from)?;
    let columns = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>)
        .map_err(StorageError::from)?;
    for (table, column) in columns {
        let declared = TABLES.iter().find(|(name, _)| *name == table);
        if !declared.is_some_and(|(_, columns)| columns.iter().any(|(name, _)| *name == column)) {
            return undeclared(format!("column {table}.{column}"));
        }
    }
    Ok(())
}

fn read_table(
    database: &Connection,
    table: &'static str,
    columns: Columns,
    fields: &mut Vec<StoredField>,
) -> Result<(), StorageError> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let mut statement = database.prepare(&format!("SELECT {} FROM {table}", names.join(", ")))?;
    let mut rows = statement.query([])?;
    let mut number = 0;
    while let Some(row) = rows.next()? {
        number += 1;
        for (index, &(column, class)) in columns.iter().enumerate() {
            let bytes = match row.get_ref(index)? {
                ValueRef::Null => continue,
                ValueRef::Integer(value) => value.to_string().into_bytes(),
                ValueRef::Real(value) => value.to_string().into_bytes(),
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.to_vec(),
            };
            fields.push(StoredField { table, row: number.to_string(), column, class, bytes });
        }
    }
    Ok(())
}

/// Every file of the folder: the database is read by its tables, the rest as it lies.
fn read_files(data: &Path, fields: &mut Vec<StoredField>) -> Result<(), Error> {
    for (name, path, is_folder) in entries(data)? {
        let class = match name.as_str() {
            folder::SERVER_KEY | folder::FIRST_INVITE | folder::COORDINATOR => Class::ServerSecret,
            folder::LOCK => Class::Public,
            folder::CONTENT if is_folder => {
                read_content(folder::CONTENT, Class::Sealed, &path, fields)?;
                continue;
            }
            folder::MODELS if is_folder => {
                read_content(folder::MODELS, Class::Federated, &path, fields)?;
                continue;
            }
            folder::STAGING if is_folder => {
                for (name, path, _) in entries(&path)? {
                    fields.push(file(
                        format!("{}/{name}", folder::STAGING),
                        "model",
                        Class::Federated,
                        &path,
                    )?);
                }
                continue;
            }
            database if database.starts_with(DATABASE_FILE) => continue,
            _ => return Err(Error::Undeclared { place: format!("file {}", path.display()) }),
        };
        fields.push(file(name, "file", class, &path)?);
    }
    Ok(())
}

fn read_content(
    folder: &str,
    class: Class,
    content: &Path,
    fields: &mut Vec<StoredField>,
) -> Result<(), Error> {
    for (shelf, path, _) in entries(content)? {
        for (name, path, is_folder) in entries(&path)? {
            if is_folder {
                return Err(Error::Undeclared { place: format!("folder {}", path.display()) });
            }
            let column = if class == Class::Sealed { "content" } else { "model" };
            fields.push(file(format!("{folder}/{shelf}/{name}"), column, class, &path)?);
        }
    }
    Ok(())
}

fn file(row: String, column: &'static str, class: Class, path: &Path) -> Result<StoredField, Error> {
    let bytes = fs::read(path).map_err(Error::file(path))?;
    Ok(StoredField { table: "files", row, column, class, bytes })
}

/// Name, path, and whether it is a folder, in order of names.
fn entries(folder: &Path) -> Result<Vec<(String, std::path::PathBuf, bool)>, Error> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let entry = entry.map_err(Error::file(folder))?;
        let is_folder = entry.file_type().map_err(Error::file(&entry.path()))?.is_dir();
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path(), is_folder));
    }
    entries.sort_unstable();
    Ok(entries)
}
