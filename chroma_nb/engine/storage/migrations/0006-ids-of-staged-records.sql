-- Records that came in by pieces are found by their ids, too. Not unique: such a record may have the id of one that is
-- there, until it is published.

CREATE INDEX staged_records_by_id ON records (collection, id) WHERE staged IS NOT NULL;
