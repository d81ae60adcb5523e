-- What models cost this object, by UTC day (2026-01-31) and model (provider/model). Costs are millionths of a US dollar, of
-- the calls whose price is known; the others are counted.
CREATE TABLE modelUsage (
  day           TEXT NOT NULL,
  model         TEXT NOT NULL,
  calls         INTEGER NOT NULL,
  inputTokens   INTEGER NOT NULL,
  outputTokens  INTEGER NOT NULL,
  costMicros    INTEGER NOT NULL,
  unpricedCalls INTEGER NOT NULL,
  PRIMARY KEY (day, model)
) WITHOUT ROWID;
