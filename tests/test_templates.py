"""Whole conversations on the real engine, on chat templates of every kind: the prompt keeps extending.

The prefix watch of the conftest compares the rendered prompts of each of these tests.
"""

import asyncio

import pytest

from tests.engine import templates
from turnkeep import AsyncChat
from turnkeep.testing import EphemeralStore

TURNS = 24
SYSTEM = "You are kind and you say little."


def talk(url, **options):
    """Talk for some turns, through compactions; give the replies."""

    async def main():
        store = EphemeralStore()
        chat = AsyncChat(url, db=store, system=SYSTEM, temperature=0, max_tokens=24, **options)
        replies = []
        for n in range(TURNS):
            replies.append(
                await chat.ask(f"I bought {n} apples and {3 * n} pears in the old market of the town.")
            )
            await chat.idle()
        info = await chat.engine_info()
        await chat.close()
        await store.close()
        return replies, info

    return asyncio.run(main())


def unread(replies):
    """Tokens that the engine read beyond the new message and what it recalled, turn by turn, the first apart."""
    receipts = [reply.receipt for reply in replies[1:]]
    return [seen.read_tokens - seen.new_tokens - seen.recalled_tokens for seen in receipts]


@pytest.mark.parametrize(
    "template",
    [
        templates.PLAIN,
        templates.STRICT,
        templates.NO_SYSTEM,
        templates.SYSTEM_LEFT_OUT,
        templates.SYSTEM_LATE,
        templates.DATE_GIVEN,
        templates.REASONING_KEPT,
    ],
    ids=["plain", "strict", "no system", "system left out", "system late", "date given", "reasoning kept"],
)
def test_the_engine_reads_only_what_is_new(start_llama, template):
    replies, _ = talk(start_llama(template=template, window=768).url)
    assert max(unread(replies)) < 24, "the engine read more than the new message"
    assert any(reply.receipt.moved == "compaction" for reply in replies), "the log was never compacted"
    assert {reply.receipt.moved for reply in replies} == {None, "compaction"}


@pytest.mark.parametrize(
    ("template", "words"),
    [(templates.COUNTING, "front"), (templates.DATE_STAMPED, "date")],
    ids=["counting", "date stamped"],
)
def test_what_cannot_be_helped_is_named_in_the_receipt(start_llama, template, words):
    replies, info = talk(start_llama(template=template, window=768).url)
    assert words in info.template.moves
    assert replies[1].receipt.moved == info.template.moves


def test_instructions_reach_the_model_wherever_the_template_wants_them(start_llama):
    for template in (templates.NO_SYSTEM, templates.SYSTEM_LATE):
        engine = start_llama(template=template, window=768)

        async def main(url=engine.url):
            store = EphemeralStore()
            chat = AsyncChat(url, db=store, system=SYSTEM, temperature=0, max_tokens=24, upkeep=False)
            await chat.ask("Hello.")
            messages = await chat.prompt()
            await chat.close()
            await store.close()
            return messages

        text = "".join(message["content"] for message in asyncio.run(main()))
        assert SYSTEM in text
