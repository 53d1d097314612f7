-- Conversations: their turns, items, branches and views; leases.
--
-- Every table of a conversation's is keyed by owner, then conversation, both
-- small integers (text keys triple the file). Rowid tables with an index beside
-- them where rows are large, WITHOUT ROWID where a row is little more than its key.
-- Times are seconds since the epoch (UTC). JSON is written without spaces.

CREATE TABLE migration (
    number  INTEGER PRIMARY KEY, -- of the migration's file
    name    TEXT NOT NULL,       -- of the migration's file
    applied REAL NOT NULL        -- when it was applied here
);

CREATE TABLE owner (
    number INTEGER PRIMARY KEY, -- stands for the owner in all other tables
    name   TEXT NOT NULL UNIQUE -- as the doors name it; "local" for the person at the terminal
);

CREATE TABLE conversation (
    number       INTEGER PRIMARY KEY AUTOINCREMENT, -- stands for it in all other tables; never used again
    owner        INTEGER NOT NULL REFERENCES owner (number),
    key          TEXT NOT NULL,                     -- random; every id of the conversation embeds it
    name         TEXT,                              -- unique within the owner; NULL: not named yet
    tip_branch   INTEGER NOT NULL DEFAULT 0,        -- where the last turn that counts ends
    tip_seq      INTEGER NOT NULL DEFAULT 0,        -- 0: nothing said yet
    view         INTEGER,                           -- the current view's number
    pending_view INTEGER,                           -- number of a view that waits to be read by the engine
    instructions INTEGER,                           -- the current instructions' number
    turns        INTEGER NOT NULL DEFAULT 0,        -- turns ever begun, on all branches; the newest turn's number
    branches     INTEGER NOT NULL DEFAULT 0,        -- forks ever made; the newest branch's number
    created      REAL NOT NULL,                     -- when it was made
    updated      REAL NOT NULL,                     -- when something was last said, or the tip moved
    UNIQUE (owner, key),
    UNIQUE (owner, name),
    UNIQUE (owner, number)                          -- what the foreign keys below refer to
);

CREATE TABLE instructions (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    number       INTEGER NOT NULL, -- 1, 2, 3 ... within the conversation
    text         TEXT NOT NULL,    -- what the system message says
    created      REAL NOT NULL,    -- when they were first given
    UNIQUE (owner, conversation, number),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
);

-- Branch 0, on which every conversation begins, has no row.
CREATE TABLE branch (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    number       INTEGER NOT NULL, -- 1, 2, 3 ... within the conversation
    parent       INTEGER NOT NULL, -- the branch it was forked from
    fork         INTEGER NOT NULL, -- seq of the last item it shares with its parent; its own begin at fork + 1
    PRIMARY KEY (owner, conversation, number),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;

-- A turn's items are `first` to `last` of its branch, without a gap.
CREATE TABLE turn (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    number       INTEGER NOT NULL, -- 1, 2, 3 ... within the conversation, in the order of asking
    branch       INTEGER NOT NULL, -- where its items are
    first        INTEGER NOT NULL, -- seq of its first item; the item it hangs on has the seq before
    last         INTEGER NOT NULL, -- seq of its last item so far
    after_branch INTEGER NOT NULL, -- branch of the item it hangs on
    state        TEXT NOT NULL     -- the one thing about it that changes
                 CHECK (state IN ('open', 'done', 'cut_off', 'failed')),
    created      REAL NOT NULL,    -- when it was begun
    finished     REAL,             -- NULL while open
    error        TEXT,             -- why it failed, one sentence
    receipt      TEXT,             -- JSON of context/receipt.py
    UNIQUE (owner, conversation, number),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
);
CREATE INDEX turn_place ON turn (owner, conversation, branch, first);
CREATE INDEX turn_open ON turn (owner, conversation) WHERE state = 'open';

-- Inserted, never updated.
CREATE TABLE item (
    entry        INTEGER PRIMARY KEY, -- rises with the order of writing
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    branch       INTEGER NOT NULL,    -- 0, or a number in branch
    seq          INTEGER NOT NULL,    -- place on the path: counts on where a branch forks
    turn         INTEGER NOT NULL,    -- number of its turn
    kind         TEXT NOT NULL,       -- a role; "recalled"; "partial": as much of a reply as came before its process died
    tag          INTEGER NOT NULL,    -- 60 random bits, the end of its id
    created      REAL NOT NULL,       -- when it was written
    body         TEXT NOT NULL,       -- JSON of conversation/items.py
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
);
CREATE UNIQUE INDEX item_place ON item (owner, conversation, branch, seq);

-- Pieces of a reply that is still streaming; gone when the reply is stored.
CREATE TABLE piece (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    turn         INTEGER NOT NULL, -- the open turn's number
    number       INTEGER NOT NULL, -- 1, 2, 3 ... within the turn
    body         TEXT NOT NULL,    -- JSON string
    PRIMARY KEY (owner, conversation, turn, number),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;

-- For which engine, model, window, instructions and tools a view was made; few of each conversation.
CREATE TABLE view_key (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    number       INTEGER NOT NULL, -- stands for the text in view
    text         TEXT NOT NULL,    -- as turn.py spells it
    UNIQUE (owner, conversation, text),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
);

-- Inserted, never updated; the conversation points to the current one.
CREATE TABLE view (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    number       INTEGER NOT NULL, -- 1, 2, 3 ... within the conversation
    key          INTEGER NOT NULL, -- number in view_key
    at_branch    INTEGER NOT NULL, -- place of the last item it folded;
    at_seq       INTEGER NOT NULL, --   the log begins after it
    created      REAL NOT NULL,    -- when it was made
    body         TEXT NOT NULL,    -- JSON of context/view.py
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
);
-- Covers the search for the newest valid view, which must not touch the bodies of the others.
CREATE UNIQUE INDEX view_place ON view (owner, conversation, number, key, at_seq, at_branch);

CREATE TABLE tokenizer (
    number INTEGER PRIMARY KEY, -- stands for the tokenizer in size
    name   TEXT NOT NULL UNIQUE -- as the engine's adapter names it: same name, same counts
);

-- Tokens of items, as an engine counted them.
CREATE TABLE size (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    tokenizer    INTEGER NOT NULL REFERENCES tokenizer (number), -- who counted
    branch       INTEGER NOT NULL,                               -- the item's place:
    seq          INTEGER NOT NULL,                               --   its branch and seq
    tokens       INTEGER NOT NULL,                               -- of the item alone, without the template's
    PRIMARY KEY (owner, conversation, tokenizer, branch, seq),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;

-- The right to write; a row stays when its lease is given back, so that no fence is used twice.
CREATE TABLE lease (
    subject TEXT NOT NULL PRIMARY KEY, -- what is leased: a conversation, an engine
    holder  TEXT,                      -- who holds it; NULL: given back
    fence   INTEGER NOT NULL,          -- rises with each new holder; every append checks it
    expires REAL NOT NULL,             -- after this anyone may take it
    note    TEXT NOT NULL              -- what the holder is doing: a turn notes its engine
) WITHOUT ROWID;
-- Few are held at a time, and upkeep asks for them several times a second.
CREATE INDEX lease_held ON lease (subject) WHERE holder IS NOT NULL;

-- Small things of turnkeep's own: a learned ratio, the last conversation.
CREATE TABLE value (
    key   TEXT NOT NULL PRIMARY KEY, -- what it is
    value TEXT NOT NULL              -- the newest
) WITHOUT ROWID;
