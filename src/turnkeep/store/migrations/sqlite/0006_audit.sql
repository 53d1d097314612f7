-- The audit journal: its files stand beside the database, and here how far each has come.
--
-- So records that were cut off a file's end, and files that were taken away, are found out. Each row
-- carries a proof under the journal's key, which is not in the database. Belongs to no owner's data.

CREATE TABLE audit_head (
    file  TEXT PRIMARY KEY, -- name of the file; '': the roll, whose count is the number of files there have ever been
    count INTEGER NOT NULL, -- of its records
    link  TEXT NOT NULL,    -- of the last one: 64 hexadecimal digits; '' for the roll
    state TEXT NOT NULL     -- 'expired': deleted, since its time was over
          CHECK (state IN ('open', 'expired')),
    mac   TEXT NOT NULL     -- HMAC of the row, 64 hexadecimal digits
) WITHOUT ROWID;
