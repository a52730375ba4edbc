//! Records in one SQLite file: a write-ahead log synced at every commit, one writer, many readers.

mod accesses;
mod accounts;
mod collections;
mod devices;
mod federations;
mod items;
mod log;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pmirs_wire::access::AccessPage;
use pmirs_wire::collection::{CollectionRecord, NewCollection};
use pmirs_wire::device::Device;
use pmirs_wire::item::{Changes, ItemRecord};
use pmirs_wire::log::{LogPage, SignedEntry};
use pmirs_wire::{AccountId, CollectionId, DeviceId, Digest, ItemId};
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{
    Addition, Appended, BlobId, ContentRef, Creation, Deletion, DeviceAddition, Effect, Farewell, ItemToAdd,
    LogState, Membership, NewAccess, NewAccount, NewEntry, Place, Registration, Removal, Row, SealedParts,
    SecretHash, SessionRecord, StorageError, Store, VeiledRow,
};

/// The database within the data folder; SQLite adds `-wal` and `-shm` beside it.
pub(crate) const FILE: &str = "cloud.db";

/// Readers kept open; a burst opens more and closes them again.
const IDLE_READERS: usize = 16;
/// Prepared statements that each connection keeps: more than there are.
const STATEMENTS: usize = 128;

/// The store in a file.
pub(crate) struct Sqlite {
    path: PathBuf,
    writer: Mutex<Connection>,
    /// Writes what need not outlive a power cut; only with the writer's lock, since SQLite has one writer at a time.
    notes: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl Sqlite {
    /// Opens the database in this folder, and makes it if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<Self, StorageError> {
        let path = folder.join(FILE);
        let mut writer = Connection::open(&path)?;
        configure(&writer)?;
        // Synced at every commit; what is deleted is overwritten, not only unlinked.
        writer.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;",
        )?;
        migrate(&mut writer)?;
        let notes = Connection::open(&path)?;
        configure(&notes)?;
        notes.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;")?;
        let (writer, notes) = (Mutex::new(writer), Mutex::new(notes));
        Ok(Self { path, writer, notes, readers: Mutex::default() })
    }

    /// Runs a read on a consistent snapshot.
    fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StorageError> {
        let idle = lock(&self.readers).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.open_reader()?,
        };
        let answer = (|| {
            let snapshot = reader.unchecked_transaction()?;
            let answer = work(&snapshot)?;
            snapshot.commit()?;
            Ok(answer)
        })();
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(reader);
        }
        answer
    }

    /// Runs a write; it is on disk when this returns.
    fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StorageError> {
        let mut writer = lock(&self.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = work(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    }

    /// Runs a write that outlives this process when this returns, and the machine with the next write that is synced. It
    /// does not wait for the disk.
    fn note<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StorageError> {
        let _writer = lock(&self.writer);
        let mut notes = lock(&self.notes);
        let transaction = notes.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let answer = work(&transaction)?;
        transaction.commit()?;
        Ok(answer)
    }

    fn open_reader(&self) -> Result<Connection, StorageError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = Connection::open_with_flags(&self.path, flags)?;
        configure(&reader)?;
        Ok(reader)
    }
}

fn configure(connection: &Connection) -> Result<(), StorageError> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Pages are not mapped: a file that is cut under a running server would be a signal, not an error.
    connection
        .execute_batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768;")?;
    Ok(())
}

