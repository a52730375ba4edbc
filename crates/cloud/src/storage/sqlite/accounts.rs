//! Accounts, invites, sessions.

use pmirs_wire::AccountId;
use rusqlite::{Connection, OptionalExtension, params};

use crate::storage::{NewAccount, Registration, SecretHash, SessionRecord};

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
    db.prepare_cached("INSERT INTO accounts (id, identity, created_ms) VALUES (?1, ?2, ?3)")?
        .execute(params![account.id.0, account.identity, account.created_ms as i64])?;
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
) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM sessions WHERE expires_ms <= ?1")?.execute([now_ms as i64])?;
    db.prepare_cached("INSERT INTO sessions (token, account, expires_ms) VALUES (?1, ?2, ?3)")?
        .execute(params![token, session.account.0, session.expires_ms as i64])
        .map(drop)
}

pub(super) fn session(db: &Connection, token: &SecretHash) -> rusqlite::Result<Option<SessionRecord>> {
    db.prepare_cached("SELECT account, expires_ms FROM sessions WHERE token = ?1")?
        .query_row([token], |row| {
            let expires_ms: i64 = row.get(1)?;
            Ok(SessionRecord { account: AccountId(row.get(0)?), expires_ms: expires_ms as u64 })
        })
        .optional()
}
