-- Rows of vector files that no sync covers yet (durability "process"): see pending.py.

CREATE TABLE pending_vectors (
    collection INTEGER NOT NULL REFERENCES collections (number) ON DELETE CASCADE,
    slot INTEGER NOT NULL,                      -- of the first row
    rows BLOB NOT NULL,                         -- little-endian float32
    PRIMARY KEY (collection, slot)
) WITHOUT ROWID;
