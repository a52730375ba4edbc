//! Who opened what.

use pmirs_wire::access::{Access, AccessPage};
use pmirs_wire::{AccountId, Bytes, ItemId};
use rusqlite::{Connection, OptionalExtension, params};

use crate::storage::{NewAccess, Place};

/// Keeps an access and the latest before it, `most` in all. `false` where the collection is gone.
pub(super) fn add(db: &Connection, place: Place, new: &NewAccess, most: u64) -> rusqlite::Result<bool> {
    let number: Option<i64> = db
        .prepare_cached("UPDATE collections SET accesses = accesses + 1 WHERE place = ?1 RETURNING accesses")?
        .query_row([place.0], |row| row.get(0))
        .optional()?;
    let Some(number) = number else { return Ok(false) };
    db.prepare_cached(
        "INSERT INTO accesses (place, number, at_ms, account, item, sent_ms, signature)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        place.0,
        number,
        new.at_ms as i64,
        new.account.0,
        new.item.0,
        new.sent_ms as i64,
        new.signature
    ])?;
    db.prepare_cached("DELETE FROM accesses WHERE place = ?1 AND number <= ?2")?
        .execute(params![place.0, number.saturating_sub_unsigned(most)])?;
    Ok(true)
}

pub(super) fn page(db: &Connection, place: Place, after: u64, most: usize) -> rusqlite::Result<AccessPage> {
    // A number beyond what SQLite holds lies after everything.
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let latest: Option<i64> = db
        .prepare_cached("SELECT accesses FROM collections WHERE place = ?1")?
        .query_row([place.0], |row| row.get(0))
        .optional()?;
    // One more than fits tells whether there is more.
    let mut accesses: Vec<Access> = db
        .prepare_cached(
            "SELECT number, at_ms, account, item, sent_ms, signature FROM accesses
             WHERE place = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
        )?
        .query_map(params![place.0, after, most as i64 + 1], |row| {
            let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
            Ok(Access {
                number: count(0)?,
                at_ms: count(1)?,
                account: AccountId(row.get(2)?),
                item: ItemId(row.get(3)?),
                sent_ms: count(4)?,
                signature: Bytes(row.get(5)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    let more = accesses.len() > most;
    accesses.truncate(most);
    Ok(AccessPage { accesses, more, latest: latest.unwrap_or_default() as u64 })
}
