//! The log of a collection, and its members, which change with it alone.

use pmirs_crypto::sha256;
use pmirs_wire::log::{LogPage, SignedEntry};
use pmirs_wire::{AccountId, Bytes, Digest};
use rusqlite::{Connection, OptionalExtension, params};

use super::collections::{add_grant, protection, role};
use super::items;
use crate::storage::{
    Addition, Appended, Applied, Effect, GrantToAdd, LogState, Member, NewEntry, Place, Removal,
};

pub(super) fn state(db: &Connection, place: Place) -> rusqlite::Result<Option<LogState>> {
    let state = db
        .prepare_cached("SELECT owner, protection, header, epoch FROM collections WHERE place = ?1")?
        .query_row([place.0], |row| {
            Ok(LogState {
                owner: AccountId(row.get(0)?),
                protection: protection(row, 1)?,
                header: Digest(sha256(row.get_ref(2)?.as_blob()?)),
                epoch: row.get(3)?,
                head: None,
                members: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut state) = state else { return Ok(None) };
    state.head = position(db, place)?;
    state.members = db
        .prepare_cached("SELECT member, role, accepted FROM members WHERE place = ?1 ORDER BY member")?
        .query_map([place.0], |row| {
            Ok(Member { account: AccountId(row.get(0)?), role: role(row, 1)?, accepted: row.get(2)? })
        })?
        .collect::<Result<_, _>>()?;
    Ok(Some(state))
}

/// Number and hash of the latest entry.
fn position(db: &Connection, place: Place) -> rusqlite::Result<Option<(u64, Digest)>> {
    db.prepare_cached("SELECT number, hash FROM log WHERE place = ?1 ORDER BY number DESC LIMIT 1")?
        .query_row([place.0], |row| {
            let number: i64 = row.get(0)?;
            Ok((number as u64, Digest(row.get(1)?)))
        })
        .optional()
}

pub(super) fn head(db: &Connection, place: Place) -> rusqlite::Result<(Option<(SignedEntry, Digest)>, u64)> {
    let latest = db
        .prepare_cached(
            "SELECT entry, signature, hash FROM log WHERE place = ?1 ORDER BY number DESC LIMIT 1",
        )?
        .query_row([place.0], |row| Ok((signed(row)?, Digest(row.get(2)?))))
        .optional()?;
    Ok((latest, items::latest_seq(db, place)?))
}

pub(super) fn page(
    db: &Connection,
    place: Place,
    after: Option<u64>,
    most_bytes: usize,
) -> rusqlite::Result<LogPage> {
    // A number beyond what SQLite holds lies after everything.
    let after = after.map_or(-1, |after| i64::try_from(after).unwrap_or(i64::MAX));
    let mut statement = db.prepare_cached(
        "SELECT entry, signature FROM log WHERE place = ?1 AND number > ?2 ORDER BY number",
    )?;
    let mut rows = statement.query(params![place.0, after])?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        if bytes >= most_bytes {
            return Ok(LogPage { entries, more: true });
        }
        let entry = signed(row)?;
        // What CBOR adds to an entry is less than this.
        bytes += entry.entry.0.len() + entry.signature.0.len() + 64;
        entries.push(entry);
    }
    Ok(LogPage { entries, more: false })
}

fn signed(row: &rusqlite::Row<'_>) -> rusqlite::Result<SignedEntry> {
    Ok(SignedEntry { entry: Bytes(row.get(0)?), signature: Bytes(row.get(1)?) })
}

/// Compare and swap: the entry must follow the head that is there.
pub(super) fn append(
    db: &Connection,
    place: Place,
    entry: &NewEntry<'_>,
    effect: &Effect<'_>,
    most_bytes: u64,
) -> rusqlite::Result<Appended> {
    let there = db.prepare_cached("SELECT 1 FROM collections WHERE place = ?1")?.exists([place.0])?;
    let next = position(db, place)?.map_or((0, Digest([0; 32])), |(number, hash)| (number + 1, hash));
    if !there || next != (entry.number, entry.previous) {
        return Ok(Appended::Stale);
    }
    let applied = match apply(db, place, entry, effect, most_bytes)? {
        Appended::Done(applied) => applied,
        refused => return Ok(refused),
    };
    db.prepare_cached("INSERT INTO log (place, number, entry, signature, hash) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            place.0,
            entry.number as i64,
            entry.signed.entry.0,
            entry.signed.signature.0,
            entry.hash.0
        ])?;
    db.prepare_cached("UPDATE collections SET epoch = ?2 WHERE place = ?1")?
        .execute(params![place.0, entry.epoch])?;
    Ok(Appended::Done(applied))
}

/// What refuses has written nothing.
fn apply(
    db: &Connection,
    place: Place,
    entry: &NewEntry<'_>,
    effect: &Effect<'_>,
    most_bytes: u64,
) -> rusqlite::Result<Appended> {
    match *effect {
        Effect::Add(new) => {
            return Ok(match items::add(db, place, new, most_bytes)? {
                Addition::Added { seq, rows } => {
                    Appended::Done(Applied { seq, added: rows, ..Applied::default() })
                }
                Addition::QuotaReached => Appended::QuotaReached,
                Addition::AlreadyThere { .. } | Addition::Taken(_) => Appended::Stale,
            });
        }
        Effect::Remove(gone) => {
            let Removal { seq, rows, blobs } = items::remove(db, place, gone)?;
            return Ok(Appended::Done(Applied { seq, removed: rows, blobs, added: Vec::new() }));
        }
        Effect::Replace(new) => {
            let replaced = items::replace(db, place, new, most_bytes)?;
            return Ok(replaced.map_or(Appended::QuotaReached, Appended::Done));
        }
        Effect::Nothing => {}
        Effect::Share { member, role, owner, granter, grants } => {
            drop_grants(db, place, &member)?;
            db.prepare_cached(
                "INSERT INTO members (place, member, role, accepted, since_number) VALUES (?1, ?2, ?3, 0, ?4)
                 ON CONFLICT (place, member) DO UPDATE SET role = excluded.role",
            )?
            .execute(params![place.0, member.0, role as u8, entry.number as i64])?;
            set_owner(db, place, &owner)?;
            add_grants(db, place, granter, grants)?;
        }
        Effect::Accept => {
            db.prepare_cached("UPDATE members SET accepted = 1 WHERE place = ?1 AND member = ?2")?
                .execute(params![place.0, entry.author.0])?;
        }
        Effect::Depart { member, owner, granter, grants } => {
            drop_grants(db, place, &member)?;
            db.prepare_cached("DELETE FROM members WHERE place = ?1 AND member = ?2")?
                .execute(params![place.0, member.0])?;
            set_owner(db, place, &owner)?;
            add_grants(db, place, granter, grants)?;
        }
        Effect::Rotate { granter, grants } => add_grants(db, place, granter, grants)?,
        Effect::Retire { epoch } => {
            db.prepare_cached("DELETE FROM grants WHERE place = ?1 AND epoch = ?2")?
                .execute(params![place.0, epoch])?;
        }
        Effect::Settings { header } => {
            db.prepare_cached("UPDATE collections SET header = ?2 WHERE place = ?1")?
                .execute(params![place.0, header])?;
        }
    }
    let seq = items::latest_seq(db, place)?;
    Ok(Appended::Done(Applied { seq, ..Applied::default() }))
}

fn add_grants(
    db: &Connection,
    place: Place,
    granter: &[u8],
    grants: &[GrantToAdd<'_>],
) -> rusqlite::Result<()> {
    grants.iter().try_for_each(|grant| add_grant(db, place, granter, grant))
}

fn set_owner(db: &Connection, place: Place, owner: &AccountId) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE collections SET owner = ?2 WHERE place = ?1")?
        .execute(params![place.0, owner.0])
        .map(drop)
}

fn drop_grants(db: &Connection, place: Place, member: &AccountId) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM grants WHERE place = ?1 AND member = ?2")?
        .execute(params![place.0, member.0])
        .map(drop)
}

pub(super) fn granted(
    db: &Connection,
    place: Place,
    member: &AccountId,
) -> rusqlite::Result<Vec<(u32, Vec<u8>)>> {
    db.prepare_cached(
        "SELECT epoch, wrapped_key FROM grants WHERE place = ?1 AND member = ?2 ORDER BY epoch",
    )?
    .query_map(params![place.0, member.0], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}
