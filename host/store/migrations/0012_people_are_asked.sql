-- What people are asked for (spec 11.4). Exception from append-only: body (the whole row, postcard) and the columns,
-- which are there to be looked for, move on until the request is over. id is that of the invocation that the work is.
CREATE TABLE requests (
  id         BLOB PRIMARY KEY,
  key        TEXT,
  parent     BLOB,
  method     TEXT NOT NULL,
  type       TEXT NOT NULL,
  worker     TEXT NOT NULL,
  requester  TEXT NOT NULL,
  -- pending, approved, rejected, answered, declined, expired, cancelled
  status     TEXT NOT NULL,
  urgency    TEXT NOT NULL,
  level      INTEGER NOT NULL,
  createdAt  INTEGER NOT NULL,
  expiresAt  INTEGER NOT NULL,
  nextAt     INTEGER,
  resolvedAt INTEGER,
  body       BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX requestsByStatus ON requests (status, id);
CREATE INDEX requestsByType ON requests (type, id);
CREATE INDEX requestsByKey ON requests (key) WHERE key IS NOT NULL;
CREATE INDEX requestsByParent ON requests (parent) WHERE parent IS NOT NULL;

-- Who is asked, by $id. Exception from append-only: the status is the request's.
CREATE TABLE requestAssignees (
  person  TEXT NOT NULL,
  request BLOB NOT NULL,
  status  TEXT NOT NULL,
  PRIMARY KEY (person, request)
) STRICT, WITHOUT ROWID;
CREATE INDEX requestAssigneesByStatus ON requestAssignees (person, status, request);
CREATE INDEX requestAssigneesOfRequest ON requestAssignees (request);

-- Whom a key speaks for: Human/ann. Without one it speaks for itself.
ALTER TABLE keys ADD COLUMN subject TEXT;
