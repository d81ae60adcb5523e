-- Runs of workflows, and the branches of their parallel steps (spec 8). Each is an invocation as well, which says where
-- it stands. Exception from append-only: body (the whole row, postcard) says what was asked of it, which moves on.
CREATE TABLE workflowRuns (
  id       BLOB PRIMARY KEY,
  -- The whole run; id itself unless it is a branch.
  run      BLOB NOT NULL,
  -- Of its invocation.
  number   INTEGER NOT NULL,
  workflow TEXT NOT NULL,
  name     TEXT NOT NULL,
  -- Whether it is a whole run.
  whole    INTEGER NOT NULL,
  key      TEXT,
  width    INTEGER,
  body     BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX workflowRunsByName ON workflowRuns (workflow, name) WHERE whole = 1;
CREATE UNIQUE INDEX workflowRunsByKey ON workflowRuns (workflow, key) WHERE key IS NOT NULL;
CREATE INDEX workflowRunsByNumber ON workflowRuns (workflow, number) WHERE whole = 1;
CREATE INDEX workflowRunsOfRun ON workflowRuns (run, number);
