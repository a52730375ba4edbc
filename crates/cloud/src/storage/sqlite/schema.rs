//! The tables. `inspect` declares what each column may hold; a test compares the two.

/// Kept in `user_version`.
pub(super) const VERSION: i64 = 1;

/// Rows of `items` and `collections` are numbered for good (`AUTOINCREMENT`), so a number that a search has
/// just found can never mean another item.
pub(super) const TABLES: &str = "
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
