-- A staged record may have the id of one that is there: what becomes of it is decided when it is published.

DROP INDEX records_by_id;
CREATE UNIQUE INDEX records_by_id ON records (collection, id) WHERE staged IS NULL;
