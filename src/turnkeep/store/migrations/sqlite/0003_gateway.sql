-- The gateway: responses, what they streamed, retries, histories to be recognised, keys, aliases.
--
-- What belongs to a conversation is keyed by owner, then conversation, and goes with it. What was said
-- stands in no table here but in response_event (a reply's pieces) and in what the client put into
-- metadata and head; forgetting a turn takes its rows out of all of them.

-- How it came to be; at a gateway only the named ones are shown under their id.
ALTER TABLE conversation ADD COLUMN kind TEXT NOT NULL DEFAULT 'named'
    CHECK (kind IN ('named', 'chain', 'history', 'chat'));
-- JSON object of texts, as the gateway's client gave it; NULL: none.
ALTER TABLE conversation ADD COLUMN metadata TEXT;

-- 32 random bytes that key the owner's digests; NULL: not needed yet.
ALTER TABLE owner ADD COLUMN digest_key BLOB;

-- An item is asked for by its id.
CREATE INDEX item_tag ON item (owner, conversation, tag);

CREATE TABLE response (
    number       INTEGER PRIMARY KEY, -- rises with the order of writing
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    tag          INTEGER NOT NULL,    -- 60 random bits, the end of its id
    kind         TEXT NOT NULL        -- by which interface
                 CHECK (kind IN ('response', 'chat_completion')),
    turn         INTEGER,             -- number of its turn; NULL: not begun yet
    previous     INTEGER,             -- tag of the response it continues, which may be gone
    given        INTEGER NOT NULL,    -- 1: the client named the conversation
    status       TEXT                 -- overrides what the turn's state says
                 CHECK (status IN ('queued', 'cancelled', 'failed')),
    error        TEXT,                -- why it failed before or beside its turn, one sentence
    keeper       TEXT,                -- subject of the lease of who works on it while it is queued
    model        TEXT,                -- as the client named it
    metadata     TEXT,                -- JSON object of texts, as the client gave it; NULL: none
    head         TEXT NOT NULL,       -- JSON: request fields to echo, without texts
    created      REAL NOT NULL,       -- when it was asked for
    UNIQUE (owner, conversation, tag),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
);
CREATE INDEX response_turn ON response (owner, conversation, turn);
-- Stored chat completions are listed; responses are not, and shall not pay for it.
CREATE INDEX response_listed ON response (owner) WHERE kind = 'chat_completion';
-- Those that nobody has begun to answer: few at a time, and looked for by the clock.
CREATE INDEX response_waiting ON response (owner, conversation)
    WHERE turn IS NULL AND (status IS NULL OR status = 'queued');

-- What a background response streamed, kept until it is deleted.
CREATE TABLE response_event (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    response     INTEGER NOT NULL, -- its tag
    seq          INTEGER NOT NULL, -- sequence number, from 0
    body         TEXT NOT NULL,    -- JSON, as sent
    PRIMARY KEY (owner, conversation, response, seq),
    FOREIGN KEY (owner, conversation, response) REFERENCES response (owner, conversation, tag) ON DELETE CASCADE
) WITHOUT ROWID;

-- Ids that are not of our making.
CREATE TABLE alias (
    owner        INTEGER NOT NULL,
    text         TEXT NOT NULL,    -- the id; unique within the owner
    conversation INTEGER NOT NULL, -- what it stands for: of this conversation,
    kind         TEXT NOT NULL,    --   the id of this kind (store/ids.py),
    tag          INTEGER,          --   with this tag; NULL: the conversation itself
    place        INTEGER,          --   and place among an item's calls or results; NULL for other kinds
    PRIMARY KEY (owner, text),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX alias_conversation ON alias (owner, conversation, tag);

-- Which request a client's key stands for, for a day.
CREATE TABLE idempotency (
    owner        INTEGER NOT NULL REFERENCES owner (number) ON DELETE CASCADE,
    digest       BLOB NOT NULL,    -- of the client's key, keyed by the owner's digest key
    request      BLOB NOT NULL,    -- digest of the request, keyed likewise
    state        TEXT NOT NULL     -- how answering it stands
                 CHECK (state IN ('open', 'done', 'failed')),
    keeper       TEXT,             -- subject of the lease of who answers it
    conversation INTEGER,          -- of its response; NULL: not known yet
    response     TEXT,             -- its id
    created      REAL NOT NULL,    -- when it was claimed
    PRIMARY KEY (owner, digest),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX idempotency_conversation ON idempotency (owner, conversation);
CREATE INDEX idempotency_created ON idempotency (created);

-- Keyed hashes of whole histories, each up to the end of a turn.
CREATE TABLE digest (
    number       INTEGER PRIMARY KEY, -- rises with the order of writing
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    turn         INTEGER NOT NULL,    -- number of the turn that ends the history
    branch       INTEGER NOT NULL,    -- place of that turn's last item:
    seq          INTEGER NOT NULL,    --   its branch and seq
    digest       BLOB NOT NULL,       -- 16 bytes, keyed by the owner's digest key
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
);
CREATE UNIQUE INDEX digest_turn ON digest (owner, conversation, turn, digest);
CREATE INDEX digest_value ON digest (owner, digest);

-- Who may come in. Belongs to no owner's data: it says which owner somebody is.
CREATE TABLE api_key (
    number  INTEGER PRIMARY KEY,  -- rises with the order of making
    id      TEXT NOT NULL UNIQUE, -- random
    name    TEXT NOT NULL,        -- as the person called it; unique among those not revoked
    owner   TEXT NOT NULL,        -- name of the owner whose conversations it sees
    digest  BLOB NOT NULL UNIQUE, -- SHA-256 of the secret: 256 random bits need no slower hash
    created REAL NOT NULL,        -- when it was made
    used    REAL,                 -- beginning of the day (UTC) on which it was last used
    revoked REAL                  -- when it was revoked; NULL: it is live
);
CREATE UNIQUE INDEX api_key_name ON api_key (name) WHERE revoked IS NULL;
