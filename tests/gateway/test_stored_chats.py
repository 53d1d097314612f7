"""Stored chat completions: fetched, listed, noted, deleted; nothing of another key's."""

from typing import Any

import pytest
from openai.types import chat

from tests.gateways import Answered, Caller, run_gateway
from turnkeep.engine.base import Delta, End, ToolCallDelta
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.store.keys import digest_secret, make_secret
from turnkeep.testing import ScriptedEngine

PATH = "/v1/chat/completions"
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CALLED: list[Delta] = [
    ToolCallDelta(index=0, call_id="c1", name="look", arguments="{}"),
    ToolCallDelta(index=1, call_id="c2", name="look", arguments="{}"),
    End(finish_reason="tool_calls"),
]


async def say(caller: Caller, text: str, **fields: Any) -> Any:
    answered = await caller.post(PATH, {"messages": [{"role": "user", "content": text}], **fields})
    assert answered.status == 200, answered.raw
    return answered.body


def test_a_stored_completion_is_what_was_answered():
    async def script(caller: Caller) -> tuple[Any, Any]:
        made = await say(caller, "Hi", temperature=0.5, top_p=0.9, metadata={"topic": "sky"}, tools=[TOOL])
        return made, (await caller.get(f"{PATH}/{made['id']}")).body

    made, stored = run_gateway(script, ScriptedEngine(["Hello!"]))
    chat.ChatCompletion.model_validate(stored, strict=True)
    for name in ("id", "choices", "usage", "created", "model", "object"):
        assert stored[name] == made[name]
    assert (stored["metadata"], stored["temperature"], stored["top_p"]) == ({"topic": "sky"}, 0.5, 0.9)
    assert stored["tools"] == [TOOL]


def test_a_streamed_completion_is_stored_too():
    async def script(caller: Caller) -> tuple[Any, Any]:
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        streamed = await caller.post(PATH, body)
        return streamed.events, (await caller.get(f"{PATH}/{streamed.events[0]['id']}")).body

    events, stored = run_gateway(script, ScriptedEngine(["Hello!"]))
    assert stored["choices"][0]["message"]["content"] == "Hello!"
    assert stored["choices"][0]["finish_reason"] == events[-1]["choices"][0]["finish_reason"]


def test_completions_are_listed_by_page_model_and_metadata():
    async def script(caller: Caller) -> list[list[str]]:
        made = [(await say(caller, f"{n}", metadata={"odd": str(n % 2)}))["id"] for n in range(4)]

        async def found(query: str) -> list[Any]:
            page = (await caller.get(f"{PATH}?{query}")).body
            return [*(made.index(row["id"]) for row in page["data"]), page["has_more"]]

        return [
            await found(""),
            await found("limit=3"),
            await found("limit=0"),
            await found(f"after={made[2]}"),
            await found("order=desc&limit=2"),
            await found("metadata[odd]=1"),
            await found("model=script&limit=1"),
            await found("model=other"),
        ]

    assert run_gateway(script, ScriptedEngine()) == [
        [0, 1, 2, 3, False],
        [0, 1, 2, True],
        [True],
        [3, False],
        [3, 2, True],
        [1, 3, False],
        [0, True],
        [False],
    ]


def test_metadata_is_replaced():
    async def script(caller: Caller) -> tuple[Any, Any, list[int]]:
        made = await say(caller, "Hi", metadata={"a": "1"})
        path = f"{PATH}/{made['id']}"
        updated = (await caller.post(path, {"metadata": {"b": "2"}})).body
        refused = [(await caller.post(path, body)).status for body in ({}, {"metadata": {"b": 2}})]
        return updated, (await caller.get(path)).body, refused

    updated, stored, refused = run_gateway(script, ScriptedEngine())
    assert updated["metadata"] == stored["metadata"] == {"b": "2"}
    assert refused == [400, 400]


def test_the_last_completion_of_a_chat_is_deleted_with_its_conversation():
    store = EphemeralStore()

    async def script(caller: Caller) -> tuple[Any, list[int], int]:
        made = await say(caller, "Hi")
        path = f"{PATH}/{made['id']}"
        deleted = (await caller.delete(path)).body
        gone = [(await caller.get(path)).status, (await caller.delete(path)).status]
        return deleted, gone, len(await store.list_conversations("local"))

    deleted, gone, kept = run_gateway(script, ScriptedEngine(), store=store)
    chat.ChatCompletionDeleted.model_validate(deleted, strict=True)
    assert (gone, kept) == ([404, 404], 0)


def test_a_completion_that_others_hang_on_keeps_its_words():
    engine = ScriptedEngine(["One.", "Two.", "Three."])

    async def script(caller: Caller) -> list[str]:
        first = await say(caller, "a")
        messages = [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "One."},
            {"role": "user", "content": "b"},
        ]
        second = (await caller.post(PATH, {"messages": messages})).body
        await caller.delete(f"{PATH}/{first['id']}")
        kept = (await caller.get(f"{PATH}/{second['id']}/messages")).body["data"]
        await caller.delete(f"{PATH}/{second['id']}")
        return [row["content"] for row in kept]

    assert run_gateway(script, engine) == ["a", "One.", "b"]


