"""Compaction items: a history in short lines, sealed, that stands for it in a later request."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai.types.responses import CompactedResponse

from tests.gateway.asgi import Site
from tests.gateway.replying import ask, kinds, open_site, sent, text_of
from turnkeep.engine.base import Request
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
        small = [{"type": "compaction", "compact_threshold": 4_000}]
        made = await ask(site, SAID, context_management=small, store=store, stream=stream)
        assert kinds(made["output"]) == ["message"]

    run(script)


@pytest.mark.parametrize("stream", [True, False])
def test_a_trigger_asks_for_a_compaction_in_place_of_a_reply(stream: bool) -> None:
    async def script(site: Site) -> None:
        made = await ask(site, [*SAID, {"type": "compaction_trigger"}], stream=stream)
        assert kinds(made["output"]) == ["compaction"]
        assert "Oslo" in await opened(site, made["output"][0])

    run(script)
