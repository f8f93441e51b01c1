-- Kept for files only: in memory the map of ids, which nobody else can change, says the same.

CREATE UNIQUE INDEX records_by_id ON records (collection, id);
