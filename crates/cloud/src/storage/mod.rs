//! What is kept on disk, behind two seams: a [`Store`] for records and [`Blobs`] for content.
//!
//! Both are synchronous; the service calls them from blocking threads. A call that returns has reached the
//! disk. Writers order the two so that a crash leaves at worst a blob that no record names, which the next
//! start sweeps: a blob is written before its record, and removed after it.

mod blobs;
pub(crate) mod federation;
mod sqlite;

use std::path::PathBuf;

use pmirs_wire::access::AccessPage;
use pmirs_wire::collection::{CollectionRecord, NewCollection, Protection, Role};
use pmirs_wire::device::Device;
use pmirs_wire::item::{Changes, ItemRecord, NewItem};
use pmirs_wire::log::{LogPage, SignedEntry};
use pmirs_wire::{AccountId, CollectionId, DeviceId, Digest, FilterToken, ItemId};

pub(crate) use blobs::{FileBlobs, Prefix};
pub(crate) use sqlite::{FILE as DATABASE_FILE, Sqlite};

/// Why the disk did not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The database failed.
    #[error("database: {0}")]
    Database(Box<dyn std::error::Error + Send + Sync>),
    /// The database was written by another version of the server.
    #[error("the database has schema version {got}, this server reads {expected}")]
    Schema {
        /// The version found.
        got: i64,
        /// The version that this server writes.
        expected: i64,
    },
    /// A file of the content store failed.
    #[error("content {path}: {source}")]
    Content {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something has another length than its record says.
    #[error("{what} is damaged: {detail}")]
    Damaged {
        /// The content or the record.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// A collection's number within this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) i64);

/// An item's number within this store; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Row(pub(crate) i64);

/// The name of one content blob: random, made by the server, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct BlobId(pub(crate) [u8; 16]);

impl std::fmt::Display for BlobId {
    /// The name of its file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// SHA-256 of a token or an invite's code.
pub(crate) type SecretHash = [u8; 32];

/// A new account, already checked.
pub(crate) struct NewAccount<'a> {
    pub(crate) id: AccountId,
    pub(crate) identity: &'a [u8],
    pub(crate) name: Option<&'a str>,
    pub(crate) created_ms: u64,
}

/// What became of a registration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Registration {
    /// The account exists now, or this very registration made it before.
    Registered,
    /// No such invite, or somebody else spent it.
    NoInvite,
    /// The account was made with another invite; this one is not spent.
    AlreadyRegistered,
    /// Somebody else has the name; the invite is not spent.
    NameTaken,
}

/// What became of a new device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeviceAddition {
    /// It is known now, or this very certificate made it known before.
    Known,
    /// It was revoked, or belongs to somebody else.
    Taken,
    /// The account has as many as it may, revoked ones too.
    QuotaReached,
}

/// A right to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionRecord {
    pub(crate) account: AccountId,
    /// The device that logged in, if one did; with its revocation the session ends.
    pub(crate) device: Option<DeviceId>,
    pub(crate) expires_ms: u64,
}

/// What became of a new collection.
pub(crate) enum Creation {
    /// It exists now, or this very request made it before.
    Created,
    /// Another one has its identifier.
    Taken,
    /// Its owner has as many as one account may.
    QuotaReached,
}

/// A collection from the view of one member.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    pub(crate) place: Place,
    pub(crate) protection: Protection,
    pub(crate) veiled_dim: u32,
    pub(crate) role: Role,
    /// Whether the member took what was shared.
    pub(crate) accepted: bool,
    /// Whether every change must go through the log.
    pub(crate) logged: bool,
    /// The epochs whose keys the member was granted.
    pub(crate) epochs: Vec<u32>,
}

/// An item to store, its content already in a blob.
pub(crate) struct ItemToAdd<'a> {
    pub(crate) item: &'a NewItem,
    pub(crate) blob: BlobId,
}

/// What became of a batch of additions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Addition {
    /// All are stored, under these rows, in order.
    Added { seq: u64, rows: Vec<Row> },
    /// This very batch was stored before; the new blobs are not needed.
    AlreadyThere { seq: u64 },
    /// This item exists with other bytes; nothing was stored.
    Taken(ItemId),
    /// The owner's quota would be exceeded; nothing was stored.
    QuotaReached,
}

