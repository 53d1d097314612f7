"""Compaction items: a history in short lines, sealed, that stands for it in a later request."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai.types.responses import CompactedResponse

from tests.gateway.asgi import Site
from tests.gateway.replying import ask, kinds, open_site, read_response, read_stream, sent, text_of
from turnkeep.engine.base import Request
from turnkeep.errors import QueueFull
from turnkeep.store.ephemeral import EphemeralStore
from turnkeep.wire.compactions import HEADER, unseal

LINES = "- The user's name is Ann.\n- The user lives in Oslo."
SAID = [
    {"role": "user", "content": "My name is Ann, I live in Oslo."},
    {"role": "assistant", "content": "Hello Ann."},
]


def answer(request: Request) -> str:
    """An engine that summarises when it is asked to."""
    return LINES if "List what was said" in str(request.messages[-1]["content"]) else "Noted."


def run(script: Callable[[Site], Awaitable[None]], replies: Any = answer, **options: Any) -> None:
    async def main() -> None:
        async with open_site(replies, **options) as site:
            await script(site)

    asyncio.run(main())


async def opened(site: Site, item: Any) -> str:
    """What a seal holds."""
    key = await site.store.load_digest_key("local")
    return "\n".join(
        message.text  # type: ignore[union-attr]  # a seal holds messages
        for message in unseal(item["encrypted_content"], key, "input[0]")
    )


def test_an_input_is_compacted_and_stands_for_itself() -> None:
    async def script(site: Site) -> None:
        got = await site.post("/v1/responses/compact", {"model": "m", "input": SAID})
        assert got.status == 200, got.text
        CompactedResponse.model_validate(got.json, strict=True)
        usage = got.json["usage"]  # what the scripted engine reported of all its requests
        read = [await site.engine.count(request) or 0 for request in site.engine.requests]
        written = await site.engine.count_texts([answer(request) for request in site.engine.requests])
        assert usage["input_tokens"] == sum(read) > 0
        assert usage["output_tokens"] == sum(written or ()) > 0
        (item,) = got.json["output"]
        assert "Ann" in await opened(site, item)
        assert "Oslo" in await opened(site, item)
        # Nothing of it is kept.
        assert (await site.store.stats()).conversations == 0
        await ask(site, [item, {"role": "user", "content": "What is my name?"}])
        assert sent(site)[0].startswith(HEADER)
        assert sent(site)[0].endswith("What is my name?")

    run(script)


def test_a_chain_is_compacted_as_it_stands() -> None:
    async def script(site: Site) -> None:
        first = await ask(site, SAID)
        got = await site.post("/v1/responses/compact", {"previous_response_id": first["id"]})
        assert "Oslo" in await opened(site, got.json["output"][0])

    run(script)


def test_nothing_is_compacted_to_nothing() -> None:
    async def script(site: Site) -> None:
        got = await site.post("/v1/responses/compact", {"model": "m"})
        assert await opened(site, got.json["output"][0]) == ""
        assert site.engine.requests == []

    run(script)


def test_a_seal_of_another_key_is_not_opened() -> None:
    async def main() -> None:
        async with open_site(answer) as site, open_site(answer, store=EphemeralStore()) as other:
            got = await site.post("/v1/responses/compact", {"input": SAID})
            refused = await other.post("/v1/responses", {"input": got.json["output"]})
            assert (refused.status, refused.error["code"]) == (400, "invalid_encrypted_content")

    asyncio.run(main())


@pytest.mark.parametrize("store", [True, False])
@pytest.mark.parametrize("stream", [True, False])
def test_a_reply_whose_prompt_has_grown_past_the_threshold_brings_a_compaction(
    store: bool, stream: bool
) -> None:
    async def script(site: Site) -> None:
        wanted = [{"type": "compaction", "compact_threshold": 1}]
        made = await ask(site, SAID, context_management=wanted, store=store, stream=stream)
        assert kinds(made["output"]) == ["message", "compaction"]
        assert text_of(made) == "Noted."
        assert "Oslo" in await opened(site, made["output"][1])
        if store:  # it is shown again as it was told, and what was said is listed without it
            again = read_response(await site.get(f"/v1/responses/{made['id']}"))
            assert again["output"] == made["output"]
            replayed = read_stream(await site.get(f"/v1/responses/{made['id']}?stream=true"))
            assert replayed["output"] == made["output"]
            listed = (await site.get(f"/v1/responses/{made['id']}/input_items?order=asc")).json["data"]
            assert [item["content"][0]["text"] for item in listed] == [item["content"] for item in SAID]
        small = [{"type": "compaction", "compact_threshold": 4_000}]
        made = await ask(site, SAID, context_management=small, store=store, stream=stream)
        assert kinds(made["output"]) == ["message"]

    run(script)


@pytest.mark.parametrize("stream", [True, False])
def test_a_trigger_asks_for_a_compaction_in_place_of_a_reply(stream: bool) -> None:
    async def script(site: Site) -> None:
        made = await ask(site, [*SAID, {"type": "compaction_trigger"}], stream=stream)
        assert kinds(made["output"]) == ["compaction"]
        assert made["usage"]["total_tokens"] > 0
        assert "Oslo" in await opened(site, made["output"][0])

    run(script)


@pytest.mark.parametrize("background", [True, False])
def test_a_kept_compaction_goes_when_anything_of_its_conversation_is_forgotten(background: bool) -> None:
    async def script(site: Site) -> None:
        conversation = (await site.post("/v1/conversations")).json["id"]
        wanted = {"context_management": [{"type": "compaction", "compact_threshold": 1}]}
        first = await ask(site, "I live in Oslo.", conversation=conversation)
        body = {"input": "And my name is Ann.", "conversation": conversation, "background": background}
        made = (await site.post("/v1/responses", {**body, **wanted})).json
        while made["status"] in ("queued", "in_progress"):
            made = (await site.get(f"/v1/responses/{made['id']}")).json
        assert kinds(made["output"]) == ["message", "compaction"]
        (said,) = (await site.get(f"/v1/responses/{first['id']}/input_items")).json["data"]
        assert (await site.delete(f"/v1/conversations/{conversation}/items/{said['id']}")).status == 200
        again = read_response(await site.get(f"/v1/responses/{made['id']}"))
        assert again["output"] == made["output"][:1]
        replayed = (await site.get(f"/v1/responses/{made['id']}?stream=true")).text
        assert "encrypted_content" not in replayed
        assert made["output"][1]["encrypted_content"] not in replayed

    run(script)


def test_a_reply_stands_though_no_compaction_can_be_made() -> None:
    async def script(site: Site) -> None:
        async def refuse(*_: Any, **__: Any) -> None:
            raise QueueFull("Too many wait.", retry_after=1)

        site.gateway.turns.compact = refuse  # type: ignore[method-assign, assignment]  # a forced fault
        wanted = [{"type": "compaction", "compact_threshold": 1}]
        made = await ask(site, SAID, context_management=wanted)
        assert (made["status"], kinds(made["output"])) == ("completed", ["message"])
        assert (await site.get(f"/v1/responses/{made['id']}")).json["output"] == made["output"]

    run(script)
