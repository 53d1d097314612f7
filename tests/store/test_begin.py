"""A turn begins in one call, with the instructions that it is asked with."""

import asyncio

from turnkeep.conversation.items import user
from turnkeep.testing import EphemeralStore

OWNER = "local"


def run(script):
    async def main():
        store = EphemeralStore()
        row = await store.create_conversation(OWNER, None, now=1.0)

        async def begin(instructions, holder="one", items=("Hi",)):
            said = None if items is None else [user(text) for text in items]
            return await store.hold_and_begin(
                OWNER, row.id, said, after=None, subject=f"conversation:{row.id}", holder=holder,
                note="", now=2.0, seconds=9.0, instructions=instructions,
            )  # fmt: skip

        try:
            return await script(store, row.id, begin)
        finally:
            await store.close()

    return asyncio.run(main())


def test_other_instructions_become_the_conversations_with_the_turn():
    async def script(store, conversation, begin):
        begun = await begin("Be kind.")
        row = await store.load_conversation(OWNER, conversation)
        assert begun.row.instructions == row.instructions
        assert begun.turn.number == 1
        return await store.load_instructions(OWNER, conversation, row.instructions)

    assert run(script) == "Be kind."


def test_the_same_instructions_keep_their_number():
    async def script(store, conversation, begin):
        numbers = [
            (await begin(text, items=None)).row.instructions for text in ("A", "B", "A", "A", "", None)
        ]
        return numbers, (await store.load_conversation(OWNER, conversation)).instructions

    numbers, current = run(script)
    assert numbers[0] == numbers[2] == numbers[3] != numbers[1]
    assert numbers[4] == numbers[5] == current
    assert len(set(numbers)) == 3


def test_none_and_no_text_leave_a_conversation_without_instructions_as_it_is():
    async def script(store, conversation, begin):
        del store, conversation
        return [(await begin(text, items=None)).row.instructions for text in (None, "")]

    assert run(script) == [None, None]


def test_whoever_does_not_hold_the_conversation_changes_nothing():
    async def script(store, conversation, begin):
        await begin("A", items=None)
        assert await begin("B", holder="two") is None
        row = await store.load_conversation(OWNER, conversation)
        return row.turns, await store.load_instructions(OWNER, conversation, row.instructions)

    assert run(script) == (0, "A")
