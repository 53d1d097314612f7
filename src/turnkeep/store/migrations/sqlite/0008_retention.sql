-- Retention: how long conversations are kept; and forgets that are not done everywhere yet.

-- How many days its turns are kept; 0: for ever; NULL: as the settings say.
ALTER TABLE conversation ADD COLUMN retention_days INTEGER;

-- Written in the transaction that forgets, and gone when nothing is left to do.
CREATE TABLE forgetting (
    number INTEGER PRIMARY KEY, -- rises with the order of forgetting
    begun  REAL NOT NULL,       -- when the database had forgotten
    note   TEXT NOT NULL        -- JSON: which places are left, and what they look for
);
