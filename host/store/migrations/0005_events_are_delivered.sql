-- How far events were handed on (spec 5.1). The row '' is the object's: events through that sequence were handed to
-- every subscription. A row with a name says behind which event that subscription began. Exception from append-only:
-- through moves on.
CREATE TABLE delivered (
  name    TEXT PRIMARY KEY,
  through INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Deliveries whose last attempt failed. Exception from append-only: brought up to date by each attempt, removed when
-- one succeeds.
CREATE TABLE failedDeliveries (
  subscription  TEXT NOT NULL,
  sequence      INTEGER NOT NULL,
  id            BLOB NOT NULL UNIQUE,
  place         INTEGER NOT NULL,
  payload       TEXT NOT NULL,
  error         TEXT NOT NULL,
  retries       INTEGER NOT NULL,
  maxRetries    INTEGER NOT NULL,
  firstFailedAt INTEGER NOT NULL,
  lastAttemptAt INTEGER NOT NULL,
  -- retrying, dead, archived
  standing      TEXT NOT NULL,
  PRIMARY KEY (subscription, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX invocationsDelivering ON invocations (name, number) WHERE sequence IS NOT NULL AND standing <> 'done';
CREATE INDEX failedDeliveriesByStanding ON failedDeliveries (standing, id);
