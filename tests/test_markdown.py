import asyncio
from pathlib import Path

from turnkeep.conversation.items import (
    Forgotten,
    Message,
    Note,
    Recalled,
    Text,
    ToolCall,
    ToolResult,
    assistant,
    user,
)
from turnkeep.conversation.log import START
from turnkeep.markdown import export_markdown
from turnkeep.store.base import Conversation, Store
from turnkeep.store.sqlite import SqliteStore

OWNER = "local"
CALL = Message("assistant", (ToolCall(call_id="c", name="f", arguments='{"a": 1}'),))
RESULT = Message("tool", (ToolResult(call_id="c", text="42"),))


async def fill(store: Store) -> Conversation:
    """A turn, one that failed, and one with a tool that was cut off."""
    row = await store.create_conversation(OWNER, "ana", now=0.0)
    lease = await store.take_lease(f"conversation:{row.id}", "test", now=0.0, seconds=1e9)
    assert lease is not None
    first = await store.begin_turn(OWNER, row.id, [user("One")], after=START, lease=lease, now=1.0)
    first = await store.finish_turn(
        OWNER, row.id, first.number, state="done", items=[assistant("Yes")], lease=lease, now=2.0
    )
    failed = await store.begin_turn(OWNER, row.id, [user("Failed")], after=first.tip, lease=lease, now=3.0)
    await store.finish_turn(OWNER, row.id, failed.number, state="failed", error="x", lease=lease, now=4.0)
    last = await store.begin_turn(
        OWNER, row.id, [Recalled(("old",), (1,)), user("Two")], after=first.tip, lease=lease, now=5.0
    )
    await store.append_items(OWNER, row.id, last.number, [CALL, RESULT], lease=lease, now=6.0)
    half = Message("assistant", (Text("Half"),))
    await store.finish_turn(OWNER, row.id, last.number, state="cut_off", items=[half], lease=lease, now=7.0)
    return await store.load_conversation(OWNER, row.id)


def test_the_turns_that_lead_to_the_tip_are_written_in_their_order(tmp_path: Path) -> None:
    async def work() -> str:
        store = SqliteStore(tmp_path / "t.db")
        try:
            row = await fill(store)
            return "".join([piece async for piece in export_markdown(store, row)])
        finally:
            await store.close()

    text = asyncio.run(work())
    words = ["# ana", "## Turn 1, ", "**You:**", "One", "**Model:**", "Yes", "## Turn 3, ", "Two", '`f({"a": 1})`', "**Tool:**", "42", "Half", "*(cut off)*"]  # fmt: skip
    places = [text.index(word) for word in words]
    assert places == sorted(places)
    assert "Failed" not in text
    assert "old" not in text


def test_notes_and_forgotten_turns_are_written_as_such(tmp_path: Path) -> None:
    async def work() -> str:
        store = SqliteStore(tmp_path / "t.db")
        try:
            row = await store.create_conversation(OWNER, "ana", now=0.0)
            lease = await store.take_lease("x", "x", now=0.0, seconds=1e9)
            assert lease is not None
            tip = START
            for items in ([Note(op="remember", text="Tea.")], [Forgotten("user"), Forgotten("assistant")]):
                turn = await store.begin_turn(OWNER, row.id, items, after=tip, lease=lease, now=1.0)
                turn = await store.finish_turn(OWNER, row.id, turn.number, state="done", lease=lease, now=2.0)
                tip = turn.tip
            row = await store.load_conversation(OWNER, row.id)
            return "".join([piece async for piece in export_markdown(store, row)])
        finally:
            await store.close()

    text = asyncio.run(work())
    assert text.count("\n*[Instruction: Remember: Tea.]*\n") == 1
    assert text.count("\n*(forgotten)*\n") == 1
