//! Federations and their rounds.

use pmirs_wire::federation::{FederationRow, Phase, RecordPage, RoundRecord};
use pmirs_wire::{AccountId, Bytes, Digest};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Sqlite;
use crate::storage::federation::{
    FederationPlace, FederationState, FederationStore, FederationToAdd, KeptMessage, Part, StoredFederation,
};
use crate::storage::{BlobId, Creation, StorageError};

impl FederationStore for Sqlite {
    fn create_federation(&self, new: &FederationToAdd<'_>, most: u64) -> Result<Creation, StorageError> {
        self.write(|db| create(db, new, most))
    }

    fn federations(&self, account: &AccountId) -> Result<Vec<FederationRow>, StorageError> {
        self.read(|db| list(db, account))
    }

    fn federation_part(&self, account: &AccountId, id: &Digest) -> Result<Option<Part>, StorageError> {
        self.read(|db| part(db, account, id))
    }

    fn federation(&self, place: FederationPlace) -> Result<Option<StoredFederation>, StorageError> {
        self.read(|db| load(db, place))
    }

    fn federation_records(
        &self,
        place: FederationPlace,
        from: u64,
        most: usize,
    ) -> Result<RecordPage, StorageError> {
        self.read(|db| records(db, place, from, most))
    }

    fn has_federations(&self) -> Result<bool, StorageError> {
        self.read(|db| db.prepare_cached("SELECT 1 FROM federations LIMIT 1")?.exists([]))
    }

    fn keep_message(
        &self,
        place: FederationPlace,
        message: &KeptMessage,
        sum: Option<BlobId>,
    ) -> Result<(), StorageError> {
        self.write(|db| keep_message(db, place, message, sum))
    }

    fn move_federation(&self, place: FederationPlace, state: &FederationState) -> Result<(), StorageError> {
        self.write(|db| save(db, place, state))
    }

    fn end_try(
        &self,
        place: FederationPlace,
        record: Option<(u32, &RoundRecord)>,
        state: &FederationState,
    ) -> Result<(), StorageError> {
        self.write(|db| end_try(db, place, record, state))
    }

    fn delete_federation(&self, place: FederationPlace) -> Result<Vec<BlobId>, StorageError> {
        self.write(|db| delete(db, place))
    }

    fn model_orphans(&self, blobs: &[BlobId]) -> Result<Vec<BlobId>, StorageError> {
        self.read(|db| orphans(db, blobs))
    }
}

fn create(db: &Connection, new: &FederationToAdd<'_>, most: u64) -> rusqlite::Result<Creation> {
    let known: Option<[u8; 32]> = db
        .prepare_cached("SELECT owner FROM federations WHERE id = ?1")?
        .query_row([new.id.0], |row| row.get(0))
        .optional()?;
    if let Some(owner) = known {
        return Ok(if owner == new.owner.0 { Creation::Created } else { Creation::Taken });
    }
    let owned: i64 = db
        .prepare_cached("SELECT count(*) FROM federations WHERE owner = ?1")?
        .query_row([new.owner.0], |row| row.get(0))?;
    if owned as u64 >= most {
        return Ok(Creation::QuotaReached);
    }
    let state = FederationState::new();
    db.prepare_cached(
        "INSERT INTO federations (id, owner, name, charter, signature, created_ms, phase, number, attempt, step)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0)",
    )?
    .execute(params![
        new.id.0,
        new.owner.0,
        new.name,
        new.charter,
        new.signature,
        new.created_ms as i64,
        phase_name(state.phase)
    ])?;
    let place = db.last_insert_rowid();
    let mut seat =
        db.prepare_cached("INSERT INTO federation_members (place, member, account) VALUES (?1, ?2, ?3)")?;
    for (member, account) in new.members.iter().enumerate() {
        seat.execute(params![place, member as i64, account.0])?;
    }
    Ok(Creation::Created)
}

fn list(db: &Connection, account: &AccountId) -> rusqlite::Result<Vec<FederationRow>> {
    db.prepare_cached(
        "SELECT id, name, phase, number FROM federations f
         WHERE owner = ?1
             OR EXISTS (SELECT 1 FROM federation_members m WHERE m.place = f.place AND m.account = ?1)
         ORDER BY place",
    )?
    .query_map([account.0], |row| {
        Ok(FederationRow {
            id: Digest(row.get(0)?),
            name: row.get(1)?,
            phase: phase(row, 2)?,
            round: row.get(3)?,
        })
    })?
    .collect()
}

fn part(db: &Connection, account: &AccountId, id: &Digest) -> rusqlite::Result<Option<Part>> {
    let part = db
        .prepare_cached(
            "SELECT f.place, f.owner = ?2, m.member FROM federations f
             LEFT JOIN federation_members m ON m.place = f.place AND m.account = ?2 WHERE f.id = ?1",
        )?
        .query_row(params![id.0, account.0], |row| {
            Ok(Part { place: FederationPlace(row.get(0)?), owner: row.get(1)?, member: row.get(2)? })
        })
        .optional()?;
    Ok(part.filter(|part| part.owner || part.member.is_some()))
}

