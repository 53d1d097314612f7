-- Encryption at rest. Both tables are empty in a store that is not encrypted.

-- How the store's own key is kept: one row, or none.
CREATE TABLE encryption (
    number     INTEGER PRIMARY KEY -- always 1
               CHECK (number = 1),
    method     TEXT NOT NULL  -- what opens it
               CHECK (method IN ('passphrase', 'key_file')),
    parameters TEXT NOT NULL, -- JSON: how the key that wraps is derived from it
    wrapped    BLOB NOT NULL  -- the store's key, wrapped by that key
);

-- The key of each conversation's text; whoever deletes the row has destroyed the text.
CREATE TABLE conversation_key (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    wrapped      BLOB NOT NULL, -- the conversation's key, wrapped by the store's key
    name_digest  BLOB,          -- of its name, keyed by the store's key: names are looked up and unique; NULL: none
    PRIMARY KEY (owner, conversation),
    UNIQUE (owner, name_digest),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;
