"""What a person corrects holds at once, goes into the base, stays there, and belongs to its branch."""

import asyncio
import re
from functools import partial

import pytest

from tests.chats import asks_for_summary
from turnkeep import AsyncChat, Chat, NothingToDo, UsageError
from turnkeep.errors import EngineUnreachable
from turnkeep.store.sqlite import SqliteStore
from turnkeep.testing import EphemeralStore, ScriptedEngine

TEA, COCOA = "Ana likes green tea.", "Ana likes hot cocoa."


def answer(summaries):
    """Answer requests for summaries one after another, the last one for good, and messages with "I see."."""
    left = list(summaries)

    def reply(request):
        if not asks_for_summary(request):
            return "I see."
        return left.pop(0) if len(left) > 1 else left[0]

    return reply


def run(engine, script, store=None, **options):
    async def main():
        kept = store or EphemeralStore()
        options.setdefault("strategy", "window,summary,facts")
        async with AsyncChat(engine, db=kept, max_tokens=60, embeddings="off", **options) as chat:
            await script(chat)
        await kept.close()

    asyncio.run(main())


async def talk(chat, turns, text="They speak of Ana."):
    replies = []
    for n in range(turns):
        replies.append(await chat.ask(f"turn {n}: {text} " + "word " * 20))
        await chat.idle()
    return replies


async def talk_until(chat, holds, text="They speak of Ana."):
    for _ in range(80):
        if await holds():
            return
        await talk(chat, 1, text)
    raise AssertionError("it never came to hold")


async def folds(chat, times=1):
    """Talk until the log was cut so many times more."""
    for _ in range(times):
        before = (await chat.conversation()).view
        await talk_until(chat, partial(is_other_view, chat, before))


async def is_other_view(chat, before):
    return (await chat.conversation()).view != before


def base(engine):
    first = engine.requests[-1].messages[0]
    return first["content"] if first["role"] == "system" else ""


async def begin(chat):
    """Talk until the summary has a line."""
    await chat.ask(TEA)
    await chat.ask("My locker is number 4711.")

    async def has_line():
        return TEA in await chat.summary()

    await talk_until(chat, has_line)


@pytest.mark.parametrize("strategy", ["window,summary", "window,summary,recall,facts"])
def test_a_line_that_is_edited_reads_so_at_once_then_in_the_base_and_stays(strategy):
    engine = ScriptedEngine(answer([f"- {TEA}", "They talked."]), window=1_024)

    async def script(chat):
        await begin(chat)
        turn = await chat.correct(" ana likes GREEN tea. ", COCOA)
        assert (turn.number, turn.state) == ((await chat.conversation()).turns, "done")
        line = (await chat.summary_lines())[0]
        assert (line.text, line.locked) == (COCOA, True)
        reply = await chat.ask("And now?")
        assert reply.receipt.moved in (None, "compaction")
        assert f'[Correction of the summary: "{TEA}" is now "{COCOA}"]' in str(engine.requests[-1].messages)
        await folds(chat, 5)
        await chat.ask("And now?")
        assert base(engine).count(COCOA) == 1
        assert TEA not in base(engine)
        assert "Correction" not in str(engine.requests[-1].messages)
        assert [(line.text, line.locked) for line in await chat.summary_lines()] == [(COCOA, True)]

    run(engine, script, strategy=strategy)


def test_a_line_that_is_removed_is_gone_at_once_and_does_not_come_back():
    engine = ScriptedEngine(answer([f"- {TEA}", "They talked."]), window=1_024)

    async def script(chat):
        await begin(chat)
        await chat.correct(TEA, None)
        assert await chat.summary() == []
        await chat.ask("And now?")
        assert f'"{TEA}" no longer holds' in str(engine.requests[-1].messages)
        await folds(chat, 4)
        assert await chat.summary() == []
        await chat.ask("And now?")
        assert TEA not in base(engine)

    run(engine, script)


