//! The tables. `inspect` declares what each column may hold; a test compares the two.

use pmirs_crypto::leaf_digest;
use rusqlite::{Connection, params};

/// Kept in `user_version`.
pub(super) const VERSION: i64 = 6;

/// Brings a database of version `from` to [`VERSION`], step by step; an empty one is of version 0. Every
/// database has gone through every step since its own version, so all of one version are alike.
///
/// Returns `false` for a version that this server does not know.
pub(super) fn migrate(db: &Connection, from: i64) -> rusqlite::Result<bool> {
    if !(0..=VERSION).contains(&from) {
        return Ok(false);
    }
    if from < 1 {
        db.execute_batch(TABLES)?;
    }
    if from < 2 {
        db.execute_batch(MANY_USERS)?;
        digest_items(db)?;
    }
    if from < 3 {
        db.execute_batch(FILTERS)?;
    }
    if from < 4 {
        db.execute_batch(ACCESSES)?;
    }
    if from < 5 {
        db.execute_batch(SPLIT)?;
    }
    if from < 6 {
        db.execute_batch(FEDERATIONS)?;
    }
    if from < VERSION {
        db.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(true)
}

/// Gives items of version 1 the digests that a log pins.
fn digest_items(db: &Connection) -> rusqlite::Result<()> {
    let mut find = db.prepare("SELECT row, item, epoch, meta, embedding FROM items")?;
    let mut keep = db.prepare("UPDATE items SET leaf = ?2 WHERE row = ?1")?;
    let mut rows = find.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let (meta, embedding) = (row.get_ref(3)?.as_blob()?, row.get_ref(4)?.as_blob()?);
        let leaf = leaf_digest(&row.get(1)?, row.get(2)?, meta, embedding);
        keep.execute(params![number, leaf])?;
    }
    Ok(())
}

/// Version 6: federations. A member need not have an account yet.
const FEDERATIONS: &str = "
CREATE TABLE federations (
    place       INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB NOT NULL UNIQUE,
    owner       BLOB NOT NULL REFERENCES accounts (id),
    name        TEXT NOT NULL,
    charter     BLOB NOT NULL,
    signature   BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    phase       TEXT NOT NULL CHECK (phase IN ('awaits-model', 'running', 'finished', 'stopped')),
    number      INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    step        INTEGER NOT NULL,
    deadline_ms INTEGER,
    reason      TEXT,
    weights     BLOB,
    optimiser   BLOB,
    sum         BLOB
) STRICT;
CREATE INDEX federations_by_owner ON federations (owner);

