-- Branches, relationships, the text index, and the newest version of each thing beside its history.

-- actor made this version; bornAt and bornBy made the thing, NULL when that was this version (spec THG-3: the first
-- version may have been archived).
ALTER TABLE things ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE things ADD COLUMN bornAt INTEGER;
ALTER TABLE things ADD COLUMN bornBy TEXT;

-- Derived from things: the newest version of each on each branch ('' is main). What a list, a read of the newest and a
-- merge ask, whatever the length of the history.
CREATE TABLE heads (
  branch  TEXT NOT NULL,
  type    TEXT NOT NULL,
  id      TEXT NOT NULL,
  version INTEGER NOT NULL,
  deleted INTEGER NOT NULL,
  PRIMARY KEY (branch, type, id)
) STRICT, WITHOUT ROWID;
INSERT INTO heads SELECT coalesce(branch, ''), type, id, max(version), deleted FROM things GROUP BY branch, type, id;
-- In the order of versions, which is the order of their times.
CREATE INDEX headsByVersion ON heads (branch, type, version);

-- Derived from heads: how many things of a type live on main, so that nobody counts.
CREATE TABLE tallies (
  type TEXT PRIMARY KEY,
  live INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tallies SELECT type, sum(1 - deleted) FROM heads WHERE branch = '' GROUP BY type;

-- Exception from append-only: head moves with each version on the branch, things grows, deleted is set. parent NULL is
-- main.
CREATE TABLE branches (
  name       TEXT PRIMARY KEY,
  thingId    TEXT,
  parent     TEXT,
  base       INTEGER NOT NULL,
  since      INTEGER NOT NULL,
  head       INTEGER NOT NULL,
  forkedFrom TEXT NOT NULL,
  createdAt  INTEGER NOT NULL,
  createdBy  TEXT NOT NULL,
  deleted    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Exception from append-only: only the last merge of two branches matters. '' is main.
CREATE TABLE merges (
  source  TEXT NOT NULL,
  "into"  TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (source, "into")
) STRICT, WITHOUT ROWID;

-- Derived from things of type Relationship: where each edge begins and ends, so that both sides find it. Whether it is
-- there on a branch or at a ref is what its versions say.
CREATE TABLE edges (
  id     TEXT PRIMARY KEY,
  verb   TEXT NOT NULL,
  source TEXT NOT NULL,
  target TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX edgesBySource ON edges (source, verb, id);
CREATE INDEX edgesByTarget ON edges (target, verb, id);

-- Exception from append-only: until is set when the value is given back. '' is main. Who held a value is kept, because a
-- branch still sees it.
CREATE TABLE uniques (
  branch TEXT NOT NULL,
  type   TEXT NOT NULL,
  field  TEXT NOT NULL,
  value  TEXT NOT NULL,
  id     TEXT NOT NULL,
  since  INTEGER NOT NULL,
  until  INTEGER,
  PRIMARY KEY (branch, type, field, value, id, since)
) STRICT, WITHOUT ROWID;

-- The text of each live thing on main, by the version it has now. Only the index is kept: the text is in the thing.
CREATE VIRTUAL TABLE search USING fts5(content, content = '', contentless_delete = 1, tokenize = "unicode61 remove_diacritics 2");

-- Texts that are not in the index yet: they enter it many at a time, whenever there are so many, because the index writes
-- itself out once in each transaction that touches it. What is found is what both hold.
CREATE TABLE searchPending (
  version INTEGER PRIMARY KEY,
  content TEXT NOT NULL
) STRICT;

ALTER TABLE actions ADD COLUMN sessionId TEXT;
ALTER TABLE actions ADD COLUMN workflowId TEXT;
CREATE INDEX actionsByTarget ON actions (target, id);

ALTER TABLE objects ADD COLUMN region TEXT;
ALTER TABLE objects ADD COLUMN "primary" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE objects ADD COLUMN shardKey TEXT;
ALTER TABLE objects ADD COLUMN shardIndex INTEGER;
ALTER TABLE objects ADD COLUMN cached INTEGER NOT NULL DEFAULT 0;

-- What people expect to find when they open the file; the things themselves are the truth.
CREATE VIEW nouns AS
  SELECT t.id AS noun, t.data ->> 'plural' AS plural, t.data ->> 'description' AS description,
         t.data -> 'schema' AS schema, t.data ->> 'doClass' AS doClass
  FROM heads h JOIN things t ON t.version = h.version WHERE h.branch = '' AND h.type = 'Noun' AND h.deleted = 0;
CREATE VIEW verbs AS
  SELECT t.id AS action, t.data ->> 'activity' AS activity, t.data ->> 'event' AS event,
         t.data ->> 'predicate' AS predicate, t.data -> 'reverse' AS reverse, t.data ->> 'inverse' AS inverse
  FROM heads h JOIN things t ON t.version = h.version WHERE h.branch = '' AND h.type = 'Verb' AND h.deleted = 0;
CREATE VIEW relationships AS
  SELECT t.id AS id, t.data ->> 'verb' AS verb, t.data ->> 'from' AS "from", t.data ->> 'to' AS "to",
         t.data -> 'data' AS data, coalesce(t.bornAt, t.createdAt) AS createdAt
  FROM heads h JOIN things t ON t.version = h.version
  WHERE h.branch = '' AND h.type = 'Relationship' AND h.deleted = 0;
