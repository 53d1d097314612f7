"""An encrypted database: what its files hold, and what they refuse. What it does is in the store's other tests."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.store.writer import OWNER, Writer, texts
from tests.stores import with_store

from turnkeep.context.words import index_terms, term_key
from turnkeep.conversation.items import Message, Note, Reasoning, Recalled, Text, ToolCall, ToolResult, user
from turnkeep.conversation.log import START, Position
from turnkeep.errors import Conflict, StoreDamaged, StoreError, StoreLocked, UsageError
from turnkeep.store.base import Unembedded
from turnkeep.store.ids import completion_id, make_tag, parse_key, response_id
from turnkeep.store.ledger import NewResponse
from turnkeep.store.migrations import load_migrations
from turnkeep.store.secret import KeyFile, Passphrase, make_key_file
from turnkeep.store.sqlite import SqliteStore
from turnkeep.store.sqlite.database import open_database
from turnkeep.store.sqlite.encrypt import change_secret, encrypt, encryption_method
from turnkeep.store.sqlite.sealed import check_columns, turn_to_views

WORDS = Passphrase("correct horse battery staple", cost=10)
CANARY = 'Wolverine "Zoë"'  # its words, and what JSON makes of it
VECTOR = bytes(range(7, 71))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "turnkeep.db"


def on(path, scenario, secret=WORDS):
    """Run a scenario on the encrypted database and close it."""
    return with_store(path, scenario, secret)


async def say_everywhere(store: SqliteStore) -> Writer:
    """Put the canary wherever something that was said may stand."""
    row = await store.create_conversation(OWNER, f"{CANARY} name", now=1, metadata={"about": CANARY})
    writer = await Writer.join(store, row.id, "writer")
    await store.save_instructions(OWNER, row.id, f"{CANARY} instructions", now=1)
    turn = await writer.open(
        Recalled((f"{CANARY} recalled",), (1,)),
        Message("user", (Text(f"{CANARY} said"),)),
        Note(op="remember", text=f"{CANARY} noted"),
    )
    turn = await store.append_items(
        OWNER,
        row.id,
        turn.number,
        [
            Message(
                "assistant",
                (
                    Reasoning(f"{CANARY} thought"),
                    ToolCall(call_id="c1", name="look", arguments=json.dumps({"q": CANARY})),
                ),
            ),
            Message("tool", (ToolResult(call_id="c1", text=f"{CANARY} found"),)),
        ],
        lease=writer.lease,
        now=writer.now(),
    )
    await store.finish_turn(
        OWNER,
        row.id,
        turn.number,
        state="done",
        items=[Message("assistant", (Text(f"{CANARY} answered"),))],
        receipt={"notices": [f"{CANARY} receipt"]},
        error=f"{CANARY} error",
        lease=writer.lease,
        now=writer.now(),
    )
    await store.save_view(
        OWNER, row.id, at=turn.tip, key=f"{CANARY} key", body={"summary": f"{CANARY} summary"}, now=2
    )
    stored = await store.load_turn_items(OWNER, row.id, turn.number)
    items = [each for each in stored if isinstance(each.item, Message)][:1]
    batch = Unembedded(after=0, upto=turn.number, items=items)
    assert await store.save_vectors(OWNER, row.id, "model", batch, [VECTOR])
    response = completion_id(str(parse_key(row.id)), make_tag())
    await store.save_response(OWNER, NewResponse(id=response, created=3, kind="chat_completion", turn=turn.number, model=f"{CANARY} model", metadata={"topic": CANARY}, head={"user": CANARY}), idempotency=None)  # fmt: skip
    queued = response_id(str(parse_key(row.id)), make_tag())
    await store.save_response(OWNER, NewResponse(id=queued, created=3, status="queued", keeper="nobody"))
    await store.mark_response(OWNER, queued, "failed", error=f"{CANARY} failed")
    await store.save_events(OWNER, response, [(0, json.dumps({"delta": CANARY}))])
    await store.save_alias(OWNER, f"{CANARY} alias", response)
    await writer.partial(await writer.open("And now?"), f"{CANARY} drafted")
    return writer


def needles() -> list[bytes]:
    """The canary, its words and its vector, as they stand and as JSON escapes them."""
    words = [CANARY, CANARY.lower(), "Wolverine", "wolverin", "Zoë", "zoë", "zoe"]
    forms = {
        form
        for word in words
        for form in (word, json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1])
    }
    return [form.encode(code) for form in forms for code in ("utf-8", "utf-16-le")] + [VECTOR, VECTOR[8:24]]


def search_files(folder: Path) -> list[tuple[str, bytes]]:
    return [
        (file.name, needle)
        for file in folder.iterdir()
        if file.is_file()
        for needle in needles()
        if needle in file.read_bytes()
    ]


def terms_of(path: Path) -> set[int]:
    with sqlite3.connect(path) as database:
        found = {term for (term,) in database.execute("SELECT term FROM posting UNION SELECT term FROM word")}
    database.close()
    return found


def test_the_canary_is_found_in_a_plain_database(path: Path) -> None:
    on(path, say_everywhere, secret=None)
    found = {needle for _, needle in search_files(path.parent)}
    assert {CANARY.encode(), VECTOR, json.dumps(CANARY, ensure_ascii=False)[1:-1].encode()} <= found
    assert term_key("wolverin") in terms_of(path)


def test_no_file_holds_what_was_said_nor_its_words_nor_its_vectors(path: Path) -> None:
    async def scenario(store: SqliteStore) -> None:
        await say_everywhere(store)
        assert search_files(path.parent) == []  # with the write-ahead log

    on(path, scenario)
    assert search_files(path.parent) == []
    plain = {term_key(term) for term in index_terms(CANARY, 0.0)}
    assert plain
    assert not plain & terms_of(path)


def test_what_is_read_is_what_was_said(path: Path) -> None:
    async def scenario(store: SqliteStore) -> None:
        writer = await say_everywhere(store)
        row = await store.find_conversation(OWNER, f"{CANARY} name")
        assert row is not None
        assert (row.id, dict(row.metadata)) == (writer.id, {"about": CANARY})
        assert [hit.text for hit in await store.search_text(OWNER, "wolverine")][:1]
        assert await store.load_partial(OWNER, row.id, 2) == f"{CANARY} drafted"
        (vector,) = await store.load_vectors(OWNER, row.id, "model", after=0, limit=9)
        assert vector.body == VECTOR
        (response,) = await store.list_responses(
            OWNER, kind="chat_completion", model=f"{CANARY} model", metadata={"topic": CANARY}
        )
        assert dict(response.head) == {"user": CANARY}
        assert await store.find_id(OWNER, f"{CANARY} alias") == response.id
        assert (await store.load_turn(OWNER, row.id, 1)).error == f"{CANARY} error"
        receipt = await store.load_receipt(OWNER, row.id, 1)
        assert receipt is not None
        assert receipt["notices"] == [f"{CANARY} receipt"]

    on(path, scenario)


@pytest.mark.parametrize("other", [Passphrase("correct horse battery stable", cost=10), None, "file"])
def test_another_key_opens_nothing_and_changes_nothing(path: Path, other: object) -> None:
    on(path, say_everywhere)
    before = path.read_bytes()
    secret = make_key_file(path.parent / "key") if other == "file" else other
    with pytest.raises(StoreLocked) as caught:
        on(path, Writer.begin, secret=secret)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_passphrase_typed_in_other_bytes_of_the_same_letters_opens(path: Path) -> None:
    on(path, say_everywhere, secret=Passphrase("Zo\u00eb", cost=10))
    on(path, Writer.begin, secret=Passphrase("Zoe\u0308"))


def test_a_passphrase_is_not_shown() -> None:
    assert "horse" not in repr(WORDS)


def test_a_plain_database_with_a_key_is_refused_not_half_encrypted(path: Path) -> None:
    on(path, say_everywhere, secret=None)
    with pytest.raises(StoreLocked, match="run `turnkeep encrypt` first"):
        on(path, Writer.begin)
    assert encryption_method(path) is None
    on(path, Writer.begin, secret=None)


@pytest.mark.parametrize("content", [b"", b"short", bytes(70_000)])
def test_a_file_that_holds_no_key_is_refused(path: Path, content: bytes) -> None:
    file = path.parent / "key"
    file.touch(mode=0o600)
    file.write_bytes(content)
    with pytest.raises(UsageError, match="must hold 32 to 65,536 bytes"):
        on(path, Writer.begin, secret=KeyFile(file))


def test_a_key_file_that_others_can_read_is_refused(path: Path) -> None:
    secret = make_key_file(path.parent / "key")
    secret.path.chmod(0o644)
    with pytest.raises(StoreError, match="run `chmod 600"):
        on(path, Writer.begin, secret=secret)


# -- rows are bound to their places -----------------------------------------------------------------
async def two_turns(store: SqliteStore) -> tuple[str, str]:
    one, other = await Writer.begin(store, "one"), await Writer.begin(store, "other")
    for writer in (one, other):
        await writer.say("First.", "Yes.")
        await writer.say("Second.", "No.")
    return one.id, other.id


SWAPS = {
    "places": "UPDATE item SET body = (SELECT body FROM item AS o WHERE o.conversation = 1 AND o.seq = 3) "
    "WHERE conversation = 1 AND seq = 1",
    "conversations": "UPDATE item SET body = (SELECT body FROM item AS o WHERE o.conversation = 2 AND o.seq = 1) "
    "WHERE conversation = 1 AND seq = 1",
    "keys": "UPDATE conversation_key SET wrapped = (SELECT wrapped FROM conversation_key AS o WHERE o.conversation = 2) "
    "WHERE conversation = 1",
    "roles": "UPDATE item SET kind = 'assistant' WHERE conversation = 1 AND seq = 1",
    "columns": "UPDATE item SET body = (SELECT name FROM conversation WHERE number = 1) WHERE conversation = 1 AND seq = 1",
    "a byte": "UPDATE item SET body = CAST(substr(body, 1, length(body) - 1) || x'00' AS BLOB) "
    "WHERE conversation = 1 AND seq = 1",
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
def test_a_row_that_was_exchanged_is_found(path: Path, swap: str) -> None:
    one, _ = on(path, two_turns)
    with sqlite3.connect(path) as database:
        assert database.execute(swap).rowcount == 1
    database.close()
    with pytest.raises(StoreDamaged, match="is not what was written in its place"):
        on(path, lambda store: store.load_log(OWNER, one, tip=Position(0, 4)))


WRITES = (
    "INSERT INTO item (owner, conversation, branch, seq, turn, kind, tag, created, body) VALUES (1,1,0,99,1,'user',1,1,'plain')",
    "UPDATE item SET body = 'plain'",
    "UPDATE conversation SET name = 'plain'",
    "INSERT INTO posting (owner, conversation, term, seq, branch, count, length) VALUES (1,1,5,1,0,1,1)",
    "INSERT INTO alias (owner, text, conversation, kind) VALUES (1,'plain',1,'conv')",
    "UPDATE turn SET receipt = x'00'",
)


@pytest.mark.parametrize("write", WRITES)
def test_the_file_itself_refuses_plain_text_whoever_writes_it(path: Path, write: str) -> None:
    on(path, two_turns)
    database = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="plain text in an encrypted database"):
        database.execute(write)
    database.close()


def test_of_every_column_it_is_known_whether_it_is_encrypted() -> None:
    database = open_database(None, load_migrations("sqlite"))
    check_columns(database)
    database.execute("CREATE TABLE later (text TEXT)")
    with pytest.raises(StoreError, match=r"later\.text is unknown"):
        check_columns(database)
    database.close()


# -- statements -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("statement", "turned"),
    [
        (
            "SELECT body FROM item INDEXED BY item_tag WHERE tag = ?",
            "SELECT body FROM open_item AS item WHERE tag = ?",
        ),
        (
            "SELECT c.name FROM conversation AS c JOIN owner AS o",
            "SELECT c.name FROM open_conversation AS c JOIN open_owner AS o",
        ),
        (
            "DELETE FROM item WHERE seq IN (SELECT seq FROM turn)",
            "DELETE FROM item WHERE seq IN (SELECT seq FROM open_turn AS turn)",
        ),
        (
            "INSERT OR IGNORE INTO owner (name) VALUES (?)",
            "INSERT OR IGNORE INTO open_owner (name) VALUES (?)",
        ),
        ("UPDATE turn SET error = ?", "UPDATE open_turn SET error = ?"),
        ("UPDATE turn SET last = ?", "UPDATE turn SET last = ?"),
        ("SELECT item FROM items, turns", "SELECT item FROM items, turns"),
        ("SELECT term FROM word INDEXED BY word_owner", "SELECT term FROM word INDEXED BY word_owner"),
    ],
)
def test_statements_are_turned_to_the_views(statement: str, turned: str) -> None:
    assert turn_to_views(statement) == turned


# -- names, keys, search ----------------------------------------------------------------------------
def test_names_are_unique_and_found(path: Path) -> None:
    async def scenario(store: SqliteStore) -> None:
        await store.create_conversation(OWNER, "one", now=1)
        row = await store.create_conversation(OWNER, "two", now=1)
        with pytest.raises(Conflict):
            await store.create_conversation(OWNER, "one", now=1)
        with pytest.raises(Conflict):
            await store.rename_conversation(OWNER, row.id, "one")
        await store.rename_conversation(OWNER, row.id, "three")
        assert await store.find_conversation(OWNER, "two") is None
        assert await store.find_conversation(OWNER, "three") is not None
        assert (await store.create_conversation("other", "one", now=1)).name == "one"

    on(path, scenario)


def test_deleting_a_conversation_destroys_its_key(path: Path) -> None:
    async def scenario(store: SqliteStore) -> bytes:
        one, _ = await two_turns(store)
        with sqlite3.connect(path) as database:
            (key,) = database.execute(
                "SELECT wrapped FROM conversation_key WHERE conversation = 1"
            ).fetchone()
        database.close()
        await store.delete_conversation(OWNER, one)
        return bytes(key)

    key = on(path, scenario)
    assert len(key) > 32
    assert all(key not in file.read_bytes() for file in path.parent.iterdir())


def test_the_same_words_stand_under_other_terms_in_each_conversation(path: Path) -> None:
    on(path, two_turns)
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT conversation, term FROM word").fetchall()
    database.close()
    one, other = ({term for conversation, term in rows if conversation == number} for number in (1, 2))
    assert len(one) == len(other) > 0
    assert not one & other


def test_words_are_found_across_conversations(path: Path) -> None:
    async def scenario(store: SqliteStore) -> None:
        one, other = await two_turns(store)
        third = await Writer.begin(store, "third")
        await third.say("Wolverines eat first.")
        keys = [term_key("wolverin"), term_key("first")]
        found = await store.load_elsewhere(OWNER, keys, apart=None)
        assert {each.conversation for each in found} == {one, other, third.id}
        assert {each.name for each in found} == {"one", "other", "third"}
        (only,) = await store.load_elsewhere(OWNER, keys[:1], apart=one)
        assert (only.conversation, set(only.postings.found)) == (third.id, {keys[0]})

    on(path, scenario)


def test_two_processes_work_on_one_encrypted_database(path: Path) -> None:
    secret = make_key_file(path.parent / "key")
    on(path, Writer.begin, secret=secret)
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from tests.store.writer import Writer\n"
        "from turnkeep.store.secret import KeyFile\n"
        "from turnkeep.store.sqlite import SqliteStore\n"
        "async def main():\n"
        "    store = SqliteStore(Path(sys.argv[1]), secret=KeyFile(Path(sys.argv[2])))\n"
        "    writer = await Writer.begin(store, sys.argv[3])\n"
        "    for n in range(10): await writer.say(f'Turn {n} of {sys.argv[3]}.')\n"
        "    await store.close()\n"
        "asyncio.run(main())\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, path, secret.path, name]) for name in ("one", "two")
    ]
    assert [process.wait(60) for process in running] == [0, 0]

    async def look(store: SqliteStore) -> list[str]:
        rows = [await store.find_conversation(OWNER, name) for name in ("one", "two")]
        return [texts(await store.load_log(OWNER, row.id, tip=row.tip))[-2] for row in rows if row]

    assert on(path, look, secret=secret) == ["Turn 9 of one.", "Turn 9 of two."]


def test_two_that_make_an_encrypted_database_at_once_make_one(path: Path) -> None:
    async def scenario() -> None:
        stores = [SqliteStore(path, secret=WORDS) for _ in range(2)]
        rows = await asyncio.gather(*(store.create_conversation(OWNER, None, now=1) for store in stores))
        for store, row in zip(stores, reversed(rows), strict=True):
            assert (await store.load_conversation(OWNER, row.id)).id == row.id
            await store.close()

    asyncio.run(scenario())


# -- changing what opens it -------------------------------------------------------------------------
def test_another_secret_opens_what_the_first_wrote_and_the_first_no_more(path: Path) -> None:
    on(path, two_turns)
    rows = rows_of(path)
    file = make_key_file(path.parent / "key")
    change_secret(path, WORDS, file)
    assert rows_of(path) == rows  # only the wrapping of the store's key is another
    assert on(path, lambda store: store.search_text(OWNER, "second"), secret=file)
    with pytest.raises(StoreLocked, match="opened by the key file, not by the passphrase"):
        on(path, Writer.begin)


def test_a_wrong_secret_changes_no_secret(path: Path) -> None:
    on(path, two_turns)
    with pytest.raises(StoreLocked, match="nothing was changed"):
        change_secret(path, Passphrase("wrong", cost=10), Passphrase("new", cost=10))
    on(path, Writer.begin)


def rows_of(path: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as database:
        rows = [*database.execute("SELECT * FROM item"), *database.execute("SELECT * FROM conversation_key")]
    database.close()
    return rows


def test_a_secret_of_a_plain_database_cannot_be_changed(path: Path) -> None:
    on(path, two_turns, secret=None)
    with pytest.raises(StoreLocked, match="is not encrypted"):
        change_secret(path, WORDS, WORDS)


def test_where_nothing_is_an_encrypted_database_is_made(path: Path) -> None:
    encrypt(path, WORDS)
    assert encryption_method(path) == "passphrase"
    on(path, say_everywhere)


def test_an_open_turn_and_its_start_are_kept(path: Path) -> None:
    async def scenario(store: SqliteStore) -> list[str]:
        writer = await Writer.begin(store)
        turn = await writer.open(user("Hello."), after=START)
        return texts(await store.load_turn_items(OWNER, writer.id, turn.number))

    assert on(path, scenario) == ["Hello."]