@pytest.mark.parametrize("upkeep", [True, False])
def test_facts_are_edited_and_removed(upkeep):
    engine = ScriptedEngine(answer(["They talked."]), window=1_024)

    async def script(chat):
        await chat.ask("My locker is number 4711.")
        await chat.ask("My badge is number 1234.")

        async def has_facts():
            return len([fact for fact in await chat.facts() if "number" in fact.text]) == 2

        await talk_until(chat, has_facts)
        await chat.correct("My locker is number 4711.", "My locker is number 4712.")
        await chat.correct("My locker is number 4712.", "My locker is number 4713.")
        await chat.correct("My badge is number 1234.", None)
        shown = [(fact.text, fact.turn, fact.locked) for fact in await chat.facts() if "number" in fact.text]
        assert shown == [("My locker is number 4713.", 1, True)]
        await folds(chat, 4)
        kept = [(fact.text, fact.turn, fact.locked) for fact in await chat.facts() if "number" in fact.text]
        assert kept == shown
        await chat.ask("And now?")
        text = str(engine.requests[-1].messages)
        assert not re.search("4711|4712|1234", text)
        assert text.count("4713") == 1

    run(engine, script, upkeep=upkeep)


def test_what_is_remembered_can_be_corrected_before_it_is_folded():
    engine = ScriptedEngine(window=4_096)

    async def script(chat):
        await chat.remember("My door code is 99.")
        assert [(fact.text, fact.turn, fact.locked) for fact in await chat.facts()] == [
            ("My door code is 99.", 1, True)
        ]
        await chat.correct("My door code is 99.", "My door code is 98.")
        assert [fact.text for fact in await chat.facts()] == ["My door code is 98."]
        await chat.correct("My door code is 98.", None)
        assert await chat.facts() == []
        await chat.ask("And now?")
        assert 'Correction: "My door code is 98." no longer holds' in str(engine.requests[-1].messages)

    run(engine, script)


def test_an_edit_of_what_was_replaced_in_the_log_meanwhile_is_not_lost():
    engine = ScriptedEngine(answer(["They talked."]), window=1_024)

    async def script(chat):
        await chat.ask("My dentist appointment is on 3 June.")

        async def has_fact():
            return any("3 June" in fact.text for fact in await chat.facts())

        await talk_until(chat, has_fact)
        await chat.ask("My dentist appointment is on 5 June.")
        (old,) = [fact.text for fact in await chat.facts() if "3 June" in fact.text]
        await chat.correct(old, "My dentist appointment is on 6 June.")
        await folds(chat, 3)
        await chat.ask("And now?")
        said = base(engine)
        assert "3 June" not in said
        assert said.index("5 June") < said.index("6 June"), "what is said later holds"

    run(engine, script)


def test_what_reads_nowhere_so_cannot_be_corrected():
    engine = ScriptedEngine()

    async def script(chat):
        await chat.ask("Hello.")
        with pytest.raises(UsageError, match=r"Neither summary nor facts read 'Hello\.'"):
            await chat.correct("Hello.", "Bye.")
        await chat.remember("I drink tea.")
        with pytest.raises(UsageError, match="no new words"):
            await chat.correct("I drink tea.", " ")
        assert (await chat.conversation()).turns == 2, "nothing was kept of it"

    run(engine, script)


def test_corrections_survive_the_end_of_the_process(tmp_path):
    engine = ScriptedEngine(answer([f"- {TEA}", "They talked."]), window=1_024)

    async def correct(chat):
        await begin(chat)
        await chat.correct(TEA, COCOA)

    async def look(chat):
        assert await chat.summary() == [COCOA]
        await chat.ask("And now?")
        assert f'"{TEA}" is now "{COCOA}"' in str(engine.requests[-1].messages)
        await folds(chat, 2)

    async def look_again(chat):
        assert [(line.text, line.locked) for line in await chat.summary_lines()] == [(COCOA, True)]

    for script in (correct, look, look_again):
        run(engine, script, SqliteStore(tmp_path / "t.db"), conversation="ana")


