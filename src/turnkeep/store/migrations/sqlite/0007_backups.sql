-- What left the database and what came into it from outside: backups that turnkeep made, imports.

-- Written before the file is there, so that no backup is ever without its row.
CREATE TABLE backup (
    number   INTEGER PRIMARY KEY, -- rises with the order of making
    path     TEXT NOT NULL,       -- absolute, where it was made
    made     REAL NOT NULL,       -- when it was begun
    finished REAL,                -- when the file stood in its place; NULL: it may not
    bytes    INTEGER              -- its size then
);

-- Where a conversation came from, so that a second import of the same file does not double it.
CREATE TABLE imported (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    source       BLOB NOT NULL, -- digest of where it came from, keyed by the owner's digest key
    version      BLOB NOT NULL, -- digest of how far it had come there, keyed likewise
    finished     REAL,          -- NULL: not whole yet; swept away unless its importer still holds the lease
    PRIMARY KEY (owner, conversation),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX imported_source ON imported (owner, source);
