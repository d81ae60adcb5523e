-- Versions that left for an archive, so that who asks for one learns where it is. archive NULL: nobody kept it.
CREATE TABLE archived (
  version INTEGER PRIMARY KEY,
  type    TEXT NOT NULL,
  id      TEXT NOT NULL,
  branch  TEXT,
  deleted INTEGER NOT NULL,
  archive BLOB
) STRICT;
CREATE INDEX archivedByName ON archived (type, id, branch, version);

-- forkedFrom: the state that one of two objects was made of. destroyedAt: since when a name rests.
ALTER TABLE objects ADD COLUMN forkedFrom TEXT;
ALTER TABLE objects ADD COLUMN destroyedAt INTEGER;
CREATE INDEX objectsByParent ON objects (parent) WHERE parent IS NOT NULL;
CREATE INDEX objectsElsewhere ON objects (region) WHERE region IS NOT NULL;
