//! The devices of accounts.

use pmirs_wire::device::Device;
use pmirs_wire::{AccountId, Bytes, DeviceId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::storage::DeviceAddition;

/// An addition whose answer was lost may be repeated: the same certificate of the same account.
pub(super) fn add(
    db: &Connection,
    account: &AccountId,
    key: &[u8],
    device: &Device,
    most: u64,
) -> rusqlite::Result<DeviceAddition> {
    let known: Option<([u8; 32], Vec<u8>, Option<i64>)> = db
        .prepare_cached("SELECT account, certificate, revoked_ms FROM devices WHERE id = ?1")?
        .query_row([device.id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some(known) = known {
        let same = known == (account.0, device.certificate.0.clone(), None);
        return Ok(if same { DeviceAddition::Known } else { DeviceAddition::Taken });
    }
    let count: i64 = db
        .prepare_cached("SELECT count(*) FROM devices WHERE account = ?1")?
        .query_row([account.0], |row| row.get(0))?;
    if count as u64 >= most {
        return Ok(DeviceAddition::QuotaReached);
    }
    db.prepare_cached(
        "INSERT INTO devices (id, account, key, certificate, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![device.id.0, account.0, key, device.certificate.0, device.created_ms as i64])?;
    Ok(DeviceAddition::Known)
}

pub(super) fn list(db: &Connection, account: &AccountId) -> rusqlite::Result<Vec<Device>> {
    db.prepare_cached(&format!("SELECT {DEVICE} WHERE account = ?1 ORDER BY rowid"))?
        .query_map([account.0], device)?
        .collect()
}

/// The key of a device that was not revoked.
pub(super) fn key(db: &Connection, account: &AccountId, id: &DeviceId) -> rusqlite::Result<Option<[u8; 32]>> {
    db.prepare_cached("SELECT key FROM devices WHERE account = ?1 AND id = ?2 AND revoked_ms IS NULL")?
        .query_row(params![account.0, id.0], |row| row.get(0))
        .optional()
}

pub(super) fn revoke(
    db: &Connection,
    account: &AccountId,
    id: &DeviceId,
    now_ms: u64,
) -> rusqlite::Result<Option<Device>> {
    db.prepare_cached(
        "UPDATE devices SET revoked_ms = ?3 WHERE account = ?1 AND id = ?2 AND revoked_ms IS NULL",
    )?
    .execute(params![account.0, id.0, now_ms as i64])?;
    let revoked = db
        .prepare_cached(&format!("SELECT {DEVICE} WHERE account = ?1 AND id = ?2"))?
        .query_row(params![account.0, id.0], device)
        .optional()?;
    if revoked.is_some() {
        db.prepare_cached("DELETE FROM sessions WHERE device = ?1")?.execute([id.0])?;
    }
    Ok(revoked)
}

/// The columns that [`device`] reads.
const DEVICE: &str = "id, certificate, created_ms, revoked_ms FROM devices";

fn device(row: &Row<'_>) -> rusqlite::Result<Device> {
    let (created_ms, revoked_ms): (i64, Option<i64>) = (row.get(2)?, row.get(3)?);
    Ok(Device {
        id: DeviceId(row.get(0)?),
        certificate: Bytes(row.get(1)?),
        created_ms: created_ms as u64,
        revoked_ms: revoked_ms.map(|ms| ms as u64),
    })
}
