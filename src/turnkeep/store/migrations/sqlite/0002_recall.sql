-- Recall: an index of words for each conversation, and the vectors of what was said.
--
-- Every table is keyed by owner, then conversation, both small integers, and goes with
-- the conversation. Terms are 32-bit numbers (context/words.py) and stand for a stem, a
-- pair of characters or a day; what they stand for is in no table but the items themselves.

-- How far a conversation's words are indexed.
CREATE TABLE indexed (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    version      INTEGER NOT NULL, -- of the terms; another version's are thrown away and made anew
    turn         INTEGER NOT NULL, -- turns up to this number are indexed, as far as they have come
    items        INTEGER NOT NULL, -- items that are indexed
    words        INTEGER NOT NULL, -- their terms in all
    PRIMARY KEY (owner, conversation),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;

-- In how many items of a conversation a term stands.
CREATE TABLE word (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    term         INTEGER NOT NULL, -- the term's number
    items        INTEGER NOT NULL, -- how many items hold it, on all branches
    PRIMARY KEY (owner, conversation, term),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;
-- Which conversations of an owner hold a term, for searching all of them.
CREATE INDEX word_owner ON word (owner, term);

-- Inserted, never updated.
CREATE TABLE posting (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    term         INTEGER NOT NULL, -- the term's number
    seq          INTEGER NOT NULL, -- place of the item that holds it;
    branch       INTEGER NOT NULL, --   seq first: a query reads the newest
    count        INTEGER NOT NULL, -- how often it stands there
    length       INTEGER NOT NULL, -- how many terms the item has in all
    PRIMARY KEY (owner, conversation, term, seq, branch),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;

-- Items that are no message of user or assistant: neighbours in a conversation are looked for past them.
CREATE INDEX item_aside ON item (owner, conversation, branch, seq) WHERE kind NOT IN ('user', 'assistant');

CREATE TABLE embedder (
    number INTEGER PRIMARY KEY, -- stands for the embedder in the tables below
    name   TEXT NOT NULL UNIQUE -- model and form of its vectors: same name, same vectors
);

-- How far a conversation is embedded.
CREATE TABLE embedded (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    embedder     INTEGER NOT NULL REFERENCES embedder (number), -- whose vectors
    turn         INTEGER NOT NULL,                              -- turns up to this number are done
    PRIMARY KEY (owner, conversation, embedder),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;

-- Inserted, never updated; in the order of turns, so that a reader asks for what is new only.
CREATE TABLE vector (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    embedder     INTEGER NOT NULL, -- whose vector
    turn         INTEGER NOT NULL, -- number of the item's turn
    seq          INTEGER NOT NULL, -- place of the item:
    branch       INTEGER NOT NULL, --   its seq and branch
    body         BLOB NOT NULL,    -- a byte a dimension, signed (embed/base.py)
    PRIMARY KEY (owner, conversation, embedder, turn, seq),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;
