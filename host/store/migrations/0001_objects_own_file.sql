-- One durable object's file. Times are milliseconds since 1970 (UTC), ids 16-byte BLOBs in the order of RFC 9562, JSON
-- is TEXT exactly as it came. Column names are the contract of spec 2. Tables are append-only but for what is said at
-- each one.

-- One row. appliedSeq, epoch: the last record that is in this file. nextVersion, nextSequence: what a thing and an
-- event get next; they only grow, also when rows are removed, so that no number is used again (spec THG-2).
CREATE TABLE meta (
  one          INTEGER PRIMARY KEY CHECK (one = 1),
  object       BLOB,
  namespace    TEXT,
  createdAt    INTEGER,
  appliedSeq   INTEGER NOT NULL,
  epoch        INTEGER NOT NULL,
  nextVersion  INTEGER NOT NULL,
  nextSequence INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, NULL, NULL, NULL, 0, 0, 1, 1);

-- branch NULL is main.
CREATE TABLE things (
  version   INTEGER PRIMARY KEY,
  type      TEXT NOT NULL,
  id        TEXT NOT NULL,
  branch    TEXT,
  name      TEXT,
  data      TEXT NOT NULL,
  deleted   INTEGER NOT NULL,
  createdAt INTEGER NOT NULL,
  actionId  BLOB NOT NULL
) STRICT;
CREATE INDEX thingsByName ON things (type, id, branch, version);

-- Exception from append-only: status and what comes with it (error, attempts, output, options, times) move on.
-- Ids are UUIDv7, so the table's own order is the order of time.
CREATE TABLE actions (
  id             BLOB PRIMARY KEY,
  verb           TEXT NOT NULL,
  actor          TEXT NOT NULL,
  target         TEXT NOT NULL,
  input          INTEGER,
  output         INTEGER,
  options        TEXT NOT NULL,
  durability     TEXT NOT NULL,
  status         TEXT NOT NULL,
  error          TEXT,
  attempts       INTEGER NOT NULL,
  idempotencyKey TEXT,
  requestId      TEXT,
  parentId       BLOB,
  createdAt      INTEGER NOT NULL,
  startedAt      INTEGER,
  completedAt    INTEGER,
  durationUs     INTEGER,
  duration       INTEGER AS (durationUs / 1000) VIRTUAL
) STRICT, WITHOUT ROWID;
CREATE INDEX actionsByIdempotencyKey ON actions (idempotencyKey, target) WHERE idempotencyKey IS NOT NULL;
-- What is not finished is little; it is asked for at every start.
CREATE INDEX actionsOpen ON actions (status) WHERE status IN ('pending', 'running', 'retrying');

-- Exception from append-only: streamed and streamedAt (spec EVT-4).
CREATE TABLE events (
  sequence   INTEGER PRIMARY KEY,
  id         BLOB NOT NULL,
  verb       TEXT NOT NULL,
  source     TEXT NOT NULL,
  data       TEXT NOT NULL,
  actionId   BLOB NOT NULL,
  streamed   INTEGER NOT NULL DEFAULT 0,
  streamedAt INTEGER,
  createdAt  INTEGER NOT NULL
) STRICT;

CREATE TABLE logs (
  rowid     INTEGER PRIMARY KEY,
  actionId  BLOB NOT NULL,
  ordinal   INTEGER NOT NULL,
  createdAt INTEGER NOT NULL,
  stream    TEXT NOT NULL,
  text      TEXT NOT NULL
) STRICT;
CREATE INDEX logsByAction ON logs (actionId, ordinal);

-- Exception from append-only: a relation changes, an object goes; a row is the newest state.
CREATE TABLE objects (
  ns        TEXT PRIMARY KEY,
  id        BLOB NOT NULL,
  class     TEXT NOT NULL,
  relation  TEXT NOT NULL,
  parent    TEXT,
  createdAt INTEGER NOT NULL,
  deleted   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Exception from append-only: a key is revoked. hash is SHA-256 of the whole key, scopes a JSON array.
CREATE TABLE keys (
  id        BLOB PRIMARY KEY,
  name      TEXT NOT NULL,
  hash      BLOB NOT NULL UNIQUE,
  start     TEXT NOT NULL,
  scopes    TEXT NOT NULL,
  createdBy TEXT NOT NULL,
  createdAt INTEGER NOT NULL,
  expiresAt INTEGER,
  revokedAt INTEGER
) STRICT, WITHOUT ROWID;

-- Exception from append-only: a secret is replaced or removed. sealed is ciphertext.
CREATE TABLE secrets (
  name      TEXT PRIMARY KEY,
  sealed    BLOB NOT NULL,
  updatedAt INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest records, until the commit log has them; recovery appends them again when this file is ahead of the log.
CREATE TABLE records (
  seq    INTEGER PRIMARY KEY,
  record BLOB NOT NULL
) STRICT;