@pytest.mark.parametrize("folded", [False, True])
def test_a_correction_on_one_branch_is_not_on_its_sibling(folded):
    engine = ScriptedEngine(answer([f"- {TEA}", "They talked."]), window=1_024)

    async def script(chat):
        await begin(chat)
        before = (await chat.ask("Where it parts.")).turn
        await chat.correct(TEA, COCOA)
        await chat.ask("And now?")
        if folded:
            await folds(chat, 2)
        assert COCOA in await chat.summary()
        reply = await chat.edit("Elsewhere.", before)
        assert reply.receipt.moved
        assert await chat.summary() == [TEA]
        assert COCOA not in str(engine.requests[-1].messages)

    run(engine, script)


# -- restoring ----------------------------------------------------------------------------------
async def three_versions(chat):
    """Have three versions of the summary: tea; cocoa besides; juice besides these."""
    await chat.ask(TEA)

    async def versions(count):
        return len(await chat.summaries()) >= count

    await talk_until(chat, lambda: versions(1))
    await chat.ask(COCOA)
    await talk_until(chat, lambda: versions(2))
    await chat.ask("Ana likes apple juice.")
    await talk_until(chat, lambda: versions(3))
    texts = [[line.text for line in version.lines] for version in await chat.summaries()]
    assert texts == [[TEA], [TEA, COCOA], [TEA, COCOA, "Ana likes apple juice."]]
    return await chat.summaries()


def three_summaries():
    """An engine whose summaries tell what Ana is said to like, each thing once."""
    told = set()

    def summary(request):
        if not asks_for_summary(request):
            return "I see."
        said = " ".join(
            str(message["content"]) for message in request.messages[:-1] if message["role"] == "user"
        )
        found = [text for text in re.findall(r"Ana likes [a-z ]+\.", said) if text not in told]
        told.update(found)
        return "\n".join(f"- {text}" for text in found) or "They talked."

    return ScriptedEngine(summary, window=1_024)


@pytest.mark.parametrize("upkeep", [True, False])
def test_an_earlier_summary_is_restored_and_compactions_go_on_from_it(upkeep):
    engine, store = three_summaries(), EphemeralStore()

    async def script(chat):
        versions = await three_versions(chat)
        await chat.correct(TEA, "Ana likes black tea.")
        await folds(chat, 2)
        await chat.ask("This one reads what the last compaction made.")
        assert "Ana likes black tea." in base(engine)
        if not upkeep:
            await chat.close()
            chat = AsyncChat(
                engine, db=store, max_tokens=60, embeddings="off", strategy="window,summary,facts",
                conversation="ana", upkeep=False,
            )  # fmt: skip
        calls, warmed = len(engine.requests), len(engine.warmed)
        view = (await chat.conversation()).view
        await chat.restore(versions[1].number)
        assert await chat.summary() == [TEA, COCOA, "Ana likes apple juice."], (
            "what was folded since keeps its lines"
        )
        await chat.idle()
        assert (len(engine.requests), len(engine.warmed) - warmed) == (calls, int(upkeep))
        row = await chat.conversation()
        assert row.view != view
        assert row.pending_view is None
        assert [version.current for version in await chat.summaries()][-1] is True
        reply = await chat.ask("And now?")
        assert reply.receipt.moved == "restored summary"
        assert (reply.receipt.read_tokens < 60) == upkeep, "upkeep has had it read"
        assert "black tea" not in base(engine)
        assert (await chat.ask("And now?")).receipt.moved is None
        await folds(chat, 2)
        assert await chat.summary() == [TEA, COCOA, "Ana likes apple juice."]
        assert (await chat.why()).moved in (None, "compaction")
        await chat.close()

    run(engine, script, store, conversation="ana")


def test_the_person_who_speaks_before_a_restored_summary_was_read_waits_for_nothing():
    engine = three_summaries()

    async def script(chat):
        versions = await three_versions(chat)
        view = (await chat.conversation()).view
        await chat.correct(TEA, None)
        await folds(chat, 2)
        view = (await chat.conversation()).view
        await chat.restore(versions[0].number)
        assert (await chat.conversation()).view == view, "it is pending"
        assert (await chat.ask("And now?")).receipt.moved in (None, "compaction")

    run(engine, script)


