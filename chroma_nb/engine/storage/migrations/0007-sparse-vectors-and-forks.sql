-- Metadata of records may hold sparse vectors, as JSON objects: {"#type": "sparse_vector", "indices": [], "values": []}.
-- Earlier versions, which know nothing of them, refuse the database by this number.

-- Forks of forks count for the collection that all of them come from, also once it or they are deleted.
ALTER TABLE collections ADD COLUMN root TEXT;                           -- its id; NULL: there is no fork
ALTER TABLE collections ADD COLUMN forks INTEGER NOT NULL DEFAULT 0;    -- how many were made of it and of its forks

-- How many records were added, changed and deleted, all in all: of earlier versions what their counters tell.
ALTER TABLE collections ADD COLUMN operations INTEGER NOT NULL DEFAULT 0;
UPDATE collections SET operations = 2 * next_position - record_count;