def test_what_was_deleted_is_read_no_more():
    engine, store = ScriptedEngine(["One.", "Two.", "Three."]), EphemeralStore()

    async def script(caller: Caller) -> list[str]:
        await say(caller, "a", conversation="trip")
        messages = [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": "y"},
            {"role": "user", "content": "My number is 5."},
        ]
        second = (await caller.post(PATH, {"messages": messages})).body
        await caller.delete(f"{PATH}/{second['id']}")
        (row,) = [row for row in await store.list_conversations("local") if row.name is None]
        items = await store.load_turn_items("local", row.id, 2)
        return [type(stored.item).__name__ for stored in items]

    assert run_gateway(script, engine, store=store) == ["Forgotten", "Forgotten"]


def test_messages_are_what_the_reply_answered():
    engine = ScriptedEngine([CALLED, "Done."])

    async def script(caller: Caller) -> Any:
        first = await say(caller, "Look twice", tools=[TOOL], conversation="sky")
        results = [{"role": "tool", "tool_call_id": name, "content": name} for name in ("c1", "c2")]
        second = (await caller.post(PATH, {"messages": results, "conversation": "sky"})).body
        return (
            (await caller.get(f"{PATH}/{first['id']}/messages")).body,
            (await caller.get(f"{PATH}/{second['id']}/messages")).body,
        )

    first, second = run_gateway(script, engine)
    for row in (*first["data"], *second["data"]):
        if row["role"] == "assistant":
            chat.ChatCompletionMessage.model_validate(row)
    assert [(row["role"], row["content"]) for row in first["data"]] == [("user", "Look twice")]
    assert [row["role"] for row in second["data"]] == ["user", "assistant", "tool", "tool"]
    assert len({row["id"] for row in second["data"]}) == 4


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_messages_come_in_pages(order, limit):
    engine = ScriptedEngine([CALLED, "Done.", "More."])

    async def script(caller: Caller) -> tuple[list[str], list[str]]:
        await say(caller, "Look twice", tools=[TOOL], conversation="sky")
        results = [{"role": "tool", "tool_call_id": name, "content": name} for name in ("c1", "c2")]
        await caller.post(PATH, {"messages": results, "conversation": "sky"})
        last = await say(caller, "Thanks", conversation="sky")
        path = f"{PATH}/{last['id']}/messages"
        whole = [row["id"] for row in (await caller.get(path)).body["data"]]
        paged, after, more = [], "", True
        while more:
            page = (await caller.get(f"{path}?order={order}&limit={limit}{after}")).body
            paged += [row["id"] for row in page["data"]]
            after, more = f"&after={page['last_id']}", page["has_more"]
        return whole, paged

    whole, paged = run_gateway(script, engine)
    assert len(whole) == 6
    assert paged == (whole if order == "asc" else whole[::-1])


@pytest.mark.parametrize(
    "query", ["limit=101", "limit=x", "limit=-1", "order=up", "limit=99999999", "limit=00009999"]
)
def test_a_page_that_makes_no_sense_is_refused(query):
    async def script(caller: Caller) -> int:
        return (await caller.get(f"{PATH}?{query}")).status

    assert run_gateway(script, ScriptedEngine()) == 400


def test_an_unknown_id_is_a_404_and_so_is_another_key_s():
    store, secrets = EphemeralStore(), [make_secret(), make_secret()]

    async def script(caller: Caller) -> tuple[list[int], list[int], int]:
        for name, secret in zip("ab", secrets, strict=True):
            await store.create_key(name, digest_secret(secret), now=0)
        mine, theirs = (Caller(caller.gateway, caller.app, key=secret) for secret in secrets)
        made = await say(mine, "Hi")
        paths = (f"{PATH}/{made['id']}", f"{PATH}/{made['id']}/messages")
        statuses = [(await who.get(path)).status for who in (mine, theirs) for path in paths]
        path = f"{PATH}/{made['id']}"
        writes = [(await theirs.post(path, {"metadata": {}})).status, (await theirs.delete(path)).status]
        listed = (await theirs.get(PATH)).body["data"]
        unknown = await mine.get(f"{PATH}/chatcmpl-{'0' * 28}")
        return [*statuses, unknown.status], writes, len(listed)

    assert run_gateway(script, ScriptedEngine(), store=store) == ([200, 200, 404, 404, 404], [404, 404], 0)


def test_a_cut_off_reply_says_why():
    async def script(caller: Caller) -> Answered:
        made = await say(caller, "Hi")
        return await caller.get(f"{PATH}/{made['id']}")

    stored = run_gateway(script, ScriptedEngine([["Hel", End(finish_reason="length")]])).body
    assert stored["choices"][0]["finish_reason"] == "length"