/// What a batch of removals removed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) seq: u64,
    /// Epoch and row of each.
    pub(crate) rows: Vec<(u32, Row)>,
    pub(crate) blobs: Vec<BlobId>,
}

/// The blobs of a collection that is gone, and its last number.
pub(crate) struct Deletion {
    pub(crate) seq: u64,
    pub(crate) items: u64,
    pub(crate) blobs: Vec<BlobId>,
}

/// A collection as the rules of its log see it.
#[derive(Debug, Clone)]
pub(crate) struct LogState {
    pub(crate) owner: AccountId,
    pub(crate) protection: Protection,
    /// SHA-256 of the sealed header.
    pub(crate) header: Digest,
    /// The latest epoch.
    pub(crate) epoch: u32,
    /// Number and hash of the latest entry.
    pub(crate) head: Option<(u64, Digest)>,
    /// All members, by account.
    pub(crate) members: Vec<Member>,
}

/// Somebody with a part in a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) account: AccountId,
    pub(crate) role: Role,
    pub(crate) accepted: bool,
}

/// A log entry whose signature was checked, and its bytes.
pub(crate) struct NewEntry<'a> {
    pub(crate) number: u64,
    pub(crate) previous: Digest,
    pub(crate) epoch: u32,
    pub(crate) author: AccountId,
    pub(crate) signed: &'a SignedEntry,
    pub(crate) hash: Digest,
}

/// A wrapped key for a member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrantToAdd<'a> {
    pub(crate) member: AccountId,
    pub(crate) epoch: u32,
    pub(crate) role: Role,
    pub(crate) wrapped_key: &'a [u8],
}

/// What an entry changes besides the log.
pub(crate) enum Effect<'a> {
    Nothing,
    Add(&'a [ItemToAdd<'a>]),
    Remove(&'a [ItemId]),
    Replace(&'a [ItemToAdd<'a>]),
    /// The grants replace all that the member had.
    Share {
        member: AccountId,
        role: Role,
        owner: AccountId,
        granter: &'a [u8],
        grants: &'a [GrantToAdd<'a>],
    },
    Accept,
    /// Ends the membership of whoever is named; the collection passes to this account, if to another.
    Depart {
        member: AccountId,
        owner: AccountId,
        granter: &'a [u8],
        grants: &'a [GrantToAdd<'a>],
    },
    Rotate {
        granter: &'a [u8],
        grants: &'a [GrantToAdd<'a>],
    },
    Retire {
        epoch: u32,
    },
    /// The sealed settings, in the place of those before.
    Settings {
        header: &'a [u8],
    },
}

/// What became of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is the head now.
    Done(Applied),
    /// The log went on meanwhile; nothing was stored.
    Stale,
    /// The owner's quota would be exceeded; nothing was stored.
    QuotaReached,
}

/// How an entry changed the items.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) seq: u64,
    /// Rows of the items that were added, in order.
    pub(crate) added: Vec<Row>,
    /// Epoch and row of the items that are gone.
    pub(crate) removed: Vec<(u32, Row)>,
    /// Their content.
    pub(crate) blobs: Vec<BlobId>,
}

/// That an account opened an item, as its signature proves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewAccess {
    pub(crate) at_ms: u64,
    pub(crate) account: AccountId,
    pub(crate) item: ItemId,
    pub(crate) sent_ms: u64,
    pub(crate) signature: [u8; 64],
}

/// What became of an account that was to be deleted.
pub(crate) enum Farewell {
    /// It is gone, with its collections and their blobs.
    Gone { places: Vec<Place>, blobs: Vec<BlobId> },
    /// It still has a part in this collection, which others own too.
    Member(CollectionId),
}

/// Where an item's content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRef {
    pub(crate) blob: BlobId,
    pub(crate) len: u64,
}

/// What an item is ranked and filtered by.
pub(crate) struct VeiledRow<'a> {
    pub(crate) scale: f32,
    pub(crate) values: &'a [u8],
    pub(crate) tokens: Vec<FilterToken>,
}

/// The parts of an item that answer a search.
pub(crate) struct SealedParts {
    pub(crate) item: ItemId,
    pub(crate) meta: Vec<u8>,
    pub(crate) embedding: Vec<u8>,
}

