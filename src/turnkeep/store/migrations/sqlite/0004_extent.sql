-- Recall weighs words by what stands on the path that is read, and by nothing beside it.

-- How many terms an indexed item has: what the items of a range of a branch have together is a sum
-- over neighbouring rows. (Its postings say so too, one by one, in the order of their terms.)
CREATE TABLE extent (
    owner        INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    branch       INTEGER NOT NULL, -- place of the item:
    seq          INTEGER NOT NULL, --   its branch and seq
    words        INTEGER NOT NULL, -- its terms; an item without any has no row
    PRIMARY KEY (owner, conversation, branch, seq),
    FOREIGN KEY (owner, conversation) REFERENCES conversation (owner, number) ON DELETE CASCADE
) WITHOUT ROWID;

INSERT INTO extent (owner, conversation, branch, seq, words)
SELECT DISTINCT owner, conversation, branch, seq, length FROM posting;
