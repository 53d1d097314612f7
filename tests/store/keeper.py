"""What a gateway does at a store, for the tests of its ledger."""

from collections.abc import Sequence
from typing import Any

from tests.store.writer import OWNER, Writer

from turnkeep.conversation.items import Message, Reasoning, Text, ToolCall, ToolResult, user
from turnkeep.conversation.log import Position
from turnkeep.store.base import ConversationKind, Turn
from turnkeep.store.ids import completion_id, make_tag, parse_key, response_id
from turnkeep.store.ledger import Ledger, NewResponse, StoredResponse
from turnkeep.store.sqlite import SqliteStore


def ledger(writer: Writer) -> Ledger:
    """The writer's store, as a gateway sees it."""
    assert isinstance(writer.store, SqliteStore)
    return writer.store


def key_of(writer: Writer) -> str:
    key = parse_key(writer.id)
    assert key is not None
    return key


def new_response(writer: Writer) -> str:
    """Make the id of a response of the writer's conversation."""
    return response_id(key_of(writer), make_tag())


def make_row(writer: Writer, *, created: float = 1.0, **fields: Any) -> NewResponse:
    """Make the row of a response of the writer's conversation."""
    return NewResponse(id=new_response(writer), created=created, **fields)


def new_completion(writer: Writer) -> str:
    return completion_id(key_of(writer), make_tag())


async def begin(writer: Writer, kind: ConversationKind, owner: str = OWNER) -> Writer:
    """A writer of a further conversation of that kind, of the same store."""
    row = await writer.store.create_conversation(owner, None, now=writer.now(), kind=kind)
    return await Writer.join(writer.store, row.id, "gateway", writer.clock)


async def respond(
    writer: Writer, text: str, reply: str = "Yes.", *, previous: StoredResponse | None = None
) -> StoredResponse:
    """One whole turn behind that of another response, or at the conversation's beginning, and its response."""
    after = Position(0, 0)
    if previous is not None:
        assert previous.turn is not None
        after = (await writer.store.load_turn(OWNER, writer.id, previous.turn)).tip
    turn = await writer.say(text, reply, after)
    return await ledger(writer).save_response(
        OWNER,
        make_row(
            writer,
            created=writer.now(),
            turn=turn.number,
            previous=None if previous is None else previous.id,
        ),
    )


async def forget(writer: Writer, turns: Sequence[int]) -> None:
    """Forget turns one by one, as a gateway does after a deletion."""
    for turn in turns:
        await writer.store.forget_turn(
            OWNER, writer.id, turn, lease=writer.lease, now=writer.now(), alike=False
        )


def call(name: str) -> ToolCall:
    return ToolCall(call_id=f"call_{name}", name=name, arguments=f'{{"of":"{name}"}}')


def result(name: str) -> ToolResult:
    return ToolResult(call_id=f"call_{name}", text=f"{name} answered")


async def use_tools(writer: Writer, *names: str) -> tuple[Turn, Turn]:
    """A turn that ends with calls of tools, and the turn that their results begin."""
    asking = Message(
        "assistant", (Reasoning("I look it up."), Text("Let me see."), *(call(name) for name in names))
    )
    first = await writer.finish(await writer.open(user("What is it?")), asking)
    answers = Message("tool", tuple(result(name) for name in names))
    return first, await writer.finish(await writer.open(answers), "It is this.")
