-- Records that come in by pieces, which no reader counts until the last is there: see staging.py.

ALTER TABLE collections ADD COLUMN staged BLOB;     -- JSON: session -> the positions kept for it; NULL when there is none
ALTER TABLE records ADD COLUMN staged INTEGER;      -- 1 for a record that came in this way
