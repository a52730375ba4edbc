//! Items, their veiled vectors, and what was removed.
//!
//! Each change of a collection has a number of its own: an item carries the number of its addition, a removal
//! leaves the number and the item's name. So "what changed after N" is two range scans.

use pmirs_crypto::leaf_digest;
use pmirs_wire::item::{Change, Changes, ItemRecord, NewItem, VeiledVector};
use pmirs_wire::{Bytes, Digest, FilterToken, ItemId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::storage::{
    Addition, Applied, BlobId, ContentRef, ItemToAdd, Place, Removal, Row, SealedParts, VeiledRow,
};

pub(super) fn add(
    db: &Connection,
    place: Place,
    items: &[ItemToAdd<'_>],
    most_bytes: u64,
) -> rusqlite::Result<Addition> {
    let latest = latest_seq(db, place)?;
    if let Some(answer) = already_there(db, place, items, latest)? {
        return Ok(answer);
    }
    let added: u64 = items.iter().map(|new| stored_bytes(new.item)).sum();
    if owner_bytes(db, place)? + added > most_bytes {
        return Ok(Addition::QuotaReached);
    }
    let rows = insert_all(db, place, items, latest)?;
    let seq = latest + items.len() as u64;
    count(db, place, items.len() as i64, added as i64, seq)?;
    Ok(Addition::Added { seq, rows })
}

fn insert_all(
    db: &Connection,
    place: Place,
    items: &[ItemToAdd<'_>],
    latest: u64,
) -> rusqlite::Result<Vec<Row>> {
    items.iter().zip(latest + 1..).map(|(new, seq)| insert(db, place, new, seq)).collect()
}

/// Puts items in the place of those of the same name, all or none. Nothing where one is not there, or where the
/// owner's quota would be exceeded.
pub(super) fn replace(
    db: &Connection,
    place: Place,
    items: &[ItemToAdd<'_>],
    most_bytes: u64,
) -> rusqlite::Result<Option<Applied>> {
    let mut before = Vec::with_capacity(items.len());
    for new in items {
        let Some(stored) = find(db, place, &new.item.item)? else { return Ok(None) };
        before.push(stored);
    }
    let added: u64 = items.iter().map(|new| stored_bytes(new.item)).sum();
    let gone: i64 = before.iter().map(|stored| stored.bytes).sum();
    if (owner_bytes(db, place)? + added).saturating_sub(gone as u64) > most_bytes {
        return Ok(None);
    }
    for stored in &before {
        db.prepare_cached("DELETE FROM veiled WHERE row = ?1")?.execute([stored.row.0])?;
        db.prepare_cached("DELETE FROM items WHERE row = ?1")?.execute([stored.row.0])?;
    }
    let latest = latest_seq(db, place)?;
    let added_rows = insert_all(db, place, items, latest)?;
    let seq = latest + items.len() as u64;
    count(db, place, 0, added as i64 - gone, seq)?;
    Ok(Some(Applied {
        seq,
        added: added_rows,
        removed: before.iter().map(|stored| (stored.epoch, stored.row)).collect(),
        blobs: before.iter().map(|stored| stored.blob).collect(),
    }))
}

/// An addition whose answer was lost may be repeated: the same items with the same sealed bytes. Where only
/// some are there, or they differ, the batch conflicts.
fn already_there(
    db: &Connection,
    place: Place,
    items: &[ItemToAdd<'_>],
    seq: u64,
) -> rusqlite::Result<Option<Addition>> {
    let mut find = db.prepare_cached("SELECT meta, embedding FROM items WHERE place = ?1 AND item = ?2")?;
    let mut same = 0;
    let mut taken = None;
    for ItemToAdd { item, .. } in items {
        let stored: Option<(Vec<u8>, Vec<u8>)> =
            find.query_row(params![place.0, item.item.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((meta, embedding)) = stored {
            taken.get_or_insert(item.item);
            same += usize::from(meta == item.meta.0 && embedding == item.embedding.0);
        }
    }
    Ok(taken.map(
        |item| {
            if same == items.len() { Addition::AlreadyThere { seq } } else { Addition::Taken(item) }
        },
    ))
}

fn insert(db: &Connection, place: Place, new: &ItemToAdd<'_>, seq: u64) -> rusqlite::Result<Row> {
    let ItemToAdd { item, blob } = new;
    db.prepare_cached(
        "INSERT INTO items (place, item, epoch, seq, blob, content_len, meta, embedding, leaf)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        place.0,
        item.item.0,
        item.epoch,
        seq as i64,
        blob.0,
        item.content.0.len() as i64,
        item.meta.0,
        item.embedding.0,
        leaf_digest(&item.item.0, item.epoch, &item.meta.0, &item.embedding.0)
    ])?;
    let row = db.last_insert_rowid();
    if let Some(veiled) = &item.veiled {
        db.prepare_cached(
            "INSERT INTO veiled (place, epoch, row, scale, dims, tokens) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            place.0,
            item.epoch,
            row,
            f64::from(veiled.scale),
            veiled.values.0,
            joined(&item.tokens)
        ])?;
    }
    Ok(Row(row))
}

/// What an item counts against the quota.
fn stored_bytes(item: &NewItem) -> u64 {
    let veiled = item.veiled.as_ref().map_or(0, |veiled| veiled.values.0.len());
    let tokens = item.tokens.len() * TOKEN;
    (item.meta.0.len() + item.embedding.0.len() + item.content.0.len() + veiled + tokens) as u64
}

/// Bytes of a token; a row holds its tokens one after the other.
const TOKEN: usize = 32;

fn joined(tokens: &[FilterToken]) -> Vec<u8> {
    tokens.iter().flat_map(|token| token.0).collect()
}

fn split(bytes: &[u8]) -> Vec<FilterToken> {
    bytes.as_chunks::<TOKEN>().0.iter().map(|&token| FilterToken(token)).collect()
}

fn owner_bytes(db: &Connection, place: Place) -> rusqlite::Result<u64> {
    let bytes: i64 = db
        .prepare_cached(
            "SELECT coalesce(sum(bytes), 0) FROM collections
             WHERE owner = (SELECT owner FROM collections WHERE place = ?1)",
        )?
        .query_row([place.0], |row| row.get(0))?;
    Ok(bytes as u64)
}

pub(super) fn latest_seq(db: &Connection, place: Place) -> rusqlite::Result<u64> {
    let seq: i64 = db
        .prepare_cached("SELECT seq FROM collections WHERE place = ?1")?
        .query_row([place.0], |row| row.get(0))?;
    Ok(seq as u64)
}

fn count(db: &Connection, place: Place, items: i64, bytes: i64, seq: u64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE collections SET items = items + ?2, bytes = bytes + ?3, seq = ?4 WHERE place = ?1",
    )?
    .execute(params![place.0, items, bytes, seq as i64])
    .map(drop)
}

pub(super) fn remove(db: &Connection, place: Place, items: &[ItemId]) -> rusqlite::Result<Removal> {
    let mut seq = latest_seq(db, place)?;
    let (mut rows, mut blobs, mut bytes) = (Vec::new(), Vec::new(), 0);
    for item in items {
        let Some(stored) = find(db, place, item)? else { continue };
        seq += 1;
        delete(db, place, item, stored.row, seq)?;
        rows.push((stored.epoch, stored.row));
        blobs.push(stored.blob);
        bytes += stored.bytes;
    }
    count(db, place, -(rows.len() as i64), -bytes, seq)?;
    Ok(Removal { seq, rows, blobs })
}

struct Stored {
    row: Row,
    epoch: u32,
    blob: BlobId,
    bytes: i64,
}

fn find(db: &Connection, place: Place, item: &ItemId) -> rusqlite::Result<Option<Stored>> {
    db.prepare_cached(
        "SELECT i.row, i.epoch, i.blob,
                i.content_len + length(i.meta) + length(i.embedding)
                    + coalesce(length(v.dims) + length(v.tokens), 0)
         FROM items i LEFT JOIN veiled v ON v.place = i.place AND v.epoch = i.epoch AND v.row = i.row
         WHERE i.place = ?1 AND i.item = ?2",
    )?
    .query_row(params![place.0, item.0], |row| {
        Ok(Stored {
            row: Row(row.get(0)?),
            epoch: row.get(1)?,
            blob: BlobId(row.get(2)?),
            bytes: row.get(3)?,
        })
    })
    .optional()
}

fn delete(db: &Connection, place: Place, item: &ItemId, row: Row, seq: u64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM veiled WHERE row = ?1")?.execute([row.0])?;
    db.prepare_cached("DELETE FROM items WHERE row = ?1")?.execute([row.0])?;
    db.prepare_cached("INSERT OR REPLACE INTO removed (place, seq, item) VALUES (?1, ?2, ?3)")?
        .execute(params![place.0, seq as i64, item.0])
        .map(drop)
}

pub(super) fn one(db: &Connection, place: Place, item: &ItemId) -> rusqlite::Result<Option<ItemRecord>> {
    db.prepare_cached(&format!("SELECT {RECORD} WHERE i.place = ?1 AND i.item = ?2"))?
        .query_row(params![place.0, item.0], record)
        .optional()
}

pub(super) fn content(db: &Connection, place: Place, item: &ItemId) -> rusqlite::Result<Option<ContentRef>> {
    db.prepare_cached("SELECT blob, content_len FROM items WHERE place = ?1 AND item = ?2")?
        .query_row(params![place.0, item.0], |row| {
            let len: i64 = row.get(1)?;
            Ok(ContentRef { blob: BlobId(row.get(0)?), len: len as u64 })
        })
        .optional()
}

pub(super) fn changes(db: &Connection, place: Place, after: u64, most: usize) -> rusqlite::Result<Changes> {
    // A number beyond what SQLite holds lies after everything.
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    // One more than fits tells whether there is more.
    let limit = most as i64 + 1;
    let mut changes: Vec<(u64, Change)> = db
        .prepare_cached(&format!(
            "SELECT {RECORD} WHERE i.place = ?1 AND i.seq > ?2 ORDER BY i.seq LIMIT ?3"
        ))?
        .query_map(params![place.0, after, limit], |row| {
            let seq: i64 = row.get(8)?;
            Ok((seq as u64, Change::Added(record(row)?)))
        })?
        .collect::<Result<_, _>>()?;
    let mut removed = db.prepare_cached(
        "SELECT seq, item FROM removed WHERE place = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    for row in removed.query_map(params![place.0, after, limit], |row| {
        let seq: i64 = row.get(0)?;
        Ok((seq as u64, Change::Removed(ItemId(row.get(1)?))))
    })? {
        changes.push(row?);
    }
    changes.sort_unstable_by_key(|(seq, _)| *seq);
    let more = changes.len() > most;
    changes.truncate(most);
    // Numbers of items that were added and removed again are gone: with nothing more to come, go past them.
    let seq = match changes.last() {
        Some((seq, _)) if more => *seq,
        _ => latest_seq(db, place)?,
    };
    Ok(Changes { changes: changes.into_iter().map(|(_, change)| change).collect(), seq, more })
}

/// The columns that [`record`] reads, and the item's number.
const RECORD: &str = "i.item, i.epoch, i.meta, i.embedding, i.content_len, v.scale, v.dims, v.tokens, i.seq
     FROM items i LEFT JOIN veiled v ON v.place = i.place AND v.epoch = i.epoch AND v.row = i.row";

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<ItemRecord> {
    let scale: Option<f64> = row.get(5)?;
    let (values, tokens): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(6)?, row.get(7)?);
    let content_len: i64 = row.get(4)?;
    Ok(ItemRecord {
        item: ItemId(row.get(0)?),
        epoch: row.get(1)?,
        meta: Bytes(row.get(2)?),
        embedding: Bytes(row.get(3)?),
        // The scale came from an f32, so it goes back to one exactly.
        veiled: scale
            .zip(values)
            .map(|(scale, values)| VeiledVector { scale: scale as f32, values: Bytes(values) }),
        content_len: content_len as u64,
        tokens: tokens.as_deref().map(split).unwrap_or_default(),
    })
}

pub(super) fn veiled_rows(
    db: &Connection,
    place: Place,
    epoch: u32,
    visit: &mut dyn FnMut(Row, VeiledRow<'_>),
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(
        "SELECT row, scale, dims, tokens FROM veiled WHERE place = ?1 AND epoch = ?2 ORDER BY row",
    )?;
    let mut rows = statement.query(params![place.0, epoch])?;
    while let Some(row) = rows.next()? {
        let scale: f64 = row.get(1)?;
        let (values, tokens) = (row.get_ref(2)?.as_blob()?, split(row.get_ref(3)?.as_blob()?));
        visit(Row(row.get(0)?), VeiledRow { scale: scale as f32, values, tokens });
    }
    Ok(())
}

pub(super) fn sealed_parts(db: &Connection, rows: &[Row]) -> rusqlite::Result<Vec<Option<SealedParts>>> {
    let mut find = db.prepare_cached("SELECT item, meta, embedding FROM items WHERE row = ?1")?;
    rows.iter()
        .map(|row| {
            find.query_row([row.0], |row| {
                Ok(SealedParts { item: ItemId(row.get(0)?), meta: row.get(1)?, embedding: row.get(2)? })
            })
            .optional()
        })
        .collect()
}

pub(super) fn orphans(db: &Connection, blobs: &[BlobId]) -> rusqlite::Result<Vec<BlobId>> {
    let mut find = db.prepare_cached("SELECT 1 FROM items WHERE blob = ?1")?;
    let mut orphans = Vec::new();
    for blob in blobs {
        if !find.exists([blob.0])? {
            orphans.push(*blob);
        }
    }
    Ok(orphans)
}

pub(super) fn leaves(
    db: &Connection,
    place: Place,
    visit: &mut dyn FnMut(ItemId, Digest),
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached("SELECT item, leaf FROM items WHERE place = ?1")?;
    let mut rows = statement.query([place.0])?;
    while let Some(row) = rows.next()? {
        visit(ItemId(row.get(0)?), Digest(row.get(1)?));
    }
    Ok(())
}

pub(super) fn epochs_of(
    db: &Connection,
    place: Place,
    items: &[ItemId],
) -> rusqlite::Result<Vec<(ItemId, u32)>> {
    let mut find = db.prepare_cached("SELECT epoch FROM items WHERE place = ?1 AND item = ?2")?;
    let mut epochs = Vec::with_capacity(items.len());
    for &item in items {
        if let Some(epoch) = find.query_row(params![place.0, item.0], |row| row.get(0)).optional()? {
            epochs.push((item, epoch));
        }
    }
    Ok(epochs)
}

pub(super) fn epoch_in_use(db: &Connection, place: Place, epoch: u32) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM items WHERE place = ?1 AND epoch = ?2")?.exists(params![place.0, epoch])
}
