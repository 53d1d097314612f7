"""Summaries are asked for in the user's language, behind the prompt or apart, and long texts are placed in a thread."""

import asyncio
import threading

from tests.chats import asks_for_summary
from turnkeep import AsyncChat, summarising
from turnkeep.context.instructions import render_instruction
from turnkeep.testing import EphemeralStore, ScriptedEngine


def test_long_texts_are_placed_in_a_thread_and_short_ones_at_once():
    async def main():
        here = threading.get_ident()
        short = await summarising.compute(summarising.MOST_CHARACTERS_AT_ONCE, threading.get_ident)
        long = await summarising.compute(summarising.MOST_CHARACTERS_AT_ONCE + 1, threading.get_ident)
        return here, short, long

    here, short, long = asyncio.run(main())
    assert short == here != long


def test_the_model_is_asked_in_the_language_of_the_conversation():
    opening = render_instruction(language="german")[:25]

    def answer(request):
        asked = request.messages[-1]["content"].startswith(opening)
        return "- Der Nutzer hat zwei Hunde." if asked else "Aha."

    async def main():
        store = EphemeralStore()
        chat = AsyncChat(ScriptedEngine(answer, window=512), db=store, max_tokens=40)
        n = 0
        while not (lines := await chat.summary()):
            await chat.ask(
                f"{n}: Ich habe zwei Hunde und sie sind beide sehr alt, das ist nicht so einfach für mich."
            )
            await chat.idle()
            n += 1
            assert n < 40, "nothing was asked in German"
        await chat.close()
        await store.close()
        return lines

    assert asyncio.run(main()) == ["Der Nutzer hat zwei Hunde."]


def test_a_turn_that_no_request_can_hold_does_not_keep_those_behind_it_waiting():
    useful: list[int] = []

    def answer(request):
        if not asks_for_summary(request):
            return "I see."
        asked = str(request.messages)
        return (
            ("- The user's garden is old." if "garden" in asked else "- The user likes tea.")
            if useful
            else ""
        )

    async def main():
        store = EphemeralStore()
        chat = AsyncChat(
            ScriptedEngine(answer, window=512), db=store, max_tokens=40, strategy="window,summary"
        )
        await chat.ask("My garden is old. " + "long " * 240)
        for n in range(20):
            await chat.ask(f"{n}: I like tea. " + "word " * 12)
            await chat.idle()
        useful.append(1)
        upkeep = chat._upkeep
        assert upkeep is not None
        upkeep._summariser.failures = 0
        while await upkeep._summarise_missing():
            pass
        lines = await chat.summary()
        left_out = (await chat.ask("More.")).receipt.left_out
        await chat.close()
        await store.close()
        return lines, left_out

    lines, left_out = asyncio.run(main())
    assert lines == ["The user's garden is old.", "The user likes tea."]
    assert left_out == ()
