-- Where each schedule stands (spec 5.2). Exception from append-only: all of it moves on, and a schedule that is removed
-- leaves. What it calls is its declaration, a thing of the noun TimeSchedule. Times as everywhere.
CREATE TABLE schedules (
  name          TEXT PRIMARY KEY,
  id            BLOB NOT NULL,
  canonical     TEXT NOT NULL,
  timezone      TEXT NOT NULL,
  paused        INTEGER NOT NULL,
  anchor        INTEGER NOT NULL,
  nextRunAt     INTEGER,
  lastRunAt     INTEGER,
  -- ran, skipped, refused
  lastOutcome   TEXT,
  runCount      INTEGER NOT NULL,
  refusedCount  INTEGER NOT NULL,
  skippedCount  INTEGER NOT NULL,
  -- Runs that ended without a result: counted as their rows enter, kept when the schedule moves on.
  failedCount   INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX schedulesDue ON schedules (nextRunAt) WHERE nextRunAt IS NOT NULL;
-- The runs of a schedule that have not ended: asked at each tick.
CREATE INDEX invocationsOfSchedule ON invocations (name) WHERE trigger = 'schedule' AND standing <> 'done';
