-- Durable invocations (spec 6.4). Exception from append-only: where one stands (attempt, interrupted, standing, until,
-- wait…, output) and the version it is pinned to move on; body (the accepted invocation, postcard) never changes.
-- Times as everywhere.
CREATE TABLE invocations (
  number      INTEGER PRIMARY KEY,
  id          BLOB NOT NULL UNIQUE,
  function    TEXT NOT NULL,
  version     INTEGER NOT NULL,
  -- call, step, event, schedule, timer, workflow; and the name of what it is that asked.
  trigger     TEXT NOT NULL,
  name        TEXT,
  -- Of the event that asked, and its place among the handlers of that event.
  sequence    INTEGER,
  place       INTEGER,
  parent      BLOB,
  key         TEXT,
  serial      TEXT,
  input       TEXT NOT NULL,
  body        BLOB NOT NULL,
  attempt     INTEGER NOT NULL,
  interrupted INTEGER NOT NULL,
  -- ready, running, delayed, waiting, paused, done
  standing    TEXT NOT NULL,
  until       INTEGER,
  waitStep    INTEGER,
  waitChild   BLOB,
  waitNoun    TEXT,
  waitVerb    TEXT,
  waitFilter  TEXT,
  output      TEXT
) STRICT;
CREATE INDEX invocationsByKey ON invocations (key, function) WHERE key IS NOT NULL;
CREATE INDEX invocationsReady ON invocations (number) WHERE standing IN ('ready', 'running');
CREATE INDEX invocationsUntil ON invocations (until) WHERE until IS NOT NULL;
CREATE INDEX invocationsSerial ON invocations (serial, number) WHERE serial IS NOT NULL AND standing <> 'done';
CREATE INDEX invocationsWaiting ON invocations (waitVerb, waitNoun) WHERE waitVerb IS NOT NULL;
CREATE INDEX invocationsOfChild ON invocations (waitChild) WHERE waitChild IS NOT NULL;
CREATE INDEX invocationsByName ON invocations (trigger, name, number) WHERE name IS NOT NULL;
CREATE INDEX invocationsByEvent ON invocations (sequence, place) WHERE sequence IS NOT NULL AND standing <> 'done';

-- The calls of an invocation. Exception from append-only: a step is answered (reply, endedAt), and the steps of an
-- attempt that a later one does not repeat are given up. reply is postcard.
CREATE TABLE steps (
  invocation  BLOB NOT NULL,
  ordinal     INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,
  name        TEXT NOT NULL,
  stepId      TEXT,
  fingerprint INTEGER NOT NULL,
  call        TEXT NOT NULL,
  reply       BLOB,
  child       BLOB,
  startedAt   INTEGER NOT NULL,
  endedAt     INTEGER,
  PRIMARY KEY (invocation, ordinal)
) STRICT, WITHOUT ROWID;
