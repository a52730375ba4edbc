//! Logs as far as this client followed them.

use pmirs_wire::log::Leaf;
use pmirs_wire::{CollectionId, Digest, ItemId, decode, encode};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::Local;
use crate::history::{LeafChange, State};
use crate::{VaultError, fresh};

/// Some entries of a log that were checked and are to be remembered.
pub(crate) struct Followed<'a> {
    /// Where they lead.
    pub(crate) state: &'a State,
    /// Number and hash of each.
    pub(crate) entries: Vec<(u64, Digest)>,
    /// What they did to items, in order.
    pub(crate) changes: Vec<LeafChange>,
}

impl Local {
    /// Where a log stood when it was last followed.
    pub(crate) fn history(&self, collection: CollectionId) -> Result<Option<State>, VaultError> {
        let sealed = sealed_state(&self.connection(), collection).map_err(|error| self.damaged(&error))?;
        self.open_state(collection, sealed)
    }

    fn open_state(
        &self,
        collection: CollectionId,
        sealed: Option<Vec<u8>>,
    ) -> Result<Option<State>, VaultError> {
        let Some(sealed) = sealed else { return Ok(None) };
        let plain = self.key.open(&label(collection), &sealed).map_err(|error| self.damaged(&error))?;
        decode(&plain).map(Some).map_err(|error| self.damaged(&error))
    }

    /// Remembers entries, what they pin and where they lead: all or nothing. `false` where another process of
    /// this home was faster; nothing is written then.
    pub(crate) fn follow(
        &self,
        collection: CollectionId,
        followed: &Followed<'_>,
    ) -> Result<bool, VaultError> {
        let sealed = self.key.seal(&mut fresh::rng()?, &label(collection), &encode(followed.state)?);
        write(&mut self.connection(), collection, followed, &sealed).map_err(|error| self.damaged(&error))
    }

    /// The hash of an entry that was followed.
    pub(crate) fn entry_hash(
        &self,
        collection: CollectionId,
        number: u64,
    ) -> Result<Option<Digest>, VaultError> {
        self.connection()
            .query_row(
                "SELECT hash FROM entry WHERE collection = ?1 AND number = ?2",
                (collection.0, number as i64),
                |row| row.get(0).map(Digest),
            )
            .optional()
            .map_err(|error| self.damaged(&error))
    }

    /// Number and hash of every entry that was followed, the latest first.
    pub(crate) fn entry_hashes(&self, collection: CollectionId) -> Result<Vec<(u64, Digest)>, VaultError> {
        let read = || -> rusqlite::Result<Vec<(u64, Digest)>> {
            self.connection()
                .prepare("SELECT number, hash FROM entry WHERE collection = ?1 ORDER BY number DESC")?
                .query_map([collection.0], |row| Ok((row.get::<_, i64>(0)? as u64, Digest(row.get(1)?))))?
                .collect()
        };
        read().map_err(|error| self.damaged(&error))
    }

