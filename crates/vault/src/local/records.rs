//! Collections' records as the cloud holds them, and how far they were followed.

use pmirs_wire::item::{Change, Changes, ItemRecord};
use pmirs_wire::{Bytes, CollectionId, Digest, ItemId};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{Local, settings, trees};
use crate::VaultError;
use crate::collection::record_digest;

/// A sealed record.
pub(crate) struct LocalRecord {
    pub(crate) item: ItemId,
    pub(crate) epoch: u32,
    pub(crate) meta: Bytes,
    pub(crate) embedding: Bytes,
}

impl Local {
    /// The number of the last change that was followed.
    pub(crate) fn synced(&self, collection: CollectionId) -> Result<u64, VaultError> {
        self.connection()
            .query_row("SELECT seq FROM synced WHERE collection = ?1", [collection.0], |row| {
                row.get::<_, i64>(0)
            })
            .optional()
            .map(|seq| seq.unwrap_or(0) as u64)
            .map_err(|error| self.damaged(&error))
    }

    /// Applies a page of changes and remembers how far it leads, both or neither.
    pub(crate) fn apply(&self, collection: CollectionId, page: &Changes) -> Result<(), VaultError> {
        write_page(&mut self.connection(), collection, page).map_err(|error| self.damaged(&error))
    }

    /// Every record of a collection, in the order of their identifiers.
    pub(crate) fn records(&self, collection: CollectionId) -> Result<Vec<LocalRecord>, VaultError> {
        let read = || -> rusqlite::Result<Vec<LocalRecord>> {
            self.connection()
                .prepare_cached("SELECT item, epoch, meta, embedding FROM record WHERE collection = ?1")?
                .query_map([collection.0], read_record)?
                .collect()
        };
        read().map_err(|error| self.damaged(&error))
    }

    /// The records of some items, in their order; unknown ones are left out.
    pub(crate) fn records_of(
        &self,
        collection: CollectionId,
        items: &[ItemId],
    ) -> Result<Vec<LocalRecord>, VaultError> {
        let read = || -> rusqlite::Result<Vec<LocalRecord>> {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(
                "SELECT item, epoch, meta, embedding FROM record WHERE collection = ?1 AND item = ?2",
            )?;
            let mut records = Vec::with_capacity(items.len());
            for item in items {
                records.extend(statement.query_row((collection.0, item.0), read_record).optional()?);
            }
            Ok(records)
        };
        read().map_err(|error| self.damaged(&error))
    }

    /// How many records of a collection there are.
    pub(crate) fn record_count(&self, collection: CollectionId) -> Result<u64, VaultError> {
        self.connection()
            .query_row("SELECT COUNT(*) FROM record WHERE collection = ?1", [collection.0], |row| {
                row.get::<_, i64>(0)
            })
            .map(|count| count as u64)
            .map_err(|error| self.damaged(&error))
    }

    /// The items of a split collection in the order of their rows, if they are those of this version.
    pub(crate) fn rows(
        &self,
        collection: CollectionId,
        version: Digest,
    ) -> Result<Option<Vec<ItemId>>, VaultError> {
        let items: Option<Vec<u8>> = self
            .connection()
            .query_row(
                "SELECT items FROM split_rows WHERE collection = ?1 AND version = ?2",
                (collection.0, version.0),
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| self.damaged(&error))?;
        Ok(items.map(|items| items.as_chunks::<16>().0.iter().map(|id| ItemId(*id)).collect()))
    }

    /// Remembers the rows of a version in the place of an earlier one's.
    pub(crate) fn remember_rows(
        &self,
        collection: CollectionId,
        version: Digest,
        rows: &[ItemId],
    ) -> Result<(), VaultError> {
        let items: Vec<u8> = rows.iter().flat_map(|item| item.0).collect();
        self.connection()
            .execute(
                "INSERT OR REPLACE INTO split_rows (collection, version, items) VALUES (?1, ?2, ?3)",
                (collection.0, version.0, items),
            )
            .map(drop)
            .map_err(|error| self.damaged(&error))
    }

    /// Forgets a collection's records, and how far they were followed; the history stays.
    pub(crate) fn retake(&self, collection: CollectionId) -> Result<(), VaultError> {
        let retake = || -> rusqlite::Result<()> {
            let mut connection = self.connection();
            let transaction = connection.transaction()?;
            for table in ["record", "synced"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE collection = ?1"), [collection.0])?;
            }
            transaction.commit()
        };
        retake().map_err(|error| self.damaged(&error))
    }

    /// Forgets a collection: its records, and the history that was followed.
    pub(crate) fn forget(&self, collection: CollectionId) -> Result<(), VaultError> {
        let forget = || -> rusqlite::Result<()> {
            let mut connection = self.connection();
            let transaction = connection.transaction()?;
            for table in ["record", "synced", "history", "entry", "leaf", "split_rows", "made_here"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE collection = ?1"), [collection.0])?;
            }
            transaction
                .execute("DELETE FROM split_rows WHERE collection = ?1", [trees::key(collection).0])?;
            for name in [settings::collection(collection), settings::members(collection)] {
                transaction.execute("DELETE FROM setting WHERE name = ?1", [name])?;
            }
            transaction.commit()
        };
        forget().map_err(|error| self.damaged(&error))
    }
}

fn write_page(connection: &mut Connection, collection: CollectionId, page: &Changes) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT OR REPLACE INTO record (collection, item, epoch, meta, embedding, digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        let mut delete =
            transaction.prepare_cached("DELETE FROM record WHERE collection = ?1 AND item = ?2")?;
        for change in &page.changes {
            match change {
                Change::Added(record) => {
                    let ItemRecord { item, epoch, meta, embedding, .. } = record;
                    let digest = record_digest(record).0;
                    insert.execute((collection.0, item.0, epoch, &meta.0, &embedding.0, digest))?
                }
                Change::Removed(item) => delete.execute((collection.0, item.0))?,
            };
        }
    }
    let (key, seq) = (collection.0, page.seq as i64);
    transaction.execute("INSERT OR REPLACE INTO synced (collection, seq) VALUES (?1, ?2)", (key, seq))?;
    transaction.commit()
}

fn read_record(row: &Row<'_>) -> rusqlite::Result<LocalRecord> {
    Ok(LocalRecord {
        item: ItemId(row.get(0)?),
        epoch: row.get(1)?,
        meta: Bytes(row.get(2)?),
        embedding: Bytes(row.get(3)?),
    })
}
