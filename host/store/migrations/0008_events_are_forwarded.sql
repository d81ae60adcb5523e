-- Objects that follow this one's events (spec 5.6): what they want, and through which event they have it. Exception from
-- append-only: all of it moves on, and a follower that is removed leaves. error is JSON. Times as everywhere.
CREATE TABLE followers (
  ns      TEXT PRIMARY KEY,
  event   TEXT NOT NULL,
  filter  TEXT,
  through INTEGER NOT NULL,
  failed  INTEGER NOT NULL,
  retryAt INTEGER,
  error   TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX followersDue ON followers (retryAt) WHERE retryAt IS NOT NULL;

-- Objects whose events were taken in here, and through which of their numbers. Exception from append-only: through moves
-- on. It is the object's id, for another one may get its name.
CREATE TABLE takenIn (
  source  BLOB PRIMARY KEY,
  through INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where events that were taken in happened. Kept when the event is archived: none is taken in a second time.
CREATE TABLE eventOrigins (
  sequence INTEGER PRIMARY KEY,
  id       BLOB NOT NULL UNIQUE,
  ns       TEXT NOT NULL,
  number   INTEGER NOT NULL,
  depth    INTEGER NOT NULL,
  actor    TEXT
) STRICT;
