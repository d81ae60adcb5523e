-- Runs that are over leave the file after a while (spec WFL-9): behind which number the look for them goes on, 0 when
-- none is under way, and when the last one ended. Times as everywhere.
ALTER TABLE meta ADD COLUMN forgetThrough INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN forgottenAt INTEGER;
