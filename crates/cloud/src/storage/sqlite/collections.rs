//! Collections and grants.

use pmirs_wire::collection::{CollectionRecord, EpochGrant, NewCollection, Protection, Role};
use pmirs_wire::{AccountId, Bytes, CollectionId};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, params};

use crate::storage::{BlobId, Creation, Deletion, GrantToAdd, Membership, Place};

/// A creation whose answer was lost may be repeated: the same owner with the same sealed header.
pub(super) fn create(
    db: &Connection,
    owner: &AccountId,
    new: &NewCollection,
    most: u64,
    now_ms: u64,
) -> rusqlite::Result<Creation> {
    let existing: Option<([u8; 32], Vec<u8>)> = db
        .prepare_cached("SELECT owner, header FROM collections WHERE id = ?1")?
        .query_row([new.id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((existing_owner, header)) = existing {
        let same = existing_owner == owner.0 && header == new.header.0;
        return Ok(if same { Creation::Created } else { Creation::Taken });
    }
    let owned: i64 = db
        .prepare_cached("SELECT count(*) FROM collections WHERE owner = ?1")?
        .query_row([owner.0], |row| row.get(0))?;
    if owned as u64 >= most {
        return Ok(Creation::QuotaReached);
    }
    db.prepare_cached(
        "INSERT INTO collections (id, owner, protection, veiled_dim, header, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        new.id.0,
        owner.0,
        new.protection.name(),
        new.veiled_dim,
        new.header.0,
        now_ms as i64
    ])?;
    let place = Place(db.last_insert_rowid());
    let EpochGrant { epoch, role, ref granter, ref grant } = new.grant;
    db.prepare_cached(
        "INSERT INTO members (place, member, role, accepted, since_number) VALUES (?1, ?2, ?3, 1, 0)",
    )?
    .execute(params![place.0, owner.0, role as u8])?;
    add_grant(db, place, &granter.0, &GrantToAdd { member: *owner, epoch, role, wrapped_key: &grant.0 })?;
    Ok(Creation::Created)
}

pub(super) fn add_grant(
    db: &Connection,
    place: Place,
    granter: &[u8],
    grant: &GrantToAdd<'_>,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO grants (place, member, epoch, role, granter, wrapped_key)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![place.0, grant.member.0, grant.epoch, grant.role as u8, granter, grant.wrapped_key])
    .map(drop)
}

pub(super) fn list(
    db: &Connection,
    member: &AccountId,
    accepted: bool,
) -> rusqlite::Result<Vec<CollectionRecord>> {
    let places: Vec<i64> = db
        .prepare_cached("SELECT place FROM members WHERE member = ?1 AND accepted = ?2 ORDER BY place")?
        .query_map(params![member.0, accepted], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    places.into_iter().map(|place| record(db, member, Place(place))).collect()
}

pub(super) fn one(
    db: &Connection,
    member: &AccountId,
    id: &CollectionId,
) -> rusqlite::Result<Option<CollectionRecord>> {
    match membership(db, member, id)? {
        Some(membership) => record(db, member, membership.place).map(Some),
        None => Ok(None),
    }
}

fn record(db: &Connection, member: &AccountId, place: Place) -> rusqlite::Result<CollectionRecord> {
    let grants = db
        .prepare_cached(
            "SELECT epoch, role, granter, wrapped_key FROM grants
             WHERE member = ?1 AND place = ?2 ORDER BY epoch",
        )?
        .query_map(params![member.0, place.0], |row| {
            Ok(EpochGrant {
                epoch: row.get(0)?,
                role: role(row, 1)?,
                granter: Bytes(row.get(2)?),
                grant: Bytes(row.get(3)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    db.prepare_cached(
        "SELECT id, owner, protection, veiled_dim, header, items, bytes, seq
         FROM collections WHERE place = ?1",
    )?
    .query_row([place.0], |row| {
        let count = |column| row.get::<_, i64>(column).map(|count| count as u64);
        Ok(CollectionRecord {
            id: CollectionId(row.get(0)?),
            owner: AccountId(row.get(1)?),
            protection: protection(row, 2)?,
            veiled_dim: row.get(3)?,
            header: Bytes(row.get(4)?),
            grants,
            items: count(5)?,
            bytes: count(6)?,
            seq: count(7)?,
        })
    })
}

pub(super) fn membership(
    db: &Connection,
    member: &AccountId,
    id: &CollectionId,
) -> rusqlite::Result<Option<Membership>> {
    let membership = db
        .prepare_cached(
            "SELECT c.place, c.protection, c.veiled_dim, m.role, m.accepted,
                    EXISTS (SELECT 1 FROM log l WHERE l.place = c.place)
             FROM collections c JOIN members m ON m.place = c.place
             WHERE c.id = ?1 AND m.member = ?2",
        )?
        .query_row(params![id.0, member.0], |row| {
            Ok(Membership {
                place: Place(row.get(0)?),
                protection: protection(row, 1)?,
                veiled_dim: row.get(2)?,
                role: role(row, 3)?,
                accepted: row.get(4)?,
                logged: row.get(5)?,
                epochs: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut membership) = membership else { return Ok(None) };
    membership.epochs = db
        .prepare_cached("SELECT epoch FROM grants WHERE place = ?1 AND member = ?2 ORDER BY epoch")?
        .query_map(params![membership.place.0, member.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(Some(membership))
}

pub(super) fn delete(db: &Connection, place: Place) -> rusqlite::Result<Deletion> {
    let seq: Option<i64> = db
        .prepare_cached("SELECT seq FROM collections WHERE place = ?1")?
        .query_row([place.0], |row| row.get(0))
        .optional()?;
    let blobs: Vec<BlobId> = db
        .prepare_cached("SELECT blob FROM items WHERE place = ?1")?
        .query_map([place.0], |row| row.get(0).map(BlobId))?
        .collect::<Result<_, _>>()?;
    for table in ["veiled", "items", "removed", "grants", "members", "log", "accesses", "collections"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE place = ?1"))?.execute([place.0])?;
    }
    Ok(Deletion { seq: seq.unwrap_or_default() as u64, items: blobs.len() as u64, blobs })
}

pub(super) fn protection(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Protection> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error: String| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

pub(super) fn role(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Role> {
    let number: i64 = row.get(column)?;
    [Role::Reader, Role::Writer, Role::Owner].into_iter().find(|role| *role as i64 == number).ok_or_else(
        || {
            let error = FromSqlError::OutOfRange(number);
            rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(error))
        },
    )
}
