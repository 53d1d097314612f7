import json
import stat
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stores import with_store
from turnkeep.context.receipt import Receipt, dump_receipt
from turnkeep.conversation.items import (
    Image,
    Message,
    Reasoning,
    Recalled,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    user,
)
from turnkeep.conversation.log import Position
from turnkeep.errors import Conflict, UsageError
from turnkeep.store.base import Conversation, Lease, Store
from turnkeep.transfer import (
    UNFINISHED,
    check_name,
    export_jsonl,
    import_jsonl,
    read_lines,
    save_export,
    sweep_unfinished,
)

OWNER = "local"
RECEIPT = dump_receipt(
    Receipt(engine="llama.cpp", model="m", window=1024, reserve=128, high=700, low=300, view=1)
)


async def lease_of(store: Store, row: Conversation) -> Lease:
    lease = await store.take_lease(f"conversation:{row.id}", "test", now=1.0, seconds=1e9)
    assert lease is not None
    return lease


async def make_rich(store: Store) -> Conversation:
    """A conversation with everything there is: branches, all states, tools, images, views, instructions, a dead turn."""
    row = await store.create_conversation(OWNER, "rich", now=100.0)
    lease = await lease_of(store, row)
    key = row.id
    await store.save_instructions(OWNER, key, "Be brief.", now=101.0)
    await store.save_instructions(OWNER, key, "Be kind.\n\u2028 «ünï» 👩‍👧", now=102.0)
    await store.save_instructions(OWNER, key, "Be brief.", now=103.0)
    begin, finish = store.begin_turn, store.finish_turn

    one = await begin(OWNER, key, [user("One\r\n\ttab")], after=Position(0, 0), lease=lease, now=110.0)
    first = await finish(
        OWNER,
        key,
        one.number,
        state="done",
        items=[assistant("First ", "thought")],
        receipt=RECEIPT,
        lease=lease,
        now=111.5,
    )
    two = await begin(
        OWNER, key, [Recalled(("you: a",), (1,)), Message("user", (Text("Look"), Image("data:x", "low")))],
        after=first.tip, lease=lease, now=120.25,
    )  # fmt: skip
    call = Message("assistant", (ToolCall(call_id="c", name="f", arguments='{"a": 1}'),))
    await store.append_items(OWNER, key, two.number, [call], lease=lease, now=121.0)
    result = Message("tool", (ToolResult(call_id="c", text="42"),))
    await store.append_items(OWNER, key, two.number, [result], lease=lease, now=122.0)
    await finish(
        OWNER, key, two.number, state="cut_off", items=[Message("assistant", (Reasoning("r"), Text("Part")))],
        receipt=RECEIPT, lease=lease, now=123.0,
    )  # fmt: skip
    three = await begin(OWNER, key, [user("Again")], after=first.tip, lease=lease, now=130.0)
    await finish(
        OWNER, key, three.number, state="failed", error="The engine is gone.", lease=lease, now=131.0
    )
    four = await begin(OWNER, key, [user("Third")], after=first.tip, lease=lease, now=140.0)
    fourth = await finish(
        OWNER, key, four.number, state="done", items=[assistant("Yes")], lease=lease, now=141.0
    )
    five = await begin(OWNER, key, [user("Died")], after=fourth.tip, lease=lease, now=150.0)
    await store.save_partial(OWNER, key, five.number, "half a ", lease=lease)
    await store.save_partial(OWNER, key, five.number, "reply", lease=lease)
    await store.settle_turns(OWNER, key, lease=lease, now=151.0)
    for at in (first.tip, fourth.tip):
        await store.save_view(OWNER, key, at=at, key="k", body={"lines": [["x", 1]]}, now=160.0)
    await store.point_view(OWNER, key, expected=None, current=2, pending=1)
    await store.move_tip(OWNER, key, fourth.tip, lease=lease, now=170.0)
    six = await begin(OWNER, key, [user("Not answered yet")], after=fourth.tip, lease=lease, now=180.0)
    await store.save_partial(OWNER, key, six.number, "streaming", lease=lease)
    await store.drop_lease(lease)
    return await store.load_conversation(OWNER, key)


async def export(store: Store, row: Conversation) -> list[str]:
    return [line.removesuffix("\n") async for line in export_jsonl(store, row)]


