-- The truth: tenants, databases, collections, records, and what changed when.
-- records.key = collections.number << 40 | position, so that the records of a collection lie together in get() order.

CREATE TABLE tenants (
    name TEXT PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE databases (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    tenant TEXT NOT NULL,
    UNIQUE (tenant, name)
);

CREATE TABLE collections (
    number INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of creation; never reused
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    database INTEGER NOT NULL REFERENCES databases (number) ON DELETE CASCADE,
    metadata BLOB,                              -- JSON
    configuration BLOB NOT NULL,                -- JSON, as Chroma reports it
    schema BLOB,                                -- JSON
    settings BLOB NOT NULL DEFAULT '{}',        -- JSON: ours, in addition to Chroma's
    dimension INTEGER,                          -- of the vectors; NULL until the first one
    record_count INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL DEFAULT 0,             -- raised by every call that changes records
    next_position INTEGER NOT NULL DEFAULT 0,
    next_slot INTEGER NOT NULL DEFAULT 0,
    generation INTEGER NOT NULL DEFAULT 0,      -- of the vector file; raised by compaction
    UNIQUE (database, name)
);

CREATE TABLE records (
    key INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL REFERENCES collections (number) ON DELETE CASCADE,
    id TEXT NOT NULL,
    slot INTEGER NOT NULL,                      -- row of the vector file
    norm REAL NOT NULL,                         -- Euclidean, computed in float64
    crc INTEGER NOT NULL,                       -- crc32 of the vector's bytes
    document TEXT,
    uri TEXT,
    metadata BLOB                               -- JSON object; NULL when there is none
);

-- One row a call: the positions it touched. Numbers only, no text of a deleted record.
CREATE TABLE changes (
    collection INTEGER NOT NULL REFERENCES collections (number) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    first INTEGER,                              -- a range of positions: first .. last
    last INTEGER,
    positions BLOB,                             -- or a list: little-endian int64
    PRIMARY KEY (collection, seq)
) WITHOUT ROWID;
