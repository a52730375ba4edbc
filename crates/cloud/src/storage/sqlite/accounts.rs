//! Accounts, invites, sessions.

use pmirs_wire::{AccountId, CollectionId, DeviceId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{collections, devices, federations};
use crate::storage::{Farewell, NewAccount, Place, Registration, SecretHash, SessionRecord};

pub(super) fn count(db: &Connection) -> rusqlite::Result<u64> {
    let count: i64 = db.prepare_cached("SELECT count(*) FROM accounts")?.query_row([], |row| row.get(0))?;
    Ok(count as u64)
}

pub(super) fn add_invite(db: &Connection, code: &SecretHash, now_ms: u64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO invites (code, created_ms) VALUES (?1, ?2)")?
        .execute(params![code, now_ms as i64])
        .map(drop)
}

pub(super) fn invite_is_open(db: &Connection, code: &SecretHash) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM invites WHERE code = ?1 AND spent_by IS NULL")?.exists([code])
}

/// A registration whose answer was lost may be repeated: the same account with the same invite.
pub(super) fn register(
    db: &Connection,
    code: &SecretHash,
    account: &NewAccount<'_>,
) -> rusqlite::Result<Registration> {
    let spent_by: Option<Option<[u8; 32]>> = db
        .prepare_cached("SELECT spent_by FROM invites WHERE code = ?1")?
        .query_row([code], |row| row.get(0))
        .optional()?;
    match spent_by {
        Some(None) => {}
        Some(Some(spender)) if spender == account.id.0 => return Ok(Registration::Registered),
        Some(Some(_)) | None => return Ok(Registration::NoInvite),
    }
    if identity(db, &account.id)?.is_some() {
        return Ok(Registration::AlreadyRegistered);
    }
    if let Some(name) = account.name
        && person(db, name)?.is_some()
    {
        return Ok(Registration::NameTaken);
    }
    let first = count(db)? == 0;
    db.prepare_cached(
        "INSERT INTO accounts (id, identity, created_ms, name, admin) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![account.id.0, account.identity, account.created_ms as i64, account.name, first])?;
    db.prepare_cached("UPDATE invites SET spent_by = ?2 WHERE code = ?1")?
        .execute(params![code, account.id.0])?;
    Ok(Registration::Registered)
}

pub(super) fn identity(db: &Connection, account: &AccountId) -> rusqlite::Result<Option<Vec<u8>>> {
    db.prepare_cached("SELECT identity FROM accounts WHERE id = ?1")?
        .query_row([account.0], |row| row.get(0))
        .optional()
}

pub(super) fn add_session(
    db: &Connection,
    token: &SecretHash,
    session: &SessionRecord,
    now_ms: u64,
) -> rusqlite::Result<bool> {
    db.prepare_cached("DELETE FROM sessions WHERE expires_ms <= ?1")?.execute([now_ms as i64])?;
    // The device may have been revoked, or the account deleted, since the login was checked.
    let there = match &session.device {
        Some(device) => devices::key(db, &session.account, device)?.is_some(),
        None => identity(db, &session.account)?.is_some(),
    };
    if there {
        db.prepare_cached(
            "INSERT INTO sessions (token, account, expires_ms, device) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            token,
            session.account.0,
            session.expires_ms as i64,
            session.device.map(|device| device.0)
        ])?;
    }
    Ok(there)
}

pub(super) fn session(db: &Connection, token: &SecretHash) -> rusqlite::Result<Option<SessionRecord>> {
    db.prepare_cached("SELECT account, expires_ms, device FROM sessions WHERE token = ?1")?
        .query_row([token], |row| {
            let expires_ms: i64 = row.get(1)?;
            let device = row.get::<_, Option<[u8; 16]>>(2)?.map(DeviceId);
            Ok(SessionRecord { account: AccountId(row.get(0)?), device, expires_ms: expires_ms as u64 })
        })
        .optional()
}

pub(super) fn is_admin(db: &Connection, account: &AccountId) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM accounts WHERE id = ?1 AND admin = 1")?.exists([account.0])
}

pub(super) fn person(db: &Connection, name: &str) -> rusqlite::Result<Option<(AccountId, Vec<u8>)>> {
    db.prepare_cached("SELECT id, identity FROM accounts WHERE name = ?1")?
        .query_row([name], |row| Ok((AccountId(row.get(0)?), row.get(1)?)))
        .optional()
}

/// A part in a collection that others own too ends by a signed entry of its log, never silently; so an account
/// that still has one stays.
pub(super) fn delete(db: &Connection, account: &AccountId) -> rusqlite::Result<Farewell> {
    let parts: Vec<(Place, CollectionId, bool)> = db
        .prepare_cached(
            "SELECT c.place, c.id, m.role = 3 AND m.accepted AND NOT EXISTS (
                 SELECT 1 FROM members o
                 WHERE o.place = m.place AND o.member <> m.member AND o.role = 3 AND o.accepted)
             FROM members m JOIN collections c ON c.place = m.place WHERE m.member = ?1",
        )?
        .query_map([account.0], |row| Ok((Place(row.get(0)?), CollectionId(row.get(1)?), row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    if let Some((_, collection, _)) = parts.iter().find(|(_, _, alone)| !alone) {
        return Ok(Farewell::Member(*collection));
    }
    let (mut places, mut blobs) = (Vec::new(), Vec::new());
    for (place, ..) in parts {
        blobs.extend(collections::delete(db, place)?.blobs);
        places.push(place);
    }
    federations::delete_of(db, account)?;
    for (table, column) in [
        ("accesses", "account"),
        ("sessions", "account"),
        ("devices", "account"),
        ("invites", "spent_by"),
        ("accounts", "id"),
    ] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE {column} = ?1"))?.execute([account.0])?;
    }
    Ok(Farewell::Gone { places, blobs })
}
