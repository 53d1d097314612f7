-- The marks that stand for personal data in what a model reads: [EMAIL_1], and what each stands for.
CREATE TABLE mark (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    kind         TEXT NOT NULL,    -- "EMAIL"; "": left as it is, since the model has written it by itself
    number       INTEGER NOT NULL, -- 1, 2, 3 ... within the kind; never given twice
    value        TEXT,             -- what it stands for; NULL: that was forgotten
    PRIMARY KEY (owner, conversation, kind, number),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;