fn migrate(writer: &mut Connection) -> Result<(), StorageError> {
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let got: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if !schema::migrate(&transaction, got)? {
        return Err(StorageError::Schema { got, expected: schema::VERSION });
    }
    transaction.commit()?;
    Ok(())
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The seam's methods, each one transaction around a function of its topic's module.
impl Store for Sqlite {
    fn ready(&self) -> Result<(), StorageError> {
        self.read(|db| db.query_row("SELECT 1", [], |_| Ok(())))
    }

    fn settle(&self) -> Result<(), StorageError> {
        lock(&self.readers).clear();
        Ok(lock(&self.writer).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?)
    }

    fn accounts(&self) -> Result<u64, StorageError> {
        self.read(accounts::count)
    }

    fn add_invite(&self, code: &SecretHash, now_ms: u64) -> Result<(), StorageError> {
        self.write(|db| accounts::add_invite(db, code, now_ms))
    }

    fn invite_is_open(&self, code: &SecretHash) -> Result<bool, StorageError> {
        self.read(|db| accounts::invite_is_open(db, code))
    }

    fn register(&self, code: &SecretHash, account: &NewAccount<'_>) -> Result<Registration, StorageError> {
        self.write(|db| accounts::register(db, code, account))
    }

    fn identity(&self, account: &AccountId) -> Result<Option<Vec<u8>>, StorageError> {
        self.read(|db| accounts::identity(db, account))
    }

    fn is_admin(&self, account: &AccountId) -> Result<bool, StorageError> {
        self.read(|db| accounts::is_admin(db, account))
    }

    fn person(&self, name: &str) -> Result<Option<(AccountId, Vec<u8>)>, StorageError> {
        self.read(|db| accounts::person(db, name))
    }

    fn delete_account(&self, account: &AccountId) -> Result<Farewell, StorageError> {
        self.write(|db| accounts::delete(db, account))
    }

    fn add_device(
        &self,
        account: &AccountId,
        key: &[u8],
        device: &Device,
        most: u64,
    ) -> Result<DeviceAddition, StorageError> {
        self.write(|db| devices::add(db, account, key, device, most))
    }

    fn devices(&self, account: &AccountId) -> Result<Vec<Device>, StorageError> {
        self.read(|db| devices::list(db, account))
    }

    fn device_key(&self, account: &AccountId, id: &DeviceId) -> Result<Option<[u8; 32]>, StorageError> {
        self.read(|db| devices::key(db, account, id))
    }

    fn revoke_device(
        &self,
        account: &AccountId,
        id: &DeviceId,
        now_ms: u64,
    ) -> Result<Option<Device>, StorageError> {
        self.write(|db| devices::revoke(db, account, id, now_ms))
    }

    fn add_session(
        &self,
        token: &SecretHash,
        session: &SessionRecord,
        now_ms: u64,
    ) -> Result<bool, StorageError> {
        self.write(|db| accounts::add_session(db, token, session, now_ms))
    }

    fn session(&self, token: &SecretHash) -> Result<Option<SessionRecord>, StorageError> {
        self.read(|db| accounts::session(db, token))
    }

    fn create_collection(
        &self,
        owner: &AccountId,
        collection: &NewCollection,
        most: u64,
        now_ms: u64,
    ) -> Result<Creation, StorageError> {
        self.write(|db| collections::create(db, owner, collection, most, now_ms))
    }

    fn collections(&self, member: &AccountId, accepted: bool) -> Result<Vec<CollectionRecord>, StorageError> {
        self.read(|db| collections::list(db, member, accepted))
    }

    fn collection(
        &self,
        member: &AccountId,
        id: &CollectionId,
    ) -> Result<Option<CollectionRecord>, StorageError> {
        self.read(|db| collections::one(db, member, id))
    }

    fn membership(&self, member: &AccountId, id: &CollectionId) -> Result<Option<Membership>, StorageError> {
        self.read(|db| collections::membership(db, member, id))
    }

    fn log_state(&self, place: Place) -> Result<Option<LogState>, StorageError> {
        self.read(|db| log::state(db, place))
    }

    fn log_head(&self, place: Place) -> Result<(Option<(SignedEntry, Digest)>, u64), StorageError> {
        self.read(|db| log::head(db, place))
    }

    fn log_page(&self, place: Place, after: Option<u64>, most_bytes: usize) -> Result<LogPage, StorageError> {
        self.read(|db| log::page(db, place, after, most_bytes))
    }

    fn append(
        &self,
        place: Place,
        entry: &NewEntry<'_>,
        effect: &Effect<'_>,
        most_bytes: u64,
    ) -> Result<Appended, StorageError> {
        self.write(|db| log::append(db, place, entry, effect, most_bytes))
    }

    fn leaves(&self, place: Place, visit: &mut dyn FnMut(ItemId, Digest)) -> Result<(), StorageError> {
        self.read(|db| items::leaves(db, place, visit))
    }

    fn epochs_of(&self, place: Place, items: &[ItemId]) -> Result<Vec<(ItemId, u32)>, StorageError> {
        self.read(|db| items::epochs_of(db, place, items))
    }

    fn epoch_in_use(&self, place: Place, epoch: u32) -> Result<bool, StorageError> {
        self.read(|db| items::epoch_in_use(db, place, epoch))
    }

    fn granted(&self, place: Place, member: &AccountId) -> Result<Vec<(u32, Vec<u8>)>, StorageError> {
        self.read(|db| log::granted(db, place, member))
    }

    fn add_access(&self, place: Place, access: &NewAccess, most: u64) -> Result<bool, StorageError> {
        self.note(|db| accesses::add(db, place, access, most))
    }

    fn accesses(&self, place: Place, after: u64, most: usize) -> Result<AccessPage, StorageError> {
        self.read(|db| accesses::page(db, place, after, most))
    }

    fn delete_collection(&self, place: Place) -> Result<Deletion, StorageError> {
        self.write(|db| collections::delete(db, place))
    }

    fn add_items(
        &self,
        place: Place,
        items: &[ItemToAdd<'_>],
        most_bytes: u64,
    ) -> Result<Addition, StorageError> {
        self.write(|db| items::add(db, place, items, most_bytes))
    }

    fn remove_items(&self, place: Place, items: &[ItemId]) -> Result<Removal, StorageError> {
        self.write(|db| items::remove(db, place, items))
    }

    fn item(&self, place: Place, item: &ItemId) -> Result<Option<ItemRecord>, StorageError> {
        self.read(|db| items::one(db, place, item))
    }

    fn content(&self, place: Place, item: &ItemId) -> Result<Option<ContentRef>, StorageError> {
        self.read(|db| items::content(db, place, item))
    }

    fn changes(&self, place: Place, after: u64, most: usize) -> Result<Changes, StorageError> {
        self.read(|db| items::changes(db, place, after, most))
    }

    fn veiled_rows(
        &self,
        place: Place,
        epoch: u32,
        visit: &mut dyn FnMut(Row, VeiledRow<'_>),
    ) -> Result<(), StorageError> {
        self.read(|db| items::veiled_rows(db, place, epoch, visit))
    }

    fn sealed_parts(&self, rows: &[Row]) -> Result<Vec<Option<SealedParts>>, StorageError> {
        self.read(|db| items::sealed_parts(db, rows))
    }

    fn orphans(&self, blobs: &[BlobId]) -> Result<Vec<BlobId>, StorageError> {
        self.read(|db| items::orphans(db, blobs))
    }
}