def test_a_version_that_is_none_of_this_branch_is_refused():
    engine = three_summaries()

    async def script(chat):
        with pytest.raises(UsageError, match=r"no version 1 .* there is no summary yet"):
            await chat.restore(1)
        versions = await three_versions(chat)
        with pytest.raises(
            UsageError, match=f"There is no version 99 of the summary on this branch: {versions[0].number}, "
        ):
            await chat.restore(99)
        with pytest.raises(NothingToDo, match="reads already"):
            await chat.restore(versions[-1].number)
        await chat.edit("Something else.", turn=versions[1].lines[-1].turns[0])
        with pytest.raises(UsageError, match="There is no version"):
            await chat.restore(versions[-1].number)

    run(engine, script)


def test_what_was_forgotten_does_not_come_back_with_an_earlier_summary():
    engine = three_summaries()

    async def script(chat):
        versions = await three_versions(chat)
        await chat.correct(COCOA, None)
        await folds(chat, 2)
        await chat.forget(versions[0].lines[0].turns[0])
        await chat.restore(versions[1].number)
        await chat.idle()
        assert await chat.summary() == [COCOA, "Ana likes apple juice."]
        await chat.ask("And now?")
        assert "green tea" not in str(engine.requests[-1].messages)

    run(engine, script)


# -- room ---------------------------------------------------------------------------------------
def test_what_finds_no_room_is_not_remembered():
    engine = ScriptedEngine(window=512)
    words = "Quux is {} and some twenty words more that take the room there is for such things."

    async def script(chat):
        refusals = []
        for n in range(20):
            try:
                await chat.remember(words.format(n))
            except UsageError as refusal:
                refusals.append(str(refusal))
        assert re.match(
            r"That takes \d+ tokens, but of the \d+ .*, \d+ are free: .*/facts remove N", refusals[0]
        )
        kept = [fact.text for fact in await chat.facts()]
        assert (len(kept) >= 1, len(kept) + len(refusals)) == (True, 20)
        turns = (await chat.conversation()).turns
        await chat.ask("A long message that is to be pinned although there is no room left for it at all.")
        with pytest.raises(UsageError, match="are free"):
            await chat.pin()
        with pytest.raises(UsageError, match="are free"):
            await chat.correct(kept[0], kept[0] + " And more words." * 10)
        assert (await chat.conversation()).turns == turns + 1
        await chat.correct(kept[0], None)
        await chat.remember(words.format(99))
        await folds(chat, 2)
        await chat.ask("And now?")
        assert [fact.text for fact in await chat.facts() if fact.locked] == [*kept[1:], words.format(99)]
        assert all(text in base(engine) for text in kept[1:]), "what was let in is never dropped"

    run(engine, script)


def test_a_line_is_not_edited_beyond_the_room_of_the_summary():
    engine = ScriptedEngine(answer([f"- {TEA}", "They talked."]), window=512)

    async def script(chat):
        await begin(chat)
        with pytest.raises(UsageError, match="are free"):
            await chat.correct(TEA, "word " * 100)
        await chat.correct(TEA, COCOA)

    run(engine, script)


def test_a_note_is_kept_unmeasured_when_the_engine_is_away():
    class Away(ScriptedEngine):
        async def probe(self, *, refresh=False):
            raise EngineUnreachable("Nobody answers.")

    async def script(chat):
        for n in range(9):
            await chat.remember(f"note {n} " + "word " * 100)
        assert len(await chat.facts()) == 9

    run(Away(window=512), script, upkeep=False)


def test_the_synchronous_door_corrects_and_restores():
    with Chat(ScriptedEngine(), db=EphemeralStore()) as chat:
        chat.remember("x")
        assert chat.correct("x", "y").number == 2
        assert [fact.text for fact in chat.facts()] == ["y"]
        assert chat.summary_lines() == ()
        with pytest.raises(UsageError, match="no version 1"):
            chat.restore(1)
