"""/v1/conversations: made, shown, gone on in, listed, forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai.types.conversations import Conversation, ConversationItem, ConversationItemList
from pydantic import TypeAdapter

from tests.gateway.asgi import Site
from tests.gateway.replying import ask, kinds, open_site, sent
from turnkeep.engine.base import End, ReasoningDelta, ToolCallDelta
from turnkeep.errors import EngineRefused
from turnkeep.store.ids import conversation_id, make_key

CALL = ToolCallDelta(index=0, call_id="c1", name="add", arguments="{}")


def run(script: Callable[[Site], Awaitable[None]], replies: Any = ()) -> None:
    async def main() -> None:
        async with open_site(replies) as site:
            await script(site)

    asyncio.run(main())


async def begin(site: Site, **body: Any) -> str:
    got = await site.post("/v1/conversations", body)
    assert got.status == 200, got.text
    Conversation.model_validate(got.json, strict=True)
    return str(got.json["id"])


async def list_items(site: Site, conversation: str, query: str = "order=asc") -> Any:
    got = await site.get(f"/v1/conversations/{conversation}/items?{query}")
    assert got.status == 200, got.text
    ConversationItemList.model_validate(got.json, strict=True)
    return got.json


def said(*texts: str) -> list[dict[str, str]]:
    """A user and an assistant, in turn."""
    return [
        {"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(texts)
    ]


def texts(page: Any) -> list[str]:
    return [item["content"][0]["text"] for item in page["data"] if "content" in item]


def test_a_conversation_is_made_shown_changed_and_deleted() -> None:
    async def script(site: Site) -> None:
        made = await begin(site, metadata={"a": "b"})
        path = f"/v1/conversations/{made}"
        shown = (await site.get(path)).json
        assert (shown["id"], shown["metadata"]) == (made, {"a": "b"})
        assert (await site.post(path, {"metadata": {"c": "d"}})).json["metadata"] == {"c": "d"}
        assert (await site.get(path)).json["metadata"] == {"c": "d"}
        gone = await site.delete(path)
        assert gone.json == {"id": made, "object": "conversation.deleted", "deleted": True}
        assert (await site.get(path)).status == 404
        assert (await site.store.stats()).conversations == 0

    run(script)


def test_responses_of_a_conversation_go_on_from_one_another() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site, items=said("My name is Ann.", "Hello Ann."))
        first = await ask(site, "a", conversation=conversation)
        assert first["conversation"] == {"id": conversation}
        assert sent(site) == ["My name is Ann.", "Hello Ann.", "a"]
        second = await ask(site, "b", conversation={"id": conversation}, stream=True)
        assert second["conversation"] == {"id": conversation}
        assert sent(site) == ["My name is Ann.", "Hello Ann.", "a", "1", "b"]
        page = await list_items(site, conversation)
        assert texts(page) == ["My name is Ann.", "Hello Ann.", "a", "1", "b", "2"]
        # A reply has the id that its response gave it.
        assert page["data"][3]["id"] == first["output"][0]["id"]
        assert page["data"][5]["id"] == second["output"][0]["id"]

    run(script, ["1", "2"])


def test_what_is_not_stored_reads_a_conversation_and_leaves_it_as_it_is() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site, items=said("a", "b"))
        await ask(site, "c", conversation=conversation, store=False)
        assert sent(site) == ["a", "b", "c"]
        assert texts(await list_items(site, conversation)) == ["a", "b"]

    run(script)


def test_items_are_added_and_read_by_the_next_response() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site)
        got = await site.post(
            f"/v1/conversations/{conversation}/items", {"items": said("a", "b", "c", "d", "e")}
        )
        assert texts(got.json) == ["a", "b", "c", "d", "e"]
        assert texts(await list_items(site, conversation)) == ["a", "b", "c", "d", "e"]
        listed = await list_items(site, conversation)
        assert [item["id"] for item in listed["data"]] == [item["id"] for item in got.json["data"]]
        await ask(site, "f", conversation=conversation)
        assert sent(site) == ["a", "b", "c", "d", "e\n\nf"]

    run(script)


def test_a_conversation_is_listed_in_pages_either_way() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site)
        for number in range(3):
            await ask(site, str(number), conversation=conversation)
        for order in ("asc", "desc"):
            found: list[Any] = []
            query = f"limit=2&order={order}"
            while True:
                page = await list_items(site, conversation, query)
                assert len(page["data"]) <= 2
                found += page["data"]
                if not page["has_more"]:
                    break
                query = f"limit=2&order={order}&after={page['last_id']}"
            whole = (await list_items(site, conversation, f"limit=100&order={order}"))["data"]
            none = await list_items(site, conversation, f"limit=0&order={order}")
            assert (none["data"], none["has_more"]) == ([], True)
            assert found == whole
            assert len(whole) == 3 * 4
        assert kinds(whole)[:4] == ["function_call", "message", "reasoning", "message"]

    reply = [ReasoningDelta("hm"), "I add.", CALL, End(finish_reason="tool_calls")]
    run(script, [reply, reply, reply])


def test_a_page_behind_an_item_that_is_not_there_is_the_first() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site, items=said("a", "b"))
        assert texts(await list_items(site, conversation, "order=asc&after=msg_1")) == ["a", "b"]
        empty = await begin(site)
        assert (await list_items(site, empty))["data"] == []

    run(script)


def test_each_item_is_shown_by_its_id() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site, items=said("x", "y"))
        await ask(site, "1 + 1?", conversation=conversation)
        output = {"type": "function_call_output", "call_id": "c1", "output": "2"}
        await ask(site, [output], conversation=conversation)
        listed = (await list_items(site, conversation))["data"]
        assert kinds(listed) == [
            "message", "message", "message", "reasoning", "message", "function_call",
            "function_call_output", "message",
        ]  # fmt: skip
        for item in listed:
            got = await site.get(f"/v1/conversations/{conversation}/items/{item['id']}")
            TypeAdapter(ConversationItem).validate_python(got.json, strict=True)
            assert got.json == item

    run(script, [[ReasoningDelta("hm"), "I add.", CALL, End(finish_reason="tool_calls")], "2"])


def test_a_forgotten_item_is_read_by_nobody_again() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site, items=said("a secret", "noted"))
        reply = await ask(site, "b", conversation=conversation)
        listed = (await list_items(site, conversation))["data"]
        path = f"/v1/conversations/{conversation}/items"
        got = await site.delete(f"{path}/{listed[0]['id']}")
        assert got.json["id"] == conversation
        assert texts(await list_items(site, conversation)) == ["noted", "b", "1"]
        assert (await site.get(f"{path}/{listed[0]['id']}")).status == 404
        await site.delete(f"{path}/{reply['output'][0]['id']}")
        assert texts(await list_items(site, conversation)) == ["noted", "b"]
        found = (await site.get(f"/v1/responses/{reply['id']}")).json
        assert found["output"] == []
        await ask(site, "c", conversation=conversation)
        assert "a secret" not in " ".join(sent(site))

    run(script, ["1", "2"])


def test_what_failed_is_no_item_of_its_conversation() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site)
        assert (await site.post("/v1/responses", {"input": "a", "conversation": conversation})).status == 502
        assert (await list_items(site, conversation))["data"] == []
        await ask(site, "b", conversation=conversation)
        assert texts(await list_items(site, conversation)) == ["b", "ok"]

    run(script, [["x", EngineRefused("No.")]])


def test_turns_of_one_conversation_follow_one_another() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site)
        await asyncio.gather(*(ask(site, str(n), conversation=conversation) for n in range(5)))
        assert len((await list_items(site, conversation))["data"]) == 10
        assert len(sent(site)) == 9

    run(script)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("POST", "", {"metadata": {}}),
        ("DELETE", "", None),
        ("GET", "/items", None),
        ("POST", "/items", {"items": said("a")}),
        ("GET", "/items/msg_1", None),
        ("DELETE", "/items/msg_1", None),
    ],
)
def test_a_conversation_that_is_not_there_is_not_found(method: str, path: str, body: Any) -> None:
    async def script(site: Site) -> None:
        for conversation in ("conv_1", conversation_id(make_key()), "Ann"):
            got = await site.call(method, f"/v1/conversations/{conversation}{path}", body)
            assert got.status == 404

    run(script)


def test_the_conversation_behind_a_chain_is_shown_to_nobody() -> None:
    async def script(site: Site) -> None:
        made = await ask(site, "a")
        hidden = made["turnkeep"]["conversation"]
        assert (await site.get(f"/v1/conversations/{hidden}")).status == 404
        assert (await site.get(f"/v1/conversations/{hidden}/items")).status == 404
        assert (await site.post("/v1/responses", {"input": "b", "conversation": hidden})).status == 404

    run(script)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"items": 5}, "items"),
        ("", {"items": said(*map(str, range(21)))}, "items"),
        ("", {"metadata": 5}, "metadata"),
        ("", {"items": [{"type": "web_search_call"}]}, "items[0]"),
        ("/items", {}, "items"),
        ("/items", {"items": []}, "items"),
        ("/items", {"items": [{"type": "compaction_trigger"}]}, "items"),
        ("/items", {"items": [{"type": "function_call_output", "call_id": "c", "output": "1"}]}, "items"),
    ],
)
def test_what_cannot_be_kept_is_refused(path: str, body: Any, param: str) -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site)
        where = f"/v1/conversations/{conversation}{path}" if path else "/v1/conversations"
        got = await site.post(where, body)
        assert (got.status, got.error["param"]) == (400, param)
        assert (await list_items(site, conversation))["data"] == []

    run(script)


def test_an_item_of_another_conversation_is_not_found() -> None:
    async def script(site: Site) -> None:
        one, other = await begin(site, items=said("a", "b")), await begin(site, items=said("c", "d"))
        item = (await list_items(site, one))["data"][0]["id"]
        for method in ("GET", "DELETE"):
            assert (await site.call(method, f"/v1/conversations/{other}/items/{item}")).status == 404
        assert texts(await list_items(site, one)) == ["a", "b"]

    run(script)


def test_a_deleted_conversation_takes_its_responses_along() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site)
        made = await ask(site, "a", conversation=conversation)
        await site.delete(f"/v1/conversations/{conversation}")
        assert (await site.get(f"/v1/responses/{made['id']}")).status == 404

    run(script)


def test_a_deleted_response_leaves_its_items_in_a_conversation_that_was_named() -> None:
    async def script(site: Site) -> None:
        conversation = await begin(site)
        made = await ask(site, "a", conversation=conversation)
        await site.delete(f"/v1/responses/{made['id']}")
        assert texts(await list_items(site, conversation)) == ["a", "ok"]

    run(script)