@pytest.fixture(scope="module")
def rich_lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The export of the conversation that has everything."""

    async def work(store: Store) -> list[str]:
        return await export(store, await make_rich(store))

    return with_store(tmp_path_factory.mktemp("rich") / "t.db", work)


def encode(lines: list[str]) -> list[bytes]:
    return [line.encode() + b"\n" for line in lines]


def test_an_export_of_an_import_is_the_export(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        row = await make_rich(store)
        lines = await export(store, row)
        kinds = [json.loads(line)["kind"] for line in lines]
        assert kinds == ["conversation", *["turn"] * 6, "view", "view", "end"]
        assert row.id not in "".join(lines)
        await store.rename_conversation(OWNER, row.id, "old")
        copy = await import_jsonl(store, OWNER, encode(lines))
        assert copy.id != row.id
        again = await export(store, copy)
        assert again == lines

    with_store(tmp_path / "t.db", work)


def test_an_import_goes_on_where_the_conversation_stood(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        row = await make_rich(store)
        copy = await import_jsonl(store, OWNER, encode(await export(store, row)), name="copy")
        assert (copy.name, copy.tip, copy.turns) == ("copy", row.tip, row.turns)
        assert (copy.view, copy.pending_view, copy.created) == (2, 1, 100.0)
        assert copy.instructions == 1
        log = await store.load_log(OWNER, copy.id, tip=copy.tip)
        assert [item.item for item in log] == [
            user("One\r\n\ttab"),
            assistant("First ", "thought"),
            user("Third"),
            assistant("Yes"),
        ]
        assert await store.load_partial(OWNER, copy.id, 5) == "half a reply"
        assert await store.load_receipt(OWNER, copy.id, 1) == RECEIPT
        assert (await store.held_leases(f"conversation:{copy.id}", now=0.0)) == []

    with_store(tmp_path / "t.db", work)


def test_an_empty_conversation_goes_out_and_in(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        row = await store.create_conversation(OWNER, None, now=5.0)
        lines = await export(store, row)
        copy = await import_jsonl(store, OWNER, encode(lines))
        assert await export(store, copy) == lines

    with_store(tmp_path / "t.db", work)


def damage(lines: list[str], line: int, **changes: object) -> list[str]:
    """Change fields of line `line` (1 is the first); None takes a field away."""
    row = json.loads(lines[line - 1]) | changes
    row = {name: value for name, value in row.items() if value != "taken away"}
    return [*lines[: line - 1], json.dumps(row), *lines[line:]]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda lines: [], "Line 1 is not the beginning of a turnkeep export"),
        (lambda lines: ["rubbish"], "Line 1 is not the beginning"),
        (lambda lines: ['{"role": "user"}'], "Line 1 is not the beginning"),
        (lambda lines: ["[1]"], "Line 1 is not a JSON object"),
        (lambda lines: ["[" * 100_000], "Line 1 is not the beginning"),
        (lambda lines: damage(lines, 1, turnkeep=99), "made by a newer turnkeep"),
        (lambda lines: damage(lines, 1, name=7), "Line 1 is damaged: name is not of the kind str"),
        (lambda lines: damage(lines, 1, created="x"), "Line 1 is damaged: created is no time"),
        (lambda lines: damage(lines, 1, tip=[0]), "Line 1 is damaged: [0] is no position"),
        (lambda lines: damage(lines, 1, current_instructions=9), "Line 1 is damaged: current_instructions"),
        (lambda lines: damage(lines, 1, instructions=["a", "a"]), "Line 1 holds the same instructions twice"),
        (lambda lines: damage(lines, 1, view=9), "Line 1 names a view that the export does not hold"),
        (lambda lines: damage(lines, 1, tip=[0, 999]), "Line 1 names a tip that the export does not hold"),
        (lambda lines: [lines[0], "\x00\xff", *lines[2:]], "Line 2 is not a line of JSON"),
        (lambda lines: [lines[0], lines[1][:-20], *lines[2:]], "Line 2 is not a line of JSON"),
        (lambda lines: damage(lines, 2, kind="other"), "Line 2 is of a kind that turnkeep does not know: 'other'"),
        (lambda lines: damage(lines, 3, items=[]), "Line 3 is damaged: a turn without items"),
        (lambda lines: damage(lines, 3, items=[["user", 5, 1.0]]), "Line 3 is damaged"),
        (lambda lines: damage(lines, 3, items=[["robot", "x", 1.0]]), "Line 3 is damaged"),
        (lambda lines: damage(lines, 3, items=[["user", "x"]]), "Line 3 is damaged"),
        (lambda lines: damage(lines, 3, state="odd"), "Line 3 is damaged: unknown state 'odd'"),
        (lambda lines: damage(lines, 3, receipt="taken away"), "Line 3 is damaged: receipt is missing"),
        (lambda lines: damage(lines, 3, after=[7, 7]), "Line 3 is damaged"),
        (lambda lines: damage(lines, 3, after=[0, True]), "Line 3 is damaged"),
        (lambda lines: damage(lines, 3, turn=9), "Line 3 does not follow from the lines before it"),
        (lambda lines: [lines[0], *lines[2:]], "Line 2 is damaged"),
        (lambda lines: damage(lines, 8, number=5), "Line 8 does not follow from the lines before it"),
        (lambda lines: lines[:4], "Line 4 is the last one, but the export goes on"),
        (lambda lines: [*lines[:-2], lines[-1]], "Line 9 says that the export has 10 lines"),
        (lambda lines: [*lines, lines[-1]], "Line 11 stands behind the end of the export"),
    ],
)  # fmt: skip
def test_a_damaged_line_is_named_and_nothing_is_imported(
    tmp_path: Path, rich_lines: list[str], make: Callable[[list[str]], list[str]], words: str
) -> None:
    async def work(store: Store) -> None:
        lines = [line.encode("utf-8") for line in make(rich_lines)]
        with pytest.raises(UsageError) as caught:
            await import_jsonl(store, OWNER, lines, name="copy")
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert await store.list_conversations(OWNER) == []

    with_store(tmp_path / "t.db", work)


def test_a_name_that_is_taken_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        row = await make_rich(store)
        with pytest.raises(Conflict, match="--name"):
            await import_jsonl(store, OWNER, encode(await export(store, row)))
        assert len(await store.list_conversations(OWNER)) == 1

    with_store(tmp_path / "t.db", work)


def test_what_a_killed_import_has_left_is_swept_away(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        half = await store.create_conversation(OWNER, None, now=1.0)
        await store.save_value(UNFINISHED + OWNER, half.id)
        lease = await store.take_lease(f"conversation:{half.id}", "import", now=1.0, seconds=1e12)
        assert lease is not None
        await sweep_unfinished(store, OWNER)  # its process is alive
        assert await store.find_conversation(OWNER, half.id)
        await store.drop_lease(lease)
        await sweep_unfinished(store, OWNER)
        assert await store.find_conversation(OWNER, half.id) is None
        await sweep_unfinished(store, OWNER)  # nothing is left to do

    with_store(tmp_path / "t.db", work)


def test_an_import_holds_one_line_at_a_time(tmp_path: Path) -> None:
    """400 turns of 20 kB are 8 MB: neither direction may hold them together."""

    async def work(store: Store) -> int:
        row = await store.create_conversation(OWNER, "long", now=1.0)
        lease = await lease_of(store, row)
        tip = row.tip
        for number in range(400):
            turn = await store.begin_turn(
                OWNER, row.id, [user("x" * 20_000)], after=tip, lease=lease, now=2.0 + number
            )
            turn = await store.finish_turn(
                OWNER,
                row.id,
                turn.number,
                state="done",
                items=[assistant("y")],
                lease=lease,
                now=2.5 + number,
            )
            tip = turn.tip
        path = tmp_path / "long.jsonl"
        tracemalloc.start()
        await save_export(export_jsonl(store, await store.load_conversation(OWNER, row.id)), path)
        with path.open("rb") as file:
            await import_jsonl(store, OWNER, read_lines(file), name="copy")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    # An export loads 64 turns at a time (1.3 MB here), and JSON needs them a few times over.
    assert with_store(tmp_path / "t.db", work) < 6_000_000


def test_a_saved_export_is_private_and_never_overwrites(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        row = await make_rich(store)
        path = tmp_path / "out.jsonl"
        await save_export(export_jsonl(store, row), path)
        if sys.platform != "win32":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text(encoding="utf-8").splitlines()[-1] == '{"kind":"end","lines":10}'
        with pytest.raises(UsageError, match="exists already"):
            await save_export(export_jsonl(store, row), path)
        with pytest.raises(UsageError, match="cannot be written"):
            await save_export(export_jsonl(store, row), tmp_path / "no" / "such" / "folder")

    with_store(tmp_path / "t.db", work)


def test_an_export_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        row = await make_rich(store)
        await store.delete_conversation(OWNER, row.id)
        with pytest.raises(Exception, match="There is no conversation"):
            await save_export(export_jsonl(store, row), tmp_path / "out.jsonl")
        assert not (tmp_path / "out.jsonl").exists()

    with_store(tmp_path / "t.db", work)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x1b[2Jb", "x" * 201])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_name(name)


def test_a_name_is_kept_without_spaces_around_it() -> None:
    assert check_name("  ana's chat ") == "ana's chat"