CREATE TABLE federation_members (
    place       INTEGER NOT NULL REFERENCES federations (place),
    member      INTEGER NOT NULL,
    account     BLOB NOT NULL,
    PRIMARY KEY (place, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX federation_members_by_account ON federation_members (account, place);

CREATE TABLE federation_messages (
    place       INTEGER NOT NULL REFERENCES federations (place),
    step        INTEGER NOT NULL,
    member      INTEGER NOT NULL,
    frame       BLOB NOT NULL,
    UNIQUE (place, step, member)
) STRICT;

CREATE TABLE federation_records (
    place       INTEGER NOT NULL REFERENCES federations (place),
    number      INTEGER NOT NULL,
    record      BLOB NOT NULL,
    signature   BLOB NOT NULL,
    UNIQUE (place, number)
) STRICT;
";

/// Version 5: a third level of protection.
const SPLIT: &str = "
ALTER TABLE collections ADD COLUMN level TEXT NOT NULL DEFAULT 'sealed'
    CHECK (level IN ('sealed', 'veiled', 'split'));
UPDATE collections SET level = protection;
ALTER TABLE collections DROP COLUMN protection;
ALTER TABLE collections RENAME COLUMN level TO protection;
";

/// Version 4: who opened what. Numbers are counted in the collection, since the latest access may be forgotten with
/// its account.
const ACCESSES: &str = "
ALTER TABLE collections ADD COLUMN accesses INTEGER NOT NULL DEFAULT 0;

CREATE TABLE accesses (
    place     INTEGER NOT NULL REFERENCES collections (place),
    number    INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,
    account   BLOB NOT NULL REFERENCES accounts (id),
    item      BLOB NOT NULL,
    sent_ms   INTEGER NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (place, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX accesses_by_account ON accesses (account);
";

/// Version 3: filter tokens, each 32 bytes, one after the other. They lie with the vector that they filter, so that
/// a matrix is read in one pass and both go at once.
const FILTERS: &str = "
ALTER TABLE veiled ADD COLUMN tokens BLOB NOT NULL DEFAULT x'' CHECK (length(tokens) % 32 = 0);
";

/// Version 2: names, devices, members, logs. Whoever had a grant is a member by its role, the first account
/// is the administrator.
const MANY_USERS: &str = "
ALTER TABLE accounts ADD COLUMN name TEXT;
ALTER TABLE accounts ADD COLUMN admin INTEGER NOT NULL DEFAULT 0 CHECK (admin IN (0, 1));
CREATE UNIQUE INDEX accounts_by_name ON accounts (name) WHERE name IS NOT NULL;
UPDATE accounts SET admin = 1 WHERE rowid = (SELECT min(rowid) FROM accounts);

CREATE TABLE devices (
    id          BLOB NOT NULL PRIMARY KEY,
    account     BLOB NOT NULL REFERENCES accounts (id),
    key         BLOB NOT NULL,
    certificate BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    revoked_ms  INTEGER
) STRICT;
CREATE INDEX devices_by_account ON devices (account);

ALTER TABLE sessions ADD COLUMN device BLOB REFERENCES devices (id);
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX sessions_by_device ON sessions (device) WHERE device IS NOT NULL;
CREATE INDEX invites_by_account ON invites (spent_by) WHERE spent_by IS NOT NULL;

ALTER TABLE collections ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
UPDATE collections
    SET epoch = coalesce((SELECT max(epoch) FROM grants g WHERE g.place = collections.place), 0);

CREATE TABLE members (
    place        INTEGER NOT NULL REFERENCES collections (place),
    member       BLOB NOT NULL REFERENCES accounts (id),
    role         INTEGER NOT NULL CHECK (role IN (1, 2, 3)),
    accepted     INTEGER NOT NULL CHECK (accepted IN (0, 1)),
    since_number INTEGER NOT NULL,
    PRIMARY KEY (place, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_member ON members (member, place);
INSERT INTO members (place, member, role, accepted, since_number)
    SELECT place, member, role, 1, 0 FROM grants g
    WHERE epoch = (SELECT max(epoch) FROM grants WHERE place = g.place AND member = g.member);

CREATE TABLE log (
    place       INTEGER NOT NULL REFERENCES collections (place),
    number      INTEGER NOT NULL,
    entry       BLOB NOT NULL,
    signature   BLOB NOT NULL,
    hash        BLOB NOT NULL,
    UNIQUE (place, number)
) STRICT;

ALTER TABLE items ADD COLUMN leaf BLOB NOT NULL DEFAULT x'';
";

/// Version 1. Rows of `items` and `collections` are numbered for good (`AUTOINCREMENT`), so a number that a search has
/// just found can never mean another item.
const TABLES: &str = "
CREATE TABLE accounts (
    id          BLOB NOT NULL PRIMARY KEY,
    identity    BLOB NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE invites (
    code        BLOB NOT NULL PRIMARY KEY,
    created_ms  INTEGER NOT NULL,
    spent_by    BLOB REFERENCES accounts (id)
) STRICT;

CREATE TABLE sessions (
    token       BLOB NOT NULL PRIMARY KEY,
    account     BLOB NOT NULL REFERENCES accounts (id),
    expires_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_end ON sessions (expires_ms);

CREATE TABLE collections (
    place       INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB NOT NULL UNIQUE,
    owner       BLOB NOT NULL REFERENCES accounts (id),
    protection  TEXT NOT NULL CHECK (protection IN ('sealed', 'veiled')),
    veiled_dim  INTEGER NOT NULL,
    header      BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    items       INTEGER NOT NULL DEFAULT 0,
    bytes       INTEGER NOT NULL DEFAULT 0,
    seq         INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX collections_by_owner ON collections (owner);

CREATE TABLE grants (
    place       INTEGER NOT NULL REFERENCES collections (place),
    member      BLOB NOT NULL REFERENCES accounts (id),
    epoch       INTEGER NOT NULL,
    role        INTEGER NOT NULL CHECK (role IN (1, 2, 3)),
    granter     BLOB NOT NULL,
    wrapped_key BLOB NOT NULL,
    UNIQUE (member, place, epoch)
) STRICT;
CREATE INDEX grants_by_place ON grants (place);

CREATE TABLE items (
    row         INTEGER PRIMARY KEY AUTOINCREMENT,
    place       INTEGER NOT NULL REFERENCES collections (place),
    item        BLOB NOT NULL,
    epoch       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    blob        BLOB NOT NULL UNIQUE,
    content_len INTEGER NOT NULL,
    meta        BLOB NOT NULL,
    embedding   BLOB NOT NULL,
    UNIQUE (place, item),
    UNIQUE (place, seq)
) STRICT;

CREATE TABLE veiled (
    place       INTEGER NOT NULL REFERENCES collections (place),
    epoch       INTEGER NOT NULL,
    row         INTEGER NOT NULL REFERENCES items (row),
    scale       REAL NOT NULL,
    dims        BLOB NOT NULL,
    PRIMARY KEY (place, epoch, row)
) STRICT, WITHOUT ROWID;
CREATE INDEX veiled_by_row ON veiled (row);

CREATE TABLE removed (
    place       INTEGER NOT NULL REFERENCES collections (place),
    seq         INTEGER NOT NULL,
    item        BLOB NOT NULL,
    PRIMARY KEY (place, seq),
    UNIQUE (place, item)
) STRICT, WITHOUT ROWID;
";

#[cfg(test)]
mod tests {
    use pmirs_wire::collection::{Protection, Role};
    use pmirs_wire::{AccountId, CollectionId, Digest, ItemId};

    use super::super::Sqlite;
    use super::*;
    use crate::storage::{Place, Store};

    /// A database as version 1 left it: two accounts, a collection of two epochs, three items.
    fn version_1(folder: &std::path::Path) {
        let db = Connection::open(folder.join(super::super::FILE)).unwrap();
        db.execute_batch(TABLES).unwrap();
        db.execute_batch(
            "INSERT INTO accounts VALUES (zeroblob(32), x'aa', 5),
                 (x'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', x'bb', 6);
             INSERT INTO invites VALUES (x'01', 5, zeroblob(32)), (x'02', 6, NULL);
             INSERT INTO sessions VALUES (x'03', zeroblob(32), 9);
             INSERT INTO collections VALUES (7, zeroblob(16), zeroblob(32), 'veiled', 2, x'cc', 5, 3, 90, 4);
             INSERT INTO grants VALUES (7, zeroblob(32), 0, 1, x'aa', x'd0'),
                                       (7, zeroblob(32), 1, 3, x'aa', x'd1');
             PRAGMA user_version = 1;",
        )
        .unwrap();
        for item in 1..=3_u8 {
            db.execute(
                "INSERT INTO items VALUES (?1, 7, ?2, 1, ?1, ?2, 30, ?3, ?4)",
                params![i64::from(item), [item; 16], [item, 1], [item, 2]],
            )
            .unwrap();
            db.execute("INSERT INTO veiled VALUES (7, 1, ?1, 0.5, x'0102')", [i64::from(item)]).unwrap();
        }
    }

    /// The same once version 2 had opened it.
    fn version_2(folder: &std::path::Path) {
        version_1(folder);
        let db = Connection::open(folder.join(super::super::FILE)).unwrap();
        db.execute_batch(MANY_USERS).unwrap();
        digest_items(&db).unwrap();
        db.pragma_update(None, "user_version", 2).unwrap();
    }

    /// The same once version 3 had opened it.
    fn version_3(folder: &std::path::Path) {
        version_2(folder);
        let db = Connection::open(folder.join(super::super::FILE)).unwrap();
        db.execute_batch(FILTERS).unwrap();
        db.pragma_update(None, "user_version", 3).unwrap();
    }

    /// The same once version 4 had opened it.
    fn version_4(folder: &std::path::Path) {
        version_3(folder);
        let db = Connection::open(folder.join(super::super::FILE)).unwrap();
        db.execute_batch(ACCESSES).unwrap();
        db.pragma_update(None, "user_version", 4).unwrap();
    }

    /// The same once version 5 had opened it.
    fn version_5(folder: &std::path::Path) {
        version_4(folder);
        let db = Connection::open(folder.join(super::super::FILE)).unwrap();
        db.execute_batch(SPLIT).unwrap();
        db.pragma_update(None, "user_version", 5).unwrap();
    }

    #[test]
    fn a_database_of_an_earlier_version_goes_on_with_all_it_had() {
        for earlier in [version_1, version_2, version_3, version_4, version_5] {
            let folder = tempfile::tempdir().unwrap();
            earlier(folder.path());
            goes_on(folder.path());
        }
    }

    fn goes_on(folder: &std::path::Path) {
        for opened in ["migrated", "opened again"] {
            let store = Sqlite::open(folder).unwrap();
            let (first, second) = (AccountId([0; 32]), AccountId([0xff; 32]));
            assert_eq!(store.accounts().unwrap(), 2, "{opened}");
            assert_eq!(store.identity(&first).unwrap().unwrap(), [0xaa]);
            assert_eq!([first, second].map(|account| store.is_admin(&account).unwrap()), [true, false]);
            let member = store.membership(&first, &CollectionId([0; 16])).unwrap().unwrap();
            assert_eq!((member.place, member.role, member.accepted), (Place(7), Role::Owner, true));
            assert_eq!(
                (member.protection, member.epochs, member.logged),
                (Protection::Veiled, vec![0, 1], false)
            );
            let state = store.log_state(Place(7)).unwrap().unwrap();
            assert_eq!((state.epoch, state.head, state.members.len()), (1, None, 1));
            let record = store.collection(&first, &CollectionId([0; 16])).unwrap().unwrap();
            assert_eq!((record.items, record.bytes, record.seq), (3, 90, 4));
            let mut leaves = Vec::new();
            store.leaves(Place(7), &mut |item, digest| leaves.push((item, digest))).unwrap();
            let expected = [1, 2, 3].map(|item: u8| {
                (ItemId([item; 16]), Digest(leaf_digest(&[item; 16], 1, &[item, 1], &[item, 2])))
            });
            assert_eq!(leaves, expected);
            let item = store.item(Place(7), &ItemId([2; 16])).unwrap().unwrap();
            assert_eq!((item.meta.0, item.tokens), (vec![2, 1], Vec::new()));
        }
    }

    #[test]
    fn a_database_of_a_later_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Sqlite::open(folder.path()).unwrap());
        let db = Connection::open(folder.path().join(super::super::FILE)).unwrap();
        db.pragma_update(None, "user_version", VERSION + 1).unwrap();
        let refused = Sqlite::open(folder.path());
        assert!(
            matches!(refused, Err(crate::storage::StorageError::Schema { got, expected: VERSION }) if got == VERSION + 1)
        );
    }

    #[test]
    fn a_long_log_comes_in_pages() {
        let folder = tempfile::tempdir().unwrap();
        version_1(folder.path());
        let store = Sqlite::open(folder.path()).unwrap();
        let db = Connection::open(folder.path().join(super::super::FILE)).unwrap();
        for number in 0..25_u8 {
            db.execute(
                "INSERT INTO log VALUES (7, ?1, ?2, x'05', zeroblob(32))",
                params![i64::from(number), vec![number; 1000]],
            )
            .unwrap();
        }
        let (mut after, mut pages, mut seen) = (None, 0, Vec::new());
        loop {
            let page = store.log_page(Place(7), after, 5_000).unwrap();
            assert!(!page.entries.is_empty() && page.entries.len() <= 5, "{}", page.entries.len());
            seen.extend(page.entries.iter().map(|signed| signed.entry.0[0]));
            after = seen.last().map(|&number| u64::from(number));
            pages += 1;
            if !page.more {
                break;
            }
        }
        assert_eq!((seen, pages), ((0..25).collect(), 5));
        assert_eq!(store.log_head(Place(7)).unwrap().0.unwrap().0.entry.0[0], 24);
    }
}