fn load(db: &Connection, place: FederationPlace) -> rusqlite::Result<Option<StoredFederation>> {
    let RecordPage { records, .. } = records(db, place, 0, u32::MAX as usize)?;
    let messages = db
        .prepare_cached(
            "SELECT step, member, frame FROM federation_messages WHERE place = ?1 ORDER BY step, member",
        )?
        .query_map([place.0], |row| {
            Ok(KeptMessage { step: row.get(0)?, member: row.get(1)?, frame: row.get(2)? })
        })?
        .collect::<Result<_, _>>()?;
    db.prepare_cached(
        "SELECT f.owner, a.identity, charter, signature, phase, number, attempt, step, deadline_ms, reason,
                weights, optimiser, sum
         FROM federations f JOIN accounts a ON a.id = f.owner WHERE place = ?1",
    )?
    .query_row([place.0], |row| {
        let blob = |column| row.get::<_, Option<[u8; 16]>>(column).map(|id| id.map(BlobId));
        let state = FederationState {
            phase: phase(row, 4)?,
            number: row.get(5)?,
            attempt: row.get(6)?,
            step: row.get(7)?,
            deadline_ms: row.get::<_, Option<i64>>(8)?.map(|deadline| deadline as u64),
            reason: row.get(9)?,
            weights: blob(10)?,
            optimiser: blob(11)?,
            sum: blob(12)?,
        };
        Ok(StoredFederation {
            place,
            owner: AccountId(row.get(0)?),
            owner_identity: row.get(1)?,
            charter: row.get(2)?,
            signature: row.get(3)?,
            state,
            records,
            messages,
        })
    })
    .optional()
}

fn records(db: &Connection, place: FederationPlace, from: u64, most: usize) -> rusqlite::Result<RecordPage> {
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    // One more than fits tells whether there is more.
    let mut records: Vec<RoundRecord> = db
        .prepare_cached(
            "SELECT record, signature FROM federation_records WHERE place = ?1 AND number >= ?2
             ORDER BY number LIMIT ?3",
        )?
        .query_map(params![place.0, from, most as i64 + 1], |row| {
            Ok(RoundRecord { record: Bytes(row.get(0)?), signature: Bytes(row.get(1)?) })
        })?
        .collect::<Result<_, _>>()?;
    let more = records.len() > most;
    records.truncate(most);
    Ok(RecordPage { records, more })
}

fn keep_message(
    db: &Connection,
    place: FederationPlace,
    message: &KeptMessage,
    sum: Option<BlobId>,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO federation_messages (place, step, member, frame) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![place.0, message.step, message.member, message.frame])?;
    if let Some(sum) = sum {
        db.prepare_cached("UPDATE federations SET sum = ?2 WHERE place = ?1")?
            .execute(params![place.0, sum.0])?;
    }
    Ok(())
}

fn save(db: &Connection, place: FederationPlace, state: &FederationState) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE federations SET phase = ?2, number = ?3, attempt = ?4, step = ?5, deadline_ms = ?6, reason = ?7,
             weights = ?8, optimiser = ?9, sum = ?10
         WHERE place = ?1",
    )?
    .execute(params![
        place.0,
        phase_name(state.phase),
        state.number,
        state.attempt,
        state.step,
        state.deadline_ms.map(|deadline| deadline as i64),
        state.reason,
        state.weights.map(|blob| blob.0),
        state.optimiser.map(|blob| blob.0),
        state.sum.map(|blob| blob.0)
    ])
    .map(drop)
}

fn end_try(
    db: &Connection,
    place: FederationPlace,
    record: Option<(u32, &RoundRecord)>,
    state: &FederationState,
) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM federation_messages WHERE place = ?1")?.execute([place.0])?;
    if let Some((number, RoundRecord { record, signature })) = record {
        db.prepare_cached(
            "INSERT INTO federation_records (place, number, record, signature) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![place.0, number, record.0, signature.0])?;
    }
    save(db, place, state)
}

fn delete(db: &Connection, place: FederationPlace) -> rusqlite::Result<Vec<BlobId>> {
    let blobs = db
        .prepare_cached("SELECT weights, optimiser, sum FROM federations WHERE place = ?1")?
        .query_row([place.0], |row| {
            let named: [Option<[u8; 16]>; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
            Ok(named.into_iter().flatten().map(BlobId).collect())
        })
        .optional()?;
    for table in ["federation_messages", "federation_records", "federation_members", "federations"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE place = ?1"))?.execute([place.0])?;
    }
    Ok(blobs.unwrap_or_default())
}

/// Forgets the federations of an owner whose account goes; their blobs go at the next start.
pub(super) fn delete_of(db: &Connection, owner: &AccountId) -> rusqlite::Result<()> {
    let places: Vec<i64> = db
        .prepare_cached("SELECT place FROM federations WHERE owner = ?1")?
        .query_map([owner.0], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    places.into_iter().try_for_each(|place| delete(db, FederationPlace(place)).map(drop))
}

fn orphans(db: &Connection, blobs: &[BlobId]) -> rusqlite::Result<Vec<BlobId>> {
    let mut find =
        db.prepare_cached("SELECT 1 FROM federations WHERE weights = ?1 OR optimiser = ?1 OR sum = ?1")?;
    let mut orphans = Vec::new();
    for blob in blobs {
        if !find.exists([blob.0])? {
            orphans.push(*blob);
        }
    }
    Ok(orphans)
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::AwaitsModel => "awaits-model",
        Phase::Running => "running",
        Phase::Finished => "finished",
        Phase::Stopped => "stopped",
    }
}

fn phase(row: &Row<'_>, column: usize) -> rusqlite::Result<Phase> {
    let text: String = row.get(column)?;
    let all = [Phase::AwaitsModel, Phase::Running, Phase::Finished, Phase::Stopped];
    all.into_iter().find(|phase| phase_name(*phase) == text).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("phase {text}").into())
    })
}
