-- What the caller of a durable run may want beside the usual: higher priorities run first, and only faults with these
-- codes (JSON) are retried.
ALTER TABLE invocations ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invocations ADD COLUMN retryOn TEXT;
CREATE INDEX invocationsByPriority ON invocations (priority DESC, number)
  WHERE priority <> 0 AND standing IN ('ready', 'running');