/// Accounts, collections, items and their changes.
///
/// Every method is one transaction: it has reached the disk when it returns, or has changed nothing.
pub(crate) trait Store: federation::FederationStore + Send + Sync {
    /// Whether it answers at all.
    fn ready(&self) -> Result<(), StorageError>;

    /// Brings everything into one place, so that a plain copy of the folder is whole.
    fn settle(&self) -> Result<(), StorageError>;

    /// How many accounts there are.
    fn accounts(&self) -> Result<u64, StorageError>;

    /// Keeps an invite that makes one account.
    fn add_invite(&self, code: &SecretHash, now_ms: u64) -> Result<(), StorageError>;

    /// Whether an invite is there to be spent.
    fn invite_is_open(&self, code: &SecretHash) -> Result<bool, StorageError>;

    /// Spends an invite on a new account.
    fn register(&self, code: &SecretHash, account: &NewAccount<'_>) -> Result<Registration, StorageError>;

    /// The encoded public identity of an account.
    fn identity(&self, account: &AccountId) -> Result<Option<Vec<u8>>, StorageError>;

    /// Whether an account may invite others.
    fn is_admin(&self, account: &AccountId) -> Result<bool, StorageError>;

    /// The account that has a name, and its encoded public identity.
    fn person(&self, name: &str) -> Result<Option<(AccountId, Vec<u8>)>, StorageError>;

    /// Forgets an account, and all that is its alone.
    fn delete_account(&self, account: &AccountId) -> Result<Farewell, StorageError>;

    /// Keeps a device, where the account has fewer than `most`.
    fn add_device(
        &self,
        account: &AccountId,
        key: &[u8],
        device: &Device,
        most: u64,
    ) -> Result<DeviceAddition, StorageError>;

    /// All devices of an account.
    fn devices(&self, account: &AccountId) -> Result<Vec<Device>, StorageError>;

    /// The key of a device that was not revoked.
    fn device_key(&self, account: &AccountId, id: &DeviceId) -> Result<Option<[u8; 32]>, StorageError>;

    /// Revokes a device and ends its sessions; one that is revoked stays as it was.
    fn revoke_device(
        &self,
        account: &AccountId,
        id: &DeviceId,
        now_ms: u64,
    ) -> Result<Option<Device>, StorageError>;

    /// Keeps a session, and forgets those that have ended. `false` for a device that is not there any more.
    fn add_session(
        &self,
        token: &SecretHash,
        session: &SessionRecord,
        now_ms: u64,
    ) -> Result<bool, StorageError>;

    /// A session, ended or not.
    fn session(&self, token: &SecretHash) -> Result<Option<SessionRecord>, StorageError>;

    /// Makes a collection with its owner's grant, where the owner has fewer than `most`.
    fn create_collection(
        &self,
        owner: &AccountId,
        collection: &NewCollection,
        most: u64,
        now_ms: u64,
    ) -> Result<Creation, StorageError>;

    /// Every collection that an account is a member of, in order of creation: those that it took, or those
    /// that wait for its answer.
    fn collections(&self, member: &AccountId, accepted: bool) -> Result<Vec<CollectionRecord>, StorageError>;

    /// One of them.
    fn collection(
        &self,
        member: &AccountId,
        id: &CollectionId,
    ) -> Result<Option<CollectionRecord>, StorageError>;

    /// What an account may do in a collection; nothing where it is absent or not this account's to see.
    fn membership(&self, member: &AccountId, id: &CollectionId) -> Result<Option<Membership>, StorageError>;

    /// A collection as the rules of its log see it, if it is still there.
    fn log_state(&self, place: Place) -> Result<Option<LogState>, StorageError>;

    /// The latest entry with its hash, and the number of the latest change of the items.
    fn log_head(&self, place: Place) -> Result<(Option<(SignedEntry, Digest)>, u64), StorageError>;

    /// Entries after a number, or from the first, until one passes `most_bytes`.
    fn log_page(&self, place: Place, after: Option<u64>, most_bytes: usize) -> Result<LogPage, StorageError>;

    /// Appends an entry and applies it, where the log still ends before it.
    fn append(
        &self,
        place: Place,
        entry: &NewEntry<'_>,
        effect: &Effect<'_>,
        most_bytes: u64,
    ) -> Result<Appended, StorageError>;

    /// Visits every item with the digest that the log pins.
    fn leaves(&self, place: Place, visit: &mut dyn FnMut(ItemId, Digest)) -> Result<(), StorageError>;

    /// Of these items, those that are there, with their epochs.
    fn epochs_of(&self, place: Place, items: &[ItemId]) -> Result<Vec<(ItemId, u32)>, StorageError>;

    /// Whether an epoch still holds an item.
    fn epoch_in_use(&self, place: Place, epoch: u32) -> Result<bool, StorageError>;

    /// The encoded grants that a member has, by epoch.
    fn granted(&self, place: Place, member: &AccountId) -> Result<Vec<(u32, Vec<u8>)>, StorageError>;

    /// Keeps an access, and of those before it the latest, `most` in all. `false` where the collection is gone. This one
    /// does not wait for the disk: it survives the server, and a power cut once another write has been synced.
    fn add_access(&self, place: Place, access: &NewAccess, most: u64) -> Result<bool, StorageError>;

    /// Accesses after a number, oldest first, at most `most`.
    fn accesses(&self, place: Place, after: u64, most: usize) -> Result<AccessPage, StorageError>;

    /// Removes a collection with all that is in it.
    fn delete_collection(&self, place: Place) -> Result<Deletion, StorageError>;

    /// Stores all of a batch, or nothing; `most_bytes` is the quota of the collection's owner.
    fn add_items(
        &self,
        place: Place,
        items: &[ItemToAdd<'_>],
        most_bytes: u64,
    ) -> Result<Addition, StorageError>;

    /// Removes those of the items that are there.
    fn remove_items(&self, place: Place, items: &[ItemId]) -> Result<Removal, StorageError>;

    /// An item without its content.
    fn item(&self, place: Place, item: &ItemId) -> Result<Option<ItemRecord>, StorageError>;

    /// Where an item's content lies.
    fn content(&self, place: Place, item: &ItemId) -> Result<Option<ContentRef>, StorageError>;

    /// What changed after a number, oldest first, at most `most` changes.
    fn changes(&self, place: Place, after: u64, most: usize) -> Result<Changes, StorageError>;

    /// Visits every veiled vector of an epoch.
    fn veiled_rows(
        &self,
        place: Place,
        epoch: u32,
        visit: &mut dyn FnMut(Row, VeiledRow<'_>),
    ) -> Result<(), StorageError>;

    /// The sealed parts of items, in order; nothing for those that were removed meanwhile.
    fn sealed_parts(&self, rows: &[Row]) -> Result<Vec<Option<SealedParts>>, StorageError>;

    /// Those of the blobs that no item names.
    fn orphans(&self, blobs: &[BlobId]) -> Result<Vec<BlobId>, StorageError>;
}

/// Immutable byte strings by name.
pub(crate) trait Blobs: Send + Sync {
    /// Writes all; they have reached the disk when it returns.
    fn put(&self, blobs: &[(BlobId, &[u8])]) -> Result<(), StorageError>;

    /// Reads one whole.
    fn get(&self, blob: BlobId) -> Result<Vec<u8>, StorageError>;

    /// Reads at most so many bytes of one from a place on.
    fn get_part(&self, blob: BlobId, from: u64, most: usize) -> Result<Vec<u8>, StorageError>;

    /// Removes those that are there.
    fn remove(&self, blobs: &[BlobId]) -> Result<(), StorageError>;

    /// Visits the names of all, in groups.
    fn visit(&self, visit: &mut dyn FnMut(&[BlobId]) -> Result<(), StorageError>)
    -> Result<(), StorageError>;
}

/// Removes blobs that a crash left without a record. Nothing may write meanwhile.
pub(crate) fn sweep(
    blobs: &dyn Blobs,
    orphans: impl Fn(&[BlobId]) -> Result<Vec<BlobId>, StorageError>,
) -> Result<usize, StorageError> {
    let mut swept = 0;
    blobs.visit(&mut |names| {
        let orphans = orphans(names)?;
        swept += orphans.len();
        blobs.remove(&orphans)
    })?;
    Ok(swept)
}