    /// Where a log stood when it was last followed, and what it pins of every live item, of the same moment.
    pub(crate) fn history_and_leaves(
        &self,
        collection: CollectionId,
    ) -> Result<(Option<State>, Vec<Leaf>), VaultError> {
        let read = || -> rusqlite::Result<(Option<Vec<u8>>, Vec<Leaf>)> {
            let mut connection = self.connection();
            let transaction = connection.transaction()?;
            let sealed = sealed_state(&transaction, collection)?;
            let leaves = transaction
                .prepare_cached("SELECT item, epoch, digest FROM leaf WHERE collection = ?1")?
                .query_map([collection.0], |row| {
                    Ok(Leaf { item: ItemId(row.get(0)?), epoch: row.get(1)?, digest: Digest(row.get(2)?) })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok((sealed, leaves))
        };
        let (sealed, leaves) = read().map_err(|error| self.damaged(&error))?;
        Ok((self.open_state(collection, sealed)?, leaves))
    }

    /// What the log pins of one item.
    pub(crate) fn leaf(&self, collection: CollectionId, item: ItemId) -> Result<Option<Digest>, VaultError> {
        let read = || -> rusqlite::Result<Option<Digest>> {
            self.connection()
                .prepare_cached("SELECT digest FROM leaf WHERE collection = ?1 AND item = ?2")?
                .query_row((collection.0, item.0), |row| row.get(0).map(Digest))
                .optional()
        };
        read().map_err(|error| self.damaged(&error))
    }

    /// The live item with the next identifier from here on, around the end: identifiers are random, so this draws
    /// one about evenly.
    pub(crate) fn leaf_from(
        &self,
        collection: CollectionId,
        from: ItemId,
    ) -> Result<Option<ItemId>, VaultError> {
        let next = |from: [u8; 16]| -> rusqlite::Result<Option<ItemId>> {
            self.connection()
                .prepare_cached(
                    "SELECT item FROM leaf WHERE collection = ?1 AND item >= ?2 ORDER BY item LIMIT 1",
                )?
                .query_row((collection.0, from), |row| row.get(0).map(ItemId))
                .optional()
        };
        match next(from.0).map_err(|error| self.damaged(&error))? {
            None => next([0; 16]).map_err(|error| self.damaged(&error)),
            found => Ok(found),
        }
    }

    /// How many items the log has.
    pub(crate) fn leaf_count(&self, collection: CollectionId) -> Result<u64, VaultError> {
        self.connection()
            .query_row("SELECT COUNT(*) FROM leaf WHERE collection = ?1", [collection.0], |row| {
                row.get::<_, i64>(0)
            })
            .map(|count| count as u64)
            .map_err(|error| self.damaged(&error))
    }

    /// An item of which this machine has another record than the log pins, or, where that is `false`, none.
    pub(crate) fn unlike_leaf(&self, collection: CollectionId) -> Result<Option<(ItemId, bool)>, VaultError> {
        self.connection()
            .query_row(
                "SELECT leaf.item, record.item IS NOT NULL FROM leaf
                 LEFT JOIN record ON record.collection = leaf.collection AND record.item = leaf.item
                 WHERE leaf.collection = ?1 AND record.digest IS NOT leaf.digest LIMIT 1",
                [collection.0],
                |row| Ok((ItemId(row.get(0)?), row.get(1)?)),
            )
            .optional()
            .map_err(|error| self.damaged(&error))
    }
}

fn sealed_state(connection: &Connection, collection: CollectionId) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .query_row("SELECT state FROM history WHERE collection = ?1", [collection.0], |row| row.get(0))
        .optional()
}

fn label(collection: CollectionId) -> Vec<u8> {
    [b"history ".as_slice(), &collection.0].concat()
}

fn write(
    connection: &mut Connection,
    collection: CollectionId,
    followed: &Followed<'_>,
    sealed: &[u8],
) -> rusqlite::Result<bool> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let key = collection.0;
    let stood: Option<i64> = transaction
        .query_row("SELECT number FROM history WHERE collection = ?1", [key], |row| row.get(0))
        .optional()?;
    let first = followed.entries.first().map_or(0, |&(number, _)| number as i64);
    if stood.map_or(0, |number| number + 1) != first {
        return Ok(false);
    }
    {
        let mut hash =
            transaction.prepare_cached("INSERT INTO entry (collection, number, hash) VALUES (?1, ?2, ?3)")?;
        for (number, digest) in &followed.entries {
            hash.execute((key, *number as i64, digest.0))?;
        }
        let mut set = transaction.prepare_cached(
            "INSERT OR REPLACE INTO leaf (collection, item, epoch, digest) VALUES (?1, ?2, ?3, ?4)",
        )?;
        let mut remove =
            transaction.prepare_cached("DELETE FROM leaf WHERE collection = ?1 AND item = ?2")?;
        for (item, leaf) in &followed.changes {
            match leaf {
                Some((epoch, digest)) => set.execute((key, item.0, epoch, digest.0))?,
                None => remove.execute((key, item.0))?,
            };
        }
    }
    transaction.execute(
        "INSERT OR REPLACE INTO history (collection, number, state) VALUES (?1, ?2, ?3)",
        (key, followed.state.number as i64, sealed),
    )?;
    transaction.commit()?;
    Ok(true)
}
